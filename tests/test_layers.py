"""Each layer against a computation that is too plain to be wrong, in float64."""

import itertools

import numpy as np
import pytest

from xception import layers
from xception.kernels import same_padding

RNG = np.random.default_rng(0)


def windows_of(x, window, strides, padding, fill=0.0):
    """Every window of one image (h, w, c), by loops: {(row, column): (kh, kw, c)}."""
    (kh, kw), (sh, sw) = window, strides
    if padding == "same":
        border = (same_padding(x.shape[0], kh, sh), same_padding(x.shape[1], kw, sw), (0, 0))
        x = np.pad(x, border, constant_values=fill)
    rows = range(0, x.shape[0] - kh + 1, sh)
    columns = range(0, x.shape[1] - kw + 1, sw)
    return {
        (r, c): x[row : row + kh, column : column + kw]
        for (r, row), (c, column) in itertools.product(enumerate(rows), enumerate(columns))
    }


def by_windows(x, window, strides, padding, each, fill=0.0):
    """(n, h, w, c) -> (n, oh, ow, f): `each` window of each image."""
    images = []
    for image in x:
        found = windows_of(image, window, strides, padding, fill)
        rows, columns = (max(place[axis] for place in found) + 1 for axis in (0, 1))
        values = [each(found[place]) for place in itertools.product(range(rows), range(columns))]
        images.append(np.array(values).reshape(rows, columns, -1))
    return np.array(images)


GEOMETRY = [
    (window, strides, padding, size)
    for window in ((1, 1), (3, 3), (2, 5))
    for strides in ((1, 1), (2, 2), (3, 1), (1, 2))
    for padding in ("same", "valid")
    for size in ((7, 9), (8, 6))
]


