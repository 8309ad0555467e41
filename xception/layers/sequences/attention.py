"""Attention layers, which give each query a weighted mean of values; see also `multi_head_attention`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...kernels import Array
from ...kernels.elementwise import softmax
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_ROW
from ..shapes import as_sequence_shape, channel_count
from ..validation import (
    check_bool,
    check_choice,
    check_number,
)

#: Work for an element of the scores, with scaling, mask, and softmax: 13 to 15 ns.
OPERATIONS_PER_SCORE = 1000
#: Work for a sum of query and key, and its hyperbolic tangent: 4 to 8 ns.
OPERATIONS_PER_TANH = 600


class AttentionLayer(Layer):
    """Base class of attention: query, values, and optionally keys. By default the keys are the values."""

    arity: ClassVar[int | None] = None
    call_settings: ClassVar[tuple[str, ...]] = ("use_causal_mask",)

    def accepts(self, count: int) -> bool:
        return count in (2, 3)


def attention_weights(scores: Array, use_causal_mask: bool) -> Array:
    """Return the softmax of the scores (…, t, s) along the values.

    Args:
        scores: A score for each query and each value.
        use_causal_mask: Whether query i sees only values 0 to i.
    """
    if use_causal_mask:
        seen = np.tri(*scores.shape[-2:]).astype(bool)  # (t, s)
        scores = np.where(seen, scores, scores.dtype.type(-np.inf))
    return softmax(scores)


class ScoredAttention(AttentionLayer):
    """Base class of attention whose scores come from query and key themselves.

    The inputs are the query (t, c), the values (s, d), and optionally the keys (s, c); the output is (t, d).
    """

    use_causal_mask: bool

    def output_shape(self, *inputs: Shape) -> Shape:
        query, value, key = (as_sequence_shape(shape) for shape in (*inputs, inputs[1])[:3])
        for (a, b), what in (
            ((query[1], key[1]), "query and key must have the same number of channels"),
            ((value[0], key[0]), "value and key must have the same length"),
        ):
            if a is not None and b is not None and a != b:
                raise ValueError(f"{what}, got shapes {inputs}")
        return query[0], value[1]

    def cost(self, *inputs: Sizes) -> Cost:
        (t, c), (s, d) = inputs[:2]
        scores, summed = t * s, t * s * c if self.sums_tanh else 0
        work = OPERATIONS_PER_CALL + 2 * scores * (c + d) + scores * OPERATIONS_PER_SCORE
        work += (
            summed * (OPERATIONS_PER_TANH + 2 * OPERATIONS_PER_ELEMENT) + (t * d + s * c) * OPERATIONS_PER_ROW
        )
        return Cost(work, 4 * scores + 3 * summed + 2 * (t * (c + d) + s * c))

    @property
    def sums_tanh(self) -> bool:
        """Whether a score is a sum of hyperbolic tangents, an array (t, s, c)."""
        return True

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        query, value, key = (*inputs, inputs[1])[:3]
        return attention_weights(self.scores(parameters, query, key), self.use_causal_mask) @ value

    def scores(self, parameters: Parameters, query: Array, key: Array) -> Array:
        """Return the score of each key (n, s, c) for each query (n, t, c): (n, t, s)."""
        raise NotImplementedError


def sums(query: Array, key: Array) -> Array:
    """Return the sum of each query (n, t, c) and each key (n, s, c): (n, t, s, c)."""
    return query[:, :, None] + key[:, None]


@dataclass(frozen=True)
class Attention(ScoredAttention):
    """Dot-product attention: query (t, c), value (s, d) and key (s, c) -> (t, d).

    The parameters are `scale`, with `use_scale`, and `concat_score_weight`, with `score_mode` "concat", each
    a single number.

    Luong et al., "Effective approaches to attention-based neural machine translation" (EMNLP 2015).

    Attributes:
        use_scale: Whether the scores are multiplied by a parameter.
        score_mode: "dot" scores by the product of query and key; "concat" by the sum of tanh(query + key).
        dropout: Fraction of the weights that training drops.
        use_causal_mask: Whether query i sees only values 0 to i. In Keras it is an argument of the call.
    """

    use_scale: bool = False
    score_mode: str = "dot"
    dropout: float = 0.0
    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        check_bool(self, "use_scale", "use_causal_mask")
        check_choice(self, "score_mode", ("dot", "concat"))
        check_number(self, "dropout", minimum=0, maximum=1)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        names = ["scale"] * self.use_scale + ["concat_score_weight"] * self.sums_tanh
        return {name: Parameter((), "ones") for name in names}

    @property
    def sums_tanh(self) -> bool:
        return self.score_mode == "concat"

    def scores(self, parameters: Parameters, query: Array, key: Array) -> Array:
        if not self.sums_tanh:
            scores = query @ key.swapaxes(1, 2)
            return scores * parameters["scale"] if self.use_scale else scores
        x = sums(query, key)
        if self.use_scale:
            x *= parameters["scale"]
        return np.tanh(x).sum(axis=-1) * parameters["concat_score_weight"]


@dataclass(frozen=True)
class AdditiveAttention(ScoredAttention):
    """Additive attention, by the sum of scale · tanh(query + key): (t, c), (s, d), (s, c) -> (t, d).

    The parameter `scale` (c,) exists with `use_scale`.

    Bahdanau et al., "Neural machine translation by jointly learning to align and translate" (ICLR 2015).

    Attributes:
        use_scale: Whether the hyperbolic tangents are multiplied by a parameter.
        dropout: Fraction of the weights that training drops.
        use_causal_mask: Whether query i sees only values 0 to i. In Keras it is an argument of the call.
    """

    use_scale: bool = True
    dropout: float = 0.0
    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        check_bool(self, "use_scale", "use_causal_mask")
        check_number(self, "dropout", minimum=0, maximum=1)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return {"scale": Parameter((channel_count(inputs[0]),))} if self.use_scale else {}

    def scores(self, parameters: Parameters, query: Array, key: Array) -> Array:
        x = np.tanh(sums(query, key))
        return x @ parameters["scale"] if self.use_scale else x.sum(axis=-1)
