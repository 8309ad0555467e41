"""Configs of models, as Keras 3 writes them."""

import json
import zipfile

import small_models


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
