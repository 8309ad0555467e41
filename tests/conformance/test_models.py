"""Whole models: this library reads the files of Keras 2 and 3, and Keras reads the files of this library.

Each of `keras_models.BUILDERS` is built with each Keras and saved in all of its formats. With the random
weights, outputs differ between images, and probabilities are neither uniform nor 0 and 1.
"""

import importlib
import tempfile
from pathlib import Path

import keras_models
import numpy as np
import pytest
from keras_cases import (
    assert_close,
    compute_outputs,
    is_keras_2,
    make_case,
    randomize,
    reset_names,
    save,
    weights_of,
)

import xception
from xception.data.preprocessing import Preprocessing
from xception.layers import Arithmetic

pytestmark = pytest.mark.conformance

CASES = [(name, library) for name, builder in keras_models.BUILDERS.items() for library in builder.libraries]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    name, library = request.param
    with tempfile.TemporaryDirectory() as folder:  # up to 400 MB: deleted at once
        yield make_case(name, importlib.import_module(library), Path(folder))


@pytest.fixture
def ours(case):
    return xception.load_model(case.folder / "theirs.keras")


@pytest.fixture(scope="module")
def returned(case, keras):
    """The model as Keras 3 reads it from what this library wrote."""
    path = case.folder / "ours.keras"
    model = xception.load_model(case.folder / "theirs.keras")
    model.class_names = ["cup", "fork"]
    model.preprocessing = Preprocessing("tf", "bilinear", False)  # beside what Keras reads
    model.save(path)
    return keras.saving.load_model(path)


def assert_equal(arrays, expected, description=""):
    assert len(arrays) == len(expected)
    for index, (array, expected_array) in enumerate(zip(arrays, expected, strict=True)):
        assert array.shape == expected_array.shape
        np.testing.assert_array_equal(array, expected_array, err_msg=f"{description} array {index}")


def layer_names(model):
    """Return the names of all layers except arithmetic: Keras 3 does not list it, Keras 2 renames it."""
    if isinstance(model, xception.Model):
        return [layer.name for layer in model.layers if not isinstance(layer.settings, Arithmetic)]
    return [layer.name for layer in model.layers if "OpLambda" not in type(layer).__name__]


def set_zeros(model):
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])


# --- reading Keras's files ------------------------------------------------------------------


@pytest.mark.parametrize("file", ["theirs.keras", "theirs.h5"])
def test_load_model_reads_keras_models(case, file):
    ours = xception.load_model(case.folder / file)
    assert_close(compute_outputs(ours, case.x), case.outputs)
    assert_equal(ours.get_weights(), case.weights)
    assert ours.name == case.model.name
    assert layer_names(ours) == layer_names(case.model)
    assert ours.count_params() == case.model.count_params()
    for name in layer_names(ours):
        layer, theirs = ours.get_layer(name), case.model.get_layer(name)
        assert_equal(layer.get_weights(), weights_of(theirs))
        assert not theirs.weights or layer.trainable == theirs.trainable, name


def test_load_weights_reads_keras_files(case, ours):
    files = sorted(case.folder.glob("theirs.*"))
    assert len(files) == 3 + is_keras_2(case.model)
    for path in files:
        set_zeros(ours)
        ours.load_weights(path)
        assert_equal(ours.get_weights(), case.weights, path.name)


# --- files of this library in Keras ---------------------------------------------------------


def test_keras_3_loads_saved_models(case, ours, returned):
    assert_close(compute_outputs(returned, case.x), case.outputs)
    assert_equal(weights_of(returned), case.weights)
    assert layer_names(returned) == layer_names(ours)


@pytest.mark.parametrize("file", ["ours.weights.h5", "ours.h5"])
def test_keras_loads_saved_weights(case, ours, returned, file):
    ours.save_weights(case.folder / file)
    for model in (case.model, returned):
        set_zeros(model)
        model.load_weights(case.folder / file)
        assert_equal(weights_of(model), case.weights)


# --- partial loading ------------------------------------------------------------------------


def build_classifier(keras, nested, classes, head, seed):
    """Build a model of the base and a dense layer named `head`."""
    reset_names(keras)
    backbone = keras_models.freeze(keras_models.base(keras), except_last=9)
    image = keras.Input(keras_models.SHAPE) if nested else backbone.input
    maps = backbone(image) if nested else backbone.output
    model = keras.Model(image, keras_models.add_classifier(keras, maps, classes, name=head))
    randomize(model, seed)
    return model


@pytest.fixture(scope="module", params=[False, True], ids=["flat", "nested"])
def source(library, request):
    """(whether the base is nested, weights, folder with their files)"""
    model = build_classifier(library, request.param, 5, "head", seed=1)
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder))
        yield request.param, model.get_weights(), Path(folder)


@pytest.mark.parametrize(
    ("file", "head", "settings"),
    [
        ("theirs.h5", "other", {"by_name": True}),
        ("theirs.h5", "head", {"by_name": True, "skip_mismatch": True}),
        ("theirs.weights.h5", "head", {"skip_mismatch": True}),
    ],
)
def test_partial_loading_loads_the_same_layers_as_keras(library, source, folder, file, head, settings):
    """The dense layer has another name, or another number of classes."""
    nested, weights, source_folder = source
    theirs = build_classifier(library, nested, 3, head, seed=2)
    before = theirs.get_weights()
    theirs.save(folder / "target.keras")
    ours = xception.load_model(folder / "target.keras")
    theirs.load_weights(source_folder / file, **settings)
    with pytest.warns(UserWarning, match="not everything was loaded"):
        ours.load_weights(source_folder / file, **settings)
    assert_equal(ours.get_weights(), theirs.get_weights())
    assert_equal(ours.get_weights(), [*weights[:-2], *before[-2:]])


def test_weights_of_a_base_are_loaded_by_name(library, folder):
    """The base is not nested in the model that loads the weights."""
    reset_names(library)
    base = keras_models.base(library)
    randomize(base)
    base.save(folder / "base.h5")
    theirs = build_classifier(library, False, 3, "head", seed=2)
    theirs.save(folder / "target.keras")
    ours = xception.load_model(folder / "target.keras")
    theirs.load_weights(folder / "base.h5", by_name=True)
    with pytest.warns(UserWarning, match="the file has no weights for head"):
        ours.load_weights(folder / "base.h5", by_name=True)
    assert_equal(ours.get_weights(), theirs.get_weights())
    assert_equal(ours.get_weights()[:-2], base.get_weights())


# --- code in files --------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["theirs.keras", "theirs.h5"])
@pytest.mark.parametrize("kind", ["Lambda", "Doubling"])
def test_models_with_code_are_refused(library, folder, file, kind):
    """A Lambda layer or a custom class, in a nested model. The message names the layer."""

    @library.utils.register_keras_serializable("mine")
    class Doubling(library.layers.Layer):
        def call(self, x):
            return 2 * x

    layer = Doubling(name="culprit") if kind == "Doubling" else None
    layer = layer or library.layers.Lambda(lambda x: 2 * x, name="culprit")
    nested = keras_models.build_sequential(library, [keras_models.scaling(library), layer], name="before")
    image = library.Input(keras_models.SHAPE)
    y = keras_models.add_classifier(library, keras_models.base(library)(nested(image)))
    library.Model(image, y).save(folder / file)
    with pytest.raises(xception.ModelFileError, match=rf"before: culprit .*{kind}"):
        xception.load_model(folder / file)
