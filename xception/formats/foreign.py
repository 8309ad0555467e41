"""Model files of other programs, recognized by content where possible, else by suffix.

None of them is read. Each has advice on how to save the model in a format that is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ..data.regular_files import open_regular_file

HEAD_BYTES = 512
SAVE_AGAIN = "model.save('model.keras') or model.save('model.h5')"


class Foreign(NamedTuple):
    """A format that is not read.

    Attributes:
        name: What the file is, with its article.
        advice: What to do, one or two sentences without the final stop.
    """

    name: str
    advice: str

    def __str__(self) -> str:
        return f"is {self.name}. {self.advice}"


def _save_original(name: str, why: str) -> Foreign:
    """Return a format from which no Keras model can be recovered."""
    return Foreign(name, f"{why}. Take the Keras model that it was made from, and save it with {SAVE_AGAIN}")


def _not_keras(name: str) -> Foreign:
    """Return a format of another framework."""
    return Foreign(
        name,
        "Models of Keras and Deeplearning4j are read, and checkpoints of PyTorch, but this format is not. If "
        f"the model exists in Keras, save it there with {SAVE_AGAIN}",
    )


SAVED_MODEL = Foreign(
    "a TensorFlow SavedModel",
    "It is not read here. In the Keras 2 that wrote it (TensorFlow before 2.16, or tf_keras), "
    f"load it with model = keras.models.load_model('FOLDER'), and save it with {SAVE_AGAIN}",
)
EXPORTED = _save_original(
    "a TensorFlow SavedModel without a Keras model", "It was exported, and holds operations instead of layers"
)
GRAPH = _save_original("a TensorFlow graph (.pb)", "It holds operations instead of layers")
LITE = _save_original("a TensorFlow Lite model", "It holds operations instead of layers")
PICKLE = Foreign(
    "a pickle",
    "pickle and joblib write such files. Unpickling runs code from the file, so it is never done here. "
    "Load it where it was written, and save "
    f"the Keras model in it with {SAVE_AGAIN}",
)
TORCH = Foreign(
    "a PyTorch file of a form that is not read",
    "Read are those of PyTorch 1.6 and later, and safetensors files. Save the state of the model again: "
    "torch.save(model.state_dict(), 'model.pth')",
)
ONNX = _not_keras("an ONNX model")
CORE_ML = _not_keras("a Core ML model")
JS_LAYERS = Foreign(
    "a TensorFlow.js model",
    "Convert it with 'tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras "
    "model.json model.h5'",
)
JS_GRAPH = _save_original("a TensorFlow.js graph model", "It holds operations instead of layers")
JS_WEIGHTS = Foreign("a part of the weights of a TensorFlow.js model", JS_LAYERS.advice)
CHECKPOINT = Foreign(
    "a part of a TensorFlow checkpoint",
    "It holds weights only. In the Keras 2 that wrote it, build the model, call "
    f"model.load_weights('PREFIX') with the name without .index or .data, and save it with {SAVE_AGAIN}",
)
YAML = Foreign(
    "a YAML file",
    "YAML is not read, since it can hold code; Keras has abandoned it. In the Keras that wrote it (before "
    "2.6), read it with model_from_yaml, load the weights, and save the model as .h5, or its "
    "model.to_json() as model.json",
)
NUMPY = Foreign(
    "a file of NumPy arrays",
    "It says nothing of layers. Build the model, call model.set_weights(arrays), and save it with model.save",
)
PHOTOGRAPH = Foreign("a photograph", "Expected a model: photographs are another argument")
COMPRESSED = Foreign("a compressed file", "Unpack it first")

#: By the first bytes.
STARTS = {
    b"\x93NUMPY": NUMPY,
    b"\xff\xd8\xff": PHOTOGRAPH,
    b"\x89PNG": PHOTOGRAPH,
    b"\x1f\x8b": COMPRESSED,
    b"BZh": COMPRESSED,
    b"7z\xbc\xaf": COMPRESSED,
    b"Rar!": COMPRESSED,
    b"model_checkpoint_path:": CHECKPOINT,
    b"\x08\x01\x12": SAVED_MODEL,  # its version 1, and the first field of its content
}
SUFFIXES = {
    ".pb": GRAPH, ".pbtxt": GRAPH, ".tflite": LITE, ".lite": LITE, ".onnx": ONNX,
    ".pkl": PICKLE, ".pickle": PICKLE, ".joblib": PICKLE, ".sav": PICKLE,
    ".pt": TORCH, ".pth": TORCH, ".mlmodel": CORE_ML, ".mlpackage": CORE_ML,
    ".index": CHECKPOINT, ".meta": CHECKPOINT, ".ckpt": CHECKPOINT, ".yaml": YAML, ".yml": YAML,
}  # fmt: skip
TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  #: pickled first, by PyTorch before 1.6
TABLE_MAGIC = bytes.fromhex("57fb808b247547db")  #: the end of a checkpoint's index


def identify(path: Path) -> Foreign | None:
    """Return the format of a file; None if it may be Keras's, or is unknown.

    Args:
        path: A regular file.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular_file(path) as stream:
        start = stream.read(HEAD_BYTES)
        if start.startswith((b"\x89HDF", b"PK")) or is_safetensors(start):
            return None
        if start.lstrip()[:1] in (b"", b"{", b"<", b'"'):
            return None  # a web page, or nothing
        stream.seek(max(0, stream.seek(0, 2) - len(TABLE_MAGIC)))
        end = stream.read(len(TABLE_MAGIC))
    return _by_content(start, end) or _by_name(path.name)


