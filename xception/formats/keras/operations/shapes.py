"""Operations that change shapes or take parts of arrays, with the layers that compute each of them."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from .... import layers
from ....layers import Concatenate, Identity
from ....layers.operations.indexing import MAX_INDICES
from ...limits import MAX_LISTED_SECTIONS
from ..config_calls import Reference
from .settings import Reader, Settings, Steps

FULL = (None, None, None)
REVERSED = (None, None, -1)


# --- shapes ---------------------------------------------------------------------------------


def _reshape(settings: Settings) -> Steps:
    tensor, shape = settings.tensor("x"), settings.take("newshape", "shape")
    if not isinstance(shape, list | tuple) or isinstance(shape, Reference) or len(shape) < 2:
        raise ValueError(f"its new shape {shape!r:.80} has no axis beside that of the batch")
    batch, *sizes = shape
    is_batch_size = isinstance(batch, Reference) and batch[0] in settings.sizes
    if not is_batch_size and batch not in (-1, None):
        raise ValueError(
            f"its new shape {shape!r:.80} does not keep the batch axis: the first size should be -1, or the "
            "batch size of a tensor"
        )
    return [layers.Reshape(tuple(-1 if size is None else size for size in sizes))], [tensor]


def _flatten(settings: Settings) -> Steps:
    return [layers.Flatten()], [settings.tensor("x")]


def _squeeze(settings: Settings) -> Steps:
    tensor, axis = settings.tensor("x"), settings.take("axis", "squeeze_dims", default=None)
    return [layers.Squeeze(axis if axis != [] else None)], [tensor]


def _expand_dims(settings: Settings) -> Steps:
    return [layers.ExpandDims(settings.axis("axis", "dim"))], [settings.tensor("x")]


def _transpose(settings: Settings) -> Steps:
    tensor, axes = settings.tensor("x"), settings.take("axes", "perm", default=None)
    if not isinstance(axes, list) or axes[:1] != [0]:
        raise ValueError(
            f"its transposition {axes!r:.80} moves the batch axis; supported are those that begin with 0"
        )
    return [layers.Permute(tuple(axes[1:]))], [tensor]


def _swap_axes(settings: Settings) -> Steps:
    tensor = settings.tensor("x")
    ends = settings.take("axis1", "source"), settings.take("axis2", "destination")
    axes = list(range(tensor.rank or 0))
    if not all(isinstance(end, int) and -len(axes) <= end < len(axes) for end in ends):
        raise ValueError(f"its axes {ends!r:.80} are not two axes of its input")
    a, b = (axes[end] for end in ends)
    if settings.compact == "swapaxes":
        axes[a], axes[b] = axes[b], axes[a]
    else:
        axes.insert(b, axes.pop(a))
    if axes[0] != 0:
        raise ValueError("it moves the batch axis")
    return [layers.Permute(tuple(axes[1:]))], [tensor]


def _concatenate(settings: Settings) -> Steps:
    axis, tensors = settings.axis("axis", "concat_dim", default=-1), settings.take("xs", "values")
    if settings.compact == "concatv2" and isinstance(tensors, list):  # a node: the axis is the last operand
        axis, tensors = tensors[-1], tensors[:-1]
    if not isinstance(tensors, list) or not all(isinstance(tensor, Reference) for tensor in tensors):
        raise ValueError(f"its operation {settings.name!r} joins a constant; supported are tensors")
    return [Concatenate(axis) if len(tensors) > 1 else Identity()], tensors


def _stack(settings: Settings) -> Steps:
    return [layers.Stack(settings.take("axis", default=0))], settings.tensors("xs", "values")


def _add_n(settings: Settings) -> Steps:
    tensors = settings.tensors("xs", "inputs")
    return [layers.Add() if len(tensors) > 1 else Identity()], tensors


def _tile(settings: Settings) -> Steps:
    repeats = settings.take("repeats", "multiples")
    return [layers.Tile(repeats)], [settings.tensor("x")]


def _repeat(settings: Settings) -> Steps:
    repeats = settings.take("repeats")
    return [layers.Repeat(repeats, settings.axis())], [settings.tensor("x")]


def _pad(settings: Settings) -> Steps:
    tensor, mode = settings.tensor("x"), str(settings.take("mode", default="constant")).lower()
    constant = settings.constant(settings.take("constant_values", default=0))
    pad = layers.Pad(settings.take("pad_width", "paddings"), mode, constant)  # type: ignore[arg-type]
    if (pad.mode, pad.constant) == ("constant", 0) and len(pad.pad_width) == 4 and not any(pad.pad_width[3]):
        return [layers.ZeroPadding2D(pad.pad_width[1:3])], [tensor]
    return [pad], [tensor]


def _roll(settings: Settings) -> Steps:
    return [layers.Roll(settings.take("shift"), settings.axis())], [settings.tensor("x", "input")]


def _cumsum(settings: Settings) -> Steps:
    return [layers.Cumsum(settings.axis())], [settings.tensor("x")]


# --- parts ----------------------------------------------------------------------------------


def _get_item(settings: Settings) -> Steps:
    tensor, key = settings.tensor("x"), settings.take("key", "slice_spec")
    return [layers.GetItem(tuple(map(_index, key if isinstance(key, list) else [key])))], [tensor]


def _index(value: Any) -> Any:
    """Return an index as `layers.GetItem` takes it."""
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__ellipsis__":
        return "..."
    value = value.get("config", value)
    return value["start"], value["stop"], value["step"]


def _slice(settings: Settings) -> Steps:
    tensor, begin, size = settings.tensor("x"), settings.take("begin"), settings.take("size")
    if not isinstance(begin, list) or not isinstance(size, list) or len(begin) != len(size):
        raise ValueError("its slice should have a start and a size for each axis")
    key = [
        (start, None if count == -1 else start + count, None)
        for start, count in zip(begin, size, strict=True)
    ]
    return [layers.GetItem(tuple(key))], [tensor]


def _axis_key(axis: int, index: Any) -> tuple[Any, ...]:
    """Return the key that applies an index to one axis, and takes all others whole."""
    return (*[FULL] * axis, index) if axis >= 0 else ("...", index, *[FULL] * (-axis - 1))


def _as_axes(axis: Any) -> list[int]:
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) > MAX_INDICES or not all(isinstance(each, int) and abs(each) < MAX_INDICES for each in axes):
        raise ValueError(f"its axis {axis!r:.80} should be an integer, or several")
    return axes


def _flip(settings: Settings) -> Steps:
    tensor = settings.tensor("x")
    fixed = {"flipleftright": 2, "flipupdown": 1}.get(settings.compact)
    axes = _as_axes(settings.axis() if fixed is None else fixed)
    return [layers.GetItem(_axis_key(axis, REVERSED)) for axis in axes], [tensor]


def _take(settings: Settings) -> Steps:
    tensor, indices, axis = settings.tensor("x"), settings.take("indices"), settings.axis()
    if isinstance(indices, int):
        return [layers.GetItem(_axis_key(_as_axes(axis)[0], indices))], [tensor]
    return [layers.Take(indices, axis)], [tensor]


def _split(settings: Settings) -> Steps:
    tensor, axis = settings.tensor("x"), settings.take("axis", default=0)
    sections = settings.take("indices_or_sections", "num_or_size_splits")
    settings.take("num", default=None)
    if isinstance(sections, list) and len(sections) > MAX_LISTED_SECTIONS:
        raise ValueError(f"it has {len(sections):,} sections; supported are at most {MAX_LISTED_SECTIONS:,}")
    if settings.keras < 3 and isinstance(sections, list):  # sizes, of which one may be -1
        if any(not isinstance(size, int) for size in sections) or -1 in sections[:-1]:
            raise ValueError(f"its sections {sections!r:.80} should be sizes")
        sections = list(accumulate(sections[:-1]))
    return [layers.Split(sections, axis, settings.output)], [tensor]


def _unstack(settings: Settings) -> Steps:
    tensor, (axis, *_) = settings.tensor("x"), _as_axes(settings.take("axis", default=0))
    settings.take("num", default=None)
    return [layers.GetItem(_axis_key(axis, settings.output))], [tensor]


#: For each operation: the names of its positional arguments, and the function that reads it.
SHAPE_OPERATIONS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "reshape": (("x", "shape"), _reshape),
    "batchflatten": (("x",), _flatten),
    "squeeze": (("x",), _squeeze),
    "expanddims": (("x", "axis"), _expand_dims),
    "transpose": (("x", "axes"), _transpose),
    **dict.fromkeys(("swapaxes", "moveaxis"), (("x",), _swap_axes)),
    **dict.fromkeys(("concatenate", "concat", "concatv2"), (("*xs",), _concatenate)),
    **dict.fromkeys(("stack", "pack"), (("*xs",), _stack)),
    "addn": (("*xs",), _add_n),
    "tile": (("x", "repeats"), _tile),
    "repeat": (("x",), _repeat),
    **dict.fromkeys(("pad", "padv2"), (("x", "paddings"), _pad)),
    "roll": (("x", "shift", "axis"), _roll),
    "cumsum": (("x", "axis"), _cumsum),
    "getitem": (("x", "key"), _get_item),
    "slice": (("x", "begin", "size"), _slice),
    **dict.fromkeys(("flip", "reverse", "reversev2", "flipleftright", "flipupdown"), (("x", "axis"), _flip)),
    **dict.fromkeys(("take", "gather"), (("x", "indices"), _take)),
    "split": (("x",), _split),
    "unstack": (("x",), _unstack),
}  # fmt: skip
