"""Layer that applies another layer to every frame of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...kernels import Array
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import count
from ..wrapping import check_layer, wrapped_group


@dataclass(frozen=True)
class TimeDistributed(Layer):
    """Another layer, applied to every frame: (frames, …) -> (frames, …).

    The frames of all examples become the batch of the other layer. Its parameters are those of that layer.
    In a graph, a network within `TimeDistributed` is a node of this class for each of its layers.

    Attributes:
        layer: The layer.
    """

    layer: Layer
    wraps: ClassVar[tuple[str, ...]] = ("layer",)

    def __post_init__(self) -> None:
        check_layer(self, "layer", Layer)

    @property
    def identity(self) -> bool:  # type: ignore[override]
        """Whether the layer returns its input unchanged at inference."""
        return self.layer.identity

    def accepts(self, count: int) -> bool:
        return count > 0 and self.layer.accepts(count)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return self.layer.parameters(*_shapes_of_frames(inputs))

    def variable_group(self, parameter: str) -> str:
        return wrapped_group("layer", self.layer, parameter)

    def output_shape(self, *inputs: Shape) -> Shape:
        shapes = _shapes_of_frames(inputs)
        numbers = {shape[0] for shape in inputs} - {None}
        if len(numbers) > 1:
            raise ValueError(f"takes inputs with the same number of frames, got shapes {inputs}")
        return (*(numbers or {None}), *self.layer.output_shape(*shapes))

    def cost(self, *inputs: Sizes) -> Cost:
        frames = inputs[0][0]
        cost = self.layer.cost(*(shape[1:] for shape in inputs))
        copied = sum(map(count, inputs))  # of inputs that are not contiguous
        return Cost(frames * cost.operations, frames * cost.elements + copied)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = self.layer.forward(parameters, *map(fold_frames, inputs))
        return unfold_frames(y, *inputs[0].shape[:2])


def fold_frames(x: Array) -> Array:
    """Return frames as a batch: (n, frames, …) -> (n·frames, …)."""
    n, frames, *sizes = x.shape
    return x.reshape(n * frames, *sizes)


def unfold_frames(y: Array, n: int, frames: int) -> Array:
    """Return a batch as frames: (n·frames, …) -> (n, frames, …)."""
    return y.reshape(n, frames, *y.shape[1:])


def _shapes_of_frames(shapes: Sequence[Shape]) -> list[Shape]:
    for shape in shapes:
        if len(shape) < 2:
            raise ValueError(f"takes frames, inputs of shape (frames, …) with at least 2 axes, got {shape}")
    return [shape[1:] for shape in shapes]
