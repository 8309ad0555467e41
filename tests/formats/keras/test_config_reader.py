"""Configs of models, as Keras wrote them."""

import json
import zipfile

import pytest
import small_models
from saved_models import assert_same_outputs

import xception


def test_layers_called_with_training_true(tmp_path):
    """Keras 2 obeys at every prediction; Keras 3 writes the argument and ignores it."""
    built = small_models.model(small_models.nested())
    built.save(tmp_path / "x.keras")
    for version in ("3.12.0", "2.15.0"):
        with zipfile.ZipFile(tmp_path / "x.keras") as source:
            contents = {name: source.read(name) for name in source.namelist()}
        config = json.loads(contents["config.json"])
        for layer in config["config"]["layers"]:
            if layer["name"] == "base":
                layer["inbound_nodes"][0]["kwargs"] = {"training": True}
        contents["config.json"] = json.dumps(config).encode()
        contents["metadata.json"] = json.dumps({"keras_version": version}).encode()
        with zipfile.ZipFile(tmp_path / "changed.keras", "w") as target:
            for name, content in contents.items():
                target.writestr(name, content)
        if version.startswith("3"):
            assert_same_outputs(xception.load_model(tmp_path / "changed.keras"), built)
        else:
            with pytest.raises(
                xception.ModelFileError, match=r"base \(Functional\): is called with training=True"
            ):
                xception.load_model(tmp_path / "changed.keras")
