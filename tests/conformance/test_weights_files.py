"""Weights of Xception: this library reads Keras's files, and Keras reads this library's files."""

import functools
import importlib

import h5py
import numpy as np
import pytest

import xception
from xception.models.pretrained import shipped_base

pytestmark = pytest.mark.conformance

#: (library, method, file name): every layout that Keras writes, except archives.
WRITERS = [
    ("keras", "save", "model.h5"),
    ("keras", "save_weights", "model.weights.h5"),
    ("tf_keras", "save", "model.h5"),
    ("tf_keras", "save_weights", "model.h5"),
    ("tf_keras", "save_weights", "model.weights.h5"),
]


def assert_equal(arrays, expected):
    assert len(arrays) == len(expected)
    for index, (array, expected_array) in enumerate(zip(arrays, expected, strict=True)):
        np.testing.assert_array_equal(array, expected_array, err_msg=f"array {index}", strict=True)


def build_with_zeros(library, **settings):
    """Build Keras's Xception as in a new session, with zeros as weights."""
    library.backend.clear_session()
    model = library.applications.Xception(weights=None, **settings)
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    return model


def build_late(library, **settings):
    """Build Keras's Xception late in a session: the numbers in names have one and two digits."""
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
    """keras_model(library name, include_top): a model with `weights`, built late in the session."""

    @functools.cache
    def build(library, include_top):
        model = build_late(importlib.import_module(library), include_top=include_top)
        model.set_weights(weights if include_top else weights[:-2])
        return model

    return build


