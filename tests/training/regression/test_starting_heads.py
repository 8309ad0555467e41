"""The head that fine-tuning starts from, for each task."""

import numpy as np
import pytest

from xception.training.regression.starting_heads import fit_head

X = np.array([[0.0, 1], [0.1, 9], [0.9, 2], [1.0, 8]])


@pytest.mark.parametrize(
    ("task", "targets", "names"),
    [
        ("classes", [0, 0, 1, 1], ["cat", "dog"]),
        ("labels", [[0, 0], [0, 1], [1, 0], [1, 1]], ["cat", "dog"]),
        ("regression", [[1, 2], [1, 9], [2, 2], [2, 8]], ["age", "size"]),
    ],
)
def test_every_task_gives_a_dense_layer(task, targets, names):
    head = fit_head(task, X, targets, names)
    assert head.kernel.shape == (2, 2)
    assert head.bias.shape == (2,)
    outputs = X @ head.kernel + head.bias
    expected = np.eye(2)[targets] if task == "classes" else np.array(targets)
    closer = np.abs(outputs - expected) < 1.5 if task == "regression" else (outputs > 0) == expected
    assert closer.all()


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("labels", {"balanced": True}, "balanced applies to classes"),
        ("classes", {"positive_weights": [1, 1]}, "positive_weights applies to labels"),
    ],
)
def test_options_of_another_task_are_refused(task, options, message):
    with pytest.raises(ValueError, match=message):
        fit_head(task, X, [[0, 1]] * 4, ["cat", "dog"], **options)
