"""Classifiers whose answers can be computed by hand: they look at the mean of each color."""

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Dense, GlobalAveragePooling2D, Input

COLORS = ["red", "green", "blue"]
RED, GREEN, BLUE = (np.full((8, 8, 3), color, np.uint8) for color in np.eye(3) * 255)
YELLOW = RED + GREEN


def model(*head, scaling=(), weights=None, shape=(8, 8, 3)):
    """A model that looks at colours: its scores are the channels' means, unless given weights."""
    layers = [
        ("image", Input(shape)),
        *((f"scaling_{i}", layer) for i, layer in enumerate(scaling)),
        ("pool", GlobalAveragePooling2D()),
        *((f"head_{i}", layer) for i, layer in enumerate(head or [Dense(3)])),
    ]
    built = small_models.model(small_models.row("colours", *layers))
    dense = [layer for layer in built.layers if layer.name.startswith("head") and layer.count_params()]
    for layer in dense:
        kernel, bias = layer.get_weights()
        layer.set_weights([np.eye(*kernel.shape) if weights is None else weights, bias * 0])
    return built


def label_model(activation="sigmoid", scale=8.0):
    """Give a label for each color that a photograph has: of pixels 0…1, the logit is 8 · mean − 4."""
    built = model(Dense(3, activation))
    dense = next(layer for layer in built.layers if layer.name.startswith("head"))
    dense.set_weights([np.eye(3) * scale, np.full(3, -scale / 2)])
    built.task, built.class_names = "labels", COLORS
    built.preprocessing = xception.Preprocessing(scaling="unit")
    return built


def number_model(outputs=1, names=("redness (%)",)):
    built = model(Dense(outputs), weights=np.eye(3)[:, :outputs] * 100)
    built.task, built.class_names = "regression", names
    built.preprocessing = xception.Preprocessing(scaling="unit")
    return built


def scores(built, image=RED, **settings):
    (entry,) = xception.predict(image, built, **settings)
    return {answer.class_name: answer.score for answer in entry}


def near(expected):
    return pytest.approx(expected, abs=1e-4)


def softmax(*logits):
    return np.exp(logits) / np.exp(logits).sum()
