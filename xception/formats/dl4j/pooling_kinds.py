"""Pooling layers of Deeplearning4j."""

from __future__ import annotations

from typing import Literal

from ...layers import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    GlobalPNormPooling2D,
    Layer,
    MaxPooling2D,
    PaddedPooling2D,
    Reduction,
    Shape,
    ZeroPadding2D,
)
from .chains import Chain, Context, chain
from .records import Record

#: Our name of each pooling type.
MODES: dict[str, Literal["max", "avg", "sum", "pnorm"]] = {
    "MAX": "max",
    "AVG": "avg",
    "SUM": "sum",
    "PNORM": "pnorm",
}


def subsampling(record: Record, shape: Shape, context: Context) -> Chain:
    """Return pooling over windows, in layers of Keras where it has them."""
    if len(shape) != 3:
        raise record.refuse(f"takes maps, got an input of shape {shape}")
    if record.pair("dilation", 1, minimum=1) != (1, 1):
        raise record.refuse(f"a dilation of {record.pair('dilation', 1)} is not supported")
    mode = _mode(record)
    window, strides = record.pair("kernelSize", minimum=1), record.pair("stride", 1, minimum=1)
    padding = _padding(record)
    counts_padding = _counts_padding(record, context) if mode == "avg" else _pads_with_zeros(record)
    if mode in ("max", "avg"):
        steps = _as_keras(mode == "max", window, strides, padding, counts_padding)
        if steps is not None:
            return chain(*steps)
    pnorm = record.integer("pnorm", 2) or 2
    layer = PaddedPooling2D(window, strides, padding, mode, counts_padding and mode in ("max", "avg"), pnorm)
    return chain(layer)


def _as_keras(
    is_max: bool, window: tuple[int, int], strides: tuple[int, int],
    padding: Literal["same"] | tuple[int, int], counts_padding: bool,
) -> tuple[Layer, ...] | None:  # fmt: skip
    """Return maximum or average pooling in layers that Keras has; None if it has none."""
    kind = MaxPooling2D if is_max else AveragePooling2D
    if padding == "same":
        return None if counts_padding else (kind(window, strides, "same"),)
    if padding == (0, 0):
        return (kind(window, strides),)
    if counts_padding:
        return (ZeroPadding2D(padding), kind(window, strides))
    if all(2 * width == size - 1 for width, size in zip(padding, window, strict=True)):
        # Around every pixel, and then every second (third, …) pixel.
        around = kind(window, 1, "same")
        return (around,) if strides == (1, 1) else (around, MaxPooling2D(1, strides, "same"))
    return None


def _mode(record: Record) -> Literal["max", "avg", "sum", "pnorm"]:
    name = record.text("poolingType", "MAX")
    if name not in MODES:
        raise record.refuse(f"poolingType {name} is not supported")
    return MODES[name]


def _padding(record: Record) -> Literal["same"] | tuple[int, int]:
    mode = record.text("convolutionMode", "Truncate")
    if mode == "Same":
        return "same"
    if mode not in ("Truncate", "Strict"):
        raise record.refuse(f"convolutionMode {mode} is not supported")
    return record.pair("padding", 0)


def _counts_padding(record: Record, context: Context) -> bool:
    """Return whether an average divides by the whole window. Versions differ where they do not say it."""
    stated = record.settings.get("avgPoolIncludePadInDivisor")
    if stated is None:
        return context.mode != "MIXED_DATA_TYPES"
    # beta5 and beta6, which write no layout, leave padding out whatever they say.
    return record.boolean("avgPoolIncludePadInDivisor", False) and "cnn2dDataFormat" in record.settings


def _pads_with_zeros(record: Record) -> bool:
    """Return whether maximum pooling counts padding as zeros, as 0.9.1 does, which writes no dilation."""
    is_first = record.is_wrapped and "dilation" not in record.settings
    return is_first and record.text("convolutionMode", "Truncate") == "Same"


def global_pooling(record: Record, shape: Shape, context: Context) -> Chain:
    """Return pooling over whole maps."""
    if len(shape) != 3:
        raise record.refuse(f"takes maps, got an input of shape {shape}")
    dimensions = record.integers("poolingDimensions", ()) or None
    images = (2, 3) if context.layout == "NCHW" else (1, 2)
    if dimensions not in (None, images):
        raise record.refuse(f"poolingDimensions {list(dimensions or ())} is not supported")
    keepdims = not record.boolean("collapseDimensions", True)
    mode = _mode(record)
    if mode == "avg":
        return chain(GlobalAveragePooling2D(keepdims))
    if mode == "max":
        return chain(GlobalMaxPooling2D(keepdims))
    if mode == "sum":
        return chain(Reduction("sum", (1, 2), keepdims))
    return chain(GlobalPNormPooling2D(record.integer("pnorm", 2, minimum=1), keepdims))
