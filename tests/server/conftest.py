"""A server with a small model, and a photograph."""

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

import xception

MISSING = [
    name for name in ("starlette", "uvicorn", "prometheus_client", "python_multipart")
    if importlib.util.find_spec(name) is None
]  # fmt: skip
collect_ignore_glob = ["test_*.py"] if MISSING else []
NAMES = ["cat", "dog", "red fox"]


def small_model(activation="softmax"):
    """A model of 16×12 photographs whose scores differ."""
    from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input

    graph = xception.Graph("small")
    x = graph.add(Input((16, 12, 3)), name="image")
    x = graph.add(Conv2D(8, 3, activation="relu"), x, name="conv")
    x = graph.add(GlobalAveragePooling2D(), x, name="pool")
    graph.add(Dense(3, activation), x, name="scores")
    model = xception.Model(graph, seed=1, class_names=NAMES)
    weights = model.get_weights()
    weights[-2] = weights[-2] * 8
    model.set_weights(weights)
    return model


def encoded(seed=0, kind="PNG", size=(40, 30)):
    """A photograph of noise, as a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="session")
def model():
    return small_model()


@pytest.fixture(scope="session")
def photo():
    return encoded()


@pytest.fixture(scope="session")
def photos():
    return [encoded(seed) for seed in range(5)]


@pytest.fixture(scope="session")
def server(model):
    from running_server import RunningServer

    from xception.server import ServerSettings, create_app

    settings = ServerSettings(name="small", max_body_bytes=2 << 20)
    with RunningServer(create_app(model, settings=settings)) as running:
        yield running


@pytest.fixture(scope="session")
def expected(model):
    """What `predict` says of a photograph: (name, score) of each class, best first."""
    classifier = xception.Classifier(model)

    def scores(content):
        pixels = classifier.preprocessor.load(io.BytesIO(content))
        (row,) = classifier.decode(classifier.probabilities(pixels[None]), 3)
        return [(prediction.class_name, float(prediction.score)) for prediction in row]

    return scores
