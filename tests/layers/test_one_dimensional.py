"""Layers for sequences against plain loops and values by hand, in float64."""

import numpy as np
import pytest

from xception import layers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 3)])
def test_convolution(padding, strides, dilation):
    layer = layers.Conv1D(4, 3, strides, padding, dilation_rate=dilation)
    x = RNG.normal(size=(2, 9, 5))
    p = {name: RNG.normal(size=q.shape) for name, q in layer.parameters((9, 5)).items()}
    assert p["kernel"].shape == (3, 5, 4)
    reach = 2 * dilation
    total = (
        0
        if padding == "valid"
        else reach
        if padding == "causal"
        else max(0, (-(-9 // strides) - 1) * strides + reach + 1 - 9)
    )
    before = total if padding == "causal" else total // 2
    padded = np.pad(x, ((0, 0), (before, total - before), (0, 0)))
    starts = range(0, padded.shape[1] - reach, strides)
    expected = np.stack(
        [np.einsum("nkc,kcf->nf", padded[:, i : i + reach + 1 : dilation], p["kernel"]) for i in starts],
        axis=1,
    )
    y = layer.forward(p, x)
    assert y.shape[1:] == layer.output_shape((9, 5))
    np.testing.assert_allclose(y, expected + p["bias"], atol=1e-12)


def test_a_causal_convolution_does_not_see_the_future():
    layer = layers.Conv1D(1, 3, padding="causal", dilation_rate=2, use_bias=False)
    kernel = np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    y = layer.forward({"kernel": kernel}, np.arange(1.0, 7.0).reshape(1, 6, 1))
    np.testing.assert_array_equal(y[0, :, 0], [100, 200, 310, 420, 531, 642])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.MaxPooling1D(), [2, 4]),
        (layers.MaxPooling1D(3, 2, "same"), [2, 4, 5]),
        (layers.AveragePooling1D(2, 1), [1.5, 2.5, 3.5, 4.5]),
        (layers.AveragePooling1D(3, 2, "same"), [1.5, 3, 4.5]),
        (layers.ZeroPadding1D(), [0, 1, 2, 3, 4, 5, 0]),
        (layers.ZeroPadding1D((0, 2)), [1, 2, 3, 4, 5, 0, 0]),
        (layers.Cropping1D((1, 2)), [2, 3]),
        (layers.UpSampling1D(2), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (layers.GlobalAveragePooling1D(keepdims=True), [3]),
        (layers.GlobalMaxPooling1D(keepdims=True), [5]),
    ],
    ids=str,
)
def test_values(layer, expected):
    y = layer.forward({}, np.arange(1.0, 6.0).reshape(1, 5, 1))
    np.testing.assert_array_equal(y[0, :, 0], expected)
    assert layer.output_shape((5, 1)) == (len(expected), 1)


def test_separable_and_transposed_convolutions_have_the_shapes_of_keras():
    separable = layers.SeparableConv1D(6, 3, depth_multiplier=2).parameters((9, 4))
    assert [p.shape for p in separable.values()] == [(3, 4, 2), (1, 8, 6), (6,)]
    depthwise = layers.DepthwiseConv1D(3, depth_multiplier=2).parameters((9, 4))
    assert [p.shape for p in depthwise.values()] == [(3, 4, 2), (8,)]
    transposed = layers.Conv1DTranspose(6, 3, 2)
    assert [p.shape for p in transposed.parameters((9, 4)).values()] == [(3, 6, 4), (6,)]
    assert transposed.output_shape((9, 4)) == (19, 6)


def test_lengths_may_be_unknown():
    assert layers.Conv1D(6, 3).output_shape((None, 4)) == (None, 6)
    assert layers.GlobalAveragePooling1D().output_shape((None, 4)) == (4,)


def test_settings_are_integers_or_lists_of_one_as_keras_writes_them():
    assert layers.Conv1D(6, [3], [2]) == layers.Conv1D(6, 3, 2)
    assert layers.Conv1D(6, 3, activation=None).activation == "linear"
    for settings in (
        {"kernel_size": [3, 3]},
        {"strides": 0},
        {"padding": "full"},
        {"data_format": "channels_first"},
    ):
        with pytest.raises(ValueError, match=next(iter(settings))):
            layers.Conv1D(**{"filters": 2, "kernel_size": 3} | settings)
    with pytest.raises(ValueError, match="padding"):
        layers.DepthwiseConv1D(3, padding="causal")


def test_maps_are_refused():
    for layer in (layers.Conv1D(2, 3), layers.MaxPooling1D(), layers.GlobalMaxPooling1D()):
        with pytest.raises(ValueError, match=r"takes sequences \(t, c\)"):
            layer.output_shape((4, 5, 6))
