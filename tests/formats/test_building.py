"""Limits on the networks in files."""

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Input, SeparableConv2D, ZeroPadding2D


@pytest.mark.parametrize("setting", [{"dilation_rate": 1 << 20}, {"kernel_size": 5000}])
def test_windows_too_large_for_memory_are_refused(setting):
    layer = SeparableConv2D(**({"filters": 2, "kernel_size": 3, "padding": "same"} | setting))
    model = small_models.model(small_models.row("x", ("image", Input((12, 12, 1))), ("conv", layer)))
    with pytest.raises(xception.LimitError, match=r"x: takes .*set_limits\(max_"):
        model.predict(np.zeros((1, 12, 12, 1)))


def test_a_file_with_an_output_beyond_the_memory_limit_is_refused(tmp_path):
    network = small_models.row("x", ("image", Input((12, 12, 1))), ("padded", ZeroPadding2D(1000)))
    small_models.model(network).save(tmp_path / "x.keras")
    xception.set_limits(max_memory_bytes=4 * 2012 * 2012 - 1)
    with pytest.raises(
        xception.ModelFileError,
        match=r"x.keras: the output of padded: takes 16.2MB .*set_limits\(max_memory_bytes=16192576\), "
        r"--max-memory 16.2MB or XCEPTION_MAX_MEMORY",
    ):
        xception.load_model(tmp_path / "x.keras")
    xception.set_limits(max_memory_bytes=4 * 2012 * 2012)
    assert xception.load_model(tmp_path / "x.keras").output_shape == (None, 2012, 2012, 1)
