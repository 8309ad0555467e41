"""Convolution layers against plain loops, in float64."""

import numpy as np
import pytest
from window_loops import GEOMETRY, map_windows

from xception import layers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_conv2d(window, strides, padding, size):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.Conv2D(4, window, strides, padding)
    parameters = {"kernel": RNG.normal(size=(*window, 3, 4)), "bias": RNG.normal(size=4)}
    expected = map_windows(
        lambda part: np.tensordot(part, parameters["kernel"], 3) + parameters["bias"],
        x, window, strides, padding,
    )  # fmt: skip
    y = layer.forward(parameters, x)
    assert y.dtype == np.float64
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


def dilated(kernel, dilation):
    """Return the kernel with zeros between its taps."""
    (kh, kw), (dh, dw) = kernel.shape[:2], dilation
    spread = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *kernel.shape[2:]))
    spread[::dh, ::dw] = kernel
    return spread


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, (2, 1), (1, 2)])
@pytest.mark.parametrize("dilation", [(2, 2), (1, 3)])
def test_dilation_equals_zeros_between_the_taps(dilation, strides, padding):
    x = RNG.normal(size=(2, 9, 8, 3))
    for kind, size, settings in [
        (layers.Conv2D, (3, 3, 2), {"filters": 2}),
        (layers.DepthwiseConv2D, (3, 3, 1), {}),
        (layers.DepthwiseConv2D, (3, 3, 2), {"depth_multiplier": 2}),
    ]:
        kernel = RNG.normal(size=(3, *size))
        settings |= {"strides": strides, "padding": padding, "use_bias": False}
        layer = kind(kernel_size=3, dilation_rate=dilation, **settings)
        spread = dilated(kernel, dilation)
        undilated = kind(kernel_size=spread.shape[:2], **settings)
        y = layer.forward({"kernel": kernel}, x)
        assert y.shape[1:] == layer.output_shape(x.shape[1:])
        np.testing.assert_allclose(y, undilated.forward({"kernel": spread}, x), atol=1e-12)


@pytest.mark.parametrize("groups", [2, 4])
def test_each_group_of_filters_reads_its_own_channels(groups):
    x = RNG.normal(size=(2, 5, 6, 4))
    layer = layers.Conv2D(8, 3, groups=groups, use_bias=False)
    kernel = RNG.normal(size=layer.parameters((5, 6, 4))["kernel"].shape)
    assert kernel.shape == (3, 3, 4 // groups, 8)
    ungrouped = np.zeros((3, 3, 4, 8))
    for group in range(groups):
        inputs = slice(group * 4 // groups, (group + 1) * 4 // groups)
        filters = slice(group * 8 // groups, (group + 1) * 8 // groups)
        ungrouped[:, :, inputs, filters] = kernel[..., filters]
    expected = layers.Conv2D(8, 3, use_bias=False).forward({"kernel": ungrouped}, x)
    np.testing.assert_allclose(layer.forward({"kernel": kernel}, x), expected, atol=1e-12)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_a_transposed_convolution_is_the_transpose_of_the_convolution(window, strides, padding, size):
    """<conv(x), y> = <x, transposed(y)> for any x and y."""
    convolution = layers.Conv2D(4, window, strides, padding, use_bias=False)
    h, w, _ = convolution.output_shape((*size, 3))
    kernel = RNG.normal(size=(*window, 3, 4))
    x, y = RNG.normal(size=(1, *size, 3)), RNG.normal(size=(1, h, w, 4))
    transposed = layers.Conv2DTranspose(3, window, strides, padding, use_bias=False)
    oh, ow, _ = transposed.output_shape((h, w, 4))
    image = transposed.forward({"kernel": kernel}, y)
    assert image.shape == (1, oh, ow, 3)
    if (oh, ow) == size:
        feature_maps = convolution.forward({"kernel": kernel}, x)
        np.testing.assert_allclose((feature_maps * y).sum(), (x * image).sum(), atol=1e-10)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_separable_conv2d(window, strides, padding, size, multiplier):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.SeparableConv2D(
        5, window, strides, padding, depth_multiplier=multiplier, use_bias=False, activation="tanh"
    )
    depthwise = RNG.normal(size=(*window, 3, multiplier))
    pointwise = RNG.normal(size=(1, 1, 3 * multiplier, 5))
    expected = map_windows(
        lambda part: np.tanh(np.einsum("yxc,yxcm->cm", part, depthwise).ravel() @ pointwise[0, 0]),
        x, window, strides, padding,
    )  # fmt: skip
    y = layer.forward({"depthwise_kernel": depthwise, "pointwise_kernel": pointwise}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_a_pointwise_convolution_with_stride_2_takes_every_other_pixel():
    x = RNG.normal(size=(1, 5, 4, 1))
    layer = layers.Conv2D(1, 1, strides=2, padding="same", use_bias=False)
    y = layer.forward({"kernel": np.ones((1, 1, 1, 1))}, x)
    np.testing.assert_array_equal(y, x[:, ::2, ::2])
