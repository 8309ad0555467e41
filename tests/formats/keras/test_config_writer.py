"""Configs of models, as Keras 3 writes them."""

import json
import zipfile

import numpy as np
import pytest
import small_models

import xception
from xception import layers


def test_a_config_has_the_form_of_keras_3(tmp_path):
    small_models.model(small_models.nested()).save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        assert set(archive.namelist()) == {"config.json", "metadata.json", "model.weights.h5"}
        config = json.loads(archive.read("config.json"))
        assert archive.getinfo("model.weights.h5").compress_type == zipfile.ZIP_STORED
    layers = {layer["name"]: layer for layer in config["config"]["layers"]}
    assert layers["base"]["class_name"] == "Functional"
    assert layers["classes"]["config"]["units"] == 5
    assert layers["classes"]["inbound_nodes"][0]["args"][0]["config"] == {
        "shape": [None, 8], "dtype": "float32", "keras_history": ["dropout", 0, 0],
    }  # fmt: skip


@pytest.mark.parametrize(
    "layer",
    [layers.RNN(layers.GRUCell(3)), layers.RNN((layers.LSTMCell(2), layers.SimpleRNNCell(3))),
     layers.Bidirectional(layers.LSTM(2)), layers.TimeDistributed(layers.Dense(2))],
    ids=lambda layer: layer.kind,
)  # fmt: skip
def test_a_layer_around_others_is_saved_as_it_is(tmp_path, layer):
    row = small_models.row("row", ("steps", layers.Input((5, 3))), ("around", layer))
    model = small_models.model(row)
    model.save(tmp_path / "x.keras")
    loaded = xception.load_model(tmp_path / "x.keras")
    assert loaded.graph.nodes["around"].layer == layer
    x = np.linspace(-1, 1, 30, dtype=np.float32).reshape(2, 5, 3)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_time_distributed_around_several_inputs_is_not_saved(tmp_path):
    network = small_models.wired(
        "sum", ["a"], ["sum"], a=(layers.Input((2, 3)),),
        sum=(layers.TimeDistributed(layers.Add()), ["a", "a"]),
    )  # fmt: skip
    with pytest.raises(ValueError, match="sum: TimeDistributed around a layer of several inputs"):
        small_models.model(network).save(tmp_path / "x.keras")


def test_a_model_of_nothing_but_inputs_is_saved(tmp_path):
    network = small_models.wired(
        "inputs", ["a", "b"], ["a"], a=(layers.Input((3,)),), b=(layers.Input((2,)),)
    )
    small_models.model(network).save(tmp_path / "x.keras")
    loaded = xception.load_model(tmp_path / "x.keras")
    x = [np.array([[1, 2, 3]], np.float32), np.zeros((1, 2), np.float32)]
    np.testing.assert_array_equal(loaded.predict(x), x[0])
