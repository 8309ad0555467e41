"""How often a classifier is right."""

import json
import warnings
import weakref

import numpy as np
import pytest
from color_models import BLUE, GREEN, RED, model
from PIL import Image

import xception
from xception import Classifier
from xception.console.text_layout import TextLayout
from xception.layers import Dense
from xception.prediction.evaluation import Evaluation
from xception.prediction.measurement import evaluate
from xception.prediction.report import confusion_table, mistake_table

NAMES = ["red", "green", "blue"]


@pytest.fixture
def classifier():
    return Classifier(model(), class_names=NAMES)


@pytest.fixture
def folder(tmp_path):
    """Folders of colors, in which one green photograph lies in the folder of red ones."""
    images = {"red/1": RED, "red/2": RED, "red/3": GREEN, "green/1": GREEN, "blue/1": BLUE}
    for name, pixels in images.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def made(labels, predicted, scores=None, classes=3, **settings):
    """An evaluation of given answers."""
    count = len(labels)
    return Evaluation(
        tuple((str(i), f"class {i}") for i in range(classes)), np.array(labels), np.array(predicted),
        np.array(scores or [1.0] * count, np.float32), settings.get("in_top_5"),
        settings.get("second_class_scores"), [None] * count, list(range(count)), [],
    )  # fmt: skip


def test_a_folder_of_folders(classifier, folder):
    evaluation = evaluate(folder, model=classifier)
    assert len(evaluation) == 5
    assert evaluation.correct == 4
    assert evaluation.accuracy == 0.8
    assert evaluation.largest_class_share == 0.6
    assert evaluation.balanced_accuracy == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert evaluation.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 1]]
    red, green, blue = evaluation.per_class
    assert red == ("0", "red", 3, 2, 2, 1.0, pytest.approx(2 / 3))
    assert green == ("1", "green", 1, 2, 1, 0.5, 1.0)
    assert blue == ("2", "blue", 1, 1, 1, 1.0, 1.0)
    (mistake,) = evaluation.mistakes()
    assert mistake.path == str(folder / "red" / "3.png")
    assert (mistake.label, mistake.class_name) == ("red", "green")
    assert mistake.score == pytest.approx(np.e / (np.e + 2 / np.e), abs=1e-4)
    assert evaluation.paths[mistake.index] == mistake.path
    assert evaluation.top_5_accuracy is None
    assert evaluation.auc is None


def test_folders_are_matched_by_name_never_by_position(folder):
    """A class without photographs does not shift those behind it."""
    (folder / "green" / "1.png").unlink()
    shuffled = Classifier(model(weights=np.eye(3)[:, [2, 1, 0]]), class_names=NAMES[::-1])
    with pytest.warns(UserWarning, match="no photographs in the folder green"):
        evaluation = evaluate(folder, model=shuffled)
    assert evaluation.correct == 3
    green = evaluation.per_class[1]
    assert green == ("1", "green", 0, 1, 0, 0.0, None)
    assert evaluation.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert "green  0.000 (0 of 1)  –                     0" in str(evaluation)


@pytest.mark.parametrize(
    "labels", [["red", "GREEN", "blue"], [0, 1, 2], np.array([0, 1, 2]), iter([0, 1, 2])]
)
def test_photographs_with_labels(classifier, labels):
    evaluation = evaluate([RED, GREEN, BLUE], labels, classifier)
    assert evaluation.accuracy == 1
    assert evaluation.labels.tolist() == [0, 1, 2]
    assert evaluation.mistakes() == []


def test_labels_may_be_ids():
    named = Classifier(model(), class_names=[("n1", "crane"), ("n2", "crane"), ("n3", "tench")])
    assert evaluate([RED, GREEN], ["n1", "n2"], named).accuracy == 1
    message = "several classes are named 'crane'; give the id or the index of one: 'n1' or 0, 'n2' or 1"
    with pytest.raises(ValueError, match=message):
        evaluate([RED], ["crane"], named)


def test_unknown_folders_are_refused_and_listed(classifier, folder):
    (folder / "green").rename(folder / "grene")
    message = r"not classes of the model: 'grene'; its classes are red, green, blue; did you mean green"
    with pytest.raises(ValueError, match=message):
        evaluate(folder, model=classifier)
    for number, name in enumerate(("red", "grene", "blue")):
        (folder / name).rename(folder / str(number))
    with pytest.raises(ValueError, match="not classes of the model: '0', '1', '2'"):
        evaluate(folder, model=classifier)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        ([RED], None, ValueError, "the photographs have no labels"),
        (
            [RED],
            "red",
            TypeError,
            "labels must be a list with the class of each photograph; got the text 'red'",
        ),
        ([RED], ["red", "green"], ValueError, "a label for each photograph, got 2 labels for 1"),
        ([RED], [3], ValueError, "class indices go from 0 to 2, got 3"),
        ([RED], [-1], ValueError, "class indices go from 0 to 2, got -1"),
        ([RED], 5, TypeError, "labels must be a list with the class of each photograph; got int"),
        ([RED], [0.5], TypeError, "a label is a text or an integer, got 0.5"),
        ([RED], [None], TypeError, "a label is a text or an integer, got None"),
        ([RED], [["red"]], TypeError, r"a label is a text or an integer, got \['red'\]"),
        ([RED], ["yellow"], ValueError, "not classes of the model: 'yellow'"),
        ([], [], ValueError, "there are no photographs to evaluate"),
    ],
)
def test_labels_that_cannot_be_used(classifier, images, labels, error, message):
    with pytest.raises(error, match=message):
        evaluate(images, labels, classifier)


