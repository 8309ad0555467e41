"""Whole models of many kinds: what either Keras writes is read here, and answers alike; and back.

Each of `keras_models.BUILDERS` is built once with each Keras and saved in all of its formats. Its weights
are such that the answers are neither even nor settled, and differ from image to image.
"""

import dataclasses
import importlib
import tempfile
from pathlib import Path
from typing import Any

import keras_models
import numpy as np
import pytest
from keras_models import draw

import xception
from xception.data.preprocessing import Preprocessing
from xception.layers import Arithmetic

pytestmark = pytest.mark.conformance

CASES = [(name, library) for name, made in keras_models.BUILDERS.items() for library in made.libraries]


# --- a model with its weights, its files and its answers -------------------------------------


@dataclasses.dataclass
class Case:
    """A model that Keras built, its files, and what it says to some images."""

    model: Any
    folder: Path
    images: Any
    answers: list[np.ndarray]
    arrays: list[np.ndarray]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    name, library = request.param
    with tempfile.TemporaryDirectory() as folder:  # of up to 400 MB, which are not kept
        yield make(name, importlib.import_module(library), Path(folder))


def make(name, keras, folder):
    made = keras_models.BUILDERS[name]
    model = build(keras, name)
    randomise(model)
    if made.trained:
        train(keras, model)
    save(model, folder)
    if made.trained or made.policy != "float32":  # compared with what is as here: float32, and not compiled
        weights = model.get_weights()
        model = build(keras, name, "float32")
        model.set_weights(weights)
    images = inputs(model, made.takes)
    images = images if len(images) > 1 else images[0]
    answers = answers_of(model, images)
    for y in answers:  # else the comparisons would say little
        assert np.abs(y[0] - y[1]).max() > 0.01
        assert y.std() > 0.01
        assert y.max() < 0.999 or y.max() > 1
    return Case(model, folder, images, answers, model.get_weights())


def build(keras, name, policy=None):
    """The model of this name as in a fresh session, in its own precision or another."""
    forget(keras)
    keras.mixed_precision.set_global_policy(policy or keras_models.BUILDERS[name].policy)
    try:
        return keras_models.BUILDERS[name].build(keras)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def forget(keras):
    """Let automatic names count from the start again."""
    if keras.__name__ == "keras":
        keras.utils.clear_session(free_memory=False)  # which would take half a second
    else:
        keras.backend.clear_session()


def train(keras, model):
    """One step, with an optimiser that keeps a state."""
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(*inputs(model, ("scaled",)), np.array([0, 1]))


def randomise(model, seed=7):
    """Weights that tell, as `draw` gives them; it knows no dense layers but a real Xception's."""
    rng = np.random.default_rng(seed)
    drawn = []
    for variable, array in zip(model.weights, model.get_weights(), strict=True):
        path = getattr(variable, "path", variable.name).removesuffix(":0")
        name = path.rpartition("/")[2]
        if name in ("mean", "variance", "count"):  # which the model has seen in its images
            drawn.append(array)
        elif name == "kernel" and array.ndim == 2:
            drawn.append(rng.normal(0, 2 / np.sqrt(len(array)), array.shape))
        elif name == "kernel" and "depthwise" in path:
            drawn.append(draw(rng, "depthwise_kernel", array.shape))
        elif name == "alpha":
            drawn.append(rng.uniform(0, 0.5, array.shape))
        else:
            drawn.append(draw(rng, name, array.shape))
    model.set_weights(drawn)


def inputs(model, takes):
    """Two of each input: patches of colour with noise, of one tint and of another."""
    rng = np.random.default_rng(11)
    made = []
    for tensor, kind in zip(model.inputs, takes, strict=True):
        shape = [size or 44 for size in tensor.shape[1:]]
        x = rng.uniform(-1, 1, (2, *shape))
        if len(shape) == 3:
            patches = np.kron(rng.uniform(-1, 1, (2, 16, 16, 3)), np.ones((1, 8, 8, 1)))
            tints = np.array([0.8, -0.8, 0.3]) * [[[[1]]], [[[-1]]]]
            x = 0.5 * patches[:, : shape[0], : shape[1]] + 0.1 * x + 0.4 * tints
        if kind in ("pixels", "bytes"):
            x = np.round(127.5 * (x + 1))
        made.append(x.astype(np.uint8 if kind == "bytes" else np.float32))
    return made


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


def answers_of(model, images):
    """Every output as an array, of a model of Keras's or of this library's."""
    ours = isinstance(model, xception.Model)
    found = model.predict(images, verbose=0) if ours else model(images, training=False)
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found)]
    return [np.asarray(y) for y in (found if isinstance(found, list) else [found])]


def assert_agree(found, expected):
    assert len(found) == len(expected)
    for y, other in zip(found, expected, strict=True):
        tolerance = 1e-5 * max(1, np.abs(other).max())
        np.testing.assert_allclose(y, other, rtol=0, atol=tolerance, strict=True)


