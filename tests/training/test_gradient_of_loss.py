"""Gradients of a loss with respect to a model's parameters."""

import numpy as np
import pytest

import xception
from xception import layers
from xception.training.gradient_of_loss import gradients
from xception.training.objectives.losses import BinaryCrossentropy
from xception.training.running.trained_layers import frozen_for_want_of_gradients, trained_nodes

STEP = 1e-5
CLASSES = 4


def build_model(activation="softmax"):
    """A model with a residual, a layer that is used twice, normalization and pooling."""
    graph = xception.Graph("small")
    image = graph.add(layers.Input((9, 10, 3)))
    x = graph.add(layers.Conv2D(6, 3, strides=2, use_bias=False), image, name="conv")
    x = graph.add(layers.BatchNormalization(), x, name="bn")
    x = graph.add(layers.Activation("tanh"), x)
    shared = layers.SeparableConv2D(6, 3, padding="same")
    y = graph.add(shared, x, name="shared")
    y = graph.add(shared, y, shares="shared")
    x = graph.add(layers.Add(), x, y)
    x = graph.add(layers.GlobalAveragePooling2D(), x)
    graph.add(layers.Dense(CLASSES, activation), x, name="head")
    model = xception.Model(graph, seed=1)
    rng = np.random.default_rng(2)
    weights = [rng.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else w for w in model.get_weights()]
    model.set_weights(weights)
    return model


@pytest.fixture
def model():
    return build_model()


@pytest.fixture
def x():
    return np.random.default_rng(3).uniform(-1, 1, (5, 9, 10, 3)).astype(np.float32)


LABELS = np.array([0, 3, 1, 1, 2])


def mean_loss(model, x, labels, changed=()):
    """Return the mean cross-entropy in float64, with some parameters replaced."""
    parameters = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in model.parameters.items()
    }
    for node, name, array in changed:
        parameters[node][name] = array
    (output,) = model.graph.outputs
    p = model.graph.evaluate(parameters, x.astype(np.float64), [output])[output]
    return -np.log(p[np.arange(len(p)), labels]).mean()


def check_derivatives(model, x, found):
    """Compare three elements of each array with central differences of the loss in float64."""
    rng = np.random.default_rng(4)
    for node, arrays in found.items():
        for name, array in arrays.items():
            weights = model.parameters[node][name].astype(np.float64)
            assert (array.shape, array.dtype) == (weights.shape, np.float32)
            for position in rng.integers(0, weights.size, 3):
                step = np.zeros(weights.size)
                step[position] = STEP
                step = step.reshape(weights.shape)
                above = mean_loss(model, x, LABELS, [(node, name, weights + step)])
                below = mean_loss(model, x, LABELS, [(node, name, weights - step)])
                expected = (above - below) / (2 * STEP)
                assert array.flat[position] == pytest.approx(expected, rel=1e-4, abs=1e-6), (node, name)


def test_every_gradient_is_the_derivative_of_the_mean_loss(model, x):
    found = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    assert {node: list(arrays) for node, arrays in found.items()} == {
        "conv": ["kernel"],
        "bn": ["gamma", "beta"],
        "shared": ["depthwise_kernel", "pointwise_kernel", "bias"],
        "head": ["kernel", "bias"],
    }
    check_derivatives(model, x, found)


def test_statistics_of_the_batch_contribute(model, x):
    """In place of moving statistics, those of the batch: the loss depends on them, too."""
    name = "sparse_categorical_crossentropy"
    found = gradients(model, x, LABELS, name, batch_statistics=True)
    weights = model.parameters["conv"]["kernel"].astype(np.float64)
    frozen = gradients(model, x, LABELS, name)["conv"]["kernel"]
    assert not np.allclose(found["conv"]["kernel"], frozen, rtol=0.1)

    def loss(kernel):
        y = model.graph.nodes["conv"].layer.forward({"kernel": kernel}, x.astype(np.float64))
        statistics = {"moving_mean": y.mean(axis=(0, 1, 2)), "moving_variance": y.var(axis=(0, 1, 2))}
        changed = [("bn", each, array) for each, array in statistics.items()]
        return mean_loss(model, x, LABELS, [("conv", "kernel", kernel), *changed])

    for position in (0, 33, 100, 161):
        step = np.zeros(weights.size)
        step[position] = STEP
        step = step.reshape(weights.shape)
        expected = (loss(weights + step) - loss(weights - step)) / (2 * STEP)
        assert found["conv"]["kernel"].flat[position] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_frozen_layers_have_none_and_the_others_the_same(model, x):
    whole = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    for name in ("conv", "shared"):
        model.get_layer(name).trainable = False
    found = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    assert list(found) == ["bn", "head"]
    for name, arrays in found.items():
        for key, array in arrays.items():
            np.testing.assert_allclose(array, whole[name][key], rtol=1e-5, atol=1e-7)


