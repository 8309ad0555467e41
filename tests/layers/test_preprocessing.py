"""Image preprocessing layers against values computed by hand."""

import numpy as np
import pytest

from xception import layers
from xception.kernels import resize

RNG = np.random.default_rng(0)


def test_rescaling_and_center_crop():
    x = RNG.normal(size=(2, 3, 4, 5))
    for layer, expected in [
        (layers.CenterCrop(1, 3), x[:, 1:2, 0:3]),
        (layers.Rescaling([1, 2, 3, 4, 5], -1), x * [1, 2, 3, 4, 5] - 1),
    ]:
        np.testing.assert_allclose(layer.forward({}, x), expected)
        assert layer.output_shape((3, 4, 5)) == expected.shape[1:]
        assert len(layer.output_shape((None, None, 5))) == expected.ndim - 1


def test_normalization_by_settings_or_parameters():
    x = RNG.normal(size=(2, 3, 4))
    by_settings = layers.Normalization(mean=[1, 2, 3, 4], variance=[4, 4, 1, 0])
    assert by_settings.parameters((3, 4)) == {}
    expected = (x - [1, 2, 3, 4]) / [2, 2, 1, 1e-7]
    np.testing.assert_allclose(by_settings.forward({}, x), expected)
    by_parameters = layers.Normalization()
    assert {name: p.shape for name, p in by_parameters.parameters((3, 4)).items()} == {
        "mean": (4,), "variance": (4,), "count": (),
    }  # fmt: skip
    parameters = {"mean": np.array([1, 2, 3, 4.0]), "variance": np.array([4, 4, 1, 0.0])}
    np.testing.assert_allclose(by_parameters.forward(parameters, x), expected)
    inverted = layers.Normalization(invert=True).forward(parameters, expected)
    np.testing.assert_allclose(inverted, x)
    scalar = layers.Normalization(axis=None, mean=2, variance=4)
    np.testing.assert_allclose(scalar.forward({}, x), (x - 2) / 2)


def test_resizing():
    row = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)

    def along(width, interpolation, **settings):
        return resize(row, (1, width), interpolation, **settings).ravel().tolist()

    assert along(6, "bilinear") == [0, 1, 3, 5, 7, 8]  # 1/4 and 3/4 of a pixel from the centers of pixels
    assert along(6, "nearest") == [0, 0, 4, 4, 8, 8]
    assert along(2, "area") == pytest.approx([4 / 3, 20 / 3])  # one and a half pixels each
    assert along(1, "bilinear") == [4]
    assert along(1, "bilinear", antialias=True) == pytest.approx([4])
    assert along(3, "bicubic") == [0, 4, 8]
    flat = np.full((1, 5, 7, 2), 3.0)
    for interpolation in ("nearest", "area", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        for antialias in (False, True):
            np.testing.assert_allclose(resize(flat, (11, 3), interpolation, antialias), 3, rtol=1e-6)


def test_resizing_with_the_aspect_ratio_kept():
    wide = np.arange(10.0).reshape(1, 1, 10, 1)
    cropped = layers.Resizing(1, 2, "nearest", crop_to_aspect_ratio=True).forward({}, wide)
    assert cropped.ravel().tolist() == [4, 5]
    padded = layers.Resizing(3, 3, "nearest", pad_to_aspect_ratio=True, fill_value=7).forward(
        {}, np.ones((1, 1, 3, 1))
    )
    assert padded[0, :, :, 0].tolist() == [[7] * 3, [1] * 3, [7] * 3]
