"""Gradient rules of einsum equations."""

import pytest
from gradient_checks import (
    check_differences,
    check_float32,
    check_parameter_differences,
    check_parameter_float32,
    layer_id,
    with_parameters,
)

from xception import layers

MAP = (5, 6, 4)

LAYERS = [
    (layers.Einsum("bhwc,bhwd->bcd"), [MAP, (5, 6, 3)]),
    (layers.Einsum("bic,bjd->bij"), [(2, 3), (4, 5)]),
    (layers.Einsum("bi,bj->bji"), [(2,), (3,)]),
    (layers.Einsum("bhwc->bwh"), [MAP]),
    (layers.Einsum("...ij,...kj->...ik"), [(3, 4), (5, 4)]),
    (layers.Einsum("bij,bk->bik"), [(3, 4), (2,)]),  # j is summed
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


@pytest.mark.parametrize(("layer", "shapes"), with_parameters(LAYERS), ids=layer_id)
def test_parameter_gradients_equal_central_differences(layer, shapes):
    check_parameter_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), with_parameters(LAYERS), ids=layer_id)
def test_parameter_gradients_stay_float32(layer, shapes):
    check_parameter_float32(layer, shapes)