@pytest.mark.parametrize(
    ("labels", "message"), [(["red"], "got 1 labels for more"), (["red"] * 3, "got 3 labels for 2")]
)
def test_labels_that_do_not_fit_a_generator(classifier, labels, message):
    with pytest.raises(ValueError, match=message):
        evaluate(iter([RED, GREEN]), labels, classifier)


def test_a_generator_is_evaluated_without_keeping_its_images(classifier):
    alive = []

    def images():
        for number in range(40):
            image = RED.copy()
            alive.append(weakref.ref(image))
            yield image
            # Two batches at most are in memory.
            assert number < 32 or alive[number - 32]() is None
            del image

    evaluation = evaluate(images(), ["red"] * 40, classifier)
    assert (len(evaluation), evaluation.accuracy) == (40, 1)


def test_a_single_file_or_a_pattern_takes_labels(classifier, folder):
    assert evaluate(folder / "blue" / "1.png", ["blue"], classifier).accuracy == 1
    assert len(evaluate(str(folder / "red" / "*.png"), ["red"] * 3, classifier)) == 3


def test_labels_do_not_go_with_a_folder(classifier, folder):
    with pytest.raises(ValueError, match="labels go with a list of photographs"):
        evaluate(folder, [0, 1, 2, 0, 1], classifier)


def test_swapped_arguments(classifier):
    with pytest.raises(
        TypeError, match=r"evaluate\(images, labels, model\): expected labels, got a Classifier"
    ):
        evaluate([RED], classifier)
    message = r"evaluate\(images, labels, model\): expected photographs for images, got a Classifier"
    with pytest.raises(TypeError, match=message):
        evaluate(classifier, [RED])


def test_photographs_outside_any_folder_are_left_out_with_a_warning(classifier, folder):
    Image.fromarray(RED).save(folder / "sheet.png")
    with pytest.warns(UserWarning, match="1 photograph outside any sub-folder left out"):
        assert len(evaluate(folder, model=classifier)) == 5


def test_folders_that_are_no_classes_are_left_out_with_a_warning(classifier, folder):
    for name in ("__MACOSX/red", ".ipynb_checkpoints", "videos"):
        (folder / name).mkdir(parents=True)
    (folder / "videos" / "red.mov").touch()
    Image.fromarray(RED).save(folder / "__MACOSX" / "red" / "0.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(evaluate(folder, model=classifier)) == 5
    assert [str(warning.message) for warning in caught] == [
        "left out 1 other file: 1 .mov",
        "skipped the folders .ipynb_checkpoints, __MACOSX",
        "no photographs in the folder videos (only 1 .mov)",
    ]


def test_labels_stay_with_their_photographs_when_some_cannot_be_read(classifier, folder):
    (folder / "blue" / "0.png").write_bytes(b"no image")
    with pytest.raises(xception.ImageError, match=r"0\.png: is not an image"):
        evaluate(folder, model=classifier)
    evaluation = evaluate(folder, model=classifier, on_error="skip")
    assert evaluation.correct == 4
    assert [failure.path for failure in evaluation.failures] == [str(folder / "blue" / "0.png")]
    images = [folder / "missing.png", BLUE, RED]
    assert evaluate(images, ["green", "blue", "red"], classifier, on_error="skip").indices == [1, 2]


def test_scores_that_are_not_finite_are_an_error_with_the_path(classifier, folder):
    broken = model(weights=np.eye(3) * np.nan)
    with pytest.raises(ValueError, match=r"1\.png: the model's scores are not finite"):
        evaluate(folder, model=broken, class_names=NAMES)


def test_of_equal_scores_the_first_class_counts():
    even = Classifier(model(weights=np.zeros((3, 3))), class_names=NAMES)
    assert evaluate([RED, GREEN, BLUE], NAMES, even).predicted.tolist() == [0, 0, 0]


def test_top_5_accuracy_of_more_than_five_classes():
    weights = np.zeros((3, 7))
    weights[0] = np.arange(7)  # red: class 6 first, class 0 last
    evaluation = evaluate([RED] * 3, [6, 2, 1], model(Dense(7), weights=weights))
    assert evaluation.accuracy == pytest.approx(1 / 3)
    assert evaluation.top_5_accuracy == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(16, 20, 0.58, 0.92), (80, 100, 0.71, 0.87), (3, 3, 0.44, 1.0), (0, 5, 0.0, 0.43)],
)
def test_the_interval_is_wilsons(right, count, low, high):
    evaluation = made([0] * count, [0] * right + [1] * (count - right))
    assert evaluation.accuracy_interval == (pytest.approx(low, abs=5e-3), pytest.approx(high, abs=5e-3))


