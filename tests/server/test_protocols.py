"""KServe v2, and TensorFlow Serving with KServe v1: what their clients send and read."""

import base64
import gzip
import io
import json
import warnings

import numpy as np
import pytest

import xception
from xception.server.answers import json_answer

INFER = "/v2/models/small/infer"


@pytest.fixture(scope="module")
def x(model, photo):
    preprocessor = xception.Classifier(model).preprocessor
    return preprocessor.scale(preprocessor.load(io.BytesIO(photo)))[None]


def tensor(x, **more):
    return {"name": "image", "shape": list(x.shape), "datatype": "FP32", **more}


def binary_request(tensors, contents, **more):
    """A body with binary tensors, and its headers."""
    inputs = [
        item | {"parameters": {"binary_data_size": len(content)}}
        for item, content in zip(tensors, contents, strict=True)
    ]
    head = json.dumps({"inputs": inputs} | more).encode()
    return head + b"".join(contents), {"Inference-Header-Content-Length": str(len(head))}


def binary_answer(answer):
    size = int(answer.headers["Inference-Header-Content-Length"])
    return json.loads(answer.body[:size]), answer.body[size:]


def test_numbers_are_the_models_own_input(server, model, x):
    wanted = model.predict(x)
    answer = server.post_json(INFER, {"id": "7", "inputs": [tensor(x, data=x.astype(float).tolist())]})
    value = answer.json()
    assert (value["model_name"], value["id"]) == ("small", "7")
    (output,) = value["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("scores", "FP32", [1, 3])
    np.testing.assert_array_equal(np.float32(output["data"]), wanted[0])
    flat = server.post_json(INFER, {"inputs": [tensor(x, data=x.astype(float).ravel().tolist())]})
    assert flat.json()["outputs"] == value["outputs"]


@pytest.mark.parametrize(("datatype", "dtype"), [("FP32", "<f4"), ("FP64", "<f8"), ("FP16", "<f2")])
def test_binary_tensors(server, model, x, datatype, dtype):
    stored = x.astype(dtype)
    body, headers = binary_request(
        [tensor(x, datatype=datatype)], [stored.tobytes()], parameters={"binary_data_output": True}
    )
    value, content = binary_answer(server.post(INFER, body, headers))
    assert value["outputs"][0]["parameters"] == {"binary_data_size": 12}
    np.testing.assert_array_equal(np.frombuffer(content, "<f4"), model.predict(stored.astype(np.float32))[0])


def test_compressed_both_ways(server, model, x):
    body, headers = binary_request([tensor(x)], [x.tobytes()], outputs=[
        {"name": "scores", "parameters": {"binary_data": True}},
    ])  # fmt: skip
    headers |= {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    answer = server.post(INFER, gzip.compress(body), headers)
    assert answer.headers["Content-Encoding"] == "gzip"
    answer.body = gzip.decompress(answer.body)
    _, content = binary_answer(answer)
    np.testing.assert_array_equal(np.frombuffer(content, "<f4"), model.predict(x)[0])


def test_photographs_are_decoded_resized_and_scaled(server, photo, expected):
    def first(answer):
        return answer.json()["outputs"][0]["data"]

    wanted = sorted(score for _, score in expected(photo))
    text = base64.b64encode(photo).decode()
    one = tensor(np.empty(1), datatype="BYTES", data=[text])
    of_json = server.post_json(INFER, {"inputs": [one]})
    np.testing.assert_allclose(sorted(first(of_json)), wanted, rtol=1e-4)
    element = len(photo).to_bytes(4, "little") + photo
    body, headers = binary_request([tensor(np.empty(1), datatype="BYTES")], [element])
    np.testing.assert_allclose(sorted(first(server.post(INFER, body, headers))), wanted, rtol=1e-4)
    alone = server.post(INFER, photo, {"Inference-Header-Content-Length": "0"})
    np.testing.assert_allclose(sorted(first(alone)), wanted, rtol=1e-4)


def test_pixels_are_scaled(server, model, photo):
    classifier = xception.Classifier(model)
    pixels = classifier.preprocessor.load(io.BytesIO(photo))[None]
    answer = server.post_json(INFER, {"inputs": [tensor(pixels, datatype="UINT8", data=pixels.tolist())]})
    np.testing.assert_allclose(
        answer.json()["outputs"][0]["data"], classifier.probabilities(pixels)[0], rtol=1e-4
    )
    wrong = server.post_json(
        INFER, {"inputs": [tensor(np.empty((1, 2, 2, 3)), datatype="UINT8", data=[0] * 12)]}
    )
    assert wrong.status == 400
    assert "(n, 16, 12, 3)" in wrong.json()["error"]


def test_classification_names_the_classes(server, photo, expected):
    request = {
        "inputs": [tensor(np.empty(1), datatype="BYTES", data=[base64.b64encode(photo).decode()])],
        "outputs": [{"name": "scores", "parameters": {"classification": 2}}],
    }
    (output,) = server.post_json(INFER, request).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    rows = [text.split(":") for text in output["data"]]
    assert [row[2] for row in rows] == [name for name, _ in expected(photo)[:2]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "picture"}, "the model's inputs are 'image'"), ({"shape": [1, 576]}, "(n, 16, 12, 3)"),
        ({"shape": [1, 16, 12, 4]}, "numbers, expected"), ({"shape": "x"}, "a shape must list"),
        ({"shape": [9, 2**62, 0], "data": []}, "a shape must list"),
        ({"name": {}}, "the model's inputs are 'image'"), ({"datatype": []}, "'[]' is not read"),
        ({"data": [10**400] * 575 + [0.5]}, "nested lists of numbers"),
        ({"datatype": "UINT8"}, "whole numbers that uint8 holds"),
        ({"datatype": "UINT8", "data": [256] * 576}, "whole numbers that uint8 holds"),
        ({"datatype": "FP8"}, "'FP8' is not read"), ({"datatype": "BF16"}, "binary data"),
        ({"data": [1, [2]]}, "ragged"), ({"data": ["a"]}, "lists of numbers"),
        ({"data": [float("nan")] * 576}, "NaN"),
        ({"parameters": {"binary_data_size": 4}}, "needs the header"),
        ({"parameters": {"shared_memory_region": "x"}}, "shared memory"), ({"parameters": 3}, "JSON object"),
    ],
)  # fmt: skip
def test_what_does_not_follow_the_protocol_is_told(server, x, change, message):
    item = tensor(x, data=x.astype(float).ravel().tolist()) | change
    answer = server.post_json(INFER, {"inputs": [item]})
    assert answer.status == 400
    assert message in answer.json()["error"]
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "5"])
def test_lengths_that_do_not_fit_are_told(server, x, length):
    body, _ = binary_request([tensor(x)], [x.tobytes()])
    assert server.post(INFER, body, {"Inference-Header-Content-Length": length}).status == 400


