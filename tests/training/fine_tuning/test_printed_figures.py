"""The figure that is printed for the best epoch, against `evaluate` on the saved file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tuned_stripes import tune

import xception

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Sixty parts of two photographs, as JPEG files of various sizes: paths and names."""
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    paths, names = [], []
    for name in ("chelsea", "coffee"):
        with Image.open(EXAMPLES / f"{name}.jpg") as whole:
            for number in range(30):
                size = int(rng.integers(40, 90))
                left, top = (int(rng.integers(0, length - size)) for length in whole.size)
                paths.append(folder / f"{name}-{number}.jpg")
                whole.crop((left, top, left + size, top + size - number % 7)).save(paths[-1], quality=90)
                names.append(name)
    return paths, names


def columns(photographs):
    """Two labels, and a number, of each photograph."""
    paths, names = photographs
    light = []
    for path in paths:
        with Image.open(path) as image:
            light.append(float(np.asarray(image).mean()))
    labels = {"cat": [name == "chelsea" for name in names], "light": np.array(light) > np.median(light)}
    return labels, {"light": light}


def validated(result, paths, truth):
    """Return the photographs of the validation, and their truth."""
    position = {str(path): i for i, path in enumerate(paths)}
    rows = [position[path] for path in result.validation.paths]
    assert 10 <= len(rows) < 20
    return [paths[row] for row in rows], [truth[row] for row in rows]


def test_of_classes(photographs, tmp_path):
    paths, names = photographs
    result = tune(names, paths, epochs=4, augment="flip", output=tmp_path / "m.keras")
    images, truth = validated(result, paths, names)
    evaluation = xception.evaluate(images, truth, tmp_path / "m.keras", verbose=0)
    figures = result.validation.figures
    assert (evaluation.correct, len(evaluation)) == (figures.correct, figures.count)
    assert f"accuracy {evaluation.accuracy:.3f} ({evaluation.correct} of {len(evaluation)}," in str(result)
    model = xception.load_model(tmp_path / "m.keras")
    same_outputs(result, xception.predict(images, model, top=2, verbose=0), ["chelsea", "coffee"])


def same_outputs(result, predictions, names):
    """Check that each photograph has the same scores."""
    for output, predicted in zip(result.validation.outputs, predictions, strict=True):
        scores = {entry.class_name: entry.score for entry in predicted}
        np.testing.assert_allclose([scores[name] for name in names], output, atol=1e-5)


def test_of_labels(photographs, tmp_path):
    paths, _ = photographs
    labels, _ = columns(photographs)
    result = tune(labels, paths, task="labels", epochs=4, output=tmp_path / "m.keras")
    images, truth = validated(result, paths, list(zip(*labels.values(), strict=True)))
    evaluation = xception.evaluate(images, np.array(truth, int), tmp_path / "m.keras", verbose=0)
    assert evaluation.mean_auc == pytest.approx(result.validation.figures.value, abs=1e-12)
    assert f"mean AUC {evaluation.mean_auc:.4g}" in str(result)


def test_of_numbers(photographs, tmp_path):
    paths, _ = photographs
    _, numbers = columns(photographs)
    result = tune(numbers, paths, task="regression", epochs=4, output=tmp_path / "m.keras")
    images, truth = validated(result, paths, numbers["light"])
    evaluation = xception.evaluate(images, truth, tmp_path / "m.keras", verbose=0)
    (row,) = evaluation.per_target
    assert row.mae == pytest.approx(result.validation.figures.value, rel=1e-5)
    assert f"MAE {row.mae:.4g}" in str(result)


def test_equal_scores_of_the_finished_model_are_equal_in_the_figure():
    """Sigmoids of large logits are all 1 in float32, so that they tell nothing apart."""
    from xception.training.fine_tuning.task_objective import Objective

    objective = Objective("labels", ("a",), np.array([[0.0], [1.0]]))
    logits = np.array([[30.0], [40.0]], np.float32)
    assert objective.measure(logits, np.arange(2)).value == 0.5
