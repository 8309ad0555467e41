"""Predictions of models that give several labels at once, or numbers."""

import csv
import json

import numpy as np
import pytest
from color_models import BLUE, COLORS, RED, YELLOW, label_model, model, number_model

import xception
from xception import Classifier
from xception.layers import Dense, Softmax


def names_of(entry):
    return [prediction.class_name for prediction in entry]


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_a_photograph_gets_every_label_that_reaches_the_threshold(activation):
    """Logits are found out, and become probabilities one by one."""
    yellow, black = xception.predict([YELLOW, 0 * RED], label_model(activation))
    assert yellow == [
        ("0", "red", pytest.approx(0.982, abs=1e-3)),
        ("1", "green", pytest.approx(0.982, abs=1e-3)),
    ]
    assert black == []


def test_the_threshold_can_be_chosen():
    built = label_model()
    assert names_of(xception.predict(RED, built, threshold=0)[0]) == COLORS
    assert names_of(xception.predict(RED, built, threshold=0.99)[0]) == []
    assert names_of(xception.predict(YELLOW, built, threshold=0, top=2)[0]) == ["red", "green"]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6, 0.7, 0.9])
def test_a_score_that_equals_the_threshold_reaches_it(threshold):
    classifier = Classifier(label_model(), threshold=threshold)
    scores = np.array([[threshold, np.nextafter(np.float32(threshold), np.float32(0)), np.nan]], np.float32)
    assert [label.class_id for label in classifier.decode(scores)[0]] == ["0", "2"]


def test_a_model_without_a_record_can_be_given_the_task():
    built = label_model()
    built.task = None
    assert names_of(xception.predict(RED, built)[0]) == COLORS  # the best classes
    assert names_of(xception.predict(RED, Classifier(built, task="labels"))[0]) == ["red"]


def test_one_label_is_no_pair_of_classes():
    built = model(Dense(1, "sigmoid"), weights=np.array([[8.0], [0], [0]]))
    built.task = "labels"
    classifier = Classifier(built, scaling="unit")
    assert classifier.class_names == (("0", "label_0"),)
    assert classifier.probabilities(RED[np.newaxis].astype(np.float32)).shape == (1, 1)


def test_a_regression_gives_each_number_with_its_name():
    ((number,),) = xception.predict([RED], number_model())
    assert number == ("0", "redness (%)", 100.0)
    (both,) = xception.predict([BLUE], number_model(3, COLORS))
    assert both == [("0", "red", 0.0), ("1", "green", 0.0), ("2", "blue", 100.0)]


def test_a_target_without_a_name():
    assert Classifier(number_model(1, None)).class_names == (("0", "target"),)
    assert Classifier(number_model(2, None)).class_names[1] == ("1", "target_1")


def test_the_task_is_in_the_file(tmp_path):
    label_model().save(tmp_path / "m.keras")
    assert names_of(xception.predict(YELLOW, tmp_path / "m.keras")[0]) == ["red", "green"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: xception.predict(RED, number_model(), top=2), "top picks the best of several classes"),
        (lambda: next(xception.iter_predict(RED, number_model(), top=1)), "Leave top out"),
        (lambda: xception.predict(RED, number_model(), threshold=0.5), "threshold applies to"),
        (lambda: xception.predict(RED, model(), threshold=0.5), "the task of this one is 'classes'"),
        (lambda: xception.predict(RED, label_model(), threshold=2), "threshold must be a number from 0 to 1"),
        (lambda: Classifier(number_model(), from_logits=True), "from_logits applies to scores"),
        (lambda: Classifier(model(Dense(3), Softmax()), task="labels"), "ends in a softmax"),
        (lambda: Classifier(model(Dense(3, "softmax")), task="regression"), "task cannot be 'regression'"),
        (lambda: Classifier(model(), task="class"), "task must be one of classes, labels, regression"),
        (lambda: Classifier(number_model(2, COLORS)), "3 target names, but colours has 2 targets"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_for_a_task_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_files_hold_labels_and_numbers(tmp_path):
    xception.predict([YELLOW, 0 * RED], label_model(), output=tmp_path / "labels.jsonl", verbose=0)
    lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [[p["class_name"] for p in line["predictions"]] for line in lines] == [["red", "green"], []]
    xception.predict([RED], number_model(), output=tmp_path / "numbers.csv", verbose=0)
    assert list(csv.DictReader((tmp_path / "numbers.csv").read_text().splitlines())) == [
        {"path": "", "rank": "1", "class_id": "0", "class_name": "redness (%)", "score": "100"}
    ]
    with pytest.raises(ValueError, match="Leave top out"):
        xception.predict([RED], number_model(), output=tmp_path / "top.csv", top=3, verbose=0)
    assert not (tmp_path / "top.csv").exists()
