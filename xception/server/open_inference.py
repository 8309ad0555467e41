"""KServe's Open Inference Protocol v2 over REST, with binary tensors and classification.

Binary tensors follow the JSON in the body; the header Inference-Header-Content-Length says where they begin.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.class_names import ClassNames
from ..kernels import Array
from ..version import __version__
from .photographs import decode_base64, parse_json
from .problems import RequestError, UnsupportedError
from .tensors import as_json, check_all, check_shape, describe_inputs, describe_outputs, flat_array

EXTENSIONS = ("binary_tensor_data", "classification")
LENGTH = "inference-header-content-length"
#: Types of the elements of tensors, little-endian. BF16 is the upper half of a float32.
TYPES: dict[str, str] = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1",
    "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "BF16": "<u2",
}  # fmt: skip
NOTE = (
    "FP32 is the model's own, scaled input (n, h, w, c); UINT8 are pixels of the right size, BYTES encoded "
    "photographs, which the server scales"
)
#: Those that JSON cannot hold.
BINARY_ONLY = ("FP16", "BF16")


@dataclass
class Inference:
    """A request for inference.

    Attributes:
        tensors: Inputs that hold numbers, by name.
        photographs: The encoded photographs of the input of images; empty if numbers came.
        pixels: Whether the numbers are pixels that the server scales.
        outputs: The outputs that are asked for: (name, whether in binary, classes to name or 0).
        id: What the answer repeats; None if there is none.
    """

    tensors: dict[str, Array]
    photographs: list[bytes]
    pixels: bool
    outputs: list[tuple[str, bool, int]]
    id: str | None


def read_inference(body: bytes, length: str | None, service: Any) -> Inference:
    """Read the body of a request.

    Args:
        body: The body, decompressed.
        length: The header Inference-Header-Content-Length.
        service: Knows the model's inputs and outputs.

    Raises:
        RequestError: It does not follow the protocol, or does not fit the model.
    """
    inputs, outputs = describe_inputs(service), describe_outputs(service)
    head, rest = _divide(body, length)
    if head is None:  # the whole body is one photograph
        return Inference({}, [rest], False, [(name, False, 0) for name in outputs], None)
    value = parse_json(head)
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list):
        raise RequestError("expected a JSON object with a list of inputs")
    reader = _Binary(rest, length is not None)
    tensors: dict[str, Array] = {}
    photographs: list[bytes] = []
    pixels = False
    for item in value["inputs"]:
        name = _name_of(item)
        if name not in inputs or name in tensors:
            raise RequestError(f"the model's inputs are {', '.join(map(repr, inputs))}, got {name[:100]!r}")
        if item.get("datatype") == "BYTES":
            photographs += _read_bytes(item, reader)
            continue
        tensors[name] = _read_tensor(item, reader)
        pixels = pixels or item["datatype"] == "UINT8"
    reader.expect_end()
    if photographs and (tensors or len(inputs) > 1):
        raise RequestError("photographs as BYTES cannot be mixed with numbers")
    if not photographs and not pixels:
        tensors = check_all(tensors, inputs)
    identifier = value.get("id")
    asked = _read_outputs(value, outputs, service)
    return Inference(tensors, photographs, pixels, asked, None if identifier is None else str(identifier))


def _divide(body: bytes, length: str | None) -> tuple[bytes | None, bytes]:
    """Return the JSON and the binary part of a body; no JSON if the body is one input by itself."""
    if length is None:
        return body, b""
    if not length.isdecimal() or int(length) > len(body):
        raise RequestError(
            f"Inference-Header-Content-Length must be a number up to the body's {len(body)} bytes, got "
            f"{length[:50]!r}"
        )
    size = int(length)
    return (body[:size], body[size:]) if size else (None, body)


class _Binary:
    """The binary part of a body, which is read in the order of the inputs."""

    def __init__(self, content: bytes, is_given: bool) -> None:
        self._content, self._position, self._is_given = content, 0, is_given

    def take(self, size: Any) -> bytes:
        if not self._is_given:
            raise RequestError(f"binary_data_size needs the header {LENGTH.title()}")
        if type(size) is not int or not 0 <= size <= len(self._content) - self._position:
            raise RequestError(f"binary_data_size {str(size)[:50]} is beyond the end of the body")
        part = self._content[self._position : self._position + size]
        self._position += size
        return part

    def expect_end(self) -> None:
        left = len(self._content) - self._position
        if left:
            raise RequestError(f"{left} bytes follow the last binary tensor")


def _name_of(item: Any) -> str:
    """Return the name of an input or output; an empty one if it has none."""
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""


def _parameters(item: dict[str, Any]) -> dict[str, Any]:
    parameters = item.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError("parameters must be a JSON object")
    if "shared_memory_region" in parameters:
        raise RequestError("tensors in shared memory are not read; send them in the body")
    return parameters


def _read_tensor(item: dict[str, Any], reader: _Binary) -> Array:
    kind, shape, parameters = item.get("datatype"), check_shape(item.get("shape")), _parameters(item)
    if not isinstance(kind, str) or kind not in TYPES:
        raise RequestError(f"the type {str(kind)[:50]!r} is not read; read are BYTES, {', '.join(TYPES)}")
    dtype = np.dtype(TYPES[kind])
    if "binary_data_size" in parameters:
        content = reader.take(parameters["binary_data_size"])
        expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if len(content) != expected:
            raise RequestError(
                f"{item['name']!r} has {len(content)} bytes, expected {expected} for {kind} of the shape "
                f"{list(shape)}"
            )
        array = np.frombuffer(content, dtype).reshape(shape)
        if kind == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array
    if kind in BINARY_ONLY:
        raise RequestError(f"{kind} comes as binary data, JSON does not have it")
    if "data" not in item:
        raise RequestError(f"the input {item['name']!r} has no data")
    return flat_array(item["data"], shape, np.uint8 if kind == "UINT8" else np.float32)


def _read_bytes(item: dict[str, Any], reader: _Binary) -> list[bytes]:
    """Return the elements of a BYTES tensor: encoded photographs."""
    shape, parameters = check_shape(item.get("shape")), _parameters(item)
    if "binary_data_size" in parameters:
        elements = _split_bytes(reader.take(parameters["binary_data_size"]))
    else:
        data = item.get("data")
        if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
            raise RequestError("photographs in JSON are a list of base64 texts")
        elements = [decode_base64(text) for text in data]
    if len(elements) != int(np.prod(shape, dtype=np.int64)) or not elements:
        raise RequestError(f"{item['name']!r} has {len(elements)} photographs, its shape is {list(shape)}")
    return elements


def _split_bytes(content: bytes) -> list[bytes]:
    elements, position = [], 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "little")
        if position + 4 + size > len(content):
            raise RequestError("an element of a BYTES tensor is longer than the tensor")
        elements.append(content[position + 4 : position + 4 + size])
        position += 4 + size
    return elements


def _read_outputs(
    value: dict[str, Any], outputs: dict[str, Any], service: Any
) -> list[tuple[str, bool, int]]:
    """Return what is asked for: all outputs if none is named."""
    binary = bool(_parameters(value).get("binary_data_output", False))
    asked = value.get("outputs") or [{"name": name} for name in outputs]
    if not isinstance(asked, list):
        raise RequestError("outputs must be a list")
    found = []
    for item in asked:
        name = _name_of(item)
        if name not in outputs:
            raise RequestError(f"the model's outputs are {', '.join(map(repr, outputs))}, got {name[:100]!r}")
        parameters = _parameters(item)
        classes = parameters.get("classification", 0)
        if type(classes) is not int or classes < 0:
            raise RequestError("classification must be a number of classes")
        if classes and (service.classifier is None or len(outputs[name]) != 1):
            raise RequestError(f"the output {name!r} has no classes, so classification is not possible")
        found.append((name, bool(parameters.get("binary_data", binary)), classes))
    return found


def write_inference(
    inference: Inference, outputs: dict[str, Array], service: Any
) -> tuple[bytes, int | None]:
    """Return the body of the answer, and the length of its JSON if binary tensors follow it."""
    described: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, is_binary, classes in inference.outputs:
        array = outputs[name]
        item: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(array.shape)}
        if classes:
            rows = _classify(array, classes, service.classifier_of(name).class_names)
            item |= {"datatype": "BYTES", "shape": [len(rows), len(rows[0])]}
            texts = [text.encode("utf-8", "backslashreplace") for row in rows for text in row]
            content = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
            data: Any = [text.decode() for text in texts]
        else:
            content = array.astype("<f4").tobytes() if is_binary else b""
            data = None if is_binary else as_json(array.reshape(-1))
        if is_binary:
            item["parameters"] = {"binary_data_size": len(content)}
            binary.append(content)
        else:
            item["data"] = data
        described.append(item)
    answer: dict[str, Any] = {"model_name": service.settings.name, "outputs": described}
    if service.settings.version is not None:
        answer["model_version"] = service.settings.version
    if inference.id is not None:
        answer["id"] = inference.id
    head = json.dumps(answer).encode()
    return b"".join([head, *binary]), len(head) if binary else None


def _classify(array: Array, classes: int, names: ClassNames) -> list[list[str]]:
    """Return "value:index:name" of the best classes of each row."""
    rows = []
    for row in array:
        best = np.argsort(-row, kind="stable")[:classes]
        rows.append([
            f"{row[index]:f}:{index}:{names[index][1] if index < len(names) else ''}" for index in best
        ])  # fmt: skip
    return rows


def describe_server() -> dict[str, Any]:
    """Return the server's metadata."""
    return {"name": "xception", "version": __version__, "extensions": list(EXTENSIONS)}


def describe_model(service: Any) -> dict[str, Any]:
    """Return the model's metadata."""
    version = service.settings.version

    def tensors(shapes: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": name, "datatype": "FP32", "shape": [-1, *(-1 if n is None else n for n in shape)]}
            for name, shape in shapes.items()
        ]

    return {
        "name": service.settings.name, "versions": [] if version is None else [version],
        "platform": "xception", "inputs": tensors(describe_inputs(service)),
        "outputs": tensors(describe_outputs(service)),
        "parameters": {"note": NOTE},
    }  # fmt: skip


def refuse_unsupported(path: str) -> None:
    """Raise UnsupportedError for a part of the protocol that this server does not have."""
    raise UnsupportedError(f"{path}: this server has no such part of the protocol")
