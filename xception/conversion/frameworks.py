"""Other frameworks, where they are installed: each runs a model, and gives the activations of its layers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import requires
from ..formats.pytorch.names import list_names
from ..formats.pytorch.writer import HEAD, write_weights
from ..kernels import Array
from ..models.model import Model


def has_keras() -> bool:
    """Return whether Keras is installed."""
    return importlib.util.find_spec("keras") is not None


def has_timm() -> bool:
    """Return whether timm, and the package that reads safetensors files, are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("timm", "safetensors"))


def run_onnx(path: Path, x: Array, layout: str) -> dict[str, Array]:
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


def run_keras(path: Path, x: Array) -> dict[str, Array]:
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


def run_timm(model: Model, x: Array) -> dict[str, Array] | None:
    """Run timm's `legacy_xception` with the weights of a model; return the outputs of its layers.

    They have our names. None: the model has layers that timm's has not.
    """
    timm, torch = importlib.import_module("timm"), importlib.import_module("torch")
    files: Any = importlib.import_module("safetensors.torch")
    classes = model.output_shape[-1] if "predictions" in model.graph.nodes else 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        try:
            write_weights(path, model.network, model.graph, model.parameters)
        except ValueError:
            return None
        state = files.load_file(path)
    network = timm.create_model("legacy_xception", num_classes=classes)
    network.load_state_dict(state)
    found: dict[str, Array] = {}
    modules = dict(network.named_modules())
    # The last array of a separable convolution is that of its second part, whose output is the layer's.
    names = {node: name.rpartition(".")[0] for node, _, name in list_names(model.graph, HEAD)}
    for node, name in names.items():

        def keep(_module: Any, _inputs: Any, y: Any, node: str = node) -> None:
            found[node] = y.detach().clone().numpy()  # the next layer may overwrite it

        modules[name].register_forward_hook(keep)
    with torch.no_grad():
        network.eval()(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))))
    return found
