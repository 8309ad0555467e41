"""The paths of KServe v2, and of TensorFlow Serving with KServe v1."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ..kernels import Array
from . import open_inference, tensorflow_serving
from .admission import Ticket
from .answers import json_answer
from .bodies import compress
from .endpoints import Call
from .problems import NotFoundError, RequestError
from .service import Service


def check_model(request: Request, service: Service) -> None:
    """Check the model's name and version in a path.

    Raises:
        NotFoundError: There is no such model or version.
        RequestError: The version is no number.
    """
    name, version = request.path_params.get("name"), request.path_params.get("version")
    if name is not None and name != service.settings.name:
        raise NotFoundError(f"there is no model {name[:100]!r} here; there is {service.settings.name!r}")
    served = service.settings.version or "1"
    if version is not None and version != served:
        if not version.isdecimal():
            raise RequestError(f"a version is a number, got {version[:50]!r}")
        raise NotFoundError(
            f"there is no version {version[:50]} of {service.settings.name!r}; there is {served}"
        )
    label = request.path_params.get("label")
    if label is not None:
        raise RequestError(f"there is no label {label[:100]!r} here")


async def infer(call: Call, ticket: Ticket) -> Response:
    """Answer KServe v2's infer."""
    service, headers = call.service, call.request.headers
    check_model(call.request, service)
    length = headers.get(open_inference.LENGTH)
    # Without a name, the body is freed as soon as it is parsed.
    inference: open_inference.Inference = await service.parse(
        open_inference.read_inference, await call.body(ticket), length, service
    )
    inputs = await _inputs(service, inference.tensors, inference.photographs, inference.pixels, ticket)
    outputs = await service.compute(inputs, call.left, ticket)
    content, size = open_inference.write_inference(inference, outputs, service)
    content, coding = compress(content, headers.get("accept-encoding", ""))
    answer = {} if coding is None else {"Content-Encoding": coding}
    if size is not None:
        answer["Inference-Header-Content-Length"] = str(size)
    media_type = "application/json" if size is None else "application/octet-stream"
    return Response(content, headers=answer, media_type=media_type)


async def _inputs(
    service: Service, tensors: Mapping[str, Array], photographs: list[bytes], pixels: bool, ticket: Ticket
) -> Mapping[str, Array]:
    """Return the model's inputs: numbers as they came, pixels scaled, photographs decoded and scaled."""
    if photographs:
        return {service.model.input_names[0]: await service.read_photographs(photographs, ticket)}
    if not pixels:
        return tensors
    service.preprocessor.check_only_input()
    ((name, array),) = tensors.items()
    expected = service.preprocessor.input_shape
    if array.ndim != 4 or array.shape[1:] != expected or not len(array):
        raise RequestError(
            f"pixels as UINT8 must have the shape (n, {', '.join(map(str, expected))}), got {array.shape}"
        )
    return {name: service.preprocessor.scale(array)}


async def predict_rows(call: Call, ticket: Ticket) -> Response:
    """Answer TensorFlow Serving's :predict."""
    service = call.service
    check_model(call.request, service)
    prediction: tensorflow_serving.Prediction = await service.parse(
        tensorflow_serving.Prediction, await call.body(ticket), service
    )
    inputs = await _inputs(service, prediction.inputs, prediction.photographs, False, ticket)
    outputs = await service.compute(inputs, call.left, ticket)
    return json_answer(await service.parse(prediction.answer, outputs))


async def classify_rows(call: Call, ticket: Ticket) -> Response:
    """Answer TensorFlow Serving's :classify."""
    service = call.service
    check_model(call.request, service)
    classifier = service.classifier_of()
    prediction: tensorflow_serving.Prediction = await service.parse(
        tensorflow_serving.Prediction, await call.body(ticket), service
    )
    inputs = await _inputs(service, prediction.inputs, prediction.photographs, False, ticket)
    outputs = await service.compute(inputs, call.left, ticket)
    scores = classifier.decoder.probabilities(outputs[service.output_name])
    return json_answer(tensorflow_serving.classify(scores, service))
