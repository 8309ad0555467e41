"""Changed copies of model files, to be inspected."""

import json
import zipfile

import h5py
import numpy as np

import xception


def with_config(path, change, name="changed.keras"):
    """Copy a `.keras` file with a changed config: change(config)."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(path.with_name(name), "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            target.writestr(member, content)
    return path.with_name(name)


def find_layer(config, name):
    """Return the layer of this name in a config."""
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)


def make_lambda(config, name="scaled"):
    """Make a layer in a config a Lambda layer, which is refused."""
    layer = find_layer(config, name)
    layer.update(class_name="Lambda", registered_name=None)
    layer["config"] = {"name": name, "function": {"class_name": "__lambda__", "config": {}}}


def as_hdf5(path):
    """Write the model of a `.keras` file as Keras writes it into `.h5`."""
    built, target = xception.load_model(path), path.with_suffix(".h5")
    built.save_weights(path.with_name("weights.h5"))
    with zipfile.ZipFile(path) as archive, h5py.File(target, "w") as file:
        config = json.loads(archive.read("config.json"))
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "3.1.0"
        file.attrs["training_config"] = json.dumps({"optimizer_config": {"class_name": "Custom>Adam"}})
        file["optimizer_weights/adam/iteration"] = np.int64(7)
        file["optimizer_weights/adam/momentum"] = np.zeros(3)
        with h5py.File(path.with_name("weights.h5")) as source:
            file.copy(source, "model_weights")
    return target
