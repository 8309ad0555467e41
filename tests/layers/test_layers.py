"""Each layer against a computation that is too plain to be wrong, in float64."""

import itertools

import numpy as np
import pytest

from xception import layers
from xception.kernels import resize, same_padding

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


def apart(kernel, dilation):
    """The kernel with zeros between its taps: what a dilated one is."""
    (kh, kw), (dh, dw) = kernel.shape[:2], dilation
    spread = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *kernel.shape[2:]))
    spread[::dh, ::dw] = kernel
    return spread


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, (2, 1), (1, 2)])
@pytest.mark.parametrize("dilation", [(2, 2), (1, 3)])
def test_dilated_kernels_have_zeros_between_their_taps(dilation, strides, padding):
    x = RNG.normal(size=(2, 9, 8, 3))
    for kind, size, settings in [
        (layers.Conv2D, (3, 3, 2), {"filters": 2}),
        (layers.DepthwiseConv2D, (3, 3, 1), {}),
        (layers.DepthwiseConv2D, (3, 3, 2), {"depth_multiplier": 2}),
    ]:
        kernel = RNG.normal(size=(3, *size))
        settings |= {"strides": strides, "padding": padding, "use_bias": False}
        ours = kind(kernel_size=3, dilation_rate=dilation, **settings)
        same = apart(kernel[..., :3, :] if kernel.ndim == 4 else kernel, dilation)
        plain = kind(kernel_size=same.shape[:2], **settings)
        y = ours.forward({"kernel": kernel}, x)
        assert y.shape[1:] == ours.output_shape(x.shape[1:])
        np.testing.assert_allclose(y, plain.forward({"kernel": same}, x), atol=1e-12)


