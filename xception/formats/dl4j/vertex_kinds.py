"""Vertices that hold no layer, and preprocessors, as layers of this library."""

from __future__ import annotations

from collections.abc import Callable

from ...layers import (
    Add,
    Average,
    Concatenate,
    Cropping2D,
    Flatten,
    GetItem,
    Layer,
    Maximum,
    Multiply,
    Normalize,
    Permute,
    Rescaling,
    Reshape,
    Shape,
    Subtract,
)
from .chains import Chain, Context, chain
from .records import Record

OPERATIONS = {"Add": Add, "Average": Average, "Max": Maximum, "Product": Multiply, "Subtract": Subtract}
TENSORFLOW = "TensorFlow"  #: begins the name of the importer's preprocessor, which flattens h, w, c
ALL = (None, None, None)

# --- preprocessors --------------------------------------------------------------------------


def read_preprocessor(record: Record, shape: Shape, context: Context) -> Chain:
    """Return what a preprocessor does to an input of a shape.

    Raises:
        ModelFileError: It is not supported, or does not fit.
    """
    kind = record.kind.removeprefix(TENSORFLOW)
    if kind not in PREPROCESSORS:
        raise record.refuse("this preprocessor is not supported")
    return PREPROCESSORS[kind](record, shape, context)


def _flatten(record: Record, shape: Shape, context: Context) -> Chain:
    """Flatten maps in the order in which they are stored, whatever the order of ours."""
    if len(shape) == 1:
        return Chain(())
    height, width = record.integer("inputHeight", 0), record.integer("inputWidth", 0)
    channels = record.integer("numChannels", 0)
    if len(shape) != 3 or (channels and shape[-1] not in (None, channels)):
        raise record.refuse(f"takes maps of {channels} channels, got an input of shape {shape}")
    layout = _layout(record, context)
    turn: tuple[Layer, ...] = (Permute((3, 1, 2)),) if layout == "NCHW" else ()
    if not (height and width):
        return Chain((*turn, Flatten()))
    for expected, size in zip((height, width), shape, strict=False):
        if size not in (None, expected):
            raise record.refuse(f"takes maps of {height}×{width}, got an input of shape {shape}")
    # Without the sizes of the input, a Reshape knows the size of the vector, and Flatten does not.
    flat = Flatten() if None not in shape else Reshape((height * width * (shape[-1] or channels),))
    return Chain((*turn, flat), expected_size=(height, width))


def _layout(record: Record, context: Context) -> str:
    if record.kind.startswith(TENSORFLOW):
        return "NHWC"
    return record.text("format", context.layout)


def _to_maps(record: Record, shape: Shape, context: Context) -> Chain:
    if len(shape) == 3:
        return Chain(())
    height, width = record.integer("inputHeight", minimum=1), record.integer("inputWidth", minimum=1)
    channels = record.integer("numChannels", minimum=1)
    if _layout(record, context) == "NHWC":
        return Chain((Reshape((height, width, channels)),))
    return Chain((Reshape((channels, height, width)), Permute((2, 3, 1))))


def _reshape(record: Record, shape: Shape, context: Context) -> Chain:
    target = record.integers("targetShape", minimum=-1)
    if record.boolean("hasMiniBatchDimension", False):
        target = target[1:]
    if not target:
        raise record.refuse("it has no targetShape")
    return Chain((*context.to_stored(shape), Reshape(target), *context.from_stored(target)))


def _permute(record: Record, shape: Shape, context: Context) -> Chain:
    axes = record.integers("permutationIndices")
    axes = axes[1:] if axes[:1] == (0,) else axes
    if sorted(axes) != list(range(1, len(shape) + 1)):
        raise record.refuse(f"permutationIndices {list(axes)} do not fit an input of shape {shape}")
    if context.layout == "NCHW" and len(shape) == 3:
        stored = [(3, 1, 2)[axis - 1] for axis in axes]  # of ours, in the order of theirs
        axes = (stored[1], stored[2], stored[0])
    return Chain((Permute(axes),) if axes != tuple(range(1, len(shape) + 1)) else ())


