"""How well a model that gives several labels at once tells each of them apart."""

import json

import numpy as np
import pytest
from color_models import BLUE, GREEN, RED, YELLOW, label_model
from PIL import Image

import xception
from xception.prediction.label_evaluation import LabelEvaluation

PHOTOGRAPHS = [RED, YELLOW, BLUE, GREEN]
TRUTH = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0]]  # by a person who overlooked blue, and made a mistake


def made(labels, scores, threshold=0.5):
    labels = np.array(labels, bool)
    names = tuple((str(i), f"label {i}") for i in range(labels.shape[1]))
    count = len(labels)
    return LabelEvaluation(
        names, labels, np.array(scores, np.float32), threshold, [None] * count, list(range(count)), []
    )


def check(evaluation):
    red, green, blue = evaluation.per_label
    assert red[:7] == ("0", "red", 3, 2, 2, 1.0, pytest.approx(2 / 3))
    assert red.auc == pytest.approx((2 + 0.5) / 3)  # two of three are above, one is equal
    assert green == ("1", "green", 2, 2, 2, 1.0, 1.0, 1.0)
    assert blue == ("2", "blue", 0, 1, 0, 0.0, None, None)
    assert evaluation.mean_auc == pytest.approx((2.5 / 3 + 1) / 2)


def test_figures_of_each_label():
    evaluation = xception.evaluate(PHOTOGRAPHS, TRUTH, label_model())
    check(evaluation)
    assert len(evaluation) == 4
    assert [(m.index, m.class_name, m.has_label) for m in evaluation.mistakes()] == [
        (2, "blue", False), (3, "red", True)
    ]  # fmt: skip


def test_labels_may_be_names_in_any_spelling():
    labels = [["Red"], ("green", "red"), [], {"red", "GREEN"}]
    check(xception.evaluate(PHOTOGRAPHS, labels, label_model()))


@pytest.mark.parametrize("first", ["gone[1].png", "*.png", "folder", "gone.png"])
def test_a_row_of_a_table_is_one_photograph_whatever_its_name(tmp_path, first):
    """Labels would shift if a name that looks like a pattern stood for several photographs, or for none."""
    (tmp_path / "folder").mkdir()
    Image.fromarray(GREEN).save(tmp_path / "folder" / "x.png")
    for name, pixels in zip("abcd", PHOTOGRAPHS, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    rows = [f"{name}.png,{r},{g},{b}" for name, (r, g, b) in zip("abcd", TRUTH, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["photograph,red,green,blue", f"{first},0,1,1", *rows]))
    evaluation = xception.evaluate(tmp_path, tmp_path / "labels.csv", label_model(), on_error="skip")
    check(evaluation)
    assert [failure.path for failure in evaluation.failures] == [str(tmp_path / first)]


def test_a_table_is_matched_by_the_names_of_its_columns(tmp_path):
    for name, pixels in zip("abcd", PHOTOGRAPHS, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(RED).save(tmp_path / "not-listed.png")
    table = tmp_path / "labels.csv"
    rows = [f"{name}.png,{b},{r},{g}" for name, (r, g, b) in zip("abcd", TRUTH, strict=True)]
    table.write_text("\n".join(["photograph,blue,red,green", *rows[::-1]]))
    evaluation = xception.evaluate(tmp_path, table, label_model())
    assert evaluation.paths == [str(tmp_path / f"{name}.png") for name in "dcba"]
    check(evaluation)


def test_the_text_has_counts_and_no_plain_accuracy():
    text = str(xception.evaluate(PHOTOGRAPHS, TRUTH, label_model()))
    assert "accuracy" not in text
    assert "mean AUC     0.917, of 2 of 3 labels" in text
    assert "red    0.833  1.000 (2 of 2)  0.667 (2 of 3)" in text
    assert "blue   –      0.000 (0 of 1)  –" in text
    assert "photograph 3  (red: has it)" in text


def test_the_dict_is_what_json_can_hold():
    values = json.loads(json.dumps(xception.evaluate(PHOTOGRAPHS, TRUTH, label_model()).to_dict()))
    assert values["task"] == "labels"
    assert values["per_label"][2]["auc"] is None


def test_the_threshold_decides_what_is_predicted():
    scores = [[0.2], [0.4], [0.6]]
    assert made([[0], [1], [1]], scores).per_label[0].recall == 0.5
    assert made([[0], [1], [1]], scores, 0.4).per_label[0].recall == 1
    assert made([[0], [1], [1]], scores, 0.4).mistakes() == []
    assert made([[1], [1], [1]], scores).mean_auc is None


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (None, ValueError, "task of this model is 'labels': give the labels of each photograph: a .csv file"),
        ([[1, 0], [0, 1], [1, 0], [1, 1]], ValueError, r"with 3 columns; got \(4, 2\)"),
        ([[1, 0, 2]] * 4, ValueError, "expected 0 or 1 for each photograph, got 2"),
        ([[1, 0, 0]] * 3, ValueError, "got 3 labels for 4"),
        ([["red"], ["pink"], [], []], ValueError, "not classes of the model: 'pink'"),
        (["red", "red", "red", "red"], TypeError, "expected a list of names for each photograph, got 'red'"),
        (5, TypeError, "expected the labels of each photograph"),
        ("labels.csv", ValueError, "lists the photographs of a folder"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used(labels, error, message):
    with pytest.raises(error, match=message):
        xception.evaluate(PHOTOGRAPHS, labels, label_model())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("photo,red,green", "no column for 'blue'"),
        ("photo,red,green,blue,pink", "'pink'"),
        ("photo,red,green,blue,Red", "several columns stand for 'red'"),
    ],
)
def test_columns_that_do_not_fit_the_model(tmp_path, header, message):
    (tmp_path / "labels.csv").write_text(f"{header}\na.png{',1' * header.count(',')}\n")
    with pytest.raises(ValueError, match=message):
        xception.evaluate(tmp_path, tmp_path / "labels.csv", label_model())


def test_a_table_for_a_model_of_classes_is_refused(tmp_path):
    built = label_model()
    built.task = None
    with pytest.raises(ValueError, match=r"labels\.csv: .* the task of this one is 'classes'"):
        xception.evaluate(tmp_path, "labels.csv", built)
