"""Attention in several heads, each with its own projections of query, key and value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...kernels import Array
from ..base import Cost, Parameter, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_ROW, count
from ..penalized import Penalized
from ..shapes import array_axes, as_sequence_shape, channel_count
from ..validation import as_ints, check_axes, check_bool, check_int, check_number, store_setting
from .attention import OPERATIONS_PER_SCORE, AttentionLayer, attention_weights


class ProjectedAttention(AttentionLayer):
    """Base class of attention in several heads, each with its own projections.

    The parameters are `query/kernel`, `key/kernel`, `value/kernel` (c, heads, size of a head),
    `attention_output/kernel` (heads, size of a head, …), and a bias for each.
    """

    call_operands: ClassVar[tuple[str, ...]] = ("query", "value", "key")
    use_bias: bool
    use_causal_mask: bool

    def heads(self) -> tuple[int, int]:
        """Return the number of heads of the query, and of key and value, which divides it."""
        raise NotImplementedError

    def head_sizes(self) -> tuple[int, int]:
        """Return the size of a head of query and key, and of a value."""
        raise NotImplementedError

    def result_shape(self, c: int) -> Sizes:
        """Return the shape of the output for one query, which has `c` channels."""
        return (c,)

    def variable_group(self, parameter: str) -> str:
        return f"{parameter.partition('/')[0].removeprefix('attention_')}_dense"

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        query, value, key = (channel_count(shape) for shape in (*inputs, inputs[1])[:3])
        (heads, inner_heads), (size, value_size) = self.heads(), self.head_sizes()
        result = self.result_shape(query)
        shapes: dict[str, tuple[Sizes, Sizes]] = {
            "query": ((query,), (heads, size)),
            "key": ((key,), (inner_heads, size)),
            "value": ((value,), (inner_heads, value_size)),
            "attention_output": ((heads, value_size), result),
        }
        parameters = {}
        for name, (read, written) in shapes.items():
            parameters[f"{name}/kernel"] = Parameter((*read, *written))
            if self.use_bias:
                parameters[f"{name}/bias"] = Parameter(written, "zeros")
        return parameters

    def output_shape(self, *inputs: Shape) -> Shape:
        query, value, key = (*inputs, inputs[1])[:3]
        if not len(query) == len(value) == len(key) or len(query) < 2:
            raise ValueError(f"query, value and key must be sequences of one rank, got {inputs}")
        for a, b in zip(value[:-1], key[:-1], strict=True):
            if a is not None and b is not None and a != b:
                raise ValueError(f"value and key must have the same length, got shapes {value} and {key}")
        if self.use_causal_mask and len(query) > 2:
            raise ValueError(f"a causal mask needs sequences (t, c), got an input of shape {query}")
        return (*query[:-1], *self.result_shape(channel_count(query)))

    def cost(self, *inputs: Sizes) -> Cost:
        t, s = count(inputs[0][:-1]), count(inputs[1][:-1])
        (heads, _), (size, value_size) = self.heads(), self.head_sizes()
        out, scores = count(self.output_shape(*inputs)), heads * t * s
        projected = heads * (t * size + s * (size + value_size) + t * value_size)
        products = sum(2 * parameter.size * (s if name[0] in "kv" else t)
                       for name, parameter in self.parameters(*inputs).items())  # fmt: skip
        products += 2 * scores * (size + value_size)
        elements = (3 * projected + out) * 3 * OPERATIONS_PER_ELEMENT + scores * OPERATIONS_PER_SCORE
        rows = (t + s) * heads * 6 * OPERATIONS_PER_ROW
        work = 8 * OPERATIONS_PER_CALL + products + elements + rows
        return Cost(work, 4 * scores + 3 * projected + 3 * out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        query, key, value = self.project(parameters, *inputs)  # (n, heads, t or s, size)
        weights = self.weights(query, key)  # (n, heads, t, s)
        y = merge_heads(weights @ value)  # (n, t, heads · size)
        kernel = parameters["attention_output/kernel"]  # (heads, size, …)
        y = y @ kernel.reshape(y.shape[-1], -1)
        y = y.reshape(*inputs[0].shape[:-1], *kernel.shape[2:])
        return y + parameters["attention_output/bias"] if self.use_bias else y

    def project(self, parameters: Parameters, *inputs: Array) -> tuple[Array, Array, Array]:
        """Return query, key and value in heads, each (n, heads, t or s, size of a head)."""
        query, value, key = (*inputs, inputs[1])[:3]
        heads, inner_heads = self.heads()
        projected = []
        for name, x in (("query", query), ("key", key), ("value", value)):
            kernel = parameters[f"{name}/kernel"]  # (c, heads, size)
            x = x.reshape(len(x), -1, len(kernel)) @ kernel.reshape(len(kernel), -1)
            x = x.reshape(*x.shape[:2], *kernel.shape[1:])  # (n, t, heads, size)
            if self.use_bias:
                x = x + parameters[f"{name}/bias"]
            x = x.swapaxes(1, 2)
            is_shared = name != "query" and inner_heads < heads
            projected.append(x.repeat(heads // inner_heads, axis=1) if is_shared else x)
        return projected[0], projected[1], projected[2]

    def weights(self, query: Array, key: Array) -> Array:
        """Return the weights of the values for each query: (n, heads, t, s)."""
        scores = query @ key.swapaxes(2, 3)
        scores *= 1 / math.sqrt(query.shape[-1])
        return attention_weights(scores, self.use_causal_mask)


def merge_heads(x: Array) -> Array:
    """Reshape (n, heads, t, size) to (n, t, heads · size)."""
    n, heads, t, size = x.shape
    return x.swapaxes(1, 2).reshape(n, t, heads * size)


@dataclass(frozen=True)
class MultiHeadAttention(ProjectedAttention, Penalized):
    """Multi-head attention: query (t, c), value (s, …) and key (s, …) -> (t, *output_shape).

    The inputs are the query, the values, and optionally the keys. Each may have several axes besides
    its channels, over all of which it attends.

    The parameters are `query/kernel` (c, num_heads, key_dim), `key/kernel`, `value/kernel` (…, num_heads,
    value_dim), `attention_output/kernel` (num_heads, value_dim, *output_shape), and a bias for each.

    Vaswani et al., "Attention is all you need" (NIPS 2017).

    Attributes:
        num_heads: Number of heads.
        key_dim: Size of a head of query and key.
        value_dim: Size of a head of the values. None stands for `key_dim`.
        dropout: Fraction of the weights that training drops.
        use_bias: Whether the projections have biases.
        output_shape_setting: Shape of the output for one query. None stands for the query's channels. In
            Keras it is called `output_shape`.
        attention_axes: All axes but those of batch and channels, or None, which stands for them.
        use_causal_mask: Whether query i sees only values 0 to i. In Keras it is an argument of the call.
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape_setting: int | tuple[int, ...] | None = None
    attention_axes: int | tuple[int, ...] | None = None
    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        check_int(self, "num_heads", "key_dim")
        store_setting(self, "value_dim", self.value_dim or self.key_dim)
        check_int(self, "value_dim")
        check_number(self, "dropout", minimum=0, maximum=1)
        check_bool(self, "use_bias", "use_causal_mask")
        self.check_penalties()
        if self.output_shape_setting is not None:
            store_setting(self, "output_shape_setting", as_ints("output_shape", self.output_shape_setting))
        check_axes(self, "attention_axes", optional=True)

    def heads(self) -> tuple[int, int]:
        return self.num_heads, self.num_heads

    def head_sizes(self) -> tuple[int, int]:
        assert self.value_dim is not None  # __post_init__ has set it
        return self.key_dim, self.value_dim

    def result_shape(self, c: int) -> Sizes:
        setting = self.output_shape_setting
        return setting if isinstance(setting, tuple) and setting else (c,)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = super().output_shape(*inputs)
        rank = len(inputs[0])
        if self.attention_axes is not None and array_axes(self.attention_axes, inputs[0]) != tuple(
            range(1, rank)
        ):
            raise ValueError(
                f"attention_axes must be all axes but those of batch and channels, got {self.attention_axes} "
                f"for an input of shape {inputs[0]}"
            )
        return shape