# --- reading Keras's files ------------------------------------------------------------------


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
@pytest.mark.parametrize(("library_name", "method", "file_name"), WRITERS)
def test_keras_files_are_loaded(keras_model, folder, library_name, method, file_name, include_top):
    theirs = keras_model(library_name, include_top)
    path = folder / file_name
    getattr(theirs, method)(str(path))

    ours = xception.Xception(include_top=include_top, weights=path)
    assert_equal(ours.get_weights(), theirs.get_weights())

    ours = xception.Xception(include_top=include_top, weights=None)
    ours.load_weights(str(path))
    assert_equal(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("extra", [{"pooling": "avg"}, {"input_shape": (150, 150, 3)}], ids=str)
def test_weights_of_a_base_load_with_any_pooling_and_size(keras_model, folder, extra):
    theirs = keras_model("keras", False)
    theirs.save_weights(folder / "base.weights.h5")
    ours = xception.Xception(include_top=False, weights=folder / "base.weights.h5", **extra)
    assert_equal(ours.get_weights(), theirs.get_weights())


@pytest.fixture(scope="session")
def weights_of_six(weights):
    """`weights` with a classifier for six classes."""
    return [*weights[:-2], weights[-2][:, :6], weights[-1][:6]]


@pytest.mark.parametrize(
    ("method", "file_name"), [("save", "model.h5"), ("save_weights", "model.weights.h5")]
)
def test_compiled_models_are_loaded(library, weights_of_six, pictures, folder, method, file_name):
    """The file also holds the training configuration and the state of the optimizer."""
    theirs = library.applications.Xception(weights=None, classes=6, input_shape=(71, 71, 3))
    theirs.set_weights(weights_of_six)
    for layer in theirs.layers[:-1]:
        layer.trainable = False
    theirs.compile(optimizer=library.optimizers.Adam(), loss="categorical_crossentropy")
    theirs.optimizer.build(theirs.trainable_variables)
    getattr(theirs, method)(str(folder / file_name))

    ours = xception.Xception(weights=folder / file_name, classes=6, input_shape=(71, 71, 3))
    assert_equal(ours.get_weights(), theirs.get_weights())
    x = pictures(71, 71)
    np.testing.assert_allclose(ours.predict(x), np.asarray(theirs(x, training=False)), rtol=0, atol=1e-6)


# --- files of this library in Keras ---------------------------------------------------------


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
def test_keras_loads_saved_weights(library, weights, pictures, folder, include_top):
    ours = xception.Xception(include_top=include_top, weights=None, input_shape=(71, 71, 3))
    ours.set_weights(weights if include_top else weights[:-2])
    ours.save_weights(folder / "ours.h5")

    theirs = build_with_zeros(library, include_top=include_top, input_shape=(71, 71, 3))
    theirs.load_weights(str(folder / "ours.h5"))
    assert_equal(theirs.get_weights(), ours.get_weights())

    x = pictures(71, 71)
    expected = np.asarray(theirs(x, training=False))
    tolerance = 1e-6 if include_top else 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(ours.predict(x), expected, rtol=0, atol=tolerance)


def test_keras_loads_saved_weights_by_name(library, weights, folder):
    ours = xception.Xception(weights=None)
    ours.set_weights(weights)
    ours.save_weights(folder / "ours.h5")

    theirs = build_with_zeros(library)
    theirs.load_weights(str(folder / "ours.h5"), by_name=True)
    assert_equal(theirs.get_weights(), ours.get_weights())


def test_keras_loads_saved_weights_with_six_classes(library, weights_of_six, pictures, folder):
    ours = xception.Xception(weights=None, classes=6, input_shape=(71, 71, 3))
    ours.set_weights(weights_of_six)
    ours.save_weights(folder / "six.h5")

    theirs = build_with_zeros(library, classes=6, input_shape=(71, 71, 3))
    theirs.load_weights(str(folder / "six.h5"))
    assert_equal(theirs.get_weights(), ours.get_weights())
    x = pictures(71, 71)
    np.testing.assert_allclose(ours.predict(x), np.asarray(theirs(x, training=False)), rtol=0, atol=1e-6)


def test_keras_loads_the_shipped_base(library, examples):
    theirs = build_with_zeros(library, include_top=False)
    theirs.load_weights(str(shipped_base()))
    ours = xception.Xception(include_top=False)
    assert_equal(ours.get_weights(), theirs.get_weights())

    photographs = [xception.load_image(path) for path in sorted(examples.glob("*.jpg"))]
    x = xception.preprocess_input(np.stack(photographs))
    expected = np.asarray(theirs(x, training=False))
    np.testing.assert_allclose(ours.predict(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


# --- the layout of Keras 1, published in 2016 -----------------------------------------------

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
    """Yield the layers with weights in the order of Keras's script, which creates projections first."""
    projections = iter(["", "_1", "_2", "_3"])
    yield from ["block1_conv1", "block1_conv1_bn", "block1_conv2", "block1_conv2_bn"]
    for block in range(2, 15):
        if block in (2, 3, 4, 13):
            suffix = next(projections)
            yield from [f"conv2d{suffix}", f"batch_normalization{suffix}"]
        for step in range(1, 4 if 5 <= block <= 12 else 3):
            yield from [f"block{block}_sepconv{step}", f"block{block}_sepconv{step}_bn"]


def old_names():
    """Return {current name: name in the file of 2016}."""
    names = {"predictions": "dense_2"}
    for kind, is_kind in [
        ("convolution2d", lambda name: name.startswith(("block1_conv", "conv2d")) and "_bn" not in name),
        ("separableconvolution2d", lambda name: "sepconv" in name and "_bn" not in name),
        ("batchnormalization", lambda name: name.endswith("_bn") or name.startswith("batch")),
    ]:
        layers = filter(is_kind, creation_order())
        names |= {name: f"{kind}_{number}" for number, name in enumerate(layers, start=1)}
    return names


def write_as_in_2016(path, model):
    """Write a file as Keras 1 did: every layer is numbered, in the order of `model.layers`."""
    known, counters = old_names(), dict.fromkeys(OLD_KINDS, 0)
    with h5py.File(path, "w") as file:
        layer_names = []
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
            layer_names.append(name.encode())
        file.attrs["layer_names"] = np.array(layer_names)


def test_names_of_2016():
    """Known names in the published files, which show that the file of the next test is right."""
    names = old_names()
    assert len(names) == len(set(names.values())) == 6 + 34 + 40 + 1
    assert names["batch_normalization"] == "batchnormalization_3"
    assert names["block2_sepconv2_bn"] == "batchnormalization_5"
    assert names["batch_normalization_3"] == "batchnormalization_36"
    assert names["block13_sepconv2_bn"] == "batchnormalization_38"
    assert names["conv2d_3"] == "convolution2d_6"
    assert names["block14_sepconv2"] == "separableconvolution2d_34"


@pytest.mark.parametrize("include_top", [True, False], ids=["top", "notop"])
def test_the_layout_of_2016_is_loaded_as_keras_loads_it(library, weights, folder, include_top):
    weights = weights if include_top else weights[:-2]
    theirs = build_with_zeros(library, include_top=include_top)
    theirs.set_weights(weights)
    write_as_in_2016(folder / "published.h5", theirs)

    theirs = build_with_zeros(library, include_top=include_top)
    theirs.load_weights(str(folder / "published.h5"))
    assert_equal(theirs.get_weights(), weights)

    ours = xception.Xception(include_top=include_top, weights=folder / "published.h5")
    assert_equal(ours.get_weights(), weights)
