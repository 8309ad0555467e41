"""Reshaping, borders, resizing and parts of arrays as operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import kernels
from ...kernels import Array
from ...layers import pair
from ...layers.operations.indexing import ELLIPSIS
from ...layers.reshaping import sides
from .building import TO_FIRST, Builder, NotExpressibleError, Tensor
from .convolutions import Use

Operands = Sequence[Tensor]
MAX_MATRIX_ELEMENTS = 1 << 24  #: of one axis, stored in the file
MAX_INDEX = (1 << 31) - 1  #: beyond every axis: a slice to the end
#: Those whose operator computes what TensorFlow does, whatever the size of the map.
INTERPOLATIONS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}


def reshape(builder: Builder, x: str, shape: Sequence[int], name: str) -> str:
    """Add a reshaping that keeps the batch axis. One size may be -1, to be inferred."""
    return builder.add("Reshape", [x, builder.integers([0, *shape])], name)


def add_flatten(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,) = inputs
    if x.shape[:2] != (1, 1):
        x = builder.last(x)
    return Tensor(builder.add("Flatten", [x.name], use.name, axis=1), use.output_shape)


def add_reshape(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x = builder.last(inputs[0])
    return Tensor(reshape(builder, x.name, use.layer.target_shape, use.name), use.output_shape)


def add_permute(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,), dims = inputs, use.layer.dims
    if dims == (3, 1, 2):
        x = builder.first(x)
        return Tensor(builder.add("Identity", [x.name], use.name), use.output_shape)
    x = builder.last(x)
    return Tensor(builder.add("Transpose", [x.name], use.name, perm=[0, *dims]), use.output_shape)


def add_repeat_vector(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    raised = builder.add("Unsqueeze", [inputs[0].name, builder.integers([1])], f"{use.name}/raised")
    name = builder.add("Tile", [raised, builder.integers([1, use.layer.n, 1])], use.name)
    return Tensor(name, use.output_shape)


def _on_axes(x: Tensor, height: int, width: int, other: int = 0) -> list[int]:
    """Return a number for each axis of a map, in its own order."""
    values = [other, height, width, other]
    return [values[axis] for axis in TO_FIRST] if x.is_first else values


def add_padding(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,), ((top, bottom), (left, right)) = inputs, sides(use.layer.padding)
    widths = [*_on_axes(x, top, left), *_on_axes(x, bottom, right)]
    name = builder.add("Pad", [x.name, builder.integers(widths), builder.number(0)], use.name)
    return Tensor(name, use.output_shape, x.is_first)


def slice_axes(
    builder: Builder, x: str, name: str, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int],
    steps: Sequence[int] | None = None,
) -> str:  # fmt: skip
    """Add a slice along some axes."""
    inputs = [x, *(builder.integers(values) for values in (starts, ends, axes))]
    return builder.add("Slice", inputs if steps is None else [*inputs, builder.integers(steps)], name)


def add_cropping(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,), ((top, bottom), (left, right)) = inputs, sides(use.layer.cropping)
    ends = [-bottom or MAX_INDEX, -right or MAX_INDEX]
    name = slice_axes(builder, x.name, use.name, [x.axis(1), x.axis(2)], [top, left], ends)
    return Tensor(name, use.output_shape, x.is_first)


def add_center_crop(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,), layer = inputs, use.layer
    height, width, _ = x.shape
    if height is None or width is None or height < layer.height or width < layer.width:
        raise NotExpressibleError(f"an input of shape {x.shape}")
    starts = [(height - layer.height) // 2, (width - layer.width) // 2]
    ends = [starts[0] + layer.height, starts[1] + layer.width]
    name = slice_axes(builder, x.name, use.name, [x.axis(1), x.axis(2)], starts, ends)
    return Tensor(name, use.output_shape, x.is_first)


def add_upsampling(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.first(inputs[0])
    vertical, horizontal = pair(layer.size)
    if layer.interpolation in INTERPOLATIONS:
        scales = builder.constant(f"{use.name}/scales", [1, 1, vertical, horizontal])
        name = builder.add("Resize", [x.name, "", scales], use.name, **INTERPOLATIONS[layer.interpolation])
        return Tensor(name, use.output_shape, is_first=True)
    height, width = _known_map(x)
    return _resize(builder, use, x, (height * vertical, width * horizontal), layer.interpolation, False)


def add_resizing(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.first(inputs[0])
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise NotExpressibleError("crop_to_aspect_ratio or pad_to_aspect_ratio")
    if None not in x.shape or layer.antialias or layer.interpolation not in INTERPOLATIONS:
        return _resize(builder, use, x, (layer.height, layer.width), layer.interpolation, layer.antialias)
    whole = builder.add("Shape", [x.name], f"{use.name}/shape")
    kept = slice_axes(builder, whole, f"{use.name}/kept", [0], [0], [2])
    wanted = builder.integers([layer.height, layer.width])
    sizes = builder.add("Concat", [kept, wanted], f"{use.name}/sizes", axis=0)
    settings = INTERPOLATIONS[layer.interpolation] | {"coordinate_transformation_mode": "half_pixel"}
    if layer.interpolation == "nearest":
        settings["nearest_mode"] = "round_prefer_ceil"  # the pixel in which the middle lies
    return Tensor(
        builder.add("Resize", [x.name, "", "", sizes], use.name, **settings), use.output_shape, True
    )


def _known_map(x: Tensor) -> tuple[int, int]:
    height, width, _ = x.shape
    if height is None or width is None:
        raise NotExpressibleError(f"maps of unknown size, an input of shape {x.shape}")
    return height, width


def _resize(
    builder: Builder, use: Use, x: Tensor, size: tuple[int, int], interpolation: Any, antialias: bool
) -> Tensor:
    """Resize maps of known size, as two products with matrices: of the rows, and of the columns."""
    height, width = _known_map(x)
    rows = _matrix(height, size[0], interpolation, antialias)
    columns = _matrix(width, size[1], interpolation, antialias)
    right, left = (
        builder.constant(f"{use.name}/columns", columns.T),
        builder.constant(f"{use.name}/rows", rows),
    )
    y = builder.add("MatMul", [x.name, right], f"{use.name}/wide")
    name = builder.add("MatMul", [left, y], use.name)
    return Tensor(name, use.output_shape, is_first=True)


def _matrix(before: int, after: int, interpolation: Any, antialias: bool) -> Array:
    """Return the matrix (after, before) of resizing along an axis: what becomes of each unit vector."""
    if before * after > MAX_MATRIX_ELEMENTS:
        raise NotExpressibleError(f"resizing from {before} to {after} pixels")
    units = np.eye(before, dtype=np.float32)[None, :, None]  # (1, before, 1, before)
    return kernels.resize(units, (after, 1), interpolation, antialias)[0, :, 0]


# --- operations -----------------------------------------------------------------------------


def _own(x: Tensor, axes: int | tuple[int, ...]) -> list[int]:
    """Return axes as non-negative ones of a channels-last tensor."""
    return [axis % x.rank for axis in ((axes,) if isinstance(axes, int) else axes)]


def add_expand_dims(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x = builder.last(inputs[0])
    axis = use.layer.axis % (x.rank + 1)
    return Tensor(builder.add("Unsqueeze", [x.name, builder.integers([axis])], use.name), use.output_shape)


def add_squeeze(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x = builder.last(inputs[0])
    if use.layer.axis is None:
        axes = [axis for axis, size in enumerate(x.shape, start=1) if size == 1]
    else:
        axes = _own(x, use.layer.axis)
    return Tensor(builder.add("Squeeze", [x.name, builder.integers(axes)], use.name), use.output_shape)


def add_stack(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    tensors = [builder.last(x) for x in inputs]
    axis = use.layer.axis % (tensors[0].rank + 1)
    raised = [
        builder.add("Unsqueeze", [x.name, builder.integers([axis])], f"{use.name}/raised") for x in tensors
    ]
    return Tensor(builder.add("Concat", raised, use.name, axis=axis), use.output_shape)


def add_tile(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, repeats = builder.last(inputs[0]), use.layer.repeats
    if len(repeats) > x.rank:
        raise NotExpressibleError("more repeats than axes")
    repeats = (1,) * (x.rank - len(repeats)) + tuple(repeats)
    return Tensor(builder.add("Tile", [x.name, builder.integers(repeats)], use.name), use.output_shape)


def add_repeat(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Repeat each element: a new axis of copies, joined with the one before it."""
    x = builder.last(inputs[0])
    (axis,) = _own(x, use.layer.axis)
    size = x.shape[axis - 1]
    if size is None:
        raise NotExpressibleError(f"an input of shape {x.shape}")
    indices = [index for index in range(size) for _ in range(use.layer.repeats)]
    name = builder.add(
        "Gather", [x.name, builder.integers_list(f"{use.name}/indices", indices)], use.name, axis=axis
    )
    return Tensor(name, use.output_shape)


