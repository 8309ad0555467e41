"""Weights files go both ways: what Keras writes loads here, what is written here loads in Keras."""

import functools
import importlib

import h5py
import numpy as np
import pytest

import xception
from xception.models.pretrained import shipped_base

pytestmark = pytest.mark.conformance

#: (library, its method, the file's name): every layout that they write without an archive around it.
WRITERS = [
    ("keras", "save", "model.h5"),
    ("keras", "save_weights", "model.weights.h5"),
    ("tf_keras", "save", "model.h5"),
    ("tf_keras", "save_weights", "model.h5"),
    ("tf_keras", "save_weights", "model.weights.h5"),
]


def assert_same(arrays, expected):
    assert len(arrays) == len(expected)
    for position, (array, other) in enumerate(zip(arrays, expected, strict=True)):
        np.testing.assert_array_equal(array, other, err_msg=f"array {position}", strict=True)


def empty_model(library, **settings):
    """The library's Xception, named as in a fresh session, all zeros: whatever is not zero was loaded."""
    library.backend.clear_session()
    model = library.applications.Xception(weights=None, **settings)
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    return model


def late_model(library, **settings):
    """The library's Xception, built when others have been: its numbers go from one to two digits."""
    library.backend.clear_session()
    for _ in range(8):
        library.layers.Conv2D(1, 1)
        library.layers.BatchNormalization()
        library.layers.Add()
    model = library.applications.Xception(weights=None, **settings)
    numbered = [layer.name for layer in model.layers if layer.name.startswith("conv2d")]
    assert numbered == ["conv2d_8", "conv2d_9", "conv2d_10", "conv2d_11"]
    return model


@pytest.fixture(scope="module")
def keras_model(weights):
    """keras_model(library name, include_top): a model with `weights`, built late in its session."""

    @functools.cache
    def build(library, include_top):
        model = late_model(importlib.import_module(library), include_top=include_top)
        model.set_weights(weights if include_top else weights[:-2])
        return model

    return build


