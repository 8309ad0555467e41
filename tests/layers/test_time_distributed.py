"""Layers that are applied to every frame."""

import numpy as np
import pytest

from xception import layers
from xception.layers import Cost, TimeDistributed

X = np.random.default_rng(0).normal(size=(2, 3, 6, 5, 4))
LAYERS = [
    layers.Conv2D(3, 2, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D(),
    layers.Flatten(), layers.Dropout(0.5), layers.Softmax(),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_every_frame_is_computed_by_itself(layer):
    each = TimeDistributed(layer)
    specifications = each.parameters(X.shape[1:])
    assert specifications == layer.parameters(X.shape[2:])
    rng = np.random.default_rng(1)
    parameters = {name: rng.uniform(0.5, 1, each.shape) for name, each in specifications.items()}
    y = each.forward(parameters, X)
    for i in range(3):
        np.testing.assert_allclose(y[:, i], layer.forward(parameters, X[:, i]), rtol=1e-12)
    assert each.output_shape(X.shape[1:]) == y.shape[1:]
    assert each.output_shape((None, *X.shape[2:])) == (None, *y.shape[2:])
    assert each.identity == layer.identity


def test_several_inputs_have_the_same_frames():
    each = TimeDistributed(layers.Add())
    assert each.output_shape((None, 4), (3, 4)) == (3, 4)
    np.testing.assert_array_equal(each.forward({}, X, X), 2 * X)
    with pytest.raises(ValueError, match="the same number of frames"):
        each.output_shape((2, 4), (3, 4))
    assert [each.accepts(count) for count in (0, 1, 2)] == [False, False, True]


def test_the_work_is_that_of_all_frames():
    layer = layers.Conv2D(8, 3)
    one, many = layer.cost((20, 20, 4)), TimeDistributed(layer).cost((50, 20, 20, 4))
    assert many == Cost(50 * one.operations, 50 * one.elements + 50 * 20 * 20 * 4)


def test_no_frames_and_no_examples():
    each = TimeDistributed(layers.Dense(2, use_bias=False))
    for shape in ((2, 0, 3), (0, 4, 3)):
        assert each.forward({"kernel": np.ones((3, 2))}, np.ones(shape)).shape == (*shape[:2], 2)


def test_what_is_no_sequence_or_no_layer_is_refused():
    with pytest.raises(ValueError, match="takes frames"):
        TimeDistributed(layers.Dense(2)).output_shape((3,))
    with pytest.raises(ValueError, match="layer must be Layer, got 'dense'"):
        TimeDistributed("dense")


def test_keras_3_stores_its_parameters_in_a_group_of_the_layer():
    assert TimeDistributed(layers.Dense(2)).variable_group("kernel") == "layer"
    assert TimeDistributed(TimeDistributed(layers.Dense(2))).variable_group("kernel") == "layer/layer"
