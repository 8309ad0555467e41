"""TensorFlow Serving's REST interface, and KServe's v1 on the same paths."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import Array
from .photographs import decode_base64, parse_json
from .problems import RequestError
from .tensors import as_array, as_json, check_all, describe_inputs, describe_outputs

SIGNATURES = ("", "serving_default", "predict")


class Prediction:
    """A request for a prediction.

    Attributes:
        inputs: The model's own, scaled inputs by name; empty if photographs came.
        photographs: Encoded photographs, which the server decodes, resizes and scales.
        by_rows: Whether the answer lists rows ("predictions") or columns ("outputs").
    """

    def __init__(self, body: bytes, service: Any) -> None:
        """Read a body.

        Raises:
            RequestError: It does not follow the protocol, or does not fit the model.
        """
        value = parse_json(body)
        if not isinstance(value, dict) or ("instances" in value) == ("inputs" in value):
            raise RequestError("expected a JSON object with either instances (rows) or inputs (columns)")
        signature = value.get("signature_name") or ""
        if signature not in SIGNATURES:
            raise RequestError(
                f"the signature {str(signature)[:100]!r} is unknown; there is 'serving_default'"
            )
        self.by_rows = "instances" in value
        expected = describe_inputs(service)
        self.inputs: dict[str, Array] = {}
        self.photographs: list[bytes] = []
        columns = _columns(value["instances"], expected) if self.by_rows else value["inputs"]
        if not (isinstance(columns, dict) and set(columns) <= set(expected) and "b64" not in columns):
            columns = {next(iter(expected)): columns}
        for name, column in columns.items():
            photographs = _photographs(column)
            if photographs:
                self.photographs += photographs
            else:
                self.inputs[name] = as_array(column)
        if self.photographs and self.inputs:
            raise RequestError("photographs cannot be mixed with numbers")
        if not self.photographs:
            self.inputs = check_all(self.inputs, expected)

    def answer(self, outputs: dict[str, Array]) -> dict[str, Any]:
        """Return the answer: bare lists for one output, objects by name for several."""
        values = {name: as_json(array) for name, array in outputs.items()}
        if not self.by_rows:
            return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
        if len(values) == 1:
            return {"predictions": next(iter(values.values()))}
        rows = zip(*values.values(), strict=True)
        return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def _columns(instances: Any, expected: dict[str, Any]) -> Any:
    """Return the rows of a request as columns by name, if they are objects."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("instances must be a list with at least one row")
    first = instances[0]
    if not isinstance(first, dict) or "b64" in first:
        return {next(iter(expected)): instances}
    if not all(isinstance(row, dict) and set(row) == set(first) for row in instances):
        raise RequestError("all instances must be objects with the same names")
    unknown = [name for name in first if name not in expected]
    if unknown:
        raise RequestError(
            f"the model's inputs are {', '.join(map(repr, expected))}, got {', '.join(map(repr, unknown))}"
        )
    return {name: [row[name] for row in instances] for name in first}


def _photographs(column: Any) -> list[bytes]:
    """Return the photographs in a column, {"b64": …} each; none if it holds numbers."""
    items = column if isinstance(column, list) else [column]
    if not items or not all(isinstance(item, dict) for item in items):
        return []
    if not all(isinstance(item.get("b64"), str) for item in items):
        raise RequestError('an object must be {"b64": "…"}, a photograph as base64')
    return [decode_base64(item["b64"]) for item in items]


def classify(scores: Array, service: Any) -> dict[str, Any]:
    """Return the answer of `:classify`: [name, score] of every class of each row."""
    names = service.classifier.class_names
    rows = []
    for row in scores:
        order = np.argsort(-row, kind="stable")
        rows.append([[names[index][1], float(row[index])] for index in order])
    return {"results": rows}


def describe_status(service: Any) -> dict[str, Any]:
    """Return the model's state, as TensorFlow Serving and KServe write it, in one object."""
    state = "AVAILABLE" if service.is_ready else "LOADING"
    version = service.settings.version or "1"
    status = {"error_code": "OK", "error_message": ""}
    return {
        "name": service.settings.name, "ready": service.is_ready,
        "model_version_status": [{"version": version, "state": state, "status": status}],
    }  # fmt: skip


def describe_metadata(service: Any) -> dict[str, Any]:
    """Return the model's metadata."""

    def tensors(shapes: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {
                "dtype": "DT_FLOAT", "name": name,
                "tensor_shape": {
                    "dim": [{"size": str(-1 if n is None else n), "name": ""} for n in (None, *shape)],
                    "unknown_rank": False,
                },
            }
            for name, shape in shapes.items()
        }  # fmt: skip

    signature = {
        "inputs": tensors(describe_inputs(service)), "outputs": tensors(describe_outputs(service)),
        "method_name": "tensorflow/serving/predict",
    }  # fmt: skip
    return {
        "model_spec": {
            "name": service.settings.name, "signature_name": "", "version": service.settings.version or "1",
        },
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }  # fmt: skip