def add_pad(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, layer = builder.last(inputs[0]), use.layer
    if layer.mode == "symmetric":
        raise NotExpressibleError("the mode symmetric")
    widths = [before for before, _ in layer.pad_width] + [after for _, after in layer.pad_width]
    operands = [x.name, builder.integers(widths), builder.number(layer.constant)]
    return Tensor(builder.add("Pad", operands, use.name, mode=layer.mode), use.output_shape)


def add_roll(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, layer = builder.last(inputs[0]), use.layer
    axes = _own(x, layer.axis)
    shifts = (layer.shift,) * len(axes) if isinstance(layer.shift, int) else layer.shift
    name = x.name
    for axis, shift in zip(axes, shifts, strict=True):
        size = x.shape[axis - 1]
        if size is None:
            raise NotExpressibleError(f"an input of shape {x.shape}")
        indices = [(index - shift) % size for index in range(size)]
        constant = builder.integers_list(f"{use.name}/indices", indices)
        name = builder.add("Gather", [name, constant], use.name, axis=axis)
    return Tensor(name, use.output_shape)


def add_cumsum(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x = builder.last(inputs[0])
    axis = builder.constant(f"{use.name}/axis", _own(x, use.layer.axis)[0], "int64")
    return Tensor(builder.add("CumSum", [x.name, axis], use.name), use.output_shape)


def add_get_item(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Slice, then drop the axes that are indexed, then add new ones."""
    x, key = builder.last(inputs[0]), list(use.layer.key)
    named = sum(index is not None and index != ELLIPSIS for index in key)
    full = [(None, None, None)] * (x.rank - named)
    if ELLIPSIS in key:
        place = key.index(ELLIPSIS)
        key[place : place + 1] = full
    else:
        key += full
    axes, starts, ends, steps, dropped, added = [], [], [], [], [], []
    axis, place = 0, 0
    for index in key:
        if index is None:
            added.append(place)
        elif isinstance(index, int):
            axes.append(axis)
            starts.append(index)
            ends.append(index + 1 or MAX_INDEX)
            steps.append(1)
            dropped.append(axis)
        elif index != (None, None, None):
            start, stop, step = index
            step = 1 if step is None else step
            axes.append(axis)
            starts.append((0 if step > 0 else MAX_INDEX) if start is None else start)
            ends.append((MAX_INDEX if step > 0 else -MAX_INDEX) if stop is None else stop)
            steps.append(step)
        axis += index is not None
        place += not isinstance(index, int)
    name = x.name
    if axes:
        name = slice_axes(builder, name, use.name, axes, starts, ends, steps)
    if dropped:
        name = builder.add("Squeeze", [name, builder.integers(dropped)], use.name)
    if added:
        name = builder.add("Unsqueeze", [name, builder.integers(added)], use.name)
    if name == x.name:
        name = builder.add("Identity", [name], use.name)
    return Tensor(name, use.output_shape)


def add_split(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, layer = builder.last(inputs[0]), use.layer
    (axis,) = _own(x, layer.axis)
    size = x.shape[axis - 1]
    if size is None:
        raise NotExpressibleError(f"an input of shape {x.shape}")
    if isinstance(layer.sections, int):
        width = size // layer.sections
        start, end = layer.output * width, (layer.output + 1) * width
    else:
        bounds = [0, *layer.sections, size]
        start, end = bounds[layer.output], bounds[layer.output + 1]
    return Tensor(slice_axes(builder, x.name, use.name, [axis], [start], [end]), use.output_shape)


def add_take(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, layer = builder.last(inputs[0]), use.layer
    (axis,) = _own(x, layer.axis)
    constant = builder.integers_list(f"{use.name}/indices", layer.indices)
    return Tensor(builder.add("Gather", [x.name, constant], use.name, axis=axis), use.output_shape)


def known_size(shape: Sequence[int | None], reason: str) -> int:
    """Return the number of elements of a shape; raise if it is unknown."""
    if None in shape:
        raise NotExpressibleError(reason)
    return math.prod(size or 0 for size in shape)


OPERATORS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    "Flatten": add_flatten,
    "Reshape": add_reshape,
    "Permute": add_permute,
    "RepeatVector": add_repeat_vector,
    "ZeroPadding2D": add_padding,
    "Cropping2D": add_cropping,
    "CenterCrop": add_center_crop,
    "UpSampling2D": add_upsampling,
    "Resizing": add_resizing,
}
#: By class, since operations have the names of Keras's.
OPERATIONS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    "ExpandDims": add_expand_dims,
    "Squeeze": add_squeeze,
    "Stack": add_stack,
    "Tile": add_tile,
    "Repeat": add_repeat,
    "Pad": add_pad,
    "Roll": add_roll,
    "Cumsum": add_cumsum,
    "GetItem": add_get_item,
    "Split": add_split,
    "Take": add_take,
}
