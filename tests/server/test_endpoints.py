"""/predict, /explain and /features: what comes in, and what is answered."""

import base64
import gzip
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from running_server import form

import xception
from xception.server import ServerSettings, create_app


def classes(answer, index=0):
    assert answer.status == 200, answer.body
    return [(row["name"], row["score"]) for row in answer.json()["predictions"][index]["classes"]]


def close(actual, wanted):
    assert [name for name, _ in actual] == [name for name, _ in wanted]
    np.testing.assert_allclose([s for _, s in actual], [s for _, s in wanted], rtol=1e-4)


def as_json(key, text):
    return json.dumps({key: text}).encode()


B64 = base64.b64encode
SPELLINGS = {
    "raw": lambda c: (c, {}),
    "raw with a type that lies": lambda c: (c, {"Content-Type": "application/x-www-form-urlencoded"}),
    "form": lambda c: form([("anything", "a.png", c)]),
    "base64": lambda c: (as_json("image", B64(c).decode()), {}),
    "base64 of URLs": lambda c: (as_json("data", base64.urlsafe_b64encode(c).decode()), {}),
    "base64 without padding": lambda c: (as_json("file", B64(c).decode().rstrip("=")), {}),
    "base64 in lines": lambda c: (as_json("photo", base64.encodebytes(c).decode()), {}),
    "data URL": lambda c: (as_json("image", f"data:image/png;base64,{B64(c).decode()}"), {}),
    "bare text": lambda c: (json.dumps(B64(c).decode()).encode(), {}),
    "instances": lambda c: (json.dumps({"instances": [{"b64": B64(c).decode()}]}).encode(), {}),
    "gzip": lambda c: (gzip.compress(c), {"Content-Encoding": "gzip"}),
    "deflate": lambda c: (zlib.compress(c), {"Content-Encoding": "deflate"}),
    "deflate without header": lambda c: (zlib.compress(c, wbits=-15), {"Content-Encoding": "deflate"}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_photograph_may_come_in_any_spelling(server, photo, expected, spelling, method):
    body, headers = SPELLINGS[spelling](photo)
    close(classes(server.call(method, "/predict", body, headers)), expected(photo))


def test_chunked_bodies_have_no_length(server, photo, expected):
    parts = photo[:100], photo[100:]
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    content = server.raw(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        + chunks + b"0\r\n\r\n"
    )  # fmt: skip
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert json.loads(body)["predictions"][0]["classes"][0]["name"] == expected(photo)[0][0]


def test_several_photographs_are_answered_in_order(server, photos, expected):
    body, headers = form([("file", f"{i}.png", photo) for i, photo in enumerate(photos)], [("top", "2")])
    answer = server.post("/predict", body, headers)
    assert [row["photograph"] for row in answer.json()["predictions"]] == [f"{i}.png" for i in range(5)]
    for index, photo in enumerate(photos):
        close(classes(answer, index), expected(photo)[:2])


def test_the_answer_says_what_it_is(server, photo):
    answer = server.post("/predict?top=1", photo)
    value = answer.json()
    assert (value["model"], value["task"]) == ("small", "classes")
    assert 0 <= value["seconds"] < 60
    assert len(value["predictions"][0]["classes"]) == 1
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"hello", 400, "the photograph is not an image in a format that is read here"),
        (b"", 400, "no photograph came"),
        (b"{", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "nested"),
        (b'{"picture": "x"}', 400, "none of the keys"),
        (b'{"image": "!!"}', 400, "not base64"),
        (b'{"image": 3}', 400, "got int"),
        (b'{"image": ""}', 400, "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 400, "the photograph is"),
        (b"\0" * (3 << 20), 413, "larger than 2,097,152 bytes"),
    ],
)
def test_what_is_no_photograph_is_told(server, body, status, message):
    answer = server.post("/predict", body)
    assert answer.status == status
    assert message in answer.json()["error"]


