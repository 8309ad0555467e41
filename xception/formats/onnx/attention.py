"""Attention as operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...kernels import Array
from .building import Builder, NotExpressibleError, Tensor, parameter
from .convolutions import Use
from .normalizing import total
from .shaping import known_size, reshape

Operands = Sequence[Tensor]


def _weights(builder: Builder, use: Use, scores: str, sizes: tuple[int | None, int | None]) -> str:
    """Add the softmax of scores (…, t, s), of which a query sees only values before it if it is causal."""
    if use.layer.use_causal_mask:
        if None in sizes:
            raise NotExpressibleError("a causal mask of unknown length")
        seen = np.tri(sizes[0] or 0, sizes[1] or 0)
        mask = builder.constant(f"{use.name}/mask", np.where(seen, 0, -np.inf))
        scores = builder.add("Add", [scores, mask], f"{use.name}/masked")
    return builder.add("Softmax", [scores], f"{use.name}/weights", axis=-1)


def add_attention(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Dot-product, additive, and concatenated scores of (n, t, c) and (n, s, c)."""
    layer = use.layer
    query, value, key = [builder.last(x) for x in (*inputs, inputs[1])[:3]]
    is_dot = layer.kind == "Attention" and layer.score_mode == "dot"
    if is_dot:
        turned = builder.add("Transpose", [key.name], f"{use.name}/keys", perm=[0, 2, 1])
        scores = builder.add("MatMul", [query.name, turned], f"{use.name}/scores")
        if "scale" in use.parameters:
            scale = builder.constant(parameter(use.owner, "scale"), use.parameters["scale"])
            scores = builder.add("Mul", [scores, scale], f"{use.name}/scaled")
    else:
        scores = _summed_scores(builder, use, query, key)
    weights = _weights(builder, use, scores, (query.shape[0], value.shape[0]))
    return Tensor(builder.add("MatMul", [weights, value.name], use.name), use.output_shape)


def _summed_scores(builder: Builder, use: Use, query: Tensor, key: Tensor) -> str:
    """Add Σ scale · tanh(query + key)."""
    a = builder.add("Unsqueeze", [query.name, builder.integers([2])], f"{use.name}/query")  # (n, t, 1, c)
    b = builder.add("Unsqueeze", [key.name, builder.integers([1])], f"{use.name}/key")  # (n, 1, s, c)
    y = builder.add("Add", [a, b], f"{use.name}/sum")
    is_concat = use.layer.kind == "Attention"
    if is_concat and "scale" in use.parameters:
        scale = builder.constant(parameter(use.owner, "scale"), use.parameters["scale"])
        y = builder.add("Mul", [y, scale], f"{use.name}/scaled")
    y = builder.add("Tanh", [y], f"{use.name}/tanh")
    if not is_concat and "scale" in use.parameters:
        scale = builder.constant(parameter(use.owner, "scale"), use.parameters["scale"])
        y = builder.add("Mul", [y, scale], f"{use.name}/scaled")
    y = total(builder, y, [3], f"{use.name}/scores", keepdims=False)
    if is_concat and "concat_score_weight" in use.parameters:
        weight = builder.constant(
            parameter(use.owner, "concat_score_weight"), use.parameters["concat_score_weight"]
        )
        y = builder.add("Mul", [y, weight], f"{use.name}/weighted")
    return y


def add_projected_attention(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Attention in heads. Several axes are attended as one."""
    layer = use.layer
    tensors = [builder.last(x) for x in (*inputs, inputs[1])[:3]]
    query, value, key = tensors
    lengths = [None if None in x.shape[:-1] else known_size(x.shape[:-1], "") for x in tensors]
    heads, inner_heads = layer.heads()
    projected = {
        name: _project(builder, use, x, name, heads // inner_heads if name != "query" else 1)
        for name, x in (("query", query), ("key", key), ("value", value))
    }
    size = use.parameters["query/kernel"].shape[-1]
    turned = builder.add("Transpose", [projected["key"]], f"{use.name}/keys", perm=[0, 1, 3, 2])
    scores = builder.add("MatMul", [projected["query"], turned], f"{use.name}/scores")
    scores = builder.add("Mul", [scores, builder.number(1 / math.sqrt(size))], f"{use.name}/scaled")
    weights = _weights(builder, use, scores, (lengths[0], lengths[1]))
    y = builder.add("MatMul", [weights, projected["value"]], f"{use.name}/attended")  # (n, heads, t, size)
    y = builder.add("Transpose", [y], f"{use.name}/heads_last", perm=[0, 2, 1, 3])
    kernel = use.parameters["attention_output/kernel"]
    inner = kernel.shape[0] * kernel.shape[1]
    y = reshape(builder, y, [-1, inner], f"{use.name}/joined")
    flat = kernel.reshape(inner, -1)
    y = builder.add(
        "MatMul", [y, _constant(builder, use, "attention_output/kernel", flat)], f"{use.name}/product"
    )
    if layer.use_bias:
        bias = use.parameters["attention_output/bias"].reshape(-1)
        y = builder.add(
            "Add", [y, _constant(builder, use, "attention_output/bias", bias)], f"{use.name}/raised"
        )
    if use.output_shape.count(None) > 1:
        raise NotExpressibleError(f"an output of shape {use.output_shape}")
    shape = [-1 if size is None else size for size in use.output_shape]
    return Tensor(reshape(builder, y, shape, use.name), use.output_shape)


def _constant(builder: Builder, use: Use, name: str, array: Array) -> str:
    return builder.constant(parameter(use.owner, name), array)


def _project(builder: Builder, use: Use, x: Tensor, name: str, copies: int) -> str:
    """Add the projection of an input into heads: (n, heads, t, size). Shared heads are repeated."""
    kernel = use.parameters[f"{name}/kernel"]  # (c, heads, size)
    bias = use.parameters[f"{name}/bias"] if use.layer.use_bias else None
    if copies > 1:
        kernel = kernel.repeat(copies, axis=1)
        bias = None if bias is None else bias.repeat(copies, axis=0)
    channels, heads, size = kernel.shape
    stem = f"{use.name}/{name}"
    y = reshape(builder, x.name, [-1, channels], f"{stem}/rows") if len(x.shape) != 2 else x.name
    weights = _constant(builder, use, f"{name}/kernel", kernel.reshape(channels, -1))
    y = builder.add("MatMul", [y, weights], f"{stem}/product")
    if bias is not None:
        y = builder.add(
            "Add", [y, _constant(builder, use, f"{name}/bias", bias.reshape(-1))], f"{stem}/raised"
        )
    y = reshape(builder, y, [-1, heads, size], f"{stem}/heads")
    return builder.add("Transpose", [y], stem, perm=[0, 2, 1, 3])
