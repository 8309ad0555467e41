"""Gradient rules of einsum equations."""

import pytest
from gradient_checks import check_differences, check_float32, layer_id

from xception import layers

LAYERS = [
    (layers.EinsumDense("abc,cd->abd", (None, 5), "tanh", "d"), [(3, 4)]),
    (layers.EinsumDense("...x,xyz->...yz", (2, 3), bias_axes="y"), [(2, 3, 4)]),
    (layers.EinsumDense("ab...,bc->ac...", 5, bias_axes="c"), [(3, 4)]),
    (layers.EinsumDense("abc,bcd->ad", 5), [(3, 4)]),
    (layers.EinsumDense("abc,cd->ad", 5), [(3, 4)]),
    (layers.EinsumDense("abc,bd->abdc", (None, 2, None)), [(3, 4)]),
]


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)