PREPROCESSORS: dict[str, Callable[[Record, Shape, Context], Chain]] = {
    "CnnToFeedForwardPreProcessor": _flatten,
    "FeedForwardToCnnPreProcessor": _to_maps,
    "ReshapePreprocessor": _reshape,
    "PermutePreprocessor": _permute,
}

# --- vertices -------------------------------------------------------------------------------


def read_vertex(record: Record, shapes: tuple[Shape, ...], context: Context) -> Chain:
    """Return what a vertex does to its inputs. Only the first layer of the chain reads several.

    Raises:
        ModelFileError: It is not supported, or does not fit.
    """
    if record.kind in MERGING:
        return MERGING[record.kind](record, shapes, context)
    if record.kind not in VERTICES:
        raise record.refuse("this vertex is not supported")
    if len(shapes) != 1:
        raise record.refuse(f"takes one input, got {len(shapes)}")
    return VERTICES[record.kind](record, shapes[0], context)


def _elementwise(record: Record, shapes: tuple[Shape, ...], context: Context) -> Chain:
    operation = record.text("op")
    if operation not in OPERATIONS:
        raise record.refuse(f"the operation {operation} is not supported")
    return chain() if len(shapes) == 1 else chain(OPERATIONS[operation]())


def _merge(record: Record, shapes: tuple[Shape, ...], context: Context) -> Chain:
    """Concatenate the channels of maps, or vectors. NHWC is 3 in M2.1, and implied elsewhere."""
    rank = len(shapes[0]) + 1
    axis = record.integer("mergeAxis", 1, minimum=1)
    if axis == 1 and not record.boolean("modified", False):
        axis = rank - 1 if context.layout == "NHWC" else 1
    if axis >= rank:
        raise record.refuse(f"there is no axis {axis} in an input of shape {shapes[0]}")
    ours = context.axis(axis, rank)
    return chain() if len(shapes) == 1 else chain(Concatenate(-1 if ours == rank - 1 else ours))


def _preprocess(record: Record, shape: Shape, context: Context) -> Chain:
    preprocessor = record.child("preProcessor")
    found = Chain(()) if preprocessor is None else read_preprocessor(preprocessor, shape, context)
    return found if found.steps else chain()


def _drop_first(record: Record, shape: Shape, context: Context) -> Chain:
    if context.layout == "NHWC":
        raise record.refuse("drops a channel of NHWC images, which is not supported")
    return chain(Cropping2D(((1, 0), (1, 0))))


def _subset(record: Record, shape: Shape, context: Context) -> Chain:
    first, last = record.integer("from"), record.integer("to")
    axis, size = context.axis(1, len(shape) + 1), None
    size = shape[axis - 1]
    if last < first or (size is not None and last >= size):
        raise record.refuse(f"takes {first} to {last} of an input of shape {shape}")
    key = [ALL] * (len(shape) + 1)
    return chain(GetItem((*key[:axis], (first, last + 1, None), *key[axis + 1 :])))


def _normalize(record: Record, shape: Shape, context: Context) -> Chain:
    rank = len(shape) + 1
    stated = record.integers("dimension", (), minimum=1) or tuple(range(1, rank))
    if max(stated) >= rank:
        raise record.refuse(f"dimension {list(stated)} does not fit an input of shape {shape}")
    axes = tuple(sorted(context.axis(axis, rank) for axis in stated))
    return chain(Normalize(axes[0] if len(axes) == 1 else axes, 2, record.number("eps", 1e-8)))


#: Those that read several inputs.
MERGING: dict[str, Callable[[Record, tuple[Shape, ...], Context], Chain]] = {
    "ElementWiseVertex": _elementwise,
    "MergeVertex": _merge,
}
VERTICES: dict[str, Callable[[Record, Shape, Context], Chain]] = {
    "PreprocessorVertex": _preprocess,
    "PoolHelperVertex": _drop_first,
    "ScaleVertex": lambda record, shape, context: chain(Rescaling(record.number("scaleFactor"))),
    "ShiftVertex": lambda record, shape, context: chain(Rescaling(1.0, record.number("shiftFactor"))),
    "SubsetVertex": _subset,
    "L2NormalizeVertex": _normalize,
}