@pytest.mark.parametrize("groups", [2, 4])
def test_each_group_of_filters_reads_its_own_channels(groups):
    x = RNG.normal(size=(2, 5, 6, 4))
    layer = layers.Conv2D(8, 3, groups=groups, use_bias=False)
    kernel = RNG.normal(size=layer.parameters((5, 6, 4))["kernel"].shape)
    assert kernel.shape == (3, 3, 4 // groups, 8)
    whole = np.zeros((3, 3, 4, 8))
    for group in range(groups):
        inputs = slice(group * 4 // groups, (group + 1) * 4 // groups)
        filters = slice(group * 8 // groups, (group + 1) * 8 // groups)
        whole[:, :, inputs, filters] = kernel[..., filters]
    expected = layers.Conv2D(8, 3, use_bias=False).forward({"kernel": whole}, x)
    np.testing.assert_allclose(layer.forward({"kernel": kernel}, x), expected, atol=1e-12)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_a_transposed_convolution_is_the_way_back(window, strides, padding, size):
    """<conv(x), y> = <x, transposed(y)> for any x and y."""
    forth = layers.Conv2D(4, window, strides, padding, use_bias=False)
    h, w, _ = forth.output_shape((*size, 3))
    kernel, x, y = (
        RNG.normal(size=(*window, 3, 4)),
        RNG.normal(size=(1, *size, 3)),
        RNG.normal(size=(1, h, w, 4)),
    )
    back = layers.Conv2DTranspose(3, window, strides, padding, use_bias=False)
    oh, ow, _ = back.output_shape((h, w, 4))
    found = back.forward({"kernel": kernel}, y)
    assert found.shape == (1, oh, ow, 3)
    if (oh, ow) == size:
        forward = forth.forward({"kernel": kernel}, x)
        np.testing.assert_allclose((forward * y).sum(), (x * found).sum(), atol=1e-10)


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


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_average_pooling_leaves_the_border_out(window, strides, padding, size):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.AveragePooling2D(window, strides, padding)
    expected = by_windows(
        x, window, strides, padding, lambda part: np.nanmean(part, axis=(0, 1)), fill=np.nan
    )  # fmt: skip
    y = layer.forward({}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


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


def test_no_activation_warns_or_changes_the_type():
    x = np.array([[-1e38, -1e5, -30, -1, -1e-30, 0, 1e-30, 1, 30, 1e5, 1e38]], np.float32)
    for name, function in layers.ACTIVATIONS.items():
        for dtype in (np.float32, np.float64):
            y = function(x.astype(dtype))
            assert y.dtype == dtype, name
            assert not np.isnan(y).any(), name
            assert np.isfinite(y[0, :9]).all(), name


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("relu6", 0, 2), ("leaky_relu", -0.2, 2), ("elu", np.exp(-1) - 1, 2), ("celu", np.exp(-1) - 1, 2),
        ("selu", 1.05070098 * 1.67326324 * (np.exp(-1) - 1), 2.10140197), ("gelu", -0.15865525, 1.95449974),
        ("silu", -1 / (1 + np.e), 2 / (1 + np.exp(-2))), ("hard_silu", -1 / 3, 5 / 3),
        ("mish", -np.tanh(np.log(1 + np.exp(-1))), 2 * np.tanh(np.log(1 + np.exp(2)))),
        ("softplus", np.log(1 + np.exp(-1)), np.log(1 + np.exp(2))), ("softsign", -1 / 2, 2 / 3),
        ("squareplus", (5**0.5 - 1) / 2, 1 + 2**0.5), ("exponential", np.exp(-1), np.exp(2)),
        ("hard_sigmoid", 1 / 3, 5 / 6), ("hard_sigmoid_keras2", 0.3, 0.9), ("hard_tanh", -1, 1),
        ("log_sigmoid", -np.log(1 + np.e), -np.log(1 + np.exp(-2))),
        ("log_softmax", -np.log(1 + np.exp(3)), -np.log(1 + np.exp(-3))),
        ("soft_shrink", -0.5, 1.5), ("hard_shrink", -1, 2), ("tanh_shrink", np.tanh(1) - 1, 2 - np.tanh(2)),
        ("sparse_plus", 0, 2), ("sparse_sigmoid", 0, 1),
    ],
)  # fmt: skip
def test_activation_by_hand(name, at_minus_one, at_two):
    y = layers.Activation(name).forward({}, np.array([[-1.0, 2.0]]))
    np.testing.assert_allclose(y, [[at_minus_one, at_two]], rtol=1e-7)


def test_rectifiers():
    x = np.array([[-2.0, 0.5, 1.0, 4.0]])

    def compute(layer, **parameters):
        return layer.forward(parameters, x)[0].tolist()

    assert compute(layers.ReLU()) == [0, 0.5, 1, 4]
    assert compute(layers.ReLU(max_value=3, negative_slope=0.5, threshold=0.75)) == [-1.375, -0.125, 1, 3]
    assert compute(layers.LeakyReLU(0.5)) == [-1, 0.5, 1, 4]
    assert compute(layers.ThresholdedReLU(1)) == [0, 0, 0, 4]
    assert compute(layers.PReLU(), alpha=np.array([3, 9, 9, 9])) == [-6, 0.5, 1, 4]
    assert compute(layers.ELU(2)) == pytest.approx([2 * np.exp(-2) - 2, 0.5, 1, 4])
    assert layers.PReLU([1, 2]).parameters((3, 4, 5))["alpha"].shape == (1, 1, 5)
    assert layers.PReLU([1, 2]).parameters((None, None, 5))["alpha"].shape == (1, 1, 5)


def test_layers_may_be_activations():
    x, weights = np.array([[-2.0, 4.0]]), {"kernel": np.eye(2), "bias": np.ones(2)}
    for activation, expected in [
        (layers.LeakyReLU(0.5), [-0.5, 5]), (layers.ReLU(3), [0, 3]), (layers.Activation("relu"), [0, 5]),
        (None, [-1, 5]),
    ]:  # fmt: skip
        layer = layers.Dense(2, activation)
        assert layer.forward(weights, x)[0].tolist() == expected
        assert layers.Activation(activation).forward({}, x + 1)[0].tolist() == expected
    assert layers.Dense(2, layers.Activation("relu")) == layers.Dense(2, "relu")


def test_normalisations():
    x = RNG.normal(size=(2, 3, 4, 6)) * 3 + 1
    gamma, beta = RNG.normal(size=(2, 6))
    parameters = {"gamma": gamma, "beta": beta}
    centred = x - x.mean(-1, keepdims=True)
    expected = gamma * centred / np.sqrt(x.var(-1, keepdims=True) + 1e-3) + beta
    np.testing.assert_allclose(layers.LayerNormalization().forward(parameters, x), expected)
    for groups, members in ((2, 3), (1, 6), (6, 1), (-1, 1)):
        y = layers.GroupNormalization(groups, center=False, scale=False, epsilon=0).forward({}, x)
        for start in range(0, 6, members):
            part = y[..., start : start + members]
            np.testing.assert_allclose(part.mean((1, 2, 3)), 0, atol=1e-12)
            np.testing.assert_allclose(part.var((1, 2, 3)), 1)
    unit = layers.UnitNormalization([1, 2]).forward({}, x)
    np.testing.assert_allclose(np.square(unit).sum((1, 2)), 1)
    assert not layers.UnitNormalization().forward({}, np.zeros((1, 3))).any()


def test_statistics_that_are_settings_or_parameters():
    x = RNG.normal(size=(2, 3, 4))
    given = layers.Normalization(mean=[1, 2, 3, 4], variance=[4, 4, 1, 0])
    assert given.parameters((3, 4)) == {}
    expected = (x - [1, 2, 3, 4]) / [2, 2, 1, 1e-7]
    np.testing.assert_allclose(given.forward({}, x), expected)
    learned = layers.Normalization()
    assert {name: p.shape for name, p in learned.parameters((3, 4)).items()} == {
        "mean": (4,), "variance": (4,), "count": (),
    }  # fmt: skip
    parameters = {"mean": np.array([1, 2, 3, 4.0]), "variance": np.array([4, 4, 1, 0.0])}
    np.testing.assert_allclose(learned.forward(parameters, x), expected)
    back = layers.Normalization(invert=True).forward(parameters, expected)
    np.testing.assert_allclose(back, x)
    one = layers.Normalization(axis=None, mean=2, variance=4)
    np.testing.assert_allclose(one.forward({}, x), (x - 2) / 2)


def test_merging_repeats_what_has_size_1():
    x, y = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 1, 1, 5))
    for layer, expected in [
        (layers.Add(), x + y + x), (layers.Multiply(), x * y * x), (layers.Average(), (x + y + x) / 3),
        (layers.Maximum(), np.maximum(x, y)), (layers.Minimum(), np.minimum(x, y)),
    ]:  # fmt: skip
        np.testing.assert_allclose(layer.forward({}, x, y, x), expected)
        np.testing.assert_allclose(layer.forward({}, x, y[:, 0, 0], x), expected)
        assert layer.output_shape((3, 4, 5), (1, 1, 5), (3, 4, 5)) == (3, 4, 5)
        assert layer.output_shape((None, None, 5), (1, 1, 5)) == (None, None, 5)
        assert layer.output_shape((None, 4), (3, 1)) == (3, 4)
    np.testing.assert_allclose(layers.Subtract().forward({}, x, y), x - y)
    np.testing.assert_array_equal(layers.Concatenate(1).forward({}, x, x), np.concatenate([x, x], 1))
    assert layers.Concatenate().output_shape((None, 4, 5), (3, 4, 2)) == (3, 4, 7)
    product = layers.Dot(axes=-1).forward({}, x[:, 0], x[:, 1])
    np.testing.assert_allclose(product, np.einsum("nac,nbc->nab", x[:, 0], x[:, 1]))
    same = layers.Dot(1, normalize=True).forward({}, x[:, 0, 0], 3 * x[:, 0, 0])
    np.testing.assert_allclose(same, np.ones((2, 1)))