def test_bytes_left_over_are_told(server, x):
    body, headers = binary_request([tensor(x)], [x.tobytes()])
    answer = server.post(INFER, body + b"\0", headers)
    assert answer.status == 400
    assert "1 bytes follow" in answer.json()["error"]


def test_unknown_outputs_are_told(server, x):
    request = {"inputs": [tensor(x, data=x.astype(float).tolist())], "outputs": [{"name": "logits"}]}
    answer = server.post_json(INFER, request)
    assert answer.status == 400
    assert "'scores'" in answer.json()["error"]


def test_numbers_that_are_not_scaled_do_not_fill_the_log(server, x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        request = {"inputs": [tensor(x, data=(abs(x) * 200).astype(float).tolist())]}
        assert server.post_json(INFER, request).status == 200
    assert not caught


def test_half_a_surrogate_pair_is_repeated_as_it_came(server, x):
    request = {"id": "\ud800", "inputs": [tensor(x, data=x.astype(float).tolist())]}
    assert server.post_json(INFER, request).json()["id"] == "\ud800"
    assert json.loads(json_answer({"name": "\ud800 é"}).body) == {"name": "\ud800 é"}


def test_metadata(server):
    assert server.get("/v2").json()["extensions"] == ["binary_tensor_data", "classification"]
    assert server.get("/v2/").status == 200
    value = server.get("/v2/models/small").json()
    assert value["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 16, 12, 3]}]
    assert value["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]
    assert server.get("/v2/models/small/versions/1/ready").json() == {"name": "small", "ready": True}
    for path in ("/v2/models/other", "/v2/models/small/versions/2", "/v2/models/small/config", "/v2/nothing"):
        answer = server.get(path)
        assert answer.status == 404, path
        assert set(answer.json()) == {"error"}


# --- TensorFlow Serving ---------------------------------------------------------------------

PREDICT = "/v1/models/small:predict"


def test_rows_and_columns(server, model, x):
    wanted, numbers = model.predict(x), x.astype(float).tolist()
    rows = server.post_json(PREDICT, {"instances": numbers, "signature_name": "serving_default"}).json()
    np.testing.assert_array_equal(np.float32(rows["predictions"]), wanted)
    named = server.post_json(PREDICT, {"instances": [{"image": numbers[0]}]}).json()
    assert named == rows
    for inputs in (numbers, {"image": numbers}):
        columns = server.post_json(PREDICT, {"inputs": inputs}).json()
        assert columns == {"outputs": rows["predictions"]}
    assert server.post_json("/v1/models/small/versions/1:predict", {"instances": numbers}).json() == rows


def test_photographs_as_base64(server, photos, expected):
    instances = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
    value = server.post_json("/v1/models/small:classify", {"instances": instances}).json()
    for row, photo in zip(value["results"], photos, strict=True):
        assert [name for name, _ in row] == [name for name, _ in expected(photo)]
    rows = server.post_json(PREDICT, {"instances": [{"image": item} for item in instances]}).json()
    assert np.shape(rows["predictions"]) == (5, 3)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "either instances"), ({"instances": [], "inputs": []}, "either instances"),
        ({"instances": []}, "at least one row"), ({"instances": [[1]]}, "(n, 16, 12, 3)"),
        ({"instances": [{"picture": 1}]}, "'image'"),
        ({"instances": [1], "signature_name": "x"}, "serving_default"),
        ({"instances": [{"b64": 3}]}, "b64"), ({"instances": [[[1], [1, 2]]]}, "ragged"),
    ],
)  # fmt: skip
def test_requests_that_do_not_fit_are_told(server, request_, message):
    answer = server.post_json(PREDICT, request_)
    assert answer.status == 400
    assert message in answer.json()["error"]


def test_state_and_metadata(server):
    value = server.get("/v1/models/small").json()
    assert value["ready"]
    assert value["model_version_status"][0]["state"] == "AVAILABLE"
    assert server.get("/v1/models").json() == {"models": ["small"]}
    signature = server.get("/v1/models/small/metadata").json()["metadata"]["signature_def"]["signature_def"]
    sizes = signature["serving_default"]["inputs"]["image"]["tensor_shape"]["dim"]
    assert [size["size"] for size in sizes] == ["-1", "16", "12", "3"]
    assert server.get("/v1/models/small/versions/x").status == 400
    assert server.get("/v1/models/small/labels/canary").status == 400