def test_base64_of_base64_is_told(server, photo):
    answer = server.post_json("/predict", {"image": B64(B64(photo)).decode()})
    assert answer.status == 400
    assert "base64 twice" in answer.json()["error"]


def test_the_photograph_that_cannot_be_read_is_named(server, photo):
    body, headers = form([("file", "a.png", photo), ("file", "b.png", b"text")])
    answer = server.post("/predict", body, headers)
    assert answer.status == 400
    assert answer.json()["error"].startswith("photograph 2 of 2: the photograph is not an image")


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Content-Encoding": "br"}, 415, "'br'"),
        ({"Content-Encoding": "gzip"}, 400, "not compressed by gzip"),
        ({"Content-Type": "multipart/form-data"}, 400, "boundary"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400, "form"),
    ],
)  # fmt: skip
def test_headers_that_do_not_fit_are_told(server, photo, headers, status, message):
    answer = server.post("/predict", photo, headers)
    assert answer.status == status
    assert message in answer.json()["error"]


def test_a_bomb_is_not_inflated(server):
    answer = server.post("/predict", gzip.compress(b"\0" * (200 << 20)), {"Content-Encoding": "gzip"})
    assert answer.status == 413


@pytest.mark.parametrize("top", ["0", "-1", "x", "1001", "1.5"])
def test_options_that_are_not_valid_are_told(server, photo, top):
    answer = server.post(f"/predict?top={top}", photo)
    assert answer.status == 400
    assert "top must be from 1 to 1000" in answer.json()["error"]


# --- explanations and features --------------------------------------------------------------


def test_a_map_as_a_picture_and_as_numbers(server, model, photo):
    answer = server.post("/explain", photo)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.body)) as picture:
        assert picture.size[0] > 0
    wanted = xception.explain([photo], model, target="dog", verbose=0)
    value = server.post("/explain?format=json&class=dog", photo).json()
    assert value["class"] == {"index": 1, "name": "dog"}
    np.testing.assert_allclose(value["map"], wanted.maps[0], rtol=1e-4, atol=1e-6)
    assert server.post("/explain?class=1&format=json", photo).json()["class"]["name"] == "dog"


def test_a_map_without_strength_is_the_photograph(server, photo):
    plain, whole = (server.post(f"/explain?alpha={alpha}", photo).body for alpha in (0, 1))
    pictures = [np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), int) for body in (plain, whole)]
    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0] - pictures[1]).max() > 20


@pytest.mark.parametrize(
    ("query", "message"),
    [("class=wolf", "wolf"), ("method=magic", "method must be"), ("alpha=2", "alpha"), ("layer=no", "no")],
)
def test_what_cannot_be_explained_is_told(server, photo, query, message):
    answer = server.post(f"/explain?{query}", photo)
    assert answer.status == 400
    assert message in answer.json()["error"]


def test_features(server, model, photo):
    classifier = xception.Classifier(model)
    x = classifier.preprocessor.scale(classifier.preprocessor.load(io.BytesIO(photo)))[None]
    value = server.post("/features", photo).json()
    np.testing.assert_allclose(value["features"], model.features(x), rtol=1e-5)
    rows = server.post("/features?layers=conv&pooling=max&format=csv", photo).body.decode()
    np.testing.assert_allclose(
        [[float(number) for number in rows.strip().split(",")]], model.features(x, "conv", "max"), rtol=1e-5
    )
    assert server.post("/features?layers=nothing", photo).status == 400


def test_a_model_without_classes_gives_features(photo):
    from running_server import RunningServer

    base = xception.Xception(weights=None, include_top=False, pooling="avg", input_shape=(71, 71, 3), seed=0)
    with RunningServer(create_app(base, settings=ServerSettings(name="base"))) as running:
        answer = running.post("/predict", photo)
        assert answer.status == 400
        assert "POST /features" in answer.json()["error"]
        assert len(running.post("/features", photo).json()["features"][0]) == 2048
        assert running.get("/info").json()["task"] is None