def test_shapes_that_change():
    x = RNG.normal(size=(2, 3, 4, 5))
    for layer, expected in [
        (layers.Reshape([-1, 10]), x.reshape(2, 6, 10)),
        (layers.Permute((3, 1, 2)), x.transpose(0, 3, 1, 2)),
        (layers.ZeroPadding2D(((1, 0), (0, 2))), np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))),
        (layers.ZeroPadding2D((1, 2)), np.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)))),
        (layers.Cropping2D(((1, 0), (0, 2))), x[:, 1:, :2]),
        (layers.Cropping2D(1), x[:, 1:-1, 1:-1]),
        (layers.UpSampling2D((1, 2)), x.repeat(2, axis=2)),
        (layers.Identity(), x),
        (layers.GlobalAveragePooling2D(keepdims=True), x.mean((1, 2), keepdims=True)),
        (layers.CenterCrop(1, 3), x[:, 1:2, 0:3]),
        (layers.Rescaling([1, 2, 3, 4, 5], -1), x * [1, 2, 3, 4, 5] - 1),
    ]:
        np.testing.assert_allclose(layer.forward({}, x), expected)
        assert layer.output_shape((3, 4, 5)) == expected.shape[1:]
        assert len(layer.output_shape((None, None, 5))) == expected.ndim - 1
    assert layers.RepeatVector(3).forward({}, x[:, 0, 0]).shape == (
        2,
        *layers.RepeatVector(3).output_shape((5,)),
    )