# --- from Keras -----------------------------------------------------------------------------


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
@pytest.mark.parametrize(("library_name", "method", "file_name"), WRITERS)
def test_reads_what_keras_writes(keras_model, folder, library_name, method, file_name, include_top):
    theirs = keras_model(library_name, include_top)
    path = folder / file_name
    getattr(theirs, method)(str(path))

    ours = xception.Xception(include_top=include_top, weights=path)
    assert_same(ours.get_weights(), theirs.get_weights())

    ours = xception.Xception(include_top=include_top, weights=None)
    ours.load_weights(str(path))
    assert_same(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("extra", [{"pooling": "avg"}, {"input_shape": (150, 150, 3)}], ids=str)
def test_the_base_fits_whatever_its_pooling_and_size(keras_model, folder, extra):
    theirs = keras_model("keras", False)
    theirs.save_weights(folder / "base.weights.h5")
    ours = xception.Xception(include_top=False, weights=folder / "base.weights.h5", **extra)
    assert_same(ours.get_weights(), theirs.get_weights())


@pytest.fixture(scope="session")
def weights_of_six(weights):
    """`weights` with a classifier for six classes."""
    return [*weights[:-2], weights[-2][:, :6], weights[-1][:6]]


@pytest.mark.parametrize(
    ("method", "file_name"), [("save", "model.h5"), ("save_weights", "model.weights.h5")]
)
def test_reads_a_model_in_training(library, weights_of_six, pictures, folder, method, file_name):
    """Six classes, the base frozen, compiled: the file then holds settings and an optimiser's state too."""
    theirs = library.applications.Xception(weights=None, classes=6, input_shape=(71, 71, 3))
    theirs.set_weights(weights_of_six)
    for layer in theirs.layers[:-1]:
        layer.trainable = False
    theirs.compile(optimizer=library.optimizers.Adam(), loss="categorical_crossentropy")
    theirs.optimizer.build(theirs.trainable_variables)
    getattr(theirs, method)(str(folder / file_name))

    ours = xception.Xception(weights=folder / file_name, classes=6, input_shape=(71, 71, 3))
    assert_same(ours.get_weights(), theirs.get_weights())
    x = pictures(71, 71)
    np.testing.assert_allclose(ours.predict(x), np.asarray(theirs(x, training=False)), rtol=0, atol=1e-6)


# --- to Keras -------------------------------------------------------------------------------


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
def test_keras_reads_what_is_written_here(library, weights, pictures, folder, include_top):
    ours = xception.Xception(include_top=include_top, weights=None, input_shape=(71, 71, 3))
    ours.set_weights(weights if include_top else weights[:-2])
    ours.save_weights(folder / "ours.h5")

    theirs = empty_model(library, include_top=include_top, input_shape=(71, 71, 3))
    theirs.load_weights(str(folder / "ours.h5"))
    assert_same(theirs.get_weights(), ours.get_weights())

    x = pictures(71, 71)
    expected = np.asarray(theirs(x, training=False))
    tolerance = 1e-6 if include_top else 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(ours.predict(x), expected, rtol=0, atol=tolerance)


def test_keras_reads_by_name_what_is_written_here(library, weights, folder):
    ours = xception.Xception(weights=None)
    ours.set_weights(weights)
    ours.save_weights(folder / "ours.h5")

    theirs = empty_model(library)
    theirs.load_weights(str(folder / "ours.h5"), by_name=True)
    assert_same(theirs.get_weights(), ours.get_weights())


def test_keras_reads_six_classes_written_here(library, weights_of_six, pictures, folder):
    ours = xception.Xception(weights=None, classes=6, input_shape=(71, 71, 3))
    ours.set_weights(weights_of_six)
    ours.save_weights(folder / "six.h5")

    theirs = empty_model(library, classes=6, input_shape=(71, 71, 3))
    theirs.load_weights(str(folder / "six.h5"))
    assert_same(theirs.get_weights(), ours.get_weights())
    x = pictures(71, 71)
    np.testing.assert_allclose(ours.predict(x), np.asarray(theirs(x, training=False)), rtol=0, atol=1e-6)


def test_the_shipped_base_in_keras(library, examples):
    theirs = empty_model(library, include_top=False)
    theirs.load_weights(str(shipped_base()))
    ours = xception.Xception(include_top=False)
    assert_same(ours.get_weights(), theirs.get_weights())

    photographs = [xception.load_image(path) for path in sorted(examples.glob("*.jpg"))]
    x = xception.preprocess_input(np.stack(photographs))
    expected = np.asarray(theirs(x, training=False))
    np.testing.assert_allclose(ours.predict(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


# --- the layout of 2016 ---------------------------------------------------------------------

OLD_KINDS = {
    "Activation": "activation",
    "Add": "merge",
    "GlobalAveragePooling2D": "globalaveragepooling2d",
    "InputLayer": "input",
    "MaxPooling2D": "maxpooling2d",
}
OLD_ARRAYS = {
    "Conv2D": ["W"],
    "SeparableConv2D": ["depthwise_kernel", "pointwise_kernel"],
    "BatchNormalization": ["gamma", "beta", "running_mean", "running_std"],
    "Dense": ["W", "b"],
}


def creation_order():
    """The layers that have weights, as Keras's own script creates them: in a block, its projection first."""
    projections = iter(["", "_1", "_2", "_3"])
    yield from ["block1_conv1", "block1_conv1_bn", "block1_conv2", "block1_conv2_bn"]
    for block in range(2, 15):
        if block in (2, 3, 4, 13):
            suffix = next(projections)
            yield from [f"conv2d{suffix}", f"batch_normalization{suffix}"]
        for step in range(1, 4 if 5 <= block <= 12 else 3):
            yield from [f"block{block}_sepconv{step}", f"block{block}_sepconv{step}_bn"]


def old_names():
    """{today's name: the name in the file of 2016}"""
    names = {"predictions": "dense_2"}
    for kind, belongs in [
        ("convolution2d", lambda name: name.startswith(("block1_conv", "conv2d")) and "_bn" not in name),
        ("separableconvolution2d", lambda name: "sepconv" in name and "_bn" not in name),
        ("batchnormalization", lambda name: name.endswith("_bn") or name.startswith("batch")),
    ]:
        found = [name for name in creation_order() if belongs(name)]
        names |= {name: f"{kind}_{number}" for number, name in enumerate(found, start=1)}
    return names


def write_as_in_2016(path, model):
    """A file as Keras 1 wrote it: every layer numbered, listed in the order of `model.layers`."""
    known, counters = old_names(), dict.fromkeys(OLD_KINDS, 0)
    with h5py.File(path, "w") as file:
        listed = []
        for layer in model.layers:
            kind = type(layer).__name__
            if kind in OLD_KINDS:
                counters[kind] += 1
            name = known.get(layer.name) or f"{OLD_KINDS[kind]}_{counters[kind]}"
            group = file.create_group(name)
            arrays = [f"{name}_{array}:0".encode() for array in OLD_ARRAYS.get(kind, [])]
            group.attrs["weight_names"] = np.array(arrays, "S")
            for array, value in zip(arrays, layer.get_weights(), strict=True):
                group[array] = value
            listed.append(name.encode())
        file.attrs["layer_names"] = np.array(listed)


def test_the_numbers_of_2016():
    """Fixed points of the published files, so that the next test's own file can be trusted."""
    names = old_names()
    assert len(names) == len(set(names.values())) == 6 + 34 + 40 + 1
    assert names["batch_normalization"] == "batchnormalization_3"
    assert names["block2_sepconv2_bn"] == "batchnormalization_5"
    assert names["batch_normalization_3"] == "batchnormalization_36"
    assert names["block13_sepconv2_bn"] == "batchnormalization_38"
    assert names["conv2d_3"] == "convolution2d_6"
    assert names["block14_sepconv2"] == "separableconvolution2d_34"


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
def test_reads_the_layout_of_2016_as_keras_does(library, weights, folder, include_top):
    weights = weights if include_top else weights[:-2]
    theirs = empty_model(library, include_top=include_top)
    theirs.set_weights(weights)
    write_as_in_2016(folder / "published.h5", theirs)

    theirs = empty_model(library, include_top=include_top)
    theirs.load_weights(str(folder / "published.h5"))
    assert_same(theirs.get_weights(), weights)

    ours = xception.Xception(include_top=include_top, weights=folder / "published.h5")
    assert_same(ours.get_weights(), weights)
