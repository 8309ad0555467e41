"""Saving of models, in Keras's files and for other frameworks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from .calling import CallableModel
from .exported import with_outputs, with_scaling
from .layer import as_layer_names
from .record import ModelRecord

if TYPE_CHECKING:
    from ..formats import StoredModel


class SavableModel(CallableModel, ModelRecord):
    """A model with its record, which is saved and exported."""

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Save the weights in a file that Keras's `load_weights` reads.

        An interrupted write leaves the former file unchanged.

        Args:
            path: `.weights.h5` is written as by Keras 3, any other `.h5` as by Keras 2. `.safetensors` is
                written for timm's `legacy_xception`, of a model that computes as PyTorch does.

        Raises:
            ValueError: `path` has another suffix, or PyTorch would answer otherwise than the model.
            OSError: The file cannot be written.
        """
        from .. import formats  # imports h5py

        formats.write_weights(path, self.network, self.graph, self.parameters)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the whole model, with class names, preprocessing and task, in a file that Keras loads.

        An interrupted write leaves the former file unchanged.

        Args:
            path: A path with the suffix `.keras`, the form of Keras 3, or `.h5`, that of Keras 2, which
                Keras 3 loads too. Keras 2 has fewer layers.

        Raises:
            ValueError: `path` has another suffix, or that Keras cannot express a layer.
            OSError: The file cannot be written.
        """
        from .. import formats  # imports h5py

        formats.write_model(path, self.stored())

    def stored(self, layers: str | Iterable[str] | None = None) -> StoredModel:
        """Return the model as its files hold it.

        Args:
            layers: Names of layers whose activations become the outputs; None for the model's outputs.

        Raises:
            ValueError: There is no such layer.
        """
        from ..formats import StoredModel  # imports h5py

        stored = StoredModel(
            self.graph, self.parameters, self.network, self.class_names, self.preprocessing, self.task
        )
        if layers is None:
            return stored
        return with_outputs(stored, [self.output_node(name) for name in as_layer_names(layers)])

    def export(
        self, filepath: str | os.PathLike[str], format: str | None = None, *,
        layers: str | Iterable[str] | None = None, fold: bool = True,
        layout: Literal["nhwc", "nchw"] = "nhwc",
    ) -> tuple[str, ...]:  # fmt: skip
        """Write the model for another framework: ONNX, or Deeplearning4j.

        Args:
            filepath: The file: `.onnx`, or `.zip` for Deeplearning4j. Class names are written beside a
                `.zip`, one in a line, as `NAME.classes.txt`.
            format: "onnx" or "dl4j". None: by the suffix.
            layers: Names of layers whose activations become the outputs, as for `get_layer`. None: the
                model's outputs.
            fold: Whether batch normalization becomes part of the convolution before it, in ONNX.
            layout: Order of the axes of images that the ONNX model takes.

        Returns:
            Sentences about the file: how images are prepared for it, what reads it, what was left out.

        Raises:
            ValueError: The format cannot express a layer, which is named, or an argument is invalid.
            MissingPackageError: The package `onnx` is not installed.
            OSError: The file cannot be written.
        """
        from ..formats.exporting import export_model  # few programs need it
        from ..formats.options import ExportOptions

        stored = with_scaling(self.stored(layers))
        notes = export_model(filepath, stored, format, ExportOptions(fold, layout))
        return tuple(note.text for note in notes)