def assert_same(arrays, expected, what=""):
    assert len(arrays) == len(expected)
    for position, (array, other) in enumerate(zip(arrays, expected, strict=True)):
        assert array.shape == other.shape
        np.testing.assert_array_equal(array, other, err_msg=f"{what} array {position}")


def names(model):
    """Of all layers, but for arithmetic, which Keras 3 does not list, and Keras 2 names in its own way."""
    if isinstance(model, xception.Model):
        return [layer.name for layer in model.layers if not isinstance(layer.settings, Arithmetic)]
    return [layer.name for layer in model.layers if "OpLambda" not in type(layer).__name__]


def empty(model):
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])


# --- from Keras -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["theirs.keras", "theirs.h5"])
def test_reads_a_model(case, file):
    ours = xception.load_model(case.folder / file)
    assert_agree(answers_of(ours, case.images), case.answers)
    assert_same(ours.get_weights(), case.arrays)
    assert ours.name == case.model.name
    assert names(ours) == names(case.model)
    assert ours.count_params() == case.model.count_params()
    for name in names(ours):
        layer, theirs = ours.get_layer(name), case.model.get_layer(name)
        assert_same(layer.get_weights(), theirs.get_weights())
        assert not theirs.weights or layer.trainable == theirs.trainable, name


def test_reads_weights(case, ours):
    files = sorted(case.folder.glob("theirs.*"))
    assert len(files) == 3 + is_keras_2(case.model)
    for path in files:
        empty(ours)
        ours.load_weights(path)
        assert_same(ours.get_weights(), case.arrays, path.name)


# --- to Keras -------------------------------------------------------------------------------


def test_keras_3_reads_a_model_written_here(case, ours, returned):
    assert_agree(answers_of(returned, case.images), case.answers)
    assert_same(returned.get_weights(), case.arrays)
    assert names(returned) == names(ours)


@pytest.mark.parametrize("file", ["ours.weights.h5", "ours.h5"])
def test_keras_reads_weights_written_here(case, ours, returned, file):
    ours.save_weights(case.folder / file)
    for model in (case.model, returned):
        empty(model)
        model.load_weights(case.folder / file)
        assert_same(model.get_weights(), case.arrays)


# --- a part of the weights ------------------------------------------------------------------


def classifier(keras, nested, classes, head, seed):
    """The base, and a classifier that bears the name `head`."""
    forget(keras)
    inside = keras_models.frozen(keras_models.base(keras), but_for=9)
    image = keras.Input(keras_models.SHAPE) if nested else inside.input
    maps = inside(image) if nested else inside.output
    model = keras.Model(image, keras_models.on_top(keras, maps, classes, name=head))
    randomise(model, seed)
    return model


@pytest.fixture(scope="module", params=[False, True], ids=["flat", "nested"])
def source(library, request):
    """(whether the base is nested, the weights, the folder that holds them)"""
    model = classifier(library, request.param, 5, "head", seed=1)
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
def test_takes_as_much_as_keras_takes(library, source, folder, file, head, settings):
    """Into a model with another classifier: of another name, or for another number of classes."""
    nested, weights, place = source
    theirs = classifier(library, nested, 3, head, seed=2)
    before = theirs.get_weights()
    theirs.save(folder / "target.keras")
    ours = xception.load_model(folder / "target.keras")
    theirs.load_weights(place / file, **settings)
    with pytest.warns(UserWarning, match="not everything was loaded"):
        ours.load_weights(place / file, **settings)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.get_weights(), [*weights[:-2], *before[-2:]])


def test_takes_a_base_by_name(library, folder):
    """The weights of the base alone, for a model in which it lies flat."""
    forget(library)
    base = keras_models.base(library)
    randomise(base)
    base.save(folder / "base.h5")
    theirs = classifier(library, False, 3, "head", seed=2)
    theirs.save(folder / "target.keras")
    ours = xception.load_model(folder / "target.keras")
    theirs.load_weights(folder / "base.h5", by_name=True)
    with pytest.warns(UserWarning, match="the file has no weights for head"):
        ours.load_weights(folder / "base.h5", by_name=True)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.get_weights()[:-2], base.get_weights())


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["theirs.keras", "theirs.h5"])
@pytest.mark.parametrize("kind", ["Lambda", "Doubling"])
def test_code_is_refused(library, folder, file, kind):
    """A layer that holds Python code, and a class that is not Keras's; deep inside the model."""

    @library.utils.register_keras_serializable("mine")
    class Doubling(library.layers.Layer):
        def call(self, x):
            return 2 * x

    layer = Doubling(name="culprit") if kind == "Doubling" else None
    layer = layer or library.layers.Lambda(lambda x: 2 * x, name="culprit")
    inside = keras_models.in_a_row(library, [keras_models.scaling(library), layer], name="before")
    image = library.Input(keras_models.SHAPE)
    library.Model(image, keras_models.on_top(library, keras_models.base(library)(inside(image)))).save(
        folder / file
    )
    with pytest.raises(xception.ModelFileError, match=rf"before: culprit .*{kind}"):
        xception.load_model(folder / file)