def test_the_interval_ends_at_1_where_all_are_right_and_at_0_where_none_is():
    for count in range(1, 50):
        assert made([0] * count, [0] * count).accuracy_interval[1] == 1
        assert made([0] * count, [1] * count).accuracy_interval[0] == 0


def test_the_area_under_the_curve_is_exact_with_ties():
    labels, scores = [0, 0, 1, 1, 1], np.array([0.1, 0.5, 0.5, 0.9, 0.1])
    pairs = [(s > t) + 0.5 * (s == t) for s in scores[2:] for t in scores[:2]]
    evaluation = made(labels, labels, classes=2, second_class_scores=scores)
    assert evaluation.auc == pytest.approx(np.mean(pairs))
    assert made([0, 0], [0, 1], classes=2, second_class_scores=scores[:2]).auc is None


def test_a_single_score_tells_two_classes_apart():
    binary = model(Dense(1, "sigmoid"), weights=np.array([[1.0], [-1.0], [0.0]]))
    evaluation = evaluate([RED, GREEN], ["yes", "no"], binary, class_names=["no", "yes"])
    assert evaluation.accuracy == 1
    assert evaluation.auc == 1


def test_the_most_confident_mistakes_come_first():
    evaluation = made([0, 1, 2, 0], [1, 1, 0, 2], [0.5, 0.9, 0.7, 0.6])
    assert [mistake.index for mistake in evaluation.mistakes()] == [2, 3, 0]
    assert [mistake.index for mistake in evaluation.mistakes(1)] == [2]


def test_as_json_and_as_text(classifier, folder):
    evaluation = evaluate(folder, model=classifier)
    values = json.loads(json.dumps(evaluation.to_dict()))
    assert values["photographs"] == 5
    assert values["accuracy"] == 0.8
    assert values["per_class"][0] == {
        "class_id": "0", "class_name": "red", "support": 3, "predicted": 2, "correct": 2,
        "precision": 1.0, "recall": pytest.approx(2 / 3),
    }  # fmt: skip
    assert values["confusion"] == {"class_names": NAMES, "counts": [[2, 1, 0], [0, 1, 0], [0, 0, 1]]}
    assert values["mistakes"][0]["path"].endswith("3.png")
    text = str(evaluation)
    assert "accuracy           0.800, 95 % interval 0.376 to 0.964" in text
    assert "red    1.000 (2 of 2)  0.667 (2 of 3)        3" in text
    assert "0 red    2 1 ." in text
    assert "3.png  (red, taken for green)" in text
    assert repr(evaluation) == "<Evaluation: 4 of 5 photographs right, 0 failures>"
    assert "<pre" in evaluation._repr_html_()


def test_two_classes_show_the_recall_at_other_thresholds():
    scores = np.array([0.15, 0.35, 0.3, 0.8], np.float32)
    evaluation = made([0, 0, 1, 1], [0, 0, 0, 1], classes=2, second_class_scores=scores)
    by_threshold = {row.threshold: row[1:] for row in evaluation.thresholds}
    assert by_threshold[0.5] == (1, 0.5)
    assert by_threshold[0.3] == (0.5, 1)  # a score that is equal reaches it
    assert by_threshold[0.9] == (1, 0)
    assert "class 1 from  recall of class 0  of class 1" in str(evaluation)
    assert "0.3           0.500              1.000" in str(evaluation)
    assert evaluation.to_dict()["thresholds"][0] == {
        "threshold": 0.1, "first_recall": 0.0, "second_recall": 1.0
    }  # fmt: skip
    assert made([0, 1, 2], [0, 1, 2]).thresholds == []


def test_on_a_narrow_terminal_paths_and_class_names_are_cut_in_the_middle(tmp_path):
    layout = TextLayout(width=60)
    (line,) = mistake_table([(0.98765, f"{'photographs/' * 9}0001.jpg", "cup, taken for fork")], layout)
    assert len(line) == 60
    assert line.startswith("  0.988  photographs/")
    assert line.endswith("0001.jpg  (cup, taken for fork)")
    names = [f"a species with a very long name that ends in {i}" for i in range(12)]
    lines = confusion_table(names, np.eye(12, dtype=int).tolist(), "the JSON", layout)
    assert max(map(len, lines[1:])) <= 60
    assert "in 11" in lines[-1]
    assert names[3] in "\n".join(confusion_table(names, np.eye(12, dtype=int).tolist(), "the JSON"))
