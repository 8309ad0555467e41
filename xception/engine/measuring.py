"""Measuring of what fusion and a schedule allocate, before they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..graph import Node
from ..kernels import Array, Backend, Call, Epilogue, Pair
from ..layers import Conv2D, SeparableConv2D, Shape
from .buffers import Buffers, phantom
from .fusion import MAX_FOLDED_ELEMENTS, MAX_FOLDED_ELEMENTS_TOGETHER, FusedStage, Stage
from .schedule import build_schedule


def measure_schedule(stages: Sequence[Stage], shapes: Mapping[str, Shape], outputs: Sequence[str]) -> int:
    """Return the bytes that a run of one example on one thread takes, without parameters and results.

    Args:
        stages: From `fusion.fuse`.
        shapes: Every node's output shape, without the batch axis.
        outputs: The nodes whose activations are requested.
    """
    own = [replace(stage) if isinstance(stage, FusedStage) else stage for stage in stages]  # nothing packed
    backend: Backend = _NoCalls()
    return build_schedule(own, shapes, outputs, 1, backend, Buffers(limit=None)).bytes


def bytes_of_copies(nodes: Iterable[Node]) -> int:
    """Return an upper bound of the bytes that `fuse` allocates for stages: copies of small kernels, biases.

    Args:
        nodes: The nodes that are computed.
    """
    own = folded = 0
    for node in nodes:
        layer = node.layer
        if isinstance(layer, Conv2D | SeparableConv2D):
            sizes = {name: parameter.size for name, parameter in node.parameters.items()}
            kernel = sizes["pointwise_kernel" if isinstance(layer, SeparableConv2D) else "kernel"]
            folded += kernel if kernel <= MAX_FOLDED_ELEMENTS else 0
            own += sizes.get("depthwise_kernel", 0) + 4 * layer.filters  # scale, bias, and in float64
    return 4 * (own + min(folded, MAX_FOLDED_ELEMENTS_TOGETHER))


class _NoCalls:
    """A backend that prepares nothing."""

    def __init__(self) -> None:
        self._packed: list[Array] = []

    def pack(self, weights: Array, width: int) -> Array:
        self._packed.append(phantom((*weights.shape[:-1], weights.shape[-1] * width)))
        return self._packed[-1]  # kept: a stage refers to it weakly

    def gather(self, x: Array, window: Pair, strides: Pair, out: Array) -> list[Call]:
        return []

    def depthwise(self, x: Array, kernel: Array, window: Pair, out: Array, scratch: Array) -> list[Call]:
        return []

    def product(self, left: Array, right: Array, out: Array) -> list[Call]:
        return []

    def epilogue(self, y: Array, epilogue: Epilogue) -> list[Call]:
        return []

    def max_pool(
        self, y: Array, window: Pair, rows: range, columns: range, out: Array, scratch: Array,
        epilogue: Epilogue,
    ) -> list[Call]:  # fmt: skip
        return []

    def copy(self, x: Array, out: Array) -> list[Call]:
        return []
