"""Comparison of a model's activations with those of another framework, layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..kernels import Array
from ..models.factory import load_model
from ..models.model import Model
from ..prediction.preprocessing import Preprocessor
from .frameworks import has_keras, has_timm, run_keras, run_onnx, run_timm
from .reference import read_reference
from .report import Comparison

if TYPE_CHECKING:
    from ..data.images import ImageLike

KERAS, PYTORCH = (".keras", ".h5"), (".pth", ".pt", ".safetensors")
INPUT = "input"  #: the array of a reference that holds the input


def compare_with_reference(model: Model, path: Path, photograph: ImageLike | None) -> Comparison:
    """Compare a model with activations that another framework gave.

    Args:
        model: The model.
        path: A `.npz` file with arrays by layer.
        photograph: The input, if the file holds none.

    Raises:
        ModelFileError: The file is damaged or hostile.
        ValueError: There is no input.
    """
    arrays = read_reference(path)
    x = arrays.pop(INPUT, None)
    if x is not None:
        x = _as_batch(model, x)
    elif photograph is not None:
        x = prepare(model, photograph)
    else:
        raise ValueError(f"{path.name}: has no array {INPUT!r}; give the photograph that it belongs to")
    ours = _activations(model, x)
    unknown = tuple(name for name in arrays if name not in ours)
    return Comparison(path.name, _differences(ours, arrays), unknown)


def compare_with_target(
    model: Model, target: Path, photograph: ImageLike, layout: Literal["nhwc", "nchw"]
) -> Comparison:
    """Compare a model with the file that was made of it.

    Args:
        model: The model.
        target: The file.
        photograph: The input.
        layout: Order of the axes of images of an ONNX model.

    Raises:
        MissingPackageError: ONNX Runtime, which runs the file, is not installed.
    """
    x = prepare(model, photograph)
    ours = _activations(model, x)
    if target.suffix == ".onnx":
        return Comparison("ONNX Runtime", _differences(ours, run_onnx(target, x, layout)))
    if target.name.endswith(".weights.h5") or target.suffix == ".safetensors":
        again = Model(model.graph, model.parameters, model.network)
        again.load_weights(target)
        return Comparison(f"{target.name}, read again", _differences(ours, _activations(again, x)))
    if target.suffix in KERAS and has_keras():
        return Comparison("Keras", _differences(ours, run_keras(target, x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = load_model(target, input_shape=model.input_shape[1:] if target.suffix == ".zip" else None)
    return Comparison(f"{target.name}, read again", _differences(ours, _activations(again, x)))


def compare_with_source(model: Model, source: Path, photograph: ImageLike) -> list[Comparison]:
    """Compare a model with what the framework that its file is from answers itself, if it is installed.

    Args:
        model: The model, as it was read.
        source: The file.
        photograph: The input.
    """
    x = prepare(model, photograph)
    if source.suffix in KERAS and has_keras():
        return [
            Comparison(f"{source.name} in Keras", _differences(_activations(model, x), run_keras(source, x)))
        ]
    if source.suffix in PYTORCH and has_timm():
        of_timm = run_timm(model, x)
        if of_timm is not None:
            return [Comparison("timm's legacy_xception", _differences(_activations(model, x), of_timm))]
    return []


def prepare(model: Model, photograph: ImageLike) -> Array:
    """Return a photograph as the model takes it, (1, h, w, c).

    Raises:
        ValueError: The model has other inputs besides a photograph.
    """
    preprocessor = Preprocessor(model)
    preprocessor.check_only_input()
    x: Array = np.asarray(preprocessor.load(photograph), np.float32)[None]
    return preprocessor.scale(x)


def _activations(model: Model, x: Array) -> dict[str, Array]:
    """Return the activations of all nodes, in the order of computation."""
    names = [node.name for node in model.graph.topological_order() if node.inputs]
    return model.graph.evaluate(model.parameters, x, names)


def _differences(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> dict[str, float]:
    """Return the largest relative difference of each layer that both sides have."""
    names = {name.replace("/", "_"): name for name in ours}
    found = {names.get(name, name): array for name, array in theirs.items()}
    differences = {}
    for name, array in ours.items():
        if name not in found:
            continue
        other = _aligned(np.asarray(found[name], np.float64), array.shape)
        if other is None:
            differences[name] = float("inf")
            continue
        with np.errstate(invalid="ignore"):
            largest = max(float(np.abs(array).max(initial=0)), 1e-30)
            difference = float(np.abs(array - other).max(initial=0)) / largest
        differences[name] = difference if np.isfinite(difference) else float("inf")
    return differences


def _aligned(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Return an array in a shape: as it is, with a batch axis, or with its channels moved to the end."""
    if array.ndim == len(shape) - 1:
        array = array[None]
    if array.shape == shape:
        return array
    if array.ndim == 4 and array.transpose(0, 2, 3, 1).shape == shape:
        return array.transpose(0, 2, 3, 1)
    return array.reshape(shape) if array.size == np.prod(shape) and len(shape) == 2 else None


def _as_batch(model: Model, x: Array) -> Array:
    """Return the input of a reference as the model takes it."""
    rank = len(model.input_shape)
    x = x[None] if x.ndim == rank - 1 else x
    channels = model.input_shape[-1]
    if x.ndim == 4 and x.shape[-1] != channels and x.shape[1] == channels:
        x = x.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(x, np.float32)
