"""What results look like, in Python and in a notebook."""

import re
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import small_models

import xception
from xception.data.photographs import Photograph
from xception.prediction.results import PhotographPredictions, Predictions

ENTRY = [
    xception.Prediction("0", "a", 0.75),
    xception.Prediction("1", "b", 3.0),
    xception.Prediction("2", "c", -1),
]


def test_predictions_show_themselves_with_their_photographs(examples):
    built = small_models.model(small_models.nested())
    photographs = sorted(examples.glob("c*.jpg"))
    predictions = xception.predict(photographs, built, class_names=["a", "b<c", "d", "e", "f"])
    assert isinstance(predictions, Sequence)
    assert len(predictions) == 2
    shown = predictions._repr_html_()
    assert len(re.findall(r'<img alt="photograph" src="data:image/png;base64,', shown)) == 2
    assert "b&lt;c" in shown
    assert "b<c" not in shown
    assert len(re.findall("<img", predictions[0]._repr_html_())) == 1
    assert shown.count("<table>") == 1  # so that the names of all photographs are one column
    assert re.findall(r'rowspan="(\d)"', shown) == ["5", "5"]


def test_bars_are_as_long_as_the_scores():
    shown = Predictions([ENTRY], [Photograph(0, None)])._repr_html_()
    assert re.findall(r"width:(\d+)px", shown) == ["90", "120", "0"]
    assert PhotographPredictions(ENTRY) == ENTRY
    assert 'width:0px"' in PhotographPredictions([xception.Prediction("0", "a", np.nan)])._repr_html_()


def test_a_thumbnail_is_small():
    wide = PhotographPredictions([], np.zeros((300, 900, 3), np.uint8))
    assert len(wide._repr_html_()) < 2000


def test_a_photograph_that_is_gone_is_shown_without_a_thumbnail(tmp_path):
    predictions = PhotographPredictions(ENTRY, str(tmp_path / "gone.jpg"))
    assert "<img" not in predictions._repr_html_()


def test_many_predictions_stay_small():
    pixels = np.zeros((100, 100, 3), np.uint8)
    predictions = Predictions()
    for index in range(1000):
        predictions.append(Photograph(index, pixels), ENTRY)
    assert sum(entry._source is not None for entry in predictions) == 20
    assert predictions._repr_html_().count("<img") == 20
    assert "and 980 more" in predictions._repr_html_()
    assert "1,000 in all" in repr(predictions)


def test_predictions_are_a_sequence():
    photographs = [Photograph(i, f"{i}.jpg", f"{i}.jpg") for i in (0, 2, 5)]
    predictions = Predictions([ENTRY, ENTRY[:1], ENTRY[:2]], photographs)
    assert [len(entry) for entry in predictions] == [3, 1, 2]
    assert predictions == [ENTRY, ENTRY[:1], ENTRY[:2]]
    part = predictions[1:]
    assert (part.paths, part.indices, len(part)) == (["2.jpg", "5.jpg"], [2, 5], 2)
    assert repr(part[:1]) == "[[Prediction(class_id='0', class_name='a', score=0.75)]]"
    assert predictions.to_dicts()[1] == {
        "path": "2.jpg",
        "predictions": [{"class_id": "0", "class_name": "a", "score": 0.75}],
    }


def test_a_frame_has_a_row_for_each_class():
    pytest.importorskip("pandas")
    photographs = [Photograph(0, "a.jpg", "a.jpg"), Photograph(2, None)]
    frame = Predictions([ENTRY[:2], ENTRY[2:]], photographs).to_frame()
    assert list(frame["path"].isna()) == [False, False, True]
    assert frame.drop(columns="path").to_dict("list") == {
        "index": [0, 0, 2], "rank": [1, 2, 1],
        "class_id": ["0", "1", "2"], "class_name": ["a", "b", "c"], "score": [0.75, 3.0, -1],
    }  # fmt: skip
    assert list(frame["path"][:2]) == ["a.jpg", "a.jpg"]
    assert list(Predictions().to_frame().columns) == list(frame.columns)


def test_without_pandas_a_frame_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(xception.MissingPackageError, match=r"pip install 'xception\[pandas\]'"):
        Predictions().to_frame()
