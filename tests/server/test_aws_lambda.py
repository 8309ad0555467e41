"""The handler for AWS Lambda, called with the events of each gateway."""

import base64
import json
import runpy
from pathlib import Path

import pytest

from xception.server import ServerSettings
from xception.server.aws_lambda import create_handler

DEPLOY = Path(__file__).parents[2] / "deploy"


def event_v2(body, **more):
    """An event of a function URL or an HTTP API."""
    return {
        "version": "2.0", "rawPath": "/predict", "queryStringParameters": {"top": "1"},
        "headers": {"content-type": "image/png"}, "isBase64Encoded": True, "body": body,
        "requestContext": {"http": {"method": "POST", "path": "/predict"}},
    } | more  # fmt: skip


def event_v1(body, **more):
    """An event of a REST API or a load balancer."""
    return {
        "httpMethod": "POST", "path": "/stage/predict", "headers": {"Content-Type": "image/png"},
        "queryStringParameters": None, "isBase64Encoded": True, "body": body,
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def handler(model):
    return create_handler(model, settings=ServerSettings(max_body_bytes=1 << 20))


@pytest.mark.parametrize("event", [event_v2, event_v1])
def test_each_gateway_gets_the_answer(handler, event, photo, expected):
    answer = handler(event(base64.b64encode(photo).decode()), None)
    assert answer["statusCode"] == 200
    classes = json.loads(answer["body"])["predictions"][0]["classes"]
    assert classes[0]["name"] == expected(photo)[0][0]
    assert len(classes) == (1 if event is event_v2 else 3)


def test_base64_in_json_needs_no_binary_gateway(handler, photo):
    body = json.dumps({"image": base64.b64encode(photo).decode()})
    assert handler(event_v1(body, isBase64Encoded=False))["statusCode"] == 200


@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        (event_v1("\x89PNG\r\n\ufffd\ufffd", isBase64Encoded=False), 400, "binaryMediaTypes"),
        (event_v2("%%%"), 400, "no photograph came"), (event_v2(None), 400, "no photograph came"),
        (event_v2(base64.b64encode(b"text").decode()), 400, "the photograph is not an image"),
        (event_v2(base64.b64encode(b"\0" * (2 << 20)).decode()), 413, "larger than 1,048,576 bytes"),
        (event_v2("", requestContext={"http": {"method": "GET"}}), 405, "takes POST"),
        (event_v1("", path="/other"), 404, "there is nothing at"),
    ],
)  # fmt: skip
def test_what_is_not_answered_is_told(handler, event, status, message):
    answer = handler(event)
    assert answer["statusCode"] == status
    assert message in json.loads(answer["body"])["error"]


def test_the_file_to_deploy_loads_the_model_at_its_start(model, photo, tmp_path, monkeypatch):
    model.save(tmp_path / "model.keras")
    monkeypatch.setenv("MODEL", str(tmp_path / "model.keras"))
    handler = runpy.run_path(str(DEPLOY / "lambda" / "handler.py"))["handler"]
    assert handler(event_v2(base64.b64encode(photo).decode()))["statusCode"] == 200


def test_the_image_starts_the_server_without_a_shell_in_between():
    text = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8")
    assert "exec python -m xception serve" in text
    assert "USER 65534:65534" in text
    assert "HEALTHCHECK" in text
