"""Losses: values of Keras, gradients against differences, and what is refused."""

import numpy as np
import pytest

from xception.training.objectives.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    get_loss,
)

ONE_HOT = np.eye(3)[[0, 1, 2, 1]]
LABELS = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (CategoricalCrossentropy(), ONE_HOT),
        (CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT),
        (CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), ONE_HOT),
        (CategoricalCrossentropy(from_logits=True), 0.3 * ONE_HOT + 0.7 * ONE_HOT[::-1]),
        (SparseCategoricalCrossentropy(), [0, 1, 2, 1]),
        (SparseCategoricalCrossentropy(label_smoothing=0.2), [0, 1, 2, 1]),
        (SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.2), [0, 1, 2, 1]),
        (BinaryCrossentropy(label_smoothing=0.1), LABELS),
        (BinaryCrossentropy(from_logits=True, positive_weight=[1, 2, 3]), LABELS),
        (BinaryCrossentropy(positive_weight=4), LABELS),
        (MeanSquaredError(), LABELS),
        (MeanAbsoluteError(), LABELS),
    ],
    ids=str,
)
def test_the_gradient_is_that_of_the_loss(loss, y):
    outputs = np.random.default_rng(1).uniform(0.1, 0.9, (4, 3))
    expected = np.empty_like(outputs)
    for i in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[i] = 1e-6
        expected[i] = (loss(outputs + step, y) - loss(outputs - step, y))[i[0]] / 2e-6
    np.testing.assert_allclose(loss.gradient(outputs, y), expected, rtol=1e-6, atol=1e-8)


def test_a_right_answer_through_a_second_softmax_still_costs():
    """The values that Keras gives for softmax twice."""
    for classes, cost in ((2, 0.3133), (4, 0.7437), (1000, 5.909)):
        loss = SparseCategoricalCrossentropy(from_logits=True)(np.eye(1, classes), [0])
        assert loss == pytest.approx([cost], abs=1e-3)


def test_probabilities_are_clipped_and_logits_are_not():
    for kind, y in ((CategoricalCrossentropy, np.eye(2)[:1]), (SparseCategoricalCrossentropy, [0])):
        certain, logits = np.array([[0.0, 1.0]], np.float32), np.array([[-50.0, 50.0]], np.float32)
        assert kind()(certain, y) == pytest.approx([16.118], abs=1e-3)
        assert kind().gradient(certain, y)[0, 0] == 0
        assert kind(from_logits=True)(logits, y) == pytest.approx([100])
        np.testing.assert_allclose(kind(from_logits=True).gradient(logits, y), [[-1, 1]])


def test_binary_logits_of_any_size_have_a_finite_loss():
    loss = BinaryCrossentropy(from_logits=True)
    outputs = np.array([[1000.0, -1000.0]], np.float32)
    assert loss(outputs, [[0, 1]]) == pytest.approx([1000])
    np.testing.assert_array_equal(loss.gradient(outputs, [[0, 1]]), [[0.5, -0.5]])


def test_smoothing_has_the_same_formula_for_both_forms_of_labels():
    outputs = np.random.default_rng(0).normal(size=(4, 3))
    one_hot = CategoricalCrossentropy(from_logits=True, label_smoothing=0.3)(outputs, ONE_HOT)
    indices = SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.3)(outputs, [0, 1, 2, 1])
    np.testing.assert_allclose(one_hot, indices, rtol=1e-12)
    logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(one_hot, -((0.7 * ONE_HOT + 0.1) * logs).sum(axis=1), rtol=1e-12)


def test_binary_smoothing_moves_labels_towards_a_half():
    assert BinaryCrossentropy(label_smoothing=0.2)(np.array([[0.9]]), [1]) == pytest.approx(
        [-0.9 * np.log(0.9) - 0.1 * np.log(0.1)]
    )


@pytest.mark.parametrize("kind", [CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy])
def test_validation_is_without_smoothing(kind):
    assert kind(label_smoothing=0.1).without_smoothing() == kind()


def test_a_rare_label_can_weigh_more():
    loss = BinaryCrossentropy(positive_weight=[1, 3])
    assert loss(np.array([[0.5, 0.5]]), [[1, 1]]) == pytest.approx([2 * np.log(2)])
    assert loss(np.array([[0.5, 0.5]]), [[0, 0]]) == pytest.approx([np.log(2)])
    with pytest.raises(ValueError, match="positive_weight has 2 numbers, but the model has 3 labels"):
        loss(np.full((1, 3), 0.5), [[0, 0, 0]])
    with pytest.raises(ValueError, match="must be a number of at least 0"):
        BinaryCrossentropy(positive_weight=[1, -1])