def test_resizing():
    row = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)

    def along(width, interpolation, **settings):
        return resize(row, (1, width), interpolation, **settings).ravel().tolist()

    assert along(6, "bilinear") == [0, 1, 3, 5, 7, 8]  # a quarter, three quarters of a pixel from the middles
    assert along(6, "nearest") == [0, 0, 4, 4, 8, 8]
    assert along(2, "area") == pytest.approx([4 / 3, 20 / 3])  # a pixel and a half each
    assert along(1, "bilinear") == [4]
    assert along(1, "bilinear", antialias=True) == pytest.approx([4])
    assert along(3, "bicubic") == [0, 4, 8]
    flat = np.full((1, 5, 7, 2), 3.0)
    for interpolation in ("nearest", "area", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        for antialias in (False, True):
            np.testing.assert_allclose(resize(flat, (11, 3), interpolation, antialias), 3, rtol=1e-6)
    wide = np.arange(10.0).reshape(1, 1, 10, 1)
    cropped = layers.Resizing(1, 2, "nearest", crop_to_aspect_ratio=True).forward({}, wide)
    assert cropped.ravel().tolist() == [4, 5]
    padded = layers.Resizing(3, 3, "nearest", pad_to_aspect_ratio=True, fill_value=7).forward(
        {}, np.ones((1, 1, 3, 1))
    )
    assert padded[0, :, :, 0].tolist() == [[7] * 3, [1] * 3, [7] * 3]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("add", [1, 6]), ("subtract", [-5, 0]), ("multiply", [-6, 9]), ("divide", [-2 / 3, 1]),
     ("floor_divide", [-1, 1]), ("power", [-8, 27]), ("maximum", [3, 3]), ("minimum", [-2, 3])],
)  # fmt: skip
def test_arithmetic(operation, expected):
    x, threes = np.array([[-2.0, 3.0]]), np.array([[3.0, 3.0]])
    layer, between = layers.Arithmetic(operation, 3), layers.Arithmetic(operation)
    assert (layer.arity, between.arity) == (1, 2)
    assert layer.kind == {"floor_divide": "FloorDivide"}.get(operation, operation.capitalize())
    np.testing.assert_allclose(layer.forward({}, x), [expected])
    np.testing.assert_allclose(between.forward({}, x, threes), [expected])
    turned = layers.Arithmetic(operation, 3, constant_first=True).forward({}, threes)
    np.testing.assert_allclose(turned, layer.forward({}, threes))


def test_arithmetic_answers_where_there_is_no_number():
    zero = np.zeros((1, 1), np.float32)
    assert layers.Arithmetic("divide", 1, constant_first=True).forward({}, zero) == np.inf
    assert layers.Arithmetic("log").forward({}, zero) == -np.inf
    assert np.isnan(layers.Arithmetic("sqrt").forward({}, zero - 1))
    assert layers.Arithmetic("subtract", [[[[1, 2, 3]]]]).output_shape((4, 4, 3)) == (4, 4, 3)
    with pytest.raises(ValueError, match="of one rank"):
        layers.Arithmetic("add").output_shape((4, 4, 3), (3,))
    with pytest.raises(ValueError, match="of one shape"):
        layers.Arithmetic("add", [1, 2]).output_shape((4, 4, 3))


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
