"""Training of a model that holds random layers."""

import numpy as np
import pytest

import xception
from xception.layers import Conv2D, Dense, Dropout, GlobalAveragePooling2D, Input, TrainingOnly
from xception.training import Trainer


def build(*layers):
    net = xception.Graph("augmenting")
    node = net.add(Input((8, 8, 3)), name="image")
    for name, layer in layers:
        node = net.add(layer, node, name=name)
    node = net.add(Conv2D(4, 3, activation="relu"), node, name="conv")
    node = net.add(Dropout(0.3), net.add(GlobalAveragePooling2D(), node), name="drop")
    net.add(Dense(2, "softmax"), node, name="classes")
    return xception.Model(net, seed=0)


def fit(model, seed=0):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, (12, 8, 8, 3)).astype(np.float32), np.arange(12) % 2
    Trainer(model, "adam", "sparse_categorical_crossentropy", seed=seed).fit(x, y, 4, epochs=2, verbose=0)
    return model.get_weights()


def test_the_same_seed_gives_the_same_weights():
    flip = ("flip", TrainingOnly("RandomFlip"))
    first = fit(build(flip))
    assert all(np.array_equal(a, b) for a, b in zip(first, fit(build(flip)), strict=True))
    assert not np.array_equal(first[0], fit(build(flip), seed=1)[0])


def test_a_layer_that_cannot_act_is_named_before_training():
    with pytest.warns(UserWarning, match=r"do nothing here in training: mix \(MixUp\): it mixes labels"):
        fit(build(("mix", TrainingOnly("MixUp"))))


def test_pixels_of_another_range_are_named():
    with pytest.warns(UserWarning, match=r"bright \(RandomBrightness\): its value_range is 0…255, but"):
        fit(build(("bright", TrainingOnly("RandomBrightness", '{"factor": 0.2}'))))
