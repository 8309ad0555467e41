"""Classifiers whose answers can be computed by hand: they look at the mean of each color."""

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Dense, GlobalAveragePooling2D, Input

RED, GREEN, BLUE = (np.full((8, 8, 3), color, np.uint8) for color in np.eye(3) * 255)


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


def scores(built, image=RED, **settings):
    (entry,) = xception.predict(image, built, **settings)
    return {answer.class_name: answer.score for answer in entry}


def near(expected):
    return pytest.approx(expected, abs=1e-4)


def softmax(*logits):
    return np.exp(logits) / np.exp(logits).sum()