@dataclass(frozen=True)
class GroupedQueryAttention(ProjectedAttention, Penalized):
    """Multi-head attention in which several heads of the query share one of key and value.

    The inputs are the query (t, c), the values (s, …), and optionally the keys (s, …); the output is (t, c).

    The parameters are those of `MultiHeadAttention`, with `num_key_value_heads` heads for key and value.

    Ainslie et al., "GQA: Training generalized multi-query transformer models" (EMNLP 2023).

    Attributes:
        head_dim: Size of a head.
        num_query_heads: Number of heads of the query.
        num_key_value_heads: Number of heads of key and value, which divides `num_query_heads`.
        dropout: Fraction of the weights that training drops.
        use_bias: Whether the projections have biases.
        use_causal_mask: Whether query i sees only values 0 to i. In Keras it is an argument of the call.
    """

    head_dim: int
    num_query_heads: int
    num_key_value_heads: int
    dropout: float = 0.0
    use_bias: bool = True
    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        check_int(self, "head_dim", "num_query_heads", "num_key_value_heads")
        check_number(self, "dropout", minimum=0, maximum=1)
        check_bool(self, "use_bias", "use_causal_mask")
        self.check_penalties()
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_query_heads must be a multiple of num_key_value_heads, got {self.num_query_heads} and "
                f"{self.num_key_value_heads}"
            )

    def heads(self) -> tuple[int, int]:
        return self.num_query_heads, self.num_key_value_heads

    def head_sizes(self) -> tuple[int, int]:
        return self.head_dim, self.head_dim

    def variable_group(self, parameter: str) -> str:
        return f"_{super().variable_group(parameter)}"

    def output_shape(self, *inputs: Shape) -> Shape:
        as_sequence_shape(inputs[0])
        return super().output_shape(*inputs)
