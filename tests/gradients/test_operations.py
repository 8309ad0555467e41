"""Gradient rules of operations."""

import numpy as np
import pytest
from gradient_checks import MAP, VECTOR, check_differences, check_float32, gradients_of, layer_id

from xception import layers
from xception.layers.operations.reductions import REDUCTIONS

MATRIX = ((1.0, -2.0), (3.0, 0.5), (0.25, 1.0), (-1.0, 2.0))

LAYERS = [
    *((layers.Reduction(name, axis), [MAP]) for name in REDUCTIONS for axis in (-1, 2)),
    *((layers.Reduction(name, (1, -1), keepdims=True), [MAP]) for name in ("mean", "max", "std", "prod")),
    (layers.Reduction("sum", -1), [VECTOR]),
    (layers.Normalize(), [MAP]),
    (layers.Normalize((1, 2), order=1), [MAP]),
    (layers.Normalize(1, epsilon=100.0), [MAP]),
    (layers.GetItem(("...", (None, None, -1))), [MAP]),
    (layers.GetItem(((None, None, None), (1, -1, 2), None, -1)), [MAP]),
    *((layers.Split(2, axis, output), [MAP]) for axis in (2, -1) for output in (0, 1)),
    (layers.Split((1, 4), 1, 1), [MAP]),
    (layers.Take((2, 0, 2, -1), 1), [MAP]),
    (layers.ExpandDims(2), [MAP]),
    (layers.Squeeze((1, -1)), [(1, 5, 1)]),
    (layers.Stack(), [MAP, MAP, MAP]),
    (layers.Stack(1), [VECTOR, VECTOR]),
    (layers.Tile((1, 2, 1, 3)), [MAP]),
    (layers.Roll(2, -1), [MAP]),
    (layers.Roll((1, -2), (2, 1)), [MAP]),
    (layers.Cumsum(1), [MAP]),
    (layers.Repeat(3), [MAP]),
    (layers.Repeat(2, 1), [MAP]),
    *(
        (layers.Pad(((0, 0), (1, 2), (0, 3), (1, 0)), mode), [MAP])
        for mode in ("constant", "reflect", "symmetric")
    ),
    (layers.Matmul(), [(3, 2, 4), (3, 4, 5)]),
    (layers.Matmul(), [(3, 2, 4), (1, 4, 5)]),
    (layers.Matmul(transpose_a=True, transpose_b=True), [(3, 4, 2), (3, 5, 4)]),
    (layers.Matmul(MATRIX), [MAP]),
    (layers.Matmul(MATRIX), [(4,)]),
    (layers.Matmul(MATRIX, transpose_a=True), [(4, 3)]),
    (layers.Matmul(MATRIX, constant_first=True), [(3, 2, 5)]),
    (layers.Where(), [MAP, MAP, (1, 6, 1)]),
    (layers.Where(x=0.5), [MAP, MAP]),
    (layers.Where(y=((1.0, 2.0, 3.0, 4.0),)), [MAP, MAP]),
    (layers.Cast(), [MAP]),
    (layers.Cast("int32"), [MAP]),
]


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)


def test_equal_maxima_share_the_gradient():
    x = np.array([[1.0, 3, 3]])
    (dx,) = gradients_of(layers.Reduction("max", -1), {}, np.array([2.0]), x)
    assert dx.tolist() == [[0, 1, 1]]


def test_a_product_with_a_zero_has_a_gradient():
    x = np.array([[0.0, 3, 4], [0, 0, 5]])
    (dx,) = gradients_of(layers.Reduction("prod", -1), {}, np.ones(2), x)
    assert dx.tolist() == [[12, 0, 0], [0, 0, 0]]
