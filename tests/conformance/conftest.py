"""What the comparisons share. Nothing here imports Keras before a test asks for it."""

import importlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from keras_models import draw

HERE = Path(__file__).parent
MISSING = [name for name in ("tensorflow", "keras", "tf_keras") if importlib.util.find_spec(name) is None]

# TensorFlow reads these once, when it is imported: no chatter, and answers from the same processor as ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            # What TensorFlow and Keras warn of is their own affair; what this library warns of is not.
            item.add_marker(pytest.mark.filterwarnings("ignore", "error:::xception"))
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)}"))


@pytest.fixture(scope="session")
def keras():
    return importlib.import_module("keras")


@pytest.fixture(scope="session", params=["keras", "tf_keras"])
def library(request):
    """Keras 3, then tf-keras: what they have in common is called by the same names."""
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def weights(keras):
    """Every array of an Xception with 1000 classes, in the order of Keras's `get_weights()`.

    Fresh weights would hide mistakes: all normalisations are alike, and next to nothing of the
    image reaches the classifier. These all differ, and keep activations and logits about as large
    as a trained network's: the answers are neither even nor settled.
    """
    rng = np.random.default_rng(2016)
    model = keras.applications.Xception(weights=None)
    return [draw(rng, variable.name, variable.shape) for layer in model.layers for variable in layer.weights]


@pytest.fixture(scope="session")
def pictures():
    """pictures(height, width): two different images as the network takes them, patches and noise."""

    def draw_pictures(height, width):
        rng = np.random.default_rng(height * 1000 + width)
        patches = np.kron(rng.uniform(-1, 1, (2, 8, 8, 3)), np.ones((1, 48, 48, 1)))[:, :height, :width]
        noise = rng.uniform(-1, 1, (2, height, width, 3))
        return (0.8 * patches + 0.2 * noise).astype(np.float32)

    return draw_pictures


@pytest.fixture
def folder(tmp_path):
    """A place for files of 90 MB, which are not kept after the test."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()
