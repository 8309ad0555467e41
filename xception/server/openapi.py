"""The description of the interface by OpenAPI."""

from __future__ import annotations

from typing import Any

from ..layers import Shape
from ..version import __version__
from .open_inference import BINARY_ONLY, TYPES
from .tensors import describe_inputs, describe_outputs

JSON_TYPES = tuple(name for name in TYPES if name not in BINARY_ONLY)
ERROR = {"$ref": "#/components/schemas/Error"}
PHOTOGRAPHS = {
    "description": "Photographs: the bytes of one, a form with one file or more, or JSON with base64.",
    "required": True,
    "content": {
        "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"image": {"type": "string", "format": "binary"}}}
        },
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "image": {"type": "string", "format": "byte"},
                    "images": {"type": "array", "items": {"type": "string", "format": "byte"}},
                },
            }
        },
    },
}


#: Answers besides JSON.
PICTURE = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
CSV = {"text/csv": {"schema": {"type": "string"}}}


def describe_api(service: Any, root_path: str = "") -> dict[str, Any]:
    """Return the OpenAPI description of a service, whose paths begin where a proxy or a mount offers it."""
    name = service.settings.name
    top = _parameter("top", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many classes are named.")
    output = _parameter(
        "output_name",
        {"type": "string", "enum": list(service.model.output_names)},
        "The output with the scores.",
    )
    layers = _parameter("layers", {"type": "string"}, "Names of layers, with commas.")
    pooling = _parameter(
        "pooling", {"type": "string", "enum": ["avg", "max", "min", "sum", "none"]}, "How maps are pooled."
    )
    class_name = _parameter("class", {"type": "string"}, "The class that is explained; by default the best.")
    alpha = _parameter("alpha", {"type": "number", "minimum": 0, "maximum": 1}, "Strength of the heat map.")
    form = _parameter("format", {"type": "string", "enum": ["png", "json"]}, "A picture, or the map.")
    table = _parameter("format", {"type": "string", "enum": ["json", "csv"]}, "JSON, or a line each.")
    method = _parameter(
        "method", {"type": "string", "enum": ["grad-cam", "score-cam", "occlusion"]}, "How it is explained."
    )
    paths = {
        "/predict": _operations("Name what photographs show.", "Predictions", [top, output], PHOTOGRAPHS),
        "/explain": _operations(
            "Show which parts of a photograph support a class.", "Map",
            [class_name, method, alpha, form, output], PHOTOGRAPHS, also=PICTURE,
        ),
        "/features": _operations(
            "Give the features of photographs.", "Features", [layers, pooling, table], PHOTOGRAPHS, also=CSV
        ),
        f"/v1/models/{name}:predict": {"post": _operation(
            'TensorFlow Serving\'s predict: numbers are scaled input, {"b64": …} is a photograph.',
            "Rows", [], _json_body("Instances"),
        )},
        f"/v2/models/{name}/infer": {"post": _operation(
            "KServe v2's infer: FP32 is scaled input, BYTES are photographs.", "Inference", [],
            _json_body("InferenceRequest"),
        )},
        f"/v1/models/{name}": {"get": _operation("The model's state.", "Object", [], None)},
        f"/v2/models/{name}": {"get": _operation("The model's inputs and outputs.", "Object", [], None)},
        f"/v2/models/{name}/ready": {"get": _operation("Whether requests are taken in.", "Object", [], None)},
        "/v2": {"get": _operation("The server's metadata.", "Object", [], None)},
        "/v2/health/live": {"get": _operation("Whether the server lives.", "Object", [], None)},
        "/v2/health/ready": {"get": _operation("Whether requests are taken in.", "Object", [], None)},
        "/healthz": {"get": _operation("Whether the server lives.", "Object", [], None)},
    }  # fmt: skip
    description: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"{name}: a model behind HTTP", "version": __version__},
        "servers": [{"url": root_path or "/"}], "paths": paths, "components": {"schemas": _schemas(service)},
    }  # fmt: skip
    if service.settings.token is not None:
        description["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"token": []}]
    return description


def _parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _json_body(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": True, "content": content}


def _operations(
    text: str, schema: str, parameters: list[dict[str, Any]], body: dict[str, Any],
    also: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {method: _operation(text, schema, parameters, body, also) for method in ("post", "put")}


def _operation(
    text: str,
    schema: str,
    parameters: list[dict[str, Any]],
    body: dict[str, Any] | None,
    also: dict[str, Any] | None = None,
) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    content |= also or {}
    problem = {"description": "Why it is not answered.", "content": {"application/json": {"schema": ERROR}}}
    statuses = ("400", "401", "403", "404", "408", "413", "415", "503") if body else ("401", "403", "503")
    operation: dict[str, Any] = {
        "summary": text, "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "content": content}, **dict.fromkeys(statuses, problem),
        },
    }  # fmt: skip
    if body is not None:
        operation["requestBody"] = body
    return operation


def _rows(shape: Shape) -> dict[str, Any]:
    """Return the schema of nested lists of numbers of a shape."""
    schema: dict[str, Any] = {"type": "number"}
    for size in reversed(shape):
        bounds = {} if size is None else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **bounds}
    return schema


def _schemas(service: Any) -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "number"}}
    named = {
        "type": "object", "required": ["id", "name", "score"],
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "score": {"type": "number"}},
    }  # fmt: skip
    inputs, outputs = describe_inputs(service), list(describe_outputs(service))
    photograph = {
        "type": "object", "required": ["b64"], "additionalProperties": False,
        "properties": {"b64": {"type": "string", "format": "byte", "minLength": 1}},
    }  # fmt: skip
    by_name = {name: _rows(shape) for name, shape in inputs.items()}
    row = {"type": "object", "required": list(by_name), "properties": by_name, "additionalProperties": False}
    instance = {"anyOf": [row, photograph, *by_name.values()] if len(inputs) == 1 else [row]}
    parameters = {"type": "object"}
    return {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
        "Object": {"type": "object"},
        "Predictions": {
            "type": "object", "required": ["model", "predictions", "seconds"],
            "properties": {
                "model": {"type": "string"}, "task": {"type": "string"}, "seconds": {"type": "number"},
                "predictions": {"type": "array", "items": {
                    "type": "object", "required": ["classes"],
                    "properties": {
                        "photograph": {"type": ["string", "null"]},
                        "classes": {"type": "array", "items": named},
                    },
                }},
            },
        },
        "Features": {"type": "object", "properties": {"features": {"type": "array", "items": numbers}}},
        "Map": {
            "type": "object", "required": ["score", "probability", "shape", "map"],
            "properties": {
                "score": {"type": "number"}, "probability": {"type": "number"},
                "map": {"type": "array", "items": numbers},
            },
        },
        "Rows": {
            "type": "object", "required": ["predictions"],
            "properties": {"predictions": {"type": "array"}},
        },
        "Instances": {
            "type": "object", "required": ["instances"],
            "properties": {
                "instances": {"type": "array", "items": instance, "minItems": 1},
                "signature_name": {"enum": ["serving_default"]},
            },
        },
        "Inference": {
            "type": "object", "required": ["model_name", "outputs"],
            "properties": {"model_name": {"type": "string"}, "outputs": {"type": "array"}},
        },
        "InferenceRequest": {
            "type": "object", "required": ["inputs"],
            "properties": {
                "id": {"type": "string"}, "parameters": parameters,
                "inputs": {"type": "array", "minItems": len(inputs), "maxItems": len(inputs), "items": {
                    "type": "object", "required": ["name", "shape", "datatype", "data"],
                    "properties": {
                        "name": {"enum": list(inputs)}, "datatype": {"enum": [*JSON_TYPES, "BYTES"]},
                        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                        "data": {"type": "array"}, "parameters": parameters,
                    },
                }},
                "outputs": {"type": "array", "items": {
                    "type": "object", "required": ["name"],
                    "properties": {"name": {"enum": outputs}, "parameters": parameters},
                }},
            },
        },
    }  # fmt: skip