def is_safetensors(start: bytes) -> bool:
    """Return True if a file that begins with these bytes may be a safetensors file: a length, and JSON."""
    return start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") < 1 << 32


def is_pytorch(path: Path) -> bool:
    """Return True if a file is a safetensors file, or a checkpoint as PyTorch 1.6 and later write it.

    Args:
        path: A regular file.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular_file(path) as stream:
        start = stream.read(HEAD_BYTES)
        if not start.startswith(b"PK"):
            return is_safetensors(start)
    from .archives import list_members  # imports zipfile

    names = list_members(path)
    return any(name.rpartition("/")[2] == "data.pkl" for name in names) and "config.json" not in names


def is_deeplearning4j(path: Path) -> bool:
    """Return True if a file is a zip archive with the network of a model of Deeplearning4j.

    Args:
        path: A regular file.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular_file(path) as stream:
        if stream.read(2) != b"PK":
            return False
    from .archives import list_members  # imports zipfile

    return "configuration.json" in list_members(path)


def _by_content(start: bytes, end: bytes) -> Foreign | None:
    if start[4:8] == b"TFL3":
        return LITE
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and len(start) > 1:
        return TORCH if TORCH_MAGIC in start[:32] else PICKLE
    # The version of its format, then the name of the program that wrote it.
    is_onnx = start[:1] == b"\x08" and start[1:2] > b"\x02" and start[2:3] == b"\x12"
    if is_onnx and start[4 : 4 + start[3]].decode("latin-1").isprintable():
        return ONNX
    if start[257:262] == b"ustar":
        return COMPRESSED
    if end == TABLE_MAGIC:
        return CHECKPOINT
    return next((foreign for magic, foreign in STARTS.items() if start.startswith(magic)), None)


def _by_name(name: str) -> Foreign | None:
    if re.fullmatch(r".*\.data-\d+-of-\d+", name):
        return CHECKPOINT
    if re.fullmatch(r"group\d+-shard\d+of\d+(\.bin)?", name):
        return JS_WEIGHTS
    return SUFFIXES.get(Path(name).suffix.lower())


def identify_archive(names: Collection[str]) -> Foreign | None:
    """Return the format of a zip archive that is not Keras's, by the names of its members."""
    last = {name.rpartition("/")[2] for name in names}
    if "saved_model.pb" in last:
        return Foreign("a packed TensorFlow SavedModel", f"Unpack it. {SAVED_MODEL.advice}")
    if "coefficients.bin" in last:
        return Foreign(
            "a packed model of Deeplearning4j",
            "Give the zip that Deeplearning4j wrote, without folders in it",
        )
    if any(name.endswith(".npy") for name in last):
        return NUMPY
    return None


def identify_folder(path: Path) -> Foreign | None:
    """Return the format of a folder that is not Keras's; None if it is unknown."""
    if (path / "saved_model.pb").exists() or (path / "saved_model.pbtxt").exists():
        return SAVED_MODEL if (path / "keras_metadata.pb").exists() else EXPORTED
    if (path / "checkpoint").exists():
        return CHECKPOINT
    return SUFFIXES.get(path.suffix.lower())


def identify_json(value: Collection[str]) -> Foreign | None:
    """Return the format of a JSON object that is not Keras's, by its keys and format."""
    if "modelTopology" in value or "weightsManifest" in value:
        is_graph = isinstance(value, dict) and value.get("format") == "graph-model"
        return JS_GRAPH if is_graph else JS_LAYERS
    return None
