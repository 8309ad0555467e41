"""Whole models: this library reads the files of Keras 2 and 3, and Keras reads the files of this library.

Each of `keras_models.BUILDERS` is built with each Keras and saved in all of its formats. With the random
weights, outputs differ between images, and probabilities are neither uniform nor 0 and 1.
"""

import dataclasses
import importlib
import tempfile
from pathlib import Path
from typing import Any

import keras_models
import numpy as np
import pytest
from keras_models import random_weights

import xception
from xception.data.preprocessing import Preprocessing
from xception.layers import Arithmetic

pytestmark = pytest.mark.conformance

CASES = [(name, library) for name, builder in keras_models.BUILDERS.items() for library in builder.libraries]


# --- models ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Case:
    """A model that Keras built, its files, and its outputs.

    Attributes:
        model: The Keras model, in float32.
        folder: Holds its files.
        x: Two images; a list of arrays for several inputs.
        outputs: Its outputs for `x`.
        weights: Its weights.
    """

    model: Any
    folder: Path
    x: Any
    outputs: list[np.ndarray]
    weights: list[np.ndarray]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    name, library = request.param
    with tempfile.TemporaryDirectory() as folder:  # up to 400 MB: deleted at once
        yield make_case(name, importlib.import_module(library), Path(folder))


def make_case(name, keras, folder):
    builder = keras_models.BUILDERS[name]
    model = build(keras, name)
    randomize(model)
    if builder.is_trained:
        train(keras, model)
    save(model, folder)
    if builder.is_trained or builder.policy != "float32":
        # This library computes in float32. Compare with a Keras model that does so, too.
        weights = model.get_weights()
        model = build(keras, name, "float32")
        model.set_weights(weights)
    x = make_inputs(model, builder.inputs)
    x = x if len(x) > 1 else x[0]
    outputs = compute_outputs(model, x)
    for y in outputs:  # the comparisons are meaningful
        assert np.abs(y[0] - y[1]).max() > 0.01
        assert y.std() > 0.01
        assert y.max() < 0.999 or y.max() > 1
    return Case(model, folder, x, outputs, weights_of(model))


def build(keras, name, policy=None):
    """Build a model as in a new session, with its own mixed-precision policy or another."""
    reset_names(keras)
    keras.mixed_precision.set_global_policy(policy or keras_models.BUILDERS[name].policy)
    try:
        return keras_models.BUILDERS[name].build(keras)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def reset_names(keras):
    """Let automatic names start from the beginning."""
    if keras.__name__ == "keras":
        keras.utils.clear_session(free_memory=False)  # freeing memory would take half a second
    else:
        keras.backend.clear_session()


def train(keras, model):
    """Train for one step, with an optimizer that has a state."""
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(*make_inputs(model, ("scaled",)), np.array([0, 1]))


def randomize(model, seed=7):
    """Set random weights. Dense kernels are scaled by their own size, unlike `random_weights`."""
    rng = np.random.default_rng(seed)
    arrays = []
    for variable, array in zip(model.weights, model.get_weights(), strict=True):
        path = getattr(variable, "path", variable.name).removesuffix(":0")
        name = path.rpartition("/")[2]
        if name in ("mean", "variance", "count"):  # those of an adapted Normalization layer
            arrays.append(array)
        elif name == "kernel" and array.ndim == 2:
            arrays.append(rng.normal(0, 2 / np.sqrt(len(array)), array.shape))
        elif name == "kernel" and "depthwise" in path:
            arrays.append(random_weights(rng, "depthwise_kernel", array.shape))
        elif name == "alpha":
            arrays.append(rng.uniform(0, 0.5, array.shape))
        else:
            arrays.append(random_weights(rng, name, array.shape))
    model.set_weights(arrays)


def make_inputs(model, kinds):
    """Return two examples of each input. Images are color patches with noise, each with a tint."""
    rng = np.random.default_rng(11)
    arrays = []
    for tensor, kind in zip(model.inputs, kinds, strict=True):
        shape = [size or 44 for size in tensor.shape[1:]]
        x = rng.uniform(-1, 1, (2, *shape))
        if len(shape) == 3:
            patches = np.kron(rng.uniform(-1, 1, (2, 16, 16, 3)), np.ones((1, 8, 8, 1)))
            tints = np.array([0.8, -0.8, 0.3]) * [[[[1]]], [[[-1]]]]
            x = 0.5 * patches[:, : shape[0], : shape[1]] + 0.1 * x + 0.4 * tints
        if kind in ("pixels", "uint8"):
            x = np.round(127.5 * (x + 1))
        arrays.append(x.astype(np.uint8 if kind == "uint8" else np.float32))
    return arrays


def save(model, folder):
    model.save(folder / "theirs.keras")
    model.save(folder / "theirs.h5")
    model.save_weights(folder / "theirs.weights.h5")
    if is_keras_2(model):
        model.save_weights(folder / "theirs.of.2.h5")


def is_keras_2(model):
    return type(model).__module__.startswith("tf_keras")


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


def compute_outputs(model, x):
    """Return every output of a model, Keras's or this library's, as an array."""
    is_ours = isinstance(model, xception.Model)
    outputs = model.predict(x, verbose=0) if is_ours else model(x, training=False)
    if isinstance(outputs, dict):
        outputs = [outputs[key] for key in sorted(outputs)]
    return [np.asarray(y) for y in (outputs if isinstance(outputs, list) else [outputs])]


def assert_close(outputs, expected):
    assert len(outputs) == len(expected)
    for y, expected_y in zip(outputs, expected, strict=True):
        tolerance = 1e-5 * max(1, np.abs(expected_y).max())
        np.testing.assert_allclose(y, expected_y, rtol=0, atol=tolerance, strict=True)


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


def weights_of(layer):
    """Return the arrays of a model or layer of Keras, layer by layer.

    Of a network within `TimeDistributed`, `get_weights` of Keras 2 lists trainable ones first.
    """
    if hasattr(layer, "layers"):
        return [array for inner in layer.layers for array in weights_of(inner)]
    return weights_of(layer.layer) if type(layer).__name__ == "TimeDistributed" else layer.get_weights()


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