@pytest.mark.parametrize(
    ("size", "window", "stride", "expected"),
    [
        (74, 3, 2, (0, 1)),  # block 3's pooling at 299 pixels: nothing above, one pixel below
        (147, 3, 2, (1, 1)),
        (19, 3, 1, (1, 1)),
        (5, 4, 1, (1, 2)),
        (4, 1, 2, (0, 0)),
        (3, 2, 5, (0, 0)),
    ],
)
def test_same_padding_puts_the_odd_pixel_after_as_tensorflow_does(size, window, stride, expected):
    assert same_padding(size, window, stride) == expected


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_conv2d(window, strides, padding, size):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.Conv2D(4, window, strides, padding)
    parameters = {"kernel": RNG.normal(size=(*window, 3, 4)), "bias": RNG.normal(size=4)}
    expected = by_windows(
        x, window, strides, padding,
        lambda part: np.tensordot(part, parameters["kernel"], 3) + parameters["bias"],
    )  # fmt: skip
    y = layer.forward(parameters, x)
    assert y.dtype == np.float64
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_separable_conv2d(window, strides, padding, size, multiplier):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.SeparableConv2D(
        5, window, strides, padding, depth_multiplier=multiplier, use_bias=False, activation="tanh"
    )
    depthwise = RNG.normal(size=(*window, 3, multiplier))
    pointwise = RNG.normal(size=(1, 1, 3 * multiplier, 5))
    expected = by_windows(
        x, window, strides, padding,
        lambda part: np.tanh(np.einsum("yxc,yxcm->cm", part, depthwise).ravel() @ pointwise[0, 0]),
    )  # fmt: skip
    y = layer.forward({"depthwise_kernel": depthwise, "pointwise_kernel": pointwise}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_max_pooling(window, strides, padding, size):
    x = -RNG.random((2, *size, 3)) - 1  # below zero: a border of zeros would win
    layer = layers.MaxPooling2D(window, strides, padding)
    expected = by_windows(x, window, strides, padding, lambda part: part.max(axis=(0, 1)), fill=-np.inf)
    y = layer.forward({}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_array_equal(y, expected)


def test_max_pooling_steps_by_its_own_size_unless_told():
    assert layers.MaxPooling2D(3).output_shape((9, 10, 4)) == (3, 3, 4)


def test_a_pointwise_convolution_with_stride_2_takes_every_other_pixel():
    x = RNG.normal(size=(1, 5, 4, 1))
    layer = layers.Conv2D(1, 1, strides=2, padding="same", use_bias=False)
    y = layer.forward({"kernel": np.ones((1, 1, 1, 1))}, x)
    np.testing.assert_array_equal(y, x[:, ::2, ::2])


def test_batch_normalization():
    x = RNG.normal(size=(2, 3, 4, 5))
    layer = layers.BatchNormalization(epsilon=1e-3)
    shapes = layer.parameters((3, 4, 5))
    assert list(shapes) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [p.trainable for p in shapes.values()] == [True, True, False, False]
    gamma, beta, mean = RNG.normal(size=(3, 5))
    variance = RNG.random(5)
    parameters = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(layer.forward(parameters, x), expected, atol=1e-12)


def test_activations():
    x = np.array([[-800.0, -1.0, 0.0, 1.0, 800.0]])

    def act(name):
        return layers.Activation(name).forward({}, x)[0]

    np.testing.assert_array_equal(act("linear"), x[0])
    np.testing.assert_array_equal(act("relu"), [0, 0, 0, 1, 800])
    np.testing.assert_array_equal(act("tanh"), np.tanh(x[0]))
    np.testing.assert_allclose(act("sigmoid"), [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1])
    np.testing.assert_allclose(act("softmax"), [0, 0, 0, 0, 1])
    np.testing.assert_allclose(layers.Activation("softmax").forward({}, x / 800).sum(), 1)


def test_what_is_left_of_the_vocabulary():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(layers.GlobalAveragePooling2D().forward({}, x), x.mean((1, 2)))
    np.testing.assert_array_equal(layers.GlobalMaxPooling2D().forward({}, x), x.max((1, 2)))
    np.testing.assert_array_equal(layers.Flatten().forward({}, x), x.reshape(2, 60))
    assert layers.Flatten().output_shape((3, 4, 5)) == (60,)
    assert layers.Flatten().output_shape((None, 4, 5)) == (None,)
    assert layers.Dropout(0.5).forward({}, x) is x
    np.testing.assert_allclose(layers.Add().forward({}, x, x, x), 3 * x)
    kernel, bias = RNG.normal(size=(5, 2)), RNG.normal(size=2)
    dense = layers.Dense(2, "relu")
    assert dense.output_shape((5,)) == (2,)
    expected = np.maximum(x @ kernel + bias, 0)
    np.testing.assert_allclose(dense.forward({"kernel": kernel, "bias": bias}, x), expected)


def test_layers_leave_their_inputs_alone():
    x = RNG.normal(size=(1, 4, 4, 2)).astype(np.float32)
    before = x.copy()
    for layer in (
        layers.Activation("relu"), layers.Activation("softmax"), layers.BatchNormalization(),
        layers.MaxPooling2D(2), layers.Conv2D(2, 1), layers.Dense(2),
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        parameters = {name: p.initial_value(rng) for name, p in layer.parameters((4, 4, 2)).items()}
        assert layer.forward(parameters, x).dtype == np.float32
        np.testing.assert_array_equal(x, before)
    layers.Add().forward({}, x, x, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be at least 1, got 0"),
        (lambda: layers.Conv2D(8, 0), "kernel_size must be one or two whole numbers"),
        (lambda: layers.Conv2D(8, 3, padding="full"), "padding must be 'same' or 'valid', got 'full'"),
        (lambda: layers.MaxPooling2D(3, strides=0), "strides must be"),
        (lambda: layers.Activation("crelu"), "unknown activation 'crelu'; known are linear, relu"),
        (lambda: layers.Dense(-1), "units must be at least 1, got -1"),
        (lambda: layers.Input((0, 4, 3)), "at least 1 each way"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
