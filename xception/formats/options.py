"""Options of reading model files: what a file does not say, and the caller does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..layers import Shape


@dataclass(frozen=True)
class ReadOptions:
    """What the caller says of a file that does not say it itself.

    Attributes:
        input_shape: (height, width, channels) of the input, for files that do not record it; a height or
            width of None accepts any size. None: the default of the format.
        strict: Refuse a file that holds anything besides weights, instead of passing it over.
    """

    input_shape: Shape | None = None
    strict: bool = False


ExportFormat = Literal["onnx", "dl4j"]
ImageLayout = Literal["nhwc", "nchw"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
IMAGE_LAYOUTS: tuple[ImageLayout, ...] = get_args(ImageLayout)


@dataclass(frozen=True)
class ExportOptions:
    """How a model is written for another framework.

    Attributes:
        fold: Whether batch normalization becomes part of the convolution before it, in ONNX.
        layout: Order of the axes of images that the ONNX model takes.
    """

    fold: bool = True
    layout: ImageLayout = "nhwc"
