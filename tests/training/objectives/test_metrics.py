"""Metrics over batches: ties, labels of both forms, exact areas, and what is refused."""

import math

import numpy as np
import pytest

from xception.training.objectives.losses import MeanAbsoluteError
from xception.training.objectives.metrics import (
    AUC,
    Accuracy,
    BinaryAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    get_metric,
)

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])


def figure(metric, outputs, y):
    metric.reset()
    metric.update(np.asarray(outputs, dtype=np.float64), np.asarray(y))
    return metric.result()


def test_accuracy_takes_indices_and_one_hot_labels():
    assert figure(Accuracy(), SCORES, [1, 2, 2, 0]) == 0.75
    assert figure(Accuracy(), SCORES, np.eye(3)[[1, 2, 2, 0]]) == 0.75


def test_of_equal_scores_the_first_one_counts():
    assert figure(Accuracy(), SCORES[3:], [0]) == 1
    assert figure(Accuracy(), SCORES[3:], [1]) == 0
    assert [figure(TopKCategoricalAccuracy(k=2), np.zeros((1, 3)), [i]) for i in range(3)] == [1, 1, 0]


def test_one_output_is_compared_with_a_half():
    assert figure(Accuracy(), [[0.6], [0.5], [0.2]], [1, 1, 0]) == pytest.approx(2 / 3)


def test_batches_count_by_their_examples():
    metric = Accuracy()
    metric.update(SCORES[:3], [1, 0, 2])
    metric.update(SCORES[3:], [2])
    assert metric.result() == 0.75
    metric.reset()
    assert math.isnan(metric.result())


def test_top_k():
    for kind in (TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy):
        assert figure(kind(k=2), SCORES, [2, 2, 1, 1]) == 0.5
        assert figure(kind(k=3), SCORES, [2, 2, 1, 1]) == 1
    assert TopKCategoricalAccuracy().k == 5


def test_accuracy_of_several_labels_is_refused_and_of_each_label_is_given():
    with pytest.raises(ValueError, match=r"labels of example 1 are not one-hot.*AUC"):
        Accuracy().update(SCORES[:2], [[0, 1, 0], [1, 1, 0]])
    with pytest.raises(ValueError, match="labels of example 0 are not one-hot"):
        Accuracy().update(SCORES[:1], [[0, 0, 0]])
    assert figure(BinaryAccuracy(), [[0.9, 0.2], [0.5, 0.6]], [[1, 1], [1, 1]]) == 0.5
    assert figure(BinaryAccuracy(threshold=0.4), [[0.9, 0.2], [0.5, 0.6]], [[1, 1], [1, 1]]) == 0.75


def test_area_under_the_curve_is_exact_for_scores_that_lie_close_together():
    """Keras's 200 thresholds between 0 and 1 see no difference between these."""
    scores = np.arange(8) * 1e-5
    assert figure(AUC(), scores[:, None], [0, 0, 1, 0, 1, 1, 0, 1]) == 12.0 / 16
    assert figure(AUC(), [[0.1], [0.4], [0.4], [0.8]], [0, 0, 1, 1]) == 0.875


def test_area_against_all_pairs_over_batches():
    rng = np.random.default_rng(0)
    scores, y = rng.integers(0, 6, (60, 3)) / 6, rng.integers(0, 2, (60, 3))
    metric = AUC()
    for part in (slice(0, 25), slice(25, 60)):
        metric.update(scores[part], y[part])
    expected = []
    for label in range(3):
        positive, negative = scores[y[:, label] == 1, label], scores[y[:, label] == 0, label]
        wins = positive[:, None] > negative
        expected.append((wins + 0.5 * (positive[:, None] == negative)).mean())
    assert metric.per_label() == pytest.approx(expected)
    assert metric.result() == pytest.approx(np.mean(expected))


def test_a_label_that_nobody_or_everybody_has_is_left_out_of_the_mean():
    scores = [[0.9, 0.5, 0.5], [0.1, 0.6, 0.4]]
    metric = AUC()
    assert figure(metric, scores, [[1, 0, 1], [0, 0, 1]]) == 1
    assert metric.per_label() == [1, None, None]
    assert math.isnan(figure(metric, scores, [[0, 0, 0], [0, 0, 0]]))


def test_classes_are_labels_of_their_own():
    metric = AUC()
    assert figure(metric, SCORES, [1, 0, 2, 0]) == 1
    assert metric.per_label() == [1, 1, 1]
    assert figure(metric, [[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], [0, 1, 0]) == 0.5


@pytest.mark.parametrize("name", ["accuracy", "auc", "mae", "binary_accuracy", "top_k_categorical_accuracy"])
def test_outputs_that_are_not_finite_are_an_error(name):
    metric = get_metric(name)
    with pytest.raises(ValueError, match=f"{name}: the outputs of example 1 of the batch are not finite"):
        metric.update(np.array([[0.5], [np.nan]]), [0, 1])


def test_losses_are_metrics_too():
    outputs, y = [[30.0], [44.0]], [33, 45]
    for metric in (get_metric("mae"), get_metric("mean_absolute_error"), get_metric(MeanAbsoluteError())):
        assert (figure(metric, outputs, y), metric.direction) == (2, "min")
    assert figure(get_metric("mse"), outputs, y) == 5
    assert get_metric(MeanAbsoluteError()).name == "mean_absolute_error"


def test_a_metric_has_the_name_that_it_was_given_by():
    assert [get_metric(name).name for name in ("acc", "accuracy", "mae", "AUC")] == [
        "acc", "accuracy", "mae", "AUC",
    ]  # fmt: skip
    assert get_metric(AUC(name="area")).name == "area"
    metric = get_metric({"class_name": "TopKCategoricalAccuracy", "config": {"k": 3, "name": "top3"}})
    assert (metric.k, metric.name) == (3, "top3")


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("acuracy", ValueError, "no metric is called 'acuracy'; .*did you mean 'accuracy'"),
        (None, TypeError, "metric: expected a name"),
        ({"class_name": "AUC", "config": {"num_thresholds": 100}}, ValueError, "num_thresholds"),
    ],
)
def test_what_is_no_metric_is_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        get_metric(identifier)
