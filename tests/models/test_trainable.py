"""Which layers are trainable: set on layers and networks, kept in files."""

import pytest
from small_models import nested

import xception
from xception import Model
from xception.graph import flatten


def nested_model():
    network = nested()
    return Model(flatten(network), None, network, seed=0)


def trainable(model):
    return {layer.path for layer in leaves(model.layers) if layer.trainable and layer.count_params()}


def leaves(layers):
    for layer in layers:
        yield from leaves(layer.layers) if layer.layers else [layer]


def test_freezing_a_network_freezes_all_its_layers():
    model = nested_model()
    model.get_layer("base").trainable = False
    assert trainable(model) == {"classes"}
    assert not model.get_layer("base/block1_conv1").trainable
    assert model.trainable_nodes == {"classes"}


def test_a_layer_of_a_frozen_network_becomes_trainable_alone():
    model = nested_model()
    model.get_layer("base").trainable = False
    model.get_layer("block2_sepconv1").trainable = True
    assert trainable(model) == {"classes", "base/block2_sepconv1"}
    assert model.get_layer("base").trainable


def test_thawing_a_network_thaws_all_its_layers():
    model = nested_model()
    everything = trainable(model)
    model.get_layer("base").trainable = False
    model.get_layer("base").trainable = True
    assert trainable(model) == everything


def test_views_of_one_layer_agree_and_other_models_are_not_changed():
    model, other = nested_model(), nested_model()
    view = model.get_layer("classes")
    model.get_layer("classes").trainable = False
    assert not view.trainable
    assert other.get_layer("classes").trainable


def test_a_saved_model_keeps_what_is_trainable(tmp_path):
    model = nested_model()
    model.get_layer("base").trainable = False
    model.get_layer("block2_sepconv1").trainable = True
    model.save(tmp_path / "m.keras")
    assert trainable(xception.load_model(tmp_path / "m.keras")) == {"classes", "base/block2_sepconv1"}


def test_anything_but_a_bool_is_refused():
    with pytest.raises(TypeError, match="trainable must be True or False, got 1"):
        nested_model().get_layer("classes").trainable = 1
