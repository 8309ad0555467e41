"""A model that is called, at inference and in training mode."""

import numpy as np
import pytest

import xception
from xception.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, TrainingOnly


@pytest.fixture
def model():
    net = xception.Graph("small")
    node = net.add(Input((6, 6, 3)), name="image")
    node = net.add(TrainingOnly("RandomFlip"), node, name="flip")
    node = net.add(Conv2D(4, 3), node, name="conv")
    node = net.add(BatchNormalization(), node, name="bn")
    node = net.add(Flatten(), node)
    node = net.add(Dropout(0.5), node, name="drop")
    net.add(Dense(3), node, name="dense")
    return xception.Model(net, seed=0)


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(0, 1, (5, 6, 6, 3)).astype(np.float32)


def test_a_call_computes_what_predict_does_and_never_augments(model, x):
    np.testing.assert_array_equal(model(x), model.predict(x))
    np.testing.assert_array_equal(model(x, training=False), model.predict(x))
    np.testing.assert_array_equal(model({"image": x}), model.predict(x))


def test_training_mode_draws_anew_unless_a_seed_is_given(model, x):
    first, second = model(x, training=True), model(x, training=True)
    assert first.shape == (5, 3)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(model(x, training=True, seed=3), model(x, training=True, seed=3))
    assert not np.array_equal(model(x, training=True, seed=3), model(x, training=True, seed=4))


def test_training_mode_changes_nothing(model, x):
    before = [array.copy() for array in model.get_weights()]
    predicted = model.predict(x)
    model(x, training=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    np.testing.assert_array_equal(model.predict(x), predicted)


def test_normalization_uses_the_batch_only_where_it_is_trainable():
    net = xception.Graph("bn")
    node = net.add(Input((4,)))
    net.add(BatchNormalization(scale=False, center=False, epsilon=0.0), node, name="bn")
    model = xception.Model(net)
    x = np.random.default_rng(2).normal(3, 2, (50, 4)).astype(np.float32)
    y = model(x, training=True)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-6)
    model.get_layer("bn").trainable = False
    np.testing.assert_allclose(model(x, training=True), x, rtol=1e-6)


def test_a_frozen_part_still_drops(model, x):
    for layer in model.layers:
        layer.trainable = False
    assert not np.array_equal(model(x, training=True, seed=1), model(x))


def test_layers_that_cannot_act_are_named(x):
    net = xception.Graph("mixes")
    net.add(TrainingOnly("MixUp"), net.add(Input((6, 6, 3))), name="mix_up")
    model = xception.Model(net)
    with pytest.warns(UserWarning, match=r"do nothing here in training: mix_up \(MixUp\): it mixes labels"):
        np.testing.assert_array_equal(model(x, training=True), x)


def test_bad_arguments_are_refused(model, x):
    with pytest.raises(TypeError, match="training must be True or False, got 1"):
        model(x, training=1)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        model(x, training=True, seed=-1)
    with pytest.raises(ValueError, match=r"expected images of shape \(n, 6, 6, 3\)"):
        model(x[:, :5], training=True)


def test_a_layer_that_does_not_fit_its_input_is_named():
    net = xception.Graph("gray")
    net.add(TrainingOnly("RandomGrayscale", '{"factor": 1.0}'), net.add(Input((6, 6, 1))), name="grays")
    with pytest.raises(ValueError, match=r"grays \(RandomGrayscale\): .* takes three channels, got 1"):
        xception.Model(net)(np.zeros((2, 6, 6, 1)), training=True)


@pytest.mark.parametrize("name", ["compile", "fit", "train_on_batch", "evaluate"])
def test_what_a_trainer_does_a_model_does_not(model, name):
    assert not hasattr(model, name)
    with pytest.raises(
        AttributeError, match=rf"(?s)a Model has no {name}: .*xception\.training\.Trainer\(model"
    ):
        getattr(model, name)(optimizer="adam")
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'comple'"):
        model.comple  # noqa: B018


def test_a_summary_counts_what_is_trainable_now(model):
    def totals():
        lines = []
        model.summary(print_fn=lines.append)
        return lines[0].splitlines()[-4:]

    total, trainable, frozen, statistics = totals()
    assert trainable.startswith("Trainable params: 315 ")  # 112 + 8 + 195
    assert frozen.startswith("Non-trainable params: 8 ")
    assert (
        statistics == "Statistics of normalization: frozen in training, unless Trainer has statistics='batch'"
    )
    model.get_layer("conv").trainable = False
    model.get_layer("bn").trainable = False
    changed = totals()
    assert changed[0] == total
    assert changed[1].startswith("Trainable params: 195 ")
    assert changed[2].startswith("Non-trainable params: 128 ")
