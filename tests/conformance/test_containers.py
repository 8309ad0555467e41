"""Architecture and weights apart, folders, shards, and leftovers of training: as Keras writes them."""

import json
import os

import keras_models
import numpy as np
import pytest

import xception

pytestmark = pytest.mark.conformance

x = np.random.default_rng(5).uniform(-1, 1, (2, *keras_models.SHAPE)).astype(np.float32)


@pytest.fixture
def build(library):
    """build(kind): a model with trained-looking weights."""

    def build_model(kind):
        library.backend.clear_session()
        model = getattr(keras_models, kind)(library)
        rng = np.random.default_rng(7)
        variables = [variable for layer in model.layers for variable in layer.weights]
        assert len(variables) == len(model.weights)
        model.set_weights(
            [
                rng.uniform(0.5, 1.5, array.shape) if array.ndim == 1 else array
                for array in model.get_weights()
            ]
        )
        return model

    return build_model


def assert_agree(ours, theirs, inputs=x):
    expected = np.asarray(theirs.predict(inputs, verbose=0))
    np.testing.assert_allclose(ours.predict(inputs, verbose=0), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["flat", "nested_and_partly_frozen", "sequential"])
@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5", "whole.h5", "whole.keras"])
def test_an_architecture_in_json_and_its_weights(library, build, tmp_path, kind, name):
    theirs = build(kind)
    (tmp_path / "model.json").write_text(theirs.to_json())
    if library.__name__ == "keras" and name == "x.h5":
        name = "y.weights.h5"  # Keras 3 writes no other
    (theirs.save if name.startswith("whole") else theirs.save_weights)(str(tmp_path / name))
    assert_agree(xception.load_model(tmp_path / "model.json", tmp_path / name), theirs)


def test_the_json_of_a_json(build, tmp_path):
    theirs = build("flat")
    (tmp_path / "model.json").write_text(json.dumps(theirs.to_json()))
    theirs.save(tmp_path / "x.h5")
    assert_agree(xception.load_model(tmp_path / "model.json", tmp_path / "x.h5"), theirs)


@pytest.mark.parametrize("library", ["keras"], indirect=True)
@pytest.mark.parametrize("kind", ["flat", "nested_and_frozen"])
def test_folders(library, build, tmp_path, kind):
    theirs = build(kind)
    library.saving.save_model(theirs, tmp_path / "folder", zipped=False)
    ours = xception.load_model(tmp_path / "folder")
    assert_agree(ours, theirs)
    ours.save(tmp_path / "again.keras")
    assert_agree(xception.load_model(tmp_path / "again.keras"), theirs)


@pytest.mark.parametrize("library", ["keras"], indirect=True)
@pytest.mark.parametrize("kind", ["flat", "nested_and_frozen"])
def test_shards(library, build, tmp_path, kind):
    """Some layers are split between two shards."""
    theirs = build(kind)
    theirs.save(tmp_path / "x.keras")
    (tmp_path / "model.json").write_text(theirs.to_json())
    theirs.save_weights(tmp_path / "x.weights.json", max_shard_size=4e-6)
    index = json.loads((tmp_path / "x.weights.json").read_text())["weight_map"]
    assert any(isinstance(names, list) and len(names) > 1 for names in index.values())
    assert len([name for name in os.listdir(tmp_path) if name.startswith("x_0")]) > 2
    assert_agree(xception.load_model(tmp_path / "model.json", tmp_path / "x.weights.json"), theirs)
    ours = xception.load_model(tmp_path / "x.keras")
    ours.set_weights([np.zeros_like(array) for array in ours.get_weights()])
    ours.load_weights(tmp_path / "x.weights.json")
    assert_agree(ours, theirs)


@pytest.mark.parametrize("library", ["tf_keras"], indirect=True)
@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
@pytest.mark.parametrize("is_saved_twice", [False, True], ids=["saved once", "loaded and saved"])
def test_what_only_a_loss_reads_is_left_out(library, build, tmp_path, name, is_saved_twice):
    """An operation that is not supported, and layers with weights, of which the model has others too."""
    import tensorflow as tf

    theirs = build("flat")
    maps = theirs.get_layer("block2_pool").output
    extra = library.layers.Dense(3, name="only_for_the_loss")(library.layers.Flatten()(maps))
    extra = library.layers.Dense(2)(library.layers.BatchNormalization()(extra))
    theirs.add_loss(tf.reduce_mean(tf.math.lgamma(tf.abs(extra) + 1.0)))
    theirs.add_metric(tf.reduce_mean(maps), name="mean")
    theirs.save(tmp_path / name)
    if is_saved_twice:
        theirs = library.models.load_model(tmp_path / name, compile=False)
        theirs.save(tmp_path / name)
    ours = xception.load_model(tmp_path / name)
    assert_agree(ours, theirs)
    assert "only_for_the_loss" not in [layer.name for layer in ours.layers]
    theirs.save_weights(tmp_path / "y.weights.h5")
    theirs.save_weights(tmp_path / "y.h5")
    for weights in ("y.h5", "y.weights.h5"):
        ours.set_weights([np.zeros_like(array) for array in ours.get_weights()])
        ours.load_weights(tmp_path / weights)
        assert_agree(ours, theirs)
    ours.save(tmp_path / "again.keras")
    assert_agree(xception.load_model(tmp_path / "again.keras"), theirs)


LAMBDAS = {
    "scale": (lambda x: (x - 3.0) / 2.0, "first", "put Rescaling"),
    "unit": (lambda x: __import__("tensorflow").math.l2_normalize(x, axis=-1), "last", "UnitNormalization"),
    "smaller": (lambda x: __import__("tensorflow").image.resize(x, (8, 8)), "first", "Resizing"),
    "channel_mean": (lambda x: x * 1.0, "middle", r"keras\.ops\.mean"),
    "other": (lambda x: x * 1.0, "middle", r"operations of keras\.ops on the tensors"),
    "last": (lambda x: x * 1.0, "last", "computes an output.*UnitNormalization"),
}


@pytest.mark.parametrize("name", LAMBDAS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_the_advice_for_a_lambda_layer_fits(library, tmp_path, name, suffix):
    function, place, advice = LAMBDAS[name]
    layers, image = library.layers, library.Input((16, 16, 3))
    culprit = layers.Lambda(function, name=name)
    y = culprit(image) if place == "first" else image
    y = layers.Conv2D(4, 3)(y)
    y = culprit(y) if place == "middle" else y
    y = layers.GlobalAveragePooling2D()(y)
    library.Model(image, culprit(y) if place == "last" else y).save(tmp_path / f"x.{suffix}")
    with pytest.raises(xception.ModelFileError, match=rf"{name} \(Lambda\): .*code .* never run.*{advice}"):
        xception.load_model(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("library", ["tf_keras"], indirect=True)
def test_other_files_of_keras_2_are_told_by_name(build, tmp_path):
    theirs = build("flat")
    theirs.save(tmp_path / "saved", save_format="tf")
    with pytest.raises(IsADirectoryError, match=r"is a TensorFlow SavedModel\. .*load_model"):
        xception.load_model(tmp_path / "saved")
    theirs.save_weights(tmp_path / "weights")
    ours = xception.Xception(weights=None, include_top=False)
    for name in ("weights.index", "weights.data-00000-of-00001", "saved/saved_model.pb"):
        with pytest.raises(xception.ModelFileError, match=r"TensorFlow (checkpoint|SavedModel)"):
            ours.load_weights(tmp_path / name)
