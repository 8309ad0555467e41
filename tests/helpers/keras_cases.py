"""Models that Keras builds, with their files and answers."""

import dataclasses
from pathlib import Path
from typing import Any

import keras_models
import numpy as np
from keras_models import random_weights

import xception


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


def weights_of(layer):
    """Return the arrays of a model or layer of Keras, layer by layer.

    Of a network within `TimeDistributed`, `get_weights` of Keras 2 lists trainable ones first.
    """
    if hasattr(layer, "layers"):
        return [array for inner in layer.layers for array in weights_of(inner)]
    return weights_of(layer.layer) if type(layer).__name__ == "TimeDistributed" else layer.get_weights()
