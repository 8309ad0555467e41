"""Writing of models for other frameworks: the choice of an exporter by suffix or name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..data.locations import expect_local
from .options import EXPORT_FORMATS, IMAGE_LAYOUTS, ExportFormat, ExportOptions
from .stored import Note, StoredModel

SUFFIXES: dict[str, ExportFormat] = {".onnx": "onnx", ".zip": "dl4j"}


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
                f"{' or '.join(map(repr, EXPORT_FORMATS))}; save() writes .keras and .h5"
            )
    if export_format == "tf_saved_model":
        raise ValueError(
            "a TensorFlow SavedModel is not written here: save the model as .keras, load it with Keras "
            "and TensorFlow, and call its export()"
        )
    if export_format not in EXPORT_FORMATS:
        raise ValueError(f"format must be {' or '.join(map(repr, EXPORT_FORMATS))}, got {export_format!r}")
    if options.layout not in IMAGE_LAYOUTS:
        raise ValueError(f"layout must be {' or '.join(map(repr, IMAGE_LAYOUTS))}, got {options.layout!r}")
    return _exporter(export_format)(path, stored, options)


def _exporter(name: str) -> Callable[[Path, StoredModel, ExportOptions], tuple[Note, ...]]:
    """Return what writes a format. Few programs need it, so it is imported late."""
    if name == "dl4j":
        from .dl4j.writer import write_model as write_dl4j

        return write_dl4j
    from .onnx.writer import write_model as write_onnx

    return write_onnx
