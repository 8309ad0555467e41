"""Fixtures of the comparisons with Keras. Keras is imported only when a test uses it."""

import importlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from keras_models import random_weights

HERE = Path(__file__).parent
MISSING = [name for name in ("tensorflow", "keras", "tf_keras") if importlib.util.find_spec(name) is None]

# TensorFlow reads these when it is imported: no log messages, and no GPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_collection_modifyitems(items):
    # Minutes each: at the end, one process would run them alone.
    items.sort(key=lambda item: not item.path.name.startswith("test_whole_network"))
    for item in items:
        if HERE in item.path.parents:
            # Warnings of TensorFlow and Keras are ignored, those of this library are errors.
            item.add_marker(pytest.mark.filterwarnings("ignore", "error:::xception"))
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)}"))


@pytest.fixture(scope="session")
def keras():
    return importlib.import_module("keras")


@pytest.fixture(scope="session", params=["keras", "tf_keras"])
def library(request):
    """Keras 3 and tf-keras, which share the names that the tests use."""
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def weights(keras):
    """Random weights of an Xception with 1000 classes, in the order of Keras's `get_weights()`.

    Initial weights would hide errors: all batch normalizations are equal, and the image hardly affects
    the outputs. These weights all differ, and keep activations and logits about as large as in a trained
    network. The probabilities are therefore neither uniform nor 0 and 1.
    """
    rng = np.random.default_rng(2016)
    model = keras.applications.Xception(weights=None)
    variables = [variable for layer in model.layers for variable in layer.weights]
    return [random_weights(rng, variable.name, variable.shape) for variable in variables]


@pytest.fixture(scope="session")
def pictures():
    """pictures(height, width): two images of patches and noise, scaled to −1…1."""

    def draw_pictures(height, width):
        rng = np.random.default_rng(height * 1000 + width)
        patches = np.kron(rng.uniform(-1, 1, (2, 8, 8, 3)), np.ones((1, 48, 48, 1)))[:, :height, :width]
        noise = rng.uniform(-1, 1, (2, height, width, 3))
        return (0.8 * patches + 0.2 * noise).astype(np.float32)

    return draw_pictures


@pytest.fixture
def folder(tmp_path):
    """A temporary folder that is emptied after the test: the files have up to 90 MB."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()
