"""How far a regression is from the right numbers."""

import json

import numpy as np
import pytest
from color_models import BLUE, RED, number_model
from PIL import Image

import xception

PHOTOGRAPHS = [RED, BLUE, RED // 2, BLUE]  # 100, 0, 49.8, 0
TARGETS = [90, 10, 50, 0]
HALF = 100 * 127 / 255


def check(evaluation):
    (row,) = evaluation.per_target
    errors = np.array([10, -10, HALF - 50, 0])
    assert row.name == "redness (%)"
    assert row.mae == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert row.median_mae == pytest.approx((60 + 20 + 20 + 30) / 4)  # the median is 30
    assert row.rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert row.mean_error == pytest.approx(errors.mean(), rel=1e-4)


@pytest.mark.parametrize("targets", [TARGETS, np.array(TARGETS)[:, np.newaxis], [[t] for t in TARGETS]])
def test_errors_are_in_the_targets_unit(targets):
    evaluation = xception.evaluate(PHOTOGRAPHS, targets, number_model())
    check(evaluation)
    assert [(e.index, e.target) for e in evaluation.largest_errors(2)] == [(0, 90), (1, 10)]
    text = str(evaluation)
    assert "redness (%)  5.049               32.5  7.072" in text
    assert "photograph 0  (redness (%): 90, predicted 100)" in text
    assert "photograph 3" not in text  # it is exact
    assert json.loads(json.dumps(evaluation.to_dict()))["per_target"][0]["median_mae"] == 32.5


def test_a_table(tmp_path):
    for name, pixels in zip("abcd", PHOTOGRAPHS, strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    rows = [f"{name}.png,{target}" for name, target in zip("abcd", TARGETS, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["photograph,Redness (%)", *rows]))
    check(xception.evaluate(tmp_path, tmp_path / "t.csv", number_model()))


def test_several_targets_with_names_of_their_own():
    built = number_model(2, ["red", "green"])
    evaluation = xception.evaluate([RED, BLUE], [[100, 5], [0, -5]], built)
    assert [row.mae for row in evaluation.per_target] == pytest.approx([0, 5], abs=1e-4)
    assert evaluation.largest_errors(1)[0].name == "green"


def test_a_photograph_that_cannot_be_read_is_left_out(tmp_path):
    Image.fromarray(RED).save(tmp_path / "a.png")
    images = [tmp_path / "no.png", tmp_path / "a.png"]
    evaluation = xception.evaluate(images, [1, 60], number_model(), on_error="skip")
    assert len(evaluation) == 1
    assert evaluation.per_target[0].mean_error == pytest.approx(40, rel=1e-5)
    assert len(evaluation.failures) == 1


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (None, ValueError, "the task of this model is 'regression': give the numbers of each photograph"),
        ([1, 2, 3, np.nan], ValueError, "expected finite numbers for each photograph, got nan"),
        ([1, 2, 3], ValueError, "got 3 labels for 4"),
        (["a", "b", "c", "d"], TypeError, "expected the numbers of each photograph"),
        ([[1, 2]] * 4, ValueError, r"with 1 columns; got \(4, 2\)"),
    ],
)
def test_targets_that_cannot_be_used(targets, error, message):
    with pytest.raises(error, match=message):
        xception.evaluate(PHOTOGRAPHS, targets, number_model())
