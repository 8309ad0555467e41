"""Regularizers and constraints: their numbers, and as settings of layers."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from xception import layers
from xception.layers.penalized import describe_unsupported, find_constraint, find_regularizer
from xception.layers.penalties import L1, L1L2, L2, MaxNorm, MinMaxNorm, NonNeg, OtherPenalty, UnitNorm

W = np.array([[3, -1], [-4, 0]], np.float32)


@pytest.mark.parametrize(
    ("regularizer", "penalty", "gradient"),
    [
        (L1(0.5), 4.0, [[0.5, -0.5], [-0.5, 0]]),
        (L2(0.5), 13.0, [[3, -1], [-4, 0]]),
        (L1L2(0.5, 0.25), 4 + 6.5, [[2, -1], [-2.5, 0]]),
        (L1L2(), 0.0, [[0, 0], [0, 0]]),
    ],
)
def test_a_regularizer_adds_its_penalty_and_gradient(regularizer, penalty, gradient):
    assert regularizer.penalty(W) == pytest.approx(penalty)
    summed = np.ones_like(W)
    regularizer.add_gradient(W, summed)
    np.testing.assert_allclose(summed, 1 + np.array(gradient))


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (MaxNorm(2), [[1.2, -1], [-1.6, 0]]),  # the norms of the columns are 5 and 1
        (MaxNorm(2, axis=1), [[3 * 2 / np.sqrt(10), -2 / np.sqrt(10)], [-2, 0]]),
        (MaxNorm(2, axis=(0, 1)), W * 2 / np.sqrt(26)),
        (UnitNorm(), [[0.6, -1], [-0.8, 0]]),
        (NonNeg(), [[3, 0], [0, 0]]),
        (MinMaxNorm(2, 3), [[1.8, -2], [-2.4, 0]]),
        (MinMaxNorm(2, 3, rate=0.5), [[2.4, -1.5], [-3.2, 0]]),
    ],
)
def test_a_constraint_changes_an_array_in_place(constraint, expected):
    w = W.copy()
    constraint.apply(w)
    np.testing.assert_allclose(w, expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, -2)])
def test_an_axis_that_an_array_does_not_have_is_an_error(axis):
    with pytest.raises(ValueError, match="axis of MaxNorm must name different axes of 2, got"):
        MaxNorm(axis=axis).apply(W.copy())


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "1", None, True])
def test_a_factor_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="l2 must be"):
        L2(value)
    with pytest.raises(ValueError, match="max_value must be"):
        MaxNorm(value)


@pytest.mark.parametrize(
    ("layer", "sizes", "parameter", "setting"),
    [
        (layers.Dense, [2], "kernel", "kernel"),
        (layers.Dense, [2], "bias", "bias"),
        (layers.DepthwiseConv2D, [3], "kernel", "depthwise"),
        (layers.DepthwiseConv1D, [3], "kernel", "depthwise"),
        (layers.SeparableConv2D, [2, 3], "depthwise_kernel", "depthwise"),
        (layers.SeparableConv2D, [2, 3], "pointwise_kernel", "pointwise"),
        (layers.SeparableConv1D, [2, 3], "pointwise_kernel", "pointwise"),
        (layers.Conv1D, [2, 3], "kernel", "kernel"),
        (layers.Conv2DTranspose, [2, 3], "bias", "bias"),
        (layers.BatchNormalization, [], "gamma", "gamma"),
        (layers.LayerNormalization, [], "beta", "beta"),
        (layers.GroupNormalization, [], "gamma", "gamma"),
        (layers.PReLU, [], "alpha", "alpha"),
    ],
)
def test_a_parameter_has_the_penalties_of_its_setting(layer, sizes, parameter, setting):
    settings = {f"{setting}_regularizer": L2(0.25), f"{setting}_constraint": MaxNorm(3)}
    penalized = layer(*sizes, penalties=settings)
    for within in (penalized, layers.TimeDistributed(penalized)):
        assert find_regularizer(within, parameter) == L2(0.25)
        assert find_constraint(within, parameter) == MaxNorm(3)
        assert find_regularizer(within, "other") is None


def test_layers_without_penalties_have_none():
    assert find_regularizer(layers.Dense(2), "kernel") is None
    assert find_constraint(layers.ReLU(), "kernel") is None


def test_names_of_keras_stand_for_its_defaults():
    layer = layers.Dense(2, penalties={"kernel_regularizer": "l2", "kernel_constraint": "max_norm"})
    assert find_regularizer(layer, "kernel") == L2(0.01)
    assert find_constraint(layer, "kernel") == MaxNorm(2, axis=0)


@pytest.mark.parametrize("value", ["l3", 0.1, MaxNorm(), L2])
def test_what_is_no_regularizer_is_refused(value):
    with pytest.raises(ValueError, match="kernel_regularizer must be None, L1, L2, L1L2, or Keras's name of"):
        layers.Dense(2, penalties={"kernel_regularizer": value})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.Dense, "penalties of Dense must be among kernel_regularizer, kernel_constraint, bias_"),
        (layers.DepthwiseConv1D, "must be among depthwise_regularizer, depthwise_constraint, bias_"),
        (layers.LSTMCell, "among kernel_regularizer, kernel_constraint, recurrent_regularizer, recurrent_"),
        (layers.GRU, "among kernel_regularizer, kernel_constraint, recurrent_regularizer, recurrent_"),
    ],
)
@pytest.mark.parametrize("name", ["gamma_regularizer", "kernel", "units", 3])
def test_a_setting_that_the_layer_does_not_have_is_refused(layer, message, name):
    with pytest.raises(ValueError, match=f"{message}.*, got {name!r}"):
        layer(2, penalties={name: None})


@pytest.mark.parametrize("value", ["l2", L2(), 3, [("kernel_regularizer", L2())]])
def test_penalties_that_are_no_mapping_are_refused(value):
    with pytest.raises(ValueError, match="penalties must be a mapping by Keras's names, such as"):
        layers.Dense(2, penalties=value)


def test_layers_that_have_no_parameters_take_no_penalties():
    with pytest.raises(TypeError, match="penalties"):
        layers.ReLU(penalties={})


def test_penalties_of_a_layer_cannot_be_changed():
    given = {"kernel_regularizer": L2(), "bias_constraint": None}
    layer = layers.Conv2D(8, 3, penalties=given)
    given["bias_constraint"] = NonNeg()
    assert layer.penalties == {"kernel_regularizer": L2()}
    with pytest.raises(TypeError, match="item assignment"):
        layer.penalties["kernel_regularizer"] = L1()
    for empty in (None, {}, {"bias_constraint": None}):
        assert layers.Conv2D(8, 3, penalties=empty).penalties is None


def test_copies_of_a_layer_keep_its_penalties():
    layer = layers.LSTM(2, penalties={"recurrent_regularizer": "l2"})
    for same in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), replace(layer, units=3)):
        assert same.penalties == {"recurrent_regularizer": L2()}
    assert layer.cell.penalties == layer.penalties


def test_penalties_and_momentum_do_not_change_what_a_layer_computes():
    """Features in the cache stay valid."""
    plain, penalized = (
        layers.Dense(2),
        layers.Dense(2, penalties={"kernel_regularizer": L2(), "bias_constraint": NonNeg()}),
    )
    assert plain == penalized
    assert hash(plain) == hash(penalized)
    assert str(plain) == str(penalized)
    assert str(layers.BatchNormalization()) == str(layers.BatchNormalization(momentum=0.5))
    assert layers.BatchNormalization() == layers.BatchNormalization(momentum=0.5)


def test_momentum_is_keras_default_and_from_0_to_1():
    assert layers.BatchNormalization().momentum == 0.99
    with pytest.raises(ValueError, match=r"momentum must be from 0 to 1, got 1.5"):
        layers.BatchNormalization(momentum=1.5)


def test_penalties_that_cannot_act_are_named():
    layer = layers.Dense(
        2,
        penalties={
            "activity_regularizer": L2(),
            "kernel_regularizer": OtherPenalty("Mine"),
            "bias_constraint": MaxNorm(axis=1),
        },
    )
    problems = describe_unsupported(layers.TimeDistributed(layer), layer.parameters((3,)))
    assert problems == [
        "activity_regularizer is a penalty on outputs; supported are those on parameters",
        "kernel_regularizer is 'Mine'; supported are those of Keras's L1, L2 and norms",
        "the constraint of bias: axis of MaxNorm must name different axes of 1, got 1",
    ]
    assert (
        describe_unsupported(layers.Dense(2, penalties={"kernel_regularizer": L2()}), layer.parameters((3,)))
        == []
    )
