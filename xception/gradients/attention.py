"""Gradient rules of attention.

With weights w = softmax(s) and y = w · v, the gradient goes to the values through the weights, and to query
and key through the scores s.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels import Array
from ..layers import AdditiveAttention, Attention, Parameters
from ..layers.sequences.attention import attention_weights, sums
from ..layers.sequences.multi_head_attention import ProjectedAttention, merge_heads
from .rules import backward, matmul_last_axis

Arrays = tuple[Array, ...]


@backward.register
def backward_projected(
    layer: ProjectedAttention, parameters: Parameters, dy: Array, *inputs: Array
) -> Arrays:
    """(n, t, …) -> (n, t, c) of the query, (n, s, …) of the values and keys"""
    query, key, value = layer.project(parameters, *inputs)  # (n, heads, t or s, size)
    weights = layer.weights(query, key)  # (n, heads, t, s)
    kernel = parameters["attention_output/kernel"]  # (heads, size, …)
    dy = dy.reshape(len(dy), query.shape[2], -1) @ kernel.reshape(math.prod(kernel.shape[:2]), -1).T
    dy = dy.reshape(*dy.shape[:2], *kernel.shape[:2]).swapaxes(1, 2)  # (n, heads, t, size)
    dvalue, dscores = _backward_weights(weights, value, dy)
    dscores = dscores / math.sqrt(query.shape[-1])
    dquery, dkey = dscores @ key, dscores.swapaxes(2, 3) @ query
    parts = []
    for name, dx, x in zip(
        ("query", "value", "key"), (dquery, dvalue, dkey), (*inputs, inputs[1])[:3], strict=True
    ):
        kernel = parameters[f"{name}/kernel"]  # (c, heads, size)
        n, heads, steps, size = dx.shape
        inner = kernel.shape[1]  # each is shared by several heads of the query
        dx = dx.reshape(n, inner, heads // inner, steps, size).sum(axis=2)
        parts.append(matmul_last_axis(merge_heads(dx), kernel.reshape(len(kernel), -1).T).reshape(x.shape))
    return _by_input(inputs, *parts)


@backward.register
def backward_attention(layer: Attention, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    query, value, key = (*inputs, inputs[1])[:3]
    weights = attention_weights(layer.scores(parameters, query, key), layer.use_causal_mask)
    dvalue, dscores = _backward_weights(weights, value, dy)
    scale = parameters["scale"] if layer.use_scale else dy.dtype.type(1)
    if layer.sums_tanh:
        factor = scale * parameters["concat_score_weight"]
        dquery, dkey = _backward_sums(dscores[..., None] * factor, scale * sums(query, key))
    else:
        dscores = dscores * scale
        dquery, dkey = dscores @ key, dscores.swapaxes(1, 2) @ query
    return _by_input(inputs, dquery, dvalue, dkey)


@backward.register
def backward_additive_attention(
    layer: AdditiveAttention, parameters: Parameters, dy: Array, *inputs: Array
) -> Arrays:
    query, value, key = (*inputs, inputs[1])[:3]
    weights = attention_weights(layer.scores(parameters, query, key), layer.use_causal_mask)
    dvalue, dscores = _backward_weights(weights, value, dy)
    scale = parameters["scale"] if layer.use_scale else dy.dtype.type(1)
    dquery, dkey = _backward_sums(dscores[..., None] * scale, sums(query, key))
    return _by_input(inputs, dquery, dvalue, dkey)


def _backward_weights(weights: Array, value: Array, dy: Array) -> tuple[Array, Array]:
    """Return the gradients of the values (…, s, d) and of the scores (…, t, s), for weights · value."""
    dvalue = weights.swapaxes(-1, -2) @ dy
    dweights = dy @ value.swapaxes(-1, -2)
    return dvalue, weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))


def _backward_sums(dy: Array, x: Array) -> tuple[Array, Array]:
    """Return the gradients of query and key, for tanh(x) of their sums (n, t, s, c)."""
    dx = dy * (1 - np.square(np.tanh(x)))
    return dx.sum(axis=2), dx.sum(axis=1)


def _by_input(inputs: Arrays, dquery: Array, dvalue: Array, dkey: Array) -> Arrays:
    """Return one gradient for each input: without keys, the values were the keys."""
    return (dquery, dvalue, dkey) if len(inputs) == 3 else (dquery, dvalue + dkey)