def test_a_frozen_part_before_the_trained_one_is_computed(model, x):
    for name in ("conv", "bn", "shared"):
        model.get_layer(name).trainable = False
    found = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    assert list(found) == ["head"]
    check_derivatives(model, x, found)


def test_the_model_does_not_change(model, x):
    before = model.get_weights()
    found = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    found["head"]["bias"][...] = 7
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_sure_and_wrong_answer_has_a_gradient(model, x):
    """Computed from probabilities, which float32 rounds to 0, it would have none."""
    model.set_weights([*model.get_weights()[:-1], np.array([200, 0, 0, 0])])
    found = gradients(model, x, np.ones(5, int), "sparse_categorical_crossentropy")
    np.testing.assert_allclose(found["head"]["bias"], [1, -1, 0, 0], atol=1e-6)


def test_several_labels_at_once(x):
    model, y = build_model("sigmoid"), np.eye(CLASSES)[LABELS]
    p = model.predict(x)
    found = gradients(model, x, y, BinaryCrossentropy())
    np.testing.assert_allclose(found["head"]["bias"], (p - y).mean(axis=0) / CLASSES, rtol=1e-5)


def test_recurrent_layers_stay_frozen_and_let_gradients_pass():
    graph = xception.Graph("words")
    words = graph.add(layers.Input((6, 3)))
    sequence = graph.add(layers.Conv1D(4, 2), words, name="conv")
    state = graph.add(layers.LSTM(5), sequence, name="lstm")
    graph.add(layers.Dense(CLASSES, "softmax"), state, name="head")
    model = xception.Model(graph, seed=1)
    assert trained_nodes(model) == {"conv", "head"}
    assert frozen_for_want_of_gradients(model) == ("lstm",)
    x = np.random.default_rng(5).normal(size=(5, 6, 3)).astype(np.float32)
    found = gradients(model, x, LABELS, "sparse_categorical_crossentropy")
    assert list(found) == ["conv", "head"]
    check_derivatives(model, x, found)


def test_wrong_arguments_are_refused(model, x):
    name = "sparse_categorical_crossentropy"
    with pytest.raises(ValueError, match="5 examples and targets of shape \\(4,\\)"):
        gradients(model, x, LABELS[:4], name)
    with pytest.raises(ValueError, match="got 0 examples"):
        gradients(model, x[:0], LABELS[:0], name)
    with pytest.raises(ValueError, match="label 4 at position 2 is not a class"):
        gradients(model, x, [0, 1, 4, 0, 0], name)
    with pytest.raises(ValueError, match="no loss is called 'crossentropy'"):
        gradients(model, x, LABELS, "crossentropy")
    for layer in model.layers:
        layer.trainable = False
    with pytest.raises(ValueError, match="no layer is trainable"):
        gradients(model, x, LABELS, name)


def test_layers_act_at_random_only_with_a_seed():
    graph = xception.Graph("dropped")
    x = graph.add(layers.Input((6,)))
    x = graph.add(layers.Dropout(0.5), x)
    graph.add(layers.Dense(1, use_bias=False), x, name="head")
    model, x, y = xception.Model(graph, seed=1), np.ones((1, 6)), np.zeros((1, 1))
    (still,) = gradients(model, x, y, "mse")["head"].values()
    (drawn,) = gradients(model, x, y, "mse", seed=2)["head"].values()
    assert len(np.unique(still)) == 1
    assert 0 in drawn  # what is dropped has no influence
    (again,) = gradients(model, x, y, "mse", seed=2)["head"].values()
    np.testing.assert_array_equal(drawn, again)
