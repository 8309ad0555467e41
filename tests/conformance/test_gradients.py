"""Gradients within a network against `tf.GradientTape`, at nodes near the end and far from it.

In float64: in float32 a ReLU next to 0, or two pixels next to equal, fall on either side by the order
in which numbers are added up, which at the far end of the network makes a hundredth of the gradient.
"""

import numpy as np
import pytest

import xception
from xception.gradients import gradients

pytestmark = pytest.mark.conformance

NODES = ("block1_conv1", "block3_pool", "block4_pool", "block13_sepconv2_bn", "block14_sepconv2_act")
CLASSES = 7


@pytest.fixture(autouse=True)
def float64(keras):
    # Layers go by the policy, which Keras makes of this type once, and then keeps.
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def lively(model):
    """Weights of which no two are alike, that keep activations as large from block to block."""
    rng = np.random.default_rng(5)
    for variable in model.weights:
        name, shape = variable.path.rsplit("/", 1)[-1], variable.shape
        if len(shape) > 1:
            taps = np.prod(shape[:2] if name == "depthwise_kernel" else shape[:-1])
            value = rng.normal(0, np.sqrt(2 / taps), shape)
        else:
            value = rng.uniform(0.5, 1.5, shape)
        variable.assign(value.astype(np.float32))  # which is what a model here keeps


def by_tape(keras, base, follow, x, seed):
    """{name: gradient} at the base's nodes, and the output: `follow` is what comes behind the base."""
    import tensorflow as tf

    inner = keras.Model(base.inputs, [*(base.get_layer(name).output for name in NODES), base.output])
    with tf.GradientTape() as tape:
        *maps, y = inner(x, training=False)
        y = follow(y)
        loss = tf.reduce_sum(y * seed)
    slopes = tape.gradient(loss, maps)
    return {name: np.asarray(slope) for name, slope in zip(NODES, slopes, strict=True)}, np.asarray(y)


def check(path, prefix, x, seed, expected, answers):
    model = xception.load_model(path)
    graph, (output,) = model.graph, model.graph.outputs
    parameters = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in model.parameters.items()
    }
    values = graph.evaluate(parameters, x, graph.nodes)
    np.testing.assert_allclose(values[output], answers, rtol=1e-9)
    found = gradients(graph, parameters, values, {output: seed}, [prefix + name for name in NODES])
    for name, theirs in expected.items():
        assert np.abs(theirs).max() > 0
        tolerance = 1e-9 * np.abs(theirs).max()
        np.testing.assert_allclose(found[prefix + name], theirs, rtol=0, atol=tolerance, strict=True)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(6).uniform(-1, 1, (2, 96, 107, 3))


@pytest.fixture(scope="module")
def seed():
    return np.random.default_rng(7).normal(size=(2, CLASSES))


def test_xception(keras, x, seed, folder):
    theirs = keras.applications.Xception(
        weights=None, input_shape=(96, 107, 3), classes=CLASSES, classifier_activation=None
    )
    lively(theirs)
    theirs.save(folder / "model.keras")
    expected, answers = by_tape(keras, theirs, lambda y: y, x, seed)
    check(folder / "model.keras", "", x, seed, expected, answers)


def test_an_xception_within_a_model(keras, x, seed, folder):
    base = keras.applications.Xception(include_top=False, weights=None, input_shape=(96, 107, 3))
    head = [
        keras.layers.Conv2D(16, 3, padding="same", activation="gelu"),
        keras.layers.LayerNormalization(),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dense(12, "silu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(CLASSES),
    ]
    image = keras.Input((96, 107, 3))
    y = base(image)
    for layer in head:
        y = layer(y)
    theirs = keras.Model(image, y)
    lively(theirs)
    theirs.save(folder / "model.keras")

    def follow(maps):
        for layer in head:
            maps = layer(maps)
        return maps

    expected, answers = by_tape(keras, base, follow, x, seed)
    check(folder / "model.keras", f"{base.name}/", x, seed, expected, answers)


@pytest.mark.parametrize("pool", ["MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D"])
def test_ties_are_broken_as_tensorflow_breaks_them(keras, pool):
    """Maps behind a ReLU hold many zeros."""
    import tensorflow as tf

    from xception import layers
    from xception.gradients import backward

    maps = np.random.default_rng(8).integers(0, 3, (2, 7, 8, 3)).astype(np.float64)
    settings = {} if pool.startswith("Global") else {"pool_size": 3, "strides": 2, "padding": "same"}
    theirs, ours = getattr(keras.layers, pool)(**settings), getattr(layers, pool)(**settings)
    with tf.GradientTape() as tape:
        source = tf.constant(maps)
        tape.watch(source)
        y = theirs(source)
        dy = np.random.default_rng(9).normal(size=y.shape)
        loss = tf.reduce_sum(y * dy)
    expected = np.asarray(tape.gradient(loss, source))
    np.testing.assert_allclose(backward(ours, {}, dy, maps), expected, atol=1e-12)
