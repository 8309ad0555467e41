"""Whole models of many kinds: what either Keras writes is read here, and answers alike; and back.

Each of `models.BUILDERS` is built once with each Keras and saved in all of its formats. Its weights
are such that the answers are neither even nor settled, and differ from image to image.
"""

import dataclasses
import importlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xception
from xception.layers import Arithmetic

from . import models

pytestmark = pytest.mark.conformance

CASES = [(name, library) for name, made in models.BUILDERS.items() for library in made.libraries]


@dataclasses.dataclass
class Case:
    """A model that Keras built, its files, and what it says to some images."""

    model: Any
    folder: Path
    images: Any
    answers: list[np.ndarray]
    arrays: list[np.ndarray]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request, tmp_path_factory):
    name, library = request.param
    keras, made = importlib.import_module(library), models.BUILDERS[name]
    folder = tmp_path_factory.mktemp(f"{name}_{library}")
    model = models.build(keras, name)
    models.randomise(model)
    if made.train:
        made.train(keras, model)
    save(model, folder)
    if made.policy != "float32":  # here it is computed in float32
        weights = model.get_weights()
        model = models.build(keras, name, "float32")
        model.set_weights(weights)
    images = models.inputs(model, made.takes)
    images = images if len(images) > 1 else images[0]
    answers = answers_of(model, images)
    for y in answers:  # else the comparisons would say little
        assert np.abs(y[0] - y[1]).max() > 0.01
        assert y.std() > 0.01
        if y.max() <= 1:
            assert y.max() < 0.999
    yield Case(model, folder, images, answers, model.get_weights())
    shutil.rmtree(folder)


def save(model, folder):
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    if is_keras_2(model):
        model.save_weights(folder / "weights.h5")


def is_keras_2(model):
    return type(model).__module__.startswith("tf_keras")


@pytest.fixture
def ours(case):
    return xception.load_model(case.folder / "model.keras")


@pytest.fixture(scope="module")
def returned(case, keras):
    """The model as Keras 3 reads it from what this library wrote."""
    path = case.folder / "ours.keras"
    xception.load_model(case.folder / "model.keras").save(path)
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


def assert_same(arrays, expected):
    assert len(arrays) == len(expected)
    for position, (array, other) in enumerate(zip(arrays, expected, strict=True)):
        np.testing.assert_array_equal(array, other, err_msg=f"array {position}", strict=True)


def names(model):
    """Of all layers, but for arithmetic, which Keras 3 does not list, and Keras 2 names in its own way."""
    if isinstance(model, xception.Model):
        return [layer.name for layer in model.layers if not isinstance(layer.settings, Arithmetic)]
    return [layer.name for layer in model.layers if "OpLambda" not in type(layer).__name__]


def empty(model):
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])


# --- from Keras -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model.keras", "model.h5"])
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


@pytest.mark.parametrize("file", ["model.keras", "model.h5", "model.weights.h5", "weights.h5"])
def test_reads_weights(case, ours, file):
    if not (case.folder / file).exists():
        pytest.skip("Keras 3 writes no such file")
    empty(ours)
    ours.load_weights(case.folder / file)
    assert_same(ours.get_weights(), case.arrays)


# --- to Keras -------------------------------------------------------------------------------


def test_keras_3_reads_a_model_written_here(case, ours, returned):
    assert_agree(answers_of(returned, case.images), case.answers)
    assert_same(returned.get_weights(), case.arrays)
    assert [name for name in names(returned)] == names(ours)


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
    keras.backend.clear_session()
    inside = models.frozen(models.base(keras), but_for=9)
    image = keras.Input(models.SHAPE) if nested else inside.input
    maps = inside(image) if nested else inside.output
    model = keras.Model(image, models.on_top(keras, maps, classes, name=head))
    models.randomise(model, seed)
    return model


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
@pytest.mark.parametrize(
    ("file", "head", "settings"),
    [
        ("model.h5", "other", {"by_name": True}),
        ("model.h5", "head", {"by_name": True, "skip_mismatch": True}),
        ("model.weights.h5", "head", {"skip_mismatch": True}),
    ],
)
def test_takes_as_much_as_keras_takes(library, folder, nested, file, head, settings):
    """Into a model with another classifier: of another name, or for another number of classes."""
    source = classifier(library, nested, 5, "head", seed=1)
    (source.save_weights if ".weights" in file else source.save)(folder / file)
    theirs = classifier(library, nested, 3, head, seed=2)
    before = theirs.get_weights()
    theirs.save(folder / "theirs.keras")
    ours = xception.load_model(folder / "theirs.keras")
    theirs.load_weights(folder / file, **settings)
    with pytest.warns(UserWarning, match="not everything was loaded"):
        ours.load_weights(folder / file, **settings)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.get_weights(), [*source.get_weights()[:-2], *before[-2:]])


def test_takes_a_base_by_name(library, folder):
    """The weights of the base alone, for a model in which it lies flat."""
    library.backend.clear_session()
    source = models.base(library)
    models.randomise(source)
    source.save(folder / "base.h5")
    theirs = classifier(library, False, 3, "head", seed=2)
    theirs.save(folder / "theirs.keras")
    ours = xception.load_model(folder / "theirs.keras")
    theirs.load_weights(folder / "base.h5", by_name=True)
    with pytest.warns(UserWarning, match="no weights found for head"):
        ours.load_weights(folder / "base.h5", by_name=True)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.get_weights()[:-2], source.get_weights())


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model.keras", "model.h5"])
@pytest.mark.parametrize("kind", ["Lambda", "Doubling"])
def test_code_is_refused(library, folder, file, kind):
    """A layer that holds Python code, and a class that is not Keras's; deep inside the model."""

    @library.utils.register_keras_serializable("mine")
    class Doubling(library.layers.Layer):
        def call(self, x):
            return 2 * x

    layer = Doubling(name="culprit") if kind == "Doubling" else None
    layer = layer or library.layers.Lambda(lambda x: 2 * x, name="culprit")
    inside = models.in_a_row(library, [models.scaling(library), layer], name="before")
    image = library.Input(models.SHAPE)
    library.Model(image, models.on_top(library, models.base(library)(inside(image)))).save(folder / file)
    with pytest.raises(xception.ModelFileError, match=rf"before: culprit .*{kind}"):
        xception.load_model(folder / file)
