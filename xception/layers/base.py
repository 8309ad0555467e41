"""What every layer answers, and the checks that their settings and shapes share.

Settings may come from a stranger's file: whatever JSON can hold is either understood or refused
with a ValueError in plain words, and stored in one form, so that equal settings compare equal.
"""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..kernels import Array, Pair

Shape = tuple[int | None, ...]
Parameters = Mapping[str, Array]
Numbers = float | tuple["Numbers", ...]  #: a number, or evenly nested numbers

LARGEST = 2**31 - 1  #: no size, count or axis is greater, and no axis less than -LARGEST
DEEPEST = 8  #: how deep numbers may be nested


@dataclass(frozen=True)
class Parameter:
    """What a layer asks for under one name: a shape, and how training would begin."""

    shape: tuple[int, ...]
    initializer: str = "glorot_uniform"  # or "zeros", "ones"
    trainable: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def initial_value(self, rng: np.random.Generator) -> Array:
        """A fresh float32 array, distributed as Keras's initialiser of the same name."""
        if self.initializer == "zeros":
            return np.zeros(self.shape, np.float32)
        if self.initializer == "ones":
            return np.ones(self.shape, np.float32)
        # Glorot and Bengio (2010). The last two axes are the channels in and out, any axes
        # before them the window: Keras counts fans so for depthwise kernels (kh, kw, c, 1) too.
        window = math.prod(self.shape[:-2])
        limit = math.sqrt(6 / (window * (self.shape[-2] + self.shape[-1])))
        value = rng.random(self.shape, np.float32)
        value *= 2 * limit
        value -= limit
        return value


class Layer:
    """What every layer answers. Sub-classes are frozen dataclasses of settings."""

    arity: ClassVar[int | None] = 1  #: how many inputs it takes; None: two or more
    identity: ClassVar[bool] = False  #: whether inference does nothing here

    @property
    def kind(self) -> str:
        """The class, as Keras writes it: "SeparableConv2D"."""
        return type(self).__name__

    def accepts(self, count: int) -> bool:
        """Whether it takes so many inputs."""
        return count >= 2 if self.arity is None else count == self.arity

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        """The parameters it needs for these input shapes, in Keras's order."""
        return {}

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape it gives back. Raises ValueError where the inputs do not suit it."""
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        """The plain computation, on arrays with a batch axis, in the inputs' own type."""
        raise NotImplementedError


# --- settings -------------------------------------------------------------------------------


def whole(layer: Layer, *names: str, least: int = 1) -> None:
    """Check that these settings are whole numbers."""
    for name in names:
        _store(layer, name, as_whole(name, getattr(layer, name), least))


def pairs(layer: Layer, *names: str, least: int = 1) -> None:
    """Check that these settings are one or two whole numbers; stored as two, down and along."""
    for name in names:
        value = _plain(getattr(layer, name))
        both = value if isinstance(value, list | tuple) else (value, value)
        try:
            down, along = (as_whole(name, size, least) for size in both)
        except ValueError:
            message = f"{name} must be one or two whole numbers from {least}, got {reprlib.repr(value)}"
            raise ValueError(message) from None
        _store(layer, name, (down, along))


def borders(layer: Layer, name: str) -> None:
    """Check a border: of all sides, of (rows, columns), or, as stored, ((top, bottom), (left, right))."""
    value = _plain(getattr(layer, name))
    both = value if isinstance(value, list | tuple) else (value, value)
    sides = [side if isinstance(side, list | tuple) else (side, side) for side in both]
    try:
        (top, bottom), (left, right) = ([as_whole(name, size, 0) for size in side] for side in sides)
    except ValueError:
        message = f"{name} must be a whole number from 0, or two, or two pairs, got {reprlib.repr(value)}"
        raise ValueError(message) from None
    _store(layer, name, ((top, bottom), (left, right)))


def number(
    layer: Layer, *names: str, least: float = -math.inf, most: float = math.inf, optional: bool = False
) -> None:
    """Check that these settings are finite numbers, or None where they are optional."""
    for name in names:
        value = getattr(layer, name)
        if value is not None or not optional:
            _store(layer, name, as_number(name, value, least, most))


def numbers(layer: Layer, *names: str) -> None:
    """Check that these settings are numbers, or evenly nested lists of them; stored as tuples."""
    for name in names:
        _store(layer, name, as_numbers(name, getattr(layer, name)))


def choice(layer: Layer, name: str, options: Sequence[str]) -> None:
    """Check that a setting is one of a few words."""
    value = getattr(layer, name)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be {' or '.join(map(repr, options))}, got {reprlib.repr(value)}")


def flag(layer: Layer, *names: str) -> None:
    """Check that these settings are True or False."""
    for name in names:
        value = _plain(getattr(layer, name))
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, got {reprlib.repr(value)}")
        _store(layer, name, value)


def axes(layer: Layer, name: str = "axis", optional: bool = False) -> None:
    """Check that a setting is an axis or some, counted as Keras does, 0 being the batch's."""
    value = _plain(getattr(layer, name))
    if value is None and optional:
        return
    found = as_wholes(name, value, least=-LARGEST)
    if not found and not optional:
        raise ValueError(f"{name} must name an axis, got {reprlib.repr(value)}")
    _store(layer, name, found if isinstance(value, list | tuple) else found[0])


