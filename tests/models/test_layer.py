"""Layers of a model."""

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Input


def test_layers_are_found_by_name_and_index(full_model):
    assert len(full_model.layers) == 134
    assert full_model.layers[0].name == "input_layer"
    pool = full_model.get_layer("block4_pool")
    assert pool.output_shape == (None, 5, 5, 728)
    assert pool.count_params() == 0
    assert pool.inputs == ("block4_sepconv2_bn",)
    assert full_model.get_layer(index=-1).name == "predictions"
    assert [w.shape for w in full_model.layers[-1].get_weights()] == [(2048, 1000), (1000,)]
    assert full_model.input_shape == (None, 71, 71, 3)
    assert full_model.output_shape == (None, 1000)
    assert full_model.count_params() == 22_910_480
    assert "22,910,480" in repr(full_model)
    with pytest.raises(ValueError, match=r"no layer 'block4_poll'; did you mean block4_pool"):
        full_model.get_layer("block4_poll")
    with pytest.raises(ValueError, match="there is none at 134"):
        full_model.get_layer(index=134)
    with pytest.raises(TypeError, match="name must be a string, got int; a number is given as index"):
        full_model.get_layer(1)
    with pytest.raises(ValueError, match="either a layer's name or its index"):
        full_model.get_layer()


def test_set_weights_of_one_layer(images):
    model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=3, seed=1)
    kernel, bias = model.get_layer("predictions").get_weights()
    model.get_layer("predictions").set_weights([kernel * 0, np.add(bias, [0, np.log(2), 0])])
    np.testing.assert_allclose(model.predict(images), [[0.25, 0.5, 0.25]] * 2, rtol=1e-6)


def test_layers_of_a_network_within():
    model = small_models.model(small_models.nested(frozen=("block1_conv1",)))
    base = model.get_layer("base")
    assert base.settings.kind == "Functional"
    assert [layer.name for layer in base.layers][1] == "block1_conv1"
    assert base.count_params() == sum(layer.count_params() for layer in base.layers)
    assert base.output_nodes == ["base/add"]
    convolution = model.get_layer("block1_conv1")
    assert (convolution.name, convolution.path) == ("block1_conv1", "base/block1_conv1")
    assert not convolution.trainable
    assert base.layers[2].trainable
    assert convolution.layers == []
    assert repr(convolution) == "<Conv2D block1_conv1: (None, 12, 12, 6), 162 parameters>"
    np.testing.assert_array_equal(convolution.get_weights()[0], base.get_weights()[0])


def test_a_name_that_several_layers_have():
    network = small_models.wired(
        "two", ["i"], ["b"], i=(Input((12, 12, 3)),), a=(small_models.base(), ["i"]),
        b=(small_models.base(shape=(6, 6, 8)), ["a"]),
    )  # fmt: skip
    model = small_models.model(network)
    assert model.get_layer("b/block2_pool").path == "b/block2_pool"
    with pytest.raises(ValueError, match="several layers 'block2_pool': a/block2_pool, b/block2_pool"):
        model.get_layer("block2_pool")


def test_a_layer_with_two_outputs():
    model = small_models.model(small_models.two_ends())
    two = model.get_layer("two")
    assert two.output_shape == [(None, 8), (None, 8)]
    assert two.output_nodes == ["two/average", "two/greatest"]
    with pytest.raises(ValueError, match="two has several outputs: two/average, two/greatest; name one"):
        model.output_node("two")
