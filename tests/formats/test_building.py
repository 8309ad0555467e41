"""Limits on the networks in files."""

import pytest
import small_models

import xception
from xception.layers import Input, SeparableConv2D


@pytest.mark.parametrize("setting", [{"dilation_rate": 1 << 20}, {"kernel_size": 5000}])
def test_windows_too_large_for_memory_are_refused(tmp_path, setting):
    layer = SeparableConv2D(**({"filters": 2, "kernel_size": 3, "padding": "same"} | setting))
    network = small_models.row("x", ("image", Input((12, 12, 1))), ("conv", layer))
    small_models.model(network).save(tmp_path / "x.keras")
    with pytest.raises(xception.ModelFileError, match=r"conv has a \w+ beyond 4,096"):
        xception.load_model(tmp_path / "x.keras")
