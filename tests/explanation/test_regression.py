"""Explanations of numbers and of labels, rather than of classes."""

import numpy as np
import pytest
import small_models
from color_models import BLUE, COLORS, RED

import xception
from xception.explanation.explainer import Explainer
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input


def map_model(task, outputs=1, names=None, activation="linear"):
    """A model with maps, whose outputs are the mean red, green and blue."""
    layers = [
        ("image", Input((8, 8, 3))), ("maps", Conv2D(3, 1)), ("pool", GlobalAveragePooling2D()),
        ("head", Dense(outputs, activation)),
    ]  # fmt: skip
    built = small_models.model(small_models.row("maps", *layers))
    built.get_layer("maps").set_weights([np.eye(3)[np.newaxis, np.newaxis], np.zeros(3)])
    built.get_layer("head").set_weights([np.eye(3)[:, :outputs], np.zeros(outputs)])
    built.task, built.class_names = task, names
    built.preprocessing = xception.Preprocessing(scaling="unit")
    return built


def test_the_number_of_a_regression_is_explained():
    photograph = RED.copy()
    photograph[:, :4] = 0  # only the right half is red
    explanation = xception.explain(photograph, map_model("regression", names=["redness"]))
    (heat,) = explanation.maps
    assert heat[4, 7] > 0.01
    assert heat[4, 0] == 0
    assert explanation.class_names == (("0", "redness"),)


def test_one_of_several_numbers_is_named():
    explanation = xception.explain(BLUE, map_model("regression", 3, COLORS), target="blue")
    assert explanation.scores.ravel() == pytest.approx([1])


def test_the_best_of_several_numbers_is_refused():
    built = map_model("regression", 3, COLORS)
    with pytest.raises(ValueError, match="top explains the best of several classes"):
        Explainer(built, top=2)
    with pytest.raises(ValueError, match=r"gives 3 numbers: give one as the target .*: red, green, blue"):
        Explainer(built)


def test_the_best_label_is_explained():
    explanation = xception.explain(BLUE, map_model("labels", 3, COLORS, "sigmoid"))
    assert explanation.targets.ravel().tolist() == [2]