def test_errors_of_numbers():
    outputs = np.array([[1.0], [4.0]])
    assert MeanSquaredError()(outputs, [3, 3]).tolist() == [4, 1]
    assert MeanAbsoluteError()(outputs, [[3], [3]]).tolist() == [2, 1]
    assert MeanAbsoluteError().gradient(outputs, [3, 4]).tolist() == [[-1], [0]]


def test_the_gradient_has_the_type_of_the_outputs():
    outputs = np.full((2, 3), 1 / 3, np.float32)
    for loss, y in (
        (CategoricalCrossentropy(), ONE_HOT[:2]),
        (SparseCategoricalCrossentropy(), [0, 1]),
        (BinaryCrossentropy(), LABELS[:2]),
        (MeanSquaredError(), LABELS[:2]),
        (MeanAbsoluteError(), LABELS[:2]),
    ):
        assert loss.gradient(outputs, y).dtype == np.float32
        assert loss(outputs, y).dtype == np.float64


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("sparse_categorical_crossentropy", [0, 3], "label 3 at position 1 is not a class.*from 0 to 2"),
        ("sparse_categorical_crossentropy", [-1, 0], "label -1 at position 0"),
        ("sparse_categorical_crossentropy", [0.5, 0], "label 0.5 at position 0"),
        ("sparse_categorical_crossentropy", [np.nan, 0], "label nan at position 0"),
        ("sparse_categorical_crossentropy", np.eye(3)[:2], "one-hot labels need categorical_crossentropy"),
        ("sparse_categorical_crossentropy", ["cat", "dog"], "must be indices, got an array of <U3"),
        ("categorical_crossentropy", [0, 1], "indices need sparse_categorical_crossentropy"),
        ("binary_crossentropy", [[0, 1]], r"targets of shape \(1, 2\) do not fit outputs of shape \(2, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_named(loss, y, message):
    with pytest.raises(ValueError, match=message):
        get_loss(loss)(np.full((2, 3), 1 / 3), y)


def test_losses_have_keras_s_names():
    assert get_loss("sparse_categorical_crossentropy") == SparseCategoricalCrossentropy()
    assert get_loss("CategoricalCrossentropy") == CategoricalCrossentropy()
    assert get_loss(BinaryCrossentropy) == get_loss("bce") == BinaryCrossentropy()
    assert (get_loss("mse"), get_loss("mae")) == (MeanSquaredError(), MeanAbsoluteError())
    loss = CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    assert get_loss({"class_name": "CategoricalCrossentropy", "config": loss.get_config()}) == loss
    assert get_loss(loss) is loss


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("categorical_cross_entropy", ValueError, "did you mean 'categorical_crossentropy'"),
        (3, TypeError, "loss: expected a name, such as 'categorical_crossentropy'"),
        ({"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}, ValueError, "reduction='sum'"),
        ({"class_name": "MeanSquaredError", "config": 3}, ValueError, "config of the loss must be a dict"),
        (
            {"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 2}},
            ValueError,
            "no setting ignore_class=2",
        ),
    ],
)
def test_what_is_no_loss_is_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        get_loss(identifier)


def test_what_keras_cannot_be_told_is_named():
    assert CategoricalCrossentropy(label_smoothing=0.1).settings_unknown_to_keras() == ()
    assert SparseCategoricalCrossentropy(label_smoothing=0.1).settings_unknown_to_keras()
    assert BinaryCrossentropy(positive_weight=2).settings_unknown_to_keras() == ("positive_weight",)
    assert "positive_weight" not in BinaryCrossentropy().get_config()


def test_settings_of_a_file_are_checked():
    for kind, config, message in (
        ("CategoricalCrossentropy", {"from_logits": "yes"}, "from_logits must be True or False"),
        ("BinaryCrossentropy", {"positive_weight": "3"}, "positive_weight must be a number"),
        ("BinaryCrossentropy", {"positive_weight": [[1.0]]}, "positive_weight must be a number"),
        ("MeanSquaredError", {"reduction": ["sum"]}, "no setting reduction"),
    ):
        with pytest.raises(ValueError, match=message):
            get_loss({"class_name": kind, "config": config})


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, np.nan, "0.1"])
def test_smoothing_is_from_0_to_1(smoothing):
    for kind in (CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy):
        with pytest.raises(ValueError, match="label_smoothing must be"):
            kind(label_smoothing=smoothing)
