"""Input, dense and identity layers, and arithmetic."""

import numpy as np
import pytest

from xception import layers

RNG = np.random.default_rng(0)


def test_an_input_inside_another_network_returns_its_own_input():
    layer = layers.Input((None, None, 3), 71)
    assert [layer.accepts(count) for count in range(3)] == [True, True, False]
    assert layer.output_shape() == (None, None, 3)
    assert layer.output_shape((96, None, 3)) == (96, None, 3)
    for shape in ((96, 96, 4), (96, 3), (70, 96, 3)):
        with pytest.raises(ValueError, match=r"takes inputs of shape|at least 71 each way"):
            layer.output_shape(shape)
    x = np.zeros((1, 80, 80, 3))
    assert layer.forward({}, x) is x
    assert layers.Input((None,)).output_shape((7,)) == (7,)


def test_dense():
    x, kernel, bias = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(5, 2)), RNG.normal(size=2)
    layer = layers.Dense(2, "relu")
    assert layer.output_shape((5,)) == (2,)
    expected = np.maximum(x @ kernel + bias, 0)
    np.testing.assert_allclose(layer.forward({"kernel": kernel, "bias": bias}, x), expected)


def test_identity():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(layers.Identity().forward({}, x), x)
    assert layers.Identity().output_shape((3, 4, 5)) == (3, 4, 5)
    assert layers.Identity().output_shape((None, None, 5)) == (None, None, 5)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("add", [1, 6]), ("subtract", [-5, 0]), ("multiply", [-6, 9]), ("divide", [-2 / 3, 1]),
     ("floor_divide", [-1, 1]), ("power", [-8, 27]), ("maximum", [3, 3]), ("minimum", [-2, 3])],
)  # fmt: skip
def test_arithmetic(operation, expected):
    x, threes = np.array([[-2.0, 3.0]]), np.array([[3.0, 3.0]])
    layer, of_two_inputs = layers.Arithmetic(operation, 3), layers.Arithmetic(operation)
    assert (layer.arity, of_two_inputs.arity) == (1, 2)
    assert layer.kind == {"floor_divide": "FloorDivide"}.get(operation, operation.capitalize())
    np.testing.assert_allclose(layer.forward({}, x), [expected])
    np.testing.assert_allclose(of_two_inputs.forward({}, x, threes), [expected])
    reversed_operands = layers.Arithmetic(operation, 3, constant_first=True).forward({}, threes)
    np.testing.assert_allclose(reversed_operands, layer.forward({}, threes))


def test_arithmetic_gives_infinity_and_nan_as_keras_does():
    zero = np.zeros((1, 1), np.float32)
    assert layers.Arithmetic("divide", 1, constant_first=True).forward({}, zero) == np.inf
    assert layers.Arithmetic("log").forward({}, zero) == -np.inf
    assert np.isnan(layers.Arithmetic("sqrt").forward({}, zero - 1))
    assert layers.Arithmetic("subtract", [[[[1, 2, 3]]]]).output_shape((4, 4, 3)) == (4, 4, 3)
    with pytest.raises(ValueError, match="same rank"):
        layers.Arithmetic("add").output_shape((4, 4, 3), (3,))
    with pytest.raises(ValueError, match="compatible shapes"):
        layers.Arithmetic("add", [1, 2]).output_shape((4, 4, 3))
