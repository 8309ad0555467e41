"""Conversion of a model file into that of another framework."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..data.class_names import ClassNamesLike
from ..data.images import load_image
from ..data.overwriting import refuse_overwriting
from ..data.preprocessing import Aspect, ChannelOrder, Interpolation
from ..data.regular_files import open_regular_file
from ..graph import Network
from ..layers import Activation, Shape, Softmax
from ..models.factory import load_model
from ..models.model import Model
from .comparison import compare_with_reference, compare_with_source, compare_with_target
from .report import Comparison, ConversionReport

if TYPE_CHECKING:
    from ..data.images import ImageLike

#: Suffixes of whole models, of weights, and of what other frameworks read.
MODELS = (".keras", ".h5")
WEIGHTS = (".weights.h5", ".safetensors")
EXPORTS = (".onnx", ".zip")


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    strict: bool = False,
    input_shape: Shape | None = None,
    layers: str | Iterable[str] | None = None,
    fold: bool = True,
    layout: Literal["nhwc", "nchw"] = "nhwc",
    channel_order: ChannelOrder | None = None,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    softmax: bool = False,
    class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
    check: ImageLike | None = None,
    reference: str | os.PathLike[str] | None = None,
) -> ConversionReport:
    """Convert a model into a file of another framework.

    Args:
        source: A file that `load_model` reads: of Keras, PyTorch or Deeplearning4j.
        target: The file to write: `.keras` or `.h5`, a whole model for Keras; `.weights.h5`, its weights;
            `.safetensors`, weights for timm's `legacy_xception`; `.onnx`; or `.zip`, for Deeplearning4j.
        force: Write `.safetensors` even if PyTorch would give other answers with these weights.
        strict: Refuse a checkpoint whose pickle names anything besides weights.
        input_shape: Shape of the input, for files that do not record it; see `load_model`.
        layers: Names of layers whose activations become the outputs.
        fold: Whether batch normalization becomes part of the convolution before it, in ONNX.
        layout: Order of the axes of images that an ONNX model takes.
        channel_order: "rgb", or "bgr" for a model that takes blue first. None: as recorded, else "rgb".
        interpolation: How photographs were resized in training; see `Preprocessing`. None: as recorded.
        aspect: How they were fitted into the input; see `Preprocessing`. None: as recorded.
        softmax: Add a softmax to a model that gives logits.
        class_names: Names of the classes, or a file that holds them. None: those in `source`.
        check: A photograph, to which the activations of both sides are compared. `.onnx` needs onnxruntime.
            Keras, and timm's network in PyTorch, answer themselves where they are installed.
        reference: A `.npz` file with activations by layer that another framework gave, to which those of the
            model are compared. Its input is the array `input`, channels last and scaled, or else `check`.

    Returns:
        What was assumed and left out, and the comparison.

    Raises:
        FileNotFoundError: There is no such file.
        ModelFileError: `source` cannot be read. It is a ValueError.
        ValueError: The target's format cannot express a layer, which is named, or would change the answers;
            or an argument is invalid.
        MissingPackageError: A package that writes or runs the target is not installed.
        OSError: The target cannot be written.

    Examples:
        >>> import os, tempfile, xception
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = [os.path.join(folder, name) for name in ("base.keras", "base.zip")]
        ...     xception.Xception(include_top=False).save(paths[0])
        ...     print(xception.convert(*paths))
        base.keras -> base.zip
          takes images as NCHW, channels RGB, pixels −1…1, as normalizer.bin scales them
          Deeplearning4j's own image loader gives BGR: reverse the channels
          is restored by 1.0.0-beta2 and later
    """
    target = Path(target)
    suffix = _check_target(target)
    refuse_overwriting(target, [source], "the model that is converted")
    refuse_overwriting(target, [class_names, check, reference], "read by the conversion")
    if reference is not None:
        open_regular_file(reference).close()  # or an error now: it is read when the file has been written
    if isinstance(check, str | os.PathLike):
        load_image(check, None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_model(
            source, class_names=class_names, input_shape=input_shape, interpolation=interpolation,
            aspect=aspect, channel_order=channel_order, strict=strict,
        )  # fmt: skip
    name = os.path.basename(os.fspath(source))
    notes = [str(warning.message).removeprefix(f"{name}: ") for warning in caught]
    if layers is not None:
        model = _part(model, layers)
    if softmax:
        model = _with_softmax(model)
    if suffix in EXPORTS:
        notes += model.export(target, fold=fold, layout=layout)
    elif suffix == ".safetensors" and force:
        from ..formats.pytorch.writer import write_weights

        notes += write_weights(target, model.network, model.graph, model.parameters, force=True)
    elif suffix in WEIGHTS:
        model.save_weights(target)
    else:
        model.save(target)
    comparisons: list[Comparison] = []
    if reference is not None:
        comparisons = [compare_with_reference(model, Path(reference), check)]
    elif check is not None:
        is_whole = layers is None and not softmax
        comparisons = [*(compare_with_source(model, Path(source), check) if is_whole else ()),
                       compare_with_target(model, target, check, layout)]  # fmt: skip
    return ConversionReport(name, target.name, tuple(notes), tuple(comparisons))


def _check_target(target: Path) -> str:
    """Return the suffix of a target, of which ".weights.h5" is one.

    Raises:
        ValueError: No format has it.
    """
    suffixes = (*WEIGHTS, *MODELS, *EXPORTS)
    found = next((suffix for suffix in suffixes if target.name.lower().endswith(suffix)), None)
    if found is None:
        raise ValueError(f"{target.name}: expected a file with one of the suffixes {', '.join(suffixes)}")
    return found


def _part(model: Model, layers: str | Iterable[str]) -> Model:
    """Return the part of a model that ends with some layers."""
    stored = model.stored(layers)
    return Model(
        stored.graph, stored.parameters, stored.network, None, stored.preprocessing, task=stored.task
    )


def _with_softmax(model: Model) -> Model:
    """Return a model whose logits a softmax follows.

    Raises:
        ValueError: It has one already, or several outputs.
    """
    graph = model.graph
    last = graph.nodes[graph.outputs[0]]
    activation = getattr(last.layer, "activation", None)
    if len(graph.outputs) != 1 or len(last.output_shape) != 1:
        raise ValueError("softmax=True is for a model with one vector of logits as its output")
    if activation not in (None, "linear") or isinstance(last.layer, Softmax):
        raise ValueError(f"{last.name} ends with {activation or last.kind}, so its outputs are no logits")
    graph = graph.with_layer(Activation("softmax"), name=_free_name(graph.nodes, "probabilities"))
    preprocessing = replace(model.preprocessing, from_logits=False)
    return Model(
        graph, model.parameters, Network.from_graph(graph), model.class_names, preprocessing, task=model.task
    )


def _free_name(taken: Iterable[str], name: str) -> str:
    return name if name not in set(taken) else f"{name}_softmax"
