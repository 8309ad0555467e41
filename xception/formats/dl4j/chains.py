"""What a vertex becomes: a chain of layers, and where its parameters stand in the stored vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...kernels import Array
from ...layers import Activation, Layer, Permute, Shape

#: Order of the axes of images in Deeplearning4j's arrays. Here they are always (n, h, w, c).
Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True)
class Context:
    """What decides how a file is to be understood, besides the settings of a layer.

    Attributes:
        layout: Order of the axes of images.
        mode: The mode of the stored array: "JAVACPP" up to beta, "LONG_SHAPE" in beta2 and beta3,
            "MIXED_DATA_TYPES" from beta4 on.
    """

    layout: Layout
    mode: str

    def to_stored(self, shape: Shape) -> list[Layer]:
        """Return the layers that bring an array into the order of axes of Deeplearning4j's."""
        return [Permute((3, 1, 2))] if self.layout == "NCHW" and len(shape) == 3 else []

    def from_stored(self, shape: Shape) -> list[Layer]:
        """Return the layers that bring an array of Deeplearning4j's, of a shape, into ours."""
        return [Permute((2, 3, 1))] if self.layout == "NCHW" and len(shape) == 3 else []

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis of an array of Deeplearning4j's as one of ours, with the batch axis as 0.

        Args:
            axis: The axis.
            rank: Number of axes, with the batch axis.
        """
        return (0, 3, 1, 2)[axis] if self.layout == "NCHW" and rank == 4 else axis


@dataclass(frozen=True)
class Slot:
    """A part of the stored vector, which holds one parameter.

    Attributes:
        step: The layer of the chain that it belongs to.
        parameter: Its name there.
        shape: Its stored shape, row-major. () and a value: nothing is stored.
        convert: Makes the parameter of the stored array.
    """

    step: int
    parameter: str
    shape: tuple[int, ...]
    convert: Callable[[Array], Array] = np.asarray
    is_stored: bool = True

    @property
    def size(self) -> int:
        """The number of elements that are stored."""
        return math.prod(self.shape) if self.is_stored else 0


@dataclass(frozen=True)
class Chain:
    """Layers that are applied one after the other, and their parameters.

    Attributes:
        steps: The layers. The last one gets the vertex's name.
        slots: Their parameters, in the order in which they are stored.
        expected_size: (height, width) that the chain's input must have, if the file says so.
    """

    steps: tuple[Layer, ...]
    slots: tuple[Slot, ...] = ()
    expected_size: tuple[int, int] | None = None

    def after(self, first: Chain) -> Chain:
        """Return a chain that begins with another, which has no parameters."""
        moved = tuple(
            Slot(slot.step + len(first.steps), slot.parameter, slot.shape, slot.convert, slot.is_stored)
            for slot in self.slots
        )
        return Chain(
            (*first.steps, *self.steps), (*first.slots, *moved), first.expected_size or self.expected_size
        )


def chain(*steps: Layer, slots: tuple[Slot, ...] = ()) -> Chain:
    """Return a chain of layers; without any, of one that does nothing."""
    return Chain(steps or (Activation("linear"),), slots)


def transposed(*axes: int) -> Callable[[Array], Array]:
    """Return a function that reorders the axes of an array."""
    return lambda array: array.transpose(axes)


def constant(step: int, parameter: str, shape: tuple[int, ...], value: float) -> Slot:
    """Return the slot of a parameter that is not stored: all its elements have one value."""
    return Slot(step, parameter, shape, lambda _: np.full(shape, value, np.float32), is_stored=False)
