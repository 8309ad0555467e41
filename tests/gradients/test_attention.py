"""Gradient rules of attention."""

import pytest
from gradient_checks import check_differences, check_float32, layer_id

from xception import layers

QUERY, VALUE, KEY = (4, 3), (3, 5), (3, 3)
LAYERS = [
    (layers.MultiHeadAttention(2, 2), [QUERY, VALUE]),
    (layers.MultiHeadAttention(2, 2, 3, use_bias=False), [QUERY, VALUE, (3, 2)]),
    (layers.MultiHeadAttention(2, 2, output_shape_setting=(2, 3), use_causal_mask=True), [QUERY, VALUE]),
    (layers.MultiHeadAttention(1, 2), [(2, 2, 3), (1, 3, 2)]),
    (layers.GroupedQueryAttention(2, 4, 2), [QUERY, VALUE]),
    (layers.GroupedQueryAttention(2, 2, 1, use_causal_mask=True), [QUERY, VALUE, KEY]),
    (layers.Attention(), [QUERY, KEY]),
    (layers.Attention(use_scale=True, use_causal_mask=True), [QUERY, VALUE, KEY]),
    (layers.Attention(score_mode="concat"), [QUERY, VALUE, KEY]),
    (layers.Attention(use_scale=True, score_mode="concat"), [QUERY, KEY]),
    (layers.AdditiveAttention(), [QUERY, VALUE, KEY]),
    (layers.AdditiveAttention(use_scale=False), [QUERY, KEY]),
]


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)