def last_axis(layer: Any) -> None:
    """Check that `axis` is one axis, which Keras 2 writes as a list; `check_last` looks at which."""
    axes(layer)
    if isinstance(layer.axis, tuple):
        if len(layer.axis) != 1:
            raise ValueError(f"axis must be one axis, the channels', got {reprlib.repr(layer.axis)}")
        _store(layer, "axis", layer.axis[0])


def channels_last(layer: Any) -> None:
    """Check that `data_format` is what everything here is written for; None stands for it."""
    if layer.data_format == "channels_first":
        raise ValueError("channels_first models are not read: maps are (height, width, channels) here")
    if layer.data_format is not None:
        choice(layer, "data_format", ("channels_last",))
    _store(layer, "data_format", "channels_last")


def as_whole(name: str, value: Any, least: int = 1) -> int:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        bound = f" from {least}" if least > -LARGEST else ""
        raise ValueError(f"{name} must be a whole number{bound}, got {reprlib.repr(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {reprlib.repr(value)}")
    if value > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST}, got {reprlib.repr(value)}")
    return value


def as_wholes(name: str, value: Any, least: int = 1) -> tuple[int, ...]:
    """One whole number or a list of them, as a tuple."""
    value = _plain(value)
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(as_whole(name, item, least) for item in items)


def as_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {reprlib.repr(value)}")
    if not abs(value) <= sys.float_info.max:  # infinite, NaN, or a whole number that is too large
        raise ValueError(f"{name} must be a finite number, got {reprlib.repr(value)}")
    if not least <= value <= most:
        bounds = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise ValueError(f"{name} must be {bounds}, got {reprlib.repr(value)}")
    return float(value)


def as_numbers(name: str, value: Any, deepest: int = DEEPEST) -> Numbers:
    value = _plain(value)
    if not isinstance(value, list | tuple):
        return as_number(name, value)
    if not value or not deepest:
        raise ValueError(f"{name} must hold numbers, at most {DEEPEST} lists deep, got {reprlib.repr(value)}")
    parts = tuple(as_numbers(name, item, deepest - 1) for item in value)
    if len({np.shape(part) if isinstance(part, tuple) else () for part in parts}) > 1:
        raise ValueError(f"{name} must be nested evenly, got {reprlib.repr(value)}")
    return parts


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's own; anything else as it is."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _store(layer: Layer, name: str, value: object) -> None:
    object.__setattr__(layer, name, value)  # the dataclasses are frozen, but not before they are checked


# --- shapes ---------------------------------------------------------------------------------


def pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value


def channels(shape: Shape) -> int:
    """The size of the last axis, which parameters depend on."""
    if not shape or shape[-1] is None:
        raise ValueError(f"needs a known number of channels, got an input of shape {shape}")
    return shape[-1]


def sizes(shape: Shape) -> tuple[int | None, int | None, int | None]:
    """The three of a map."""
    if len(shape) != 3:
        raise ValueError(f"takes maps (h, w, c), got an input of shape {shape}")
    return shape


def slide(
    shape: Shape, window: int | Pair, strides: int | Pair, padding: str, dilation: int | Pair = 1
) -> tuple[int | None, int | None]:
    """(h, w, c) -> (oh, ow): how many windows fit."""
    h, w, _ = sizes(shape)
    covered = kernels.spread(pair(window), pair(dilation))
    fit = []
    for size, along, stride in zip((h, w), covered, pair(strides), strict=True):
        fit.append(None if size is None else kernels.output_size(size, along, stride, padding))
        if fit[-1] == 0:
            raise ValueError(f"a window of {along} does not fit into an input of shape {shape}")
    down, along_rows = fit
    return down, along_rows


def array_axis(axis: int, shape: Shape) -> int:
    """Keras's number of an axis as that of an array (n, *shape); never the batch's."""
    rank = len(shape) + 1
    found = axis + rank if axis < 0 else axis
    if not 1 <= found < rank:
        raise ValueError(f"there is no axis {axis} in an input of shape {shape} (axis 0 is the batch's)")
    return found


def array_axes(axes: int | tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    """The same for one or more, in rising order."""
    return tuple(sorted({array_axis(axis, shape) for axis in ((axes,) if isinstance(axes, int) else axes)}))


def check_last(axis: int, shape: Shape) -> int:
    """The number of channels, if `axis` is theirs."""
    if array_axis(axis, shape) != len(shape):
        raise ValueError(
            f"works along axis {axis} of an input of shape {shape}: here channels come last, and only the "
            "last axis is normalised"
        )
    return channels(shape)


def broadcast(one: Shape, other: Shape) -> Shape | None:
    """What NumPy makes of two shapes, compared from their ends; None where they do not fit."""
    if len(one) < len(other):
        one, other = other, one
    lead = len(one) - len(other)
    joined = list(one[:lead])
    for a, b in zip(one[lead:], other, strict=True):
        if a is not None and b is not None and a != b and 1 not in (a, b):
            return None
        joined.append(b if a == 1 or (a is None and b != 1) else a)
    return tuple(joined)


def optional_bias(wanted: bool, units: int) -> dict[str, Parameter]:
    return {"bias": Parameter((units,), "zeros")} if wanted else {}
