"""Comparison of a model's activations with those of another framework, layer by layer."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import requires
from ..kernels import Array
from ..models.factory import load_model
from ..models.model import Model
from ..prediction.preprocessing import Preprocessor
from .reference import read_reference
from .report import Comparison

if TYPE_CHECKING:
    from ..data.images import ImageLike

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
        return Comparison("ONNX Runtime", _differences(ours, _run_onnx(target, x, layout)))
    if target.name.endswith(".weights.h5") or target.suffix == ".safetensors":
        again = Model(model.graph, model.parameters, model.network)
        again.load_weights(target)
        return Comparison(f"{target.name}, read again", _differences(ours, _activations(again, x)))
    if target.suffix in (".keras", ".h5") and importlib.util.find_spec("keras"):
        return Comparison("Keras", _differences(ours, _run_keras(target, x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = load_model(target, input_shape=model.input_shape[1:] if target.suffix == ".zip" else None)
    return Comparison(f"{target.name}, read again", _differences(ours, _activations(again, x)))


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


# --- the other frameworks -------------------------------------------------------------------


def _run_onnx(path: Path, x: Array, layout: str) -> dict[str, Array]:
    """Run a model of ONNX; return all its tensors by name."""
    with requires("comparing an ONNX model", "onnxruntime", "onnxruntime"):
        runtime: Any = importlib.import_module("onnxruntime")
    onnx: Any = importlib.import_module("onnx")
    model = onnx.load(path)
    given = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    if layout == "nchw" and x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    names = [value.name for value in session.get_outputs()]
    arrays = session.run(names, {session.get_inputs()[0].name: x})
    return dict(zip(names, arrays, strict=True))


def _run_keras(path: Path, x: Array) -> dict[str, Array]:
    """Run a model with Keras; return the outputs of its layers by name."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras: Any = importlib.import_module("keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras.models.load_model(path, compile=False)
        layers = [layer for layer in model.layers if not isinstance(layer.output, list | tuple | dict)]
        outputs = keras.Model(model.inputs, [layer.output for layer in layers])(x, training=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return {layer.name: np.asarray(y) for layer, y in zip(layers, outputs, strict=True)}
