"""What results look like in a notebook."""

import re

import numpy as np
import small_models

import xception
from xception.console.html import PhotographPredictions, Predictions
from xception.data.imagenet import Prediction


def test_predictions_show_themselves_with_their_photographs(examples):
    built = small_models.model(small_models.nested())
    found = xception.predict(sorted(examples.glob("c*.jpg")), built, labels=["a", "b<c", "d", "e", "f"])
    assert isinstance(found, list)
    assert len(found) == 2
    shown = found._repr_html_()
    assert len(re.findall(r'<img src="data:image/png;base64,', shown)) == 2
    assert "b&lt;c" in shown
    assert "b<c" not in shown


def test_bars_are_as_long_as_the_scores():
    predictions = [Prediction("0", "a", 0.75), Prediction("1", "b", 3.0), Prediction("2", "c", -1.0)]
    shown = Predictions([PhotographPredictions(predictions)])._repr_html_()
    assert re.findall(r"width:(\d+)px", shown) == ["90", "120", "0"]
    assert PhotographPredictions(predictions) == predictions


def test_a_thumbnail_is_small():
    wide = PhotographPredictions([], np.zeros((300, 900, 3), np.uint8))
    assert len(wide._repr_html_()) < 2000


def test_a_model_shows_its_summary():
    shown = small_models.model(small_models.nested())._repr_html_()
    assert "<pre" in shown
    assert "base (Functional)" in shown
    assert "(None, 5)" in shown
