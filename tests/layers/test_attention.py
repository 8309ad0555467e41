"""Attention layers against formulas, in float64."""

import numpy as np
import pytest

from xception import layers

RNG = np.random.default_rng(0)


def draw(layer, *shapes):
    inputs = [RNG.normal(size=(2, *shape)) for shape in shapes]
    parameters = {name: RNG.normal(size=p.shape) for name, p in layer.parameters(*shapes).items()}
    return parameters, inputs


def softmax(x):
    y = np.exp(x)
    return y / y.sum(-1, keepdims=True)


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention(causal):
    layer = layers.MultiHeadAttention(2, 3, 4, use_causal_mask=causal)
    p, (query, value, key) = draw(layer, (5, 6), (7, 8), (7, 9))
    q = np.einsum("ntc,chd->nhtd", query, p["query/kernel"]) + p["query/bias"][:, None]
    k = np.einsum("ntc,chd->nhtd", key, p["key/kernel"]) + p["key/bias"][:, None]
    v = np.einsum("ntc,chd->nhtd", value, p["value/kernel"]) + p["value/bias"][:, None]
    scores = np.einsum("nhtd,nhsd->nhts", q, k) / np.sqrt(3)
    if causal:
        scores[:, :, np.arange(7) > np.arange(5)[:, None]] = -np.inf
    mean = np.einsum("nhts,nhsd->nhtd", softmax(scores), v)
    expected = np.einsum("nhtd,hde->nte", mean, p["attention_output/kernel"]) + p["attention_output/bias"]
    y = layer.forward(p, query, value, key)
    assert y.shape[1:] == layer.output_shape((5, 6), (7, 8), (7, 9)) == (5, 6)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_parameters_have_keras_s_names_order_and_groups():
    layer = layers.MultiHeadAttention(2, 3, 4, output_shape_setting=10)
    parameters = layer.parameters((None, 6), (None, 8))
    assert {name: parameter.shape for name, parameter in parameters.items()} == {
        "query/kernel": (6, 2, 3), "query/bias": (2, 3), "key/kernel": (8, 2, 3), "key/bias": (2, 3),
        "value/kernel": (8, 2, 4), "value/bias": (2, 4),
        "attention_output/kernel": (2, 4, 10), "attention_output/bias": (10,),
    }  # fmt: skip
    assert list(parameters)[:2] == ["query/kernel", "query/bias"]
    assert layer.variable_group("query/bias") == "query_dense"
    assert layer.variable_group("attention_output/bias") == "output_dense"
    assert layers.GroupedQueryAttention(2, 4, 2).variable_group("key/bias") == "_key_dense"
    assert layer.output_shape((None, 6), (None, 8)) == (None, 10)


def test_several_axes_are_attended_as_one():
    layer = layers.MultiHeadAttention(2, 3)
    p, (query, value) = draw(layer, (2, 3, 4), (1, 5, 4))
    y = layer.forward(p, query, value)
    flat = layer.forward(p, query.reshape(2, 6, 4), value.reshape(2, 5, 4))
    np.testing.assert_allclose(y.reshape(2, 6, 4), flat, atol=1e-12)


def test_grouped_heads_share_key_and_value():
    layer = layers.GroupedQueryAttention(3, 4, 2)
    p, (query, value) = draw(layer, (5, 6), (7, 8))
    repeated = {n: np.repeat(x, 2, -2) if n[0] in "kv" else x for n, x in p.items()}
    expected = layers.MultiHeadAttention(4, 3).forward(repeated, query, value)
    np.testing.assert_allclose(layer.forward(p, query, value), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "scores"),
    [
        (layers.Attention(), lambda p, q, k: q @ k.swapaxes(1, 2)),
        (layers.Attention(use_scale=True), lambda p, q, k: q @ k.swapaxes(1, 2) * p["scale"]),
        (
            layers.Attention(use_scale=True, score_mode="concat"),
            lambda p, q, k: (
                p["concat_score_weight"] * np.tanh(p["scale"] * (q[:, :, None] + k[:, None])).sum(-1)
            ),
        ),
        (
            layers.AdditiveAttention(),
            lambda p, q, k: (p["scale"] * np.tanh(q[:, :, None] + k[:, None])).sum(-1),
        ),
        (
            layers.AdditiveAttention(use_scale=False),
            lambda p, q, k: np.tanh(q[:, :, None] + k[:, None]).sum(-1),
        ),
    ],
    ids=["dot", "scaled", "concat", "additive", "unscaled"],
)
def test_attention_without_projections(layer, scores):
    p, (query, value, key) = draw(layer, (3, 4), (5, 6), (5, 4))
    expected = softmax(scores(p, query, key)) @ value
    np.testing.assert_allclose(layer.forward(p, query, value, key), expected, atol=1e-12)
    assert layer.output_shape((3, 4), (5, 6), (5, 4)) == (3, 6)


@pytest.mark.parametrize(
    ("layer", "shapes", "reason"),
    [
        (layers.MultiHeadAttention(2, 3), [(5, 6), (7, 8), (6, 8)], "same length"),
        (layers.MultiHeadAttention(2, 3), [(5, 6), (2, 7, 8)], "one rank"),
        (layers.MultiHeadAttention(2, 3), [(6,), (8,)], "one rank"),
        (layers.MultiHeadAttention(2, 3, attention_axes=1), [(5, 5, 6), (5, 5, 6)], "attention_axes"),
        (layers.MultiHeadAttention(2, 3, use_causal_mask=True), [(5, 5, 6), (5, 5, 6)], "causal"),
        (layers.GroupedQueryAttention(2, 4, 2), [(5, 5, 6), (5, 5, 6)], "sequences"),
        (layers.Attention(), [(5, 6), (5, 7)], "same number of channels"),
        (layers.Attention(), [(5, 6), (5, 7), (4, 6)], "same length"),
        (layers.AdditiveAttention(), [(5, 5, 6), (5, 5, 6)], "sequences"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes, reason):
    with pytest.raises(ValueError, match=reason):
        layer.output_shape(*shapes)


def test_attention_takes_two_or_three_inputs():
    assert [n for n in range(6) if layers.Attention().accepts(n)] == [2, 3]


def test_heads_that_cannot_be_grouped_are_refused():
    with pytest.raises(ValueError, match="multiple of num_key_value_heads"):
        layers.GroupedQueryAttention(2, 4, 3)


def test_long_sequences_are_counted():
    """The scores grow with the square of the length."""
    cost = layers.MultiHeadAttention(8, 4).cost((100_000, 32), (100_000, 32))
    assert cost.elements > 8 * 100_000**2
