"""Shape and axis arithmetic shared by the layers.

Shapes are those of one example, without the batch axis. An axis in a setting is counted as Keras
counts it: axis 0 is the batch axis, and negative axes count from the end.
"""

from __future__ import annotations

from .. import kernels
from ..kernels import Padding, Pair
from .base import Shape


def pair(value: int | Pair) -> Pair:
    """Return `value` as (vertical, horizontal). A single integer stands for both."""
    return (value, value) if isinstance(value, int) else value


# --- sizes ----------------------------------------------------------------------------------


def channel_count(shape: Shape) -> int:
    """Return the size of the last axis, on which the shapes of parameters depend.

    Raises:
        ValueError: The shape has no axes, or its last size is unknown.
    """
    if not shape or shape[-1] is None:
        raise ValueError(f"needs a known number of channels, got an input of shape {shape}")
    return shape[-1]


def as_map_shape(shape: Shape) -> tuple[int | None, int | None, int | None]:
    """Return `shape` as the (h, w, c) of a feature map.

    Raises:
        ValueError: The shape does not have three axes.
    """
    if len(shape) != 3:
        raise ValueError(f"takes maps (h, w, c), got an input of shape {shape}")
    return shape


def as_sequence_shape(shape: Shape) -> tuple[int | None, int | None]:
    """Return `shape` as the (t, c) of a sequence.

    Raises:
        ValueError: The shape does not have two axes.
    """
    if len(shape) != 2:
        raise ValueError(f"takes sequences (t, c), got an input of shape {shape}")
    return shape


def fully_known(shape: Shape) -> tuple[int, ...] | None:
    """Return `shape`, or None if any of its sizes is unknown."""
    known = tuple(size for size in shape if size is not None)
    return known if len(known) == len(shape) else None


def window_output_size(
    shape: Shape, window: int | Pair, strides: int | Pair, padding: Padding, dilation: int | Pair = 1
) -> tuple[int | None, int | None]:
    """Return how many windows fit on a feature map vertically and horizontally, (oh, ow).

    Args:
        shape: The feature map's (h, w, c).
        window: Height and width of the window, in taps.
        strides: Step between windows, in pixels.
        padding: "same" or "valid".
        dilation: Step between taps, in pixels.

    Raises:
        ValueError: Not even one window fits.

    Examples:
        >>> window_output_size((299, 299, 3), window=3, strides=2, padding="valid")
        (149, 149)
        >>> window_output_size((299, None, 3), window=3, strides=2, padding="same")
        (150, None)
    """
    h, w, _ = as_map_shape(shape)
    extents = kernels.window_extent(pair(window), pair(dilation))
    counts: list[int | None] = []
    for size, extent, stride in zip((h, w), extents, pair(strides), strict=True):
        count = None if size is None else kernels.output_size(size, extent, stride, padding)
        if count == 0:
            raise ValueError(f"a window of {extent} does not fit into an input of shape {shape}")
        counts.append(count)
    oh, ow = counts
    return oh, ow


def broadcast_shapes(a: Shape, b: Shape) -> Shape | None:
    """Return the shape to which NumPy broadcasts `a` and `b`, or None if they are incompatible.

    Shapes are aligned at their last axes. An unknown size is assumed to match.
    """
    if len(a) < len(b):
        a, b = b, a
    leading = len(a) - len(b)
    sizes = list(a[:leading])
    for size, other in zip(a[leading:], b, strict=True):
        if size is not None and other is not None and size != other and 1 not in (size, other):
            return None
        sizes.append(other if size == 1 or (size is None and other != 1) else size)
    return tuple(sizes)


def broadcast_operands(inputs: tuple[Shape, ...], constants: tuple[tuple[int, ...], ...] = ()) -> Shape:
    """Return the shape of an elementwise operation on inputs of one rank, and on constants.

    A constant has at most the rank of the inputs, or a batch axis of size 1 besides.

    Args:
        inputs: Shapes of the inputs, without the batch axis.
        constants: Shapes of the constants.

    Raises:
        ValueError: The ranks differ, or the shapes are incompatible.
    """
    shape: Shape | None = inputs[0]
    rank = len(inputs[0])
    for position, operand in enumerate((*inputs[1:], *constants), start=1):
        is_constant = position >= len(inputs)
        if is_constant and len(operand) == rank + 1 and operand[0] == 1:
            operand = operand[1:]  # without the constant's batch axis
        if len(operand) > rank or (len(operand) < rank and not is_constant):
            raise ValueError(f"operands must have the same rank, got shapes {inputs[0]} and {operand}")
        shape = None if shape is None else broadcast_shapes(shape, operand)
        if shape is None:
            raise ValueError(f"operands must have compatible shapes, got {inputs[0]} and {operand}")
    assert shape is not None
    return shape


def broadcasts_to(shape: tuple[int, ...], target: Shape) -> bool:
    """Return True if an array of this shape broadcasts to `target` without enlarging it.

    An unknown size of `target` matches only 1.
    """
    trailing = target[len(target) - len(shape) :]
    return len(shape) <= len(target) and all(
        size in (1, expected) for size, expected in zip(shape, trailing, strict=True)
    )


# --- axes -----------------------------------------------------------------------------------


def array_axis(axis: int, shape: Shape) -> int:
    """Return a Keras axis as the non-negative axis of an array (n, *shape).

    Raises:
        ValueError: There is no such axis, or it is the batch axis.
    """
    rank = len(shape) + 1
    positive = axis + rank if axis < 0 else axis
    if not 1 <= positive < rank:
        raise ValueError(f"there is no axis {axis} in an input of shape {shape} (axis 0 is the batch axis)")
    return positive


def array_axes(axes: int | tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    """Return one or more Keras axes as those of an array (n, *shape), ascending and without duplicates.

    Raises:
        ValueError: There is no such axis, or it is the batch axis.
    """
    return tuple(sorted({array_axis(axis, shape) for axis in ((axes,) if isinstance(axes, int) else axes)}))


def check_channel_axis(axis: int, shape: Shape) -> int:
    """Check that `axis` is the last axis, and return its size, the number of channels.

    Raises:
        ValueError: `axis` is another axis, or its size is unknown.
    """
    if array_axis(axis, shape) != len(shape):
        raise ValueError(
            f"normalizes along the last axis, the channels, got axis {axis} of an input of shape {shape}"
        )
    return channel_count(shape)
