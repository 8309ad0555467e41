"""A model of several outputs: each can be asked for, by its own names."""

import base64

import pytest
from running_server import RunningServer

import xception
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
from xception.server import ServerSettings, create_app


@pytest.fixture(scope="module")
def animals_and_weather():
    graph = xception.Graph("both")
    x = graph.add(Input((16, 12, 3)), name="image")
    x = graph.add(Conv2D(8, 3, activation="relu"), x, name="conv")
    x = graph.add(GlobalAveragePooling2D(), x, name="pool")
    graph.add(Dense(3, "softmax"), x, name="animal")
    graph.add(Dense(2, "softmax"), x, name="weather")
    return xception.Model(graph, seed=1, class_names=["cat", "dog", "fox"])


@pytest.fixture(scope="module", params=["model", "classifier"])
def server(request, animals_and_weather):
    settings = ServerSettings(name="both")
    if request.param == "model":
        application = create_app(animals_and_weather, output_name="animal", settings=settings)
    else:
        classifier = xception.Classifier(animals_and_weather, output_name="animal")
        application = create_app(classifier, whole=animals_and_weather, settings=settings)
    with RunningServer(application) as running:
        yield running


@pytest.mark.parametrize("name", ["animal", "weather"])
def test_each_output_is_answered_as_predict_does(server, animals_and_weather, tmp_path, name, photo):
    (tmp_path / "x.png").write_bytes(photo)
    (row,) = xception.predict(tmp_path / "x.png", model=animals_and_weather, output_name=name, verbose=0)
    answer = server.post(f"/predict?output_name={name}", photo)
    (found,) = answer.json()["predictions"]
    assert [item["name"] for item in found["classes"]] == [prediction.class_name for prediction in row]
    assert [item["score"] for item in found["classes"]] == pytest.approx([p.score for p in row], rel=1e-4)


def test_the_output_of_the_start_is_answered_unless_another_is_named(server, photo):
    (found,) = server.post("/predict", photo).json()["predictions"]
    assert {item["name"] for item in found["classes"]} == {"cat", "dog", "fox"}


def test_another_output_is_explained(server, photo):
    answer = server.post("/explain?output_name=weather&class=1&format=json", photo)
    assert answer.json()["class"]["index"] == 1


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_an_unknown_output_is_told(server, path, photo):
    answer = server.post(f"{path}?output_name=sky", photo)
    assert answer.status == 400
    assert answer.json()["error"] == "the model's outputs are 'animal', 'weather', got 'sky'"


def test_the_protocol_gives_all_outputs(server, photo):
    names = [output["name"] for output in server.call("GET", "/v2/models/both").json()["outputs"]]
    assert names == ["animal", "weather"]
    request = {
        "inputs": [
            {"name": "image", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(photo).decode()]}
        ],
        "outputs": [{"name": "weather", "parameters": {"classification": 2}}, {"name": "animal"}],
    }
    weather, animal = server.post_json("/v2/models/both/infer", request).json()["outputs"]
    assert len(weather["data"]) == 2
    assert animal["shape"] == [1, 3]
