"""Writing of models for other frameworks: the choice of an exporter by suffix or name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from ..data.locations import expect_local
from .stored import Note, StoredModel

ExportFormat = Literal["dl4j"]
Layout = Literal["nhwc", "nchw"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
SUFFIXES: dict[str, ExportFormat] = {".zip": "dl4j"}


@dataclass(frozen=True)
class ExportOptions:
    """How a model is written for another framework.

    Attributes:
        fold: Whether batch normalization becomes part of the convolution before it, in ONNX.
        layout: Order of the axes of images that the ONNX model takes.
    """

    fold: bool = True
    layout: Layout = "nhwc"


def export_model(
    path: str | os.PathLike[str], stored: StoredModel, export_format: str | None, options: ExportOptions
) -> tuple[Note, ...]:
    """Write a model for another framework.

    Args:
        path: The file to write.
        stored: The model.
        export_format: "onnx" or "dl4j"; None for that of the suffix.
        options: How it is written.

    Returns:
        What the reader of the file must know, and what was left out.

    Raises:
        ValueError: The format is neither, or cannot express a layer, which is named.
        MissingPackageError: A package that writes the format is not installed.
        OSError: The file cannot be written.
    """
    path = expect_local(path)
    if export_format is None:
        export_format = SUFFIXES.get(path.suffix.lower())
        if export_format is None:
            raise ValueError(
                f"{path.name}: a model is exported as {' or '.join(SUFFIXES)}, or with format="
                f"{' or '.join(map(repr, FORMATS))}; save() writes .keras and .h5"
            )
    if export_format == "tf_saved_model":
        raise ValueError(
            "a TensorFlow SavedModel is not written here: save the model as .keras, load it with Keras "
            "and TensorFlow, and call its export()"
        )
    if export_format not in FORMATS:
        raise ValueError(f"format must be {' or '.join(map(repr, FORMATS))}, got {export_format!r}")
    if options.layout not in LAYOUTS:
        raise ValueError(f"layout must be {' or '.join(map(repr, LAYOUTS))}, got {options.layout!r}")
    from .dl4j.writer import write_model as write_dl4j  # few programs need it

    return write_dl4j(path, stored, options)
