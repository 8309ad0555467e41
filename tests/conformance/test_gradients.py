"""Gradients against `tf.GradientTape`, at nodes near the output and far from it.

The comparison is in float64. In float32, the order of additions decides whether a value near 0 passes a
ReLU, and which of two nearly equal pixels is the maximum. Far from the output, this changes gradients by 1 %.
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
    # Keras makes its default policy from floatx once, and keeps it. Layers use the policy.
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def randomize(model):
    """Set random weights that keep the magnitude of activations constant from block to block."""
    rng = np.random.default_rng(5)
    for variable in model.weights:
        name, shape = variable.path.rsplit("/", 1)[-1], variable.shape
        if len(shape) > 1:
            inputs = np.prod(shape[:2] if name == "depthwise_kernel" else shape[:-1])
            value = rng.normal(0, np.sqrt(2 / inputs), shape)
        else:
            value = rng.uniform(0.5, 1.5, shape)
        variable.assign(value.astype(np.float32))  # a model of this library stores float32


def gradients_by_tape(keras, base, head, x, seed):
    """Return {name: gradient} at NODES of the base, and the output of head(base(x))."""
    import tensorflow as tf

    inner = keras.Model(base.inputs, [*(base.get_layer(name).output for name in NODES), base.output])
    with tf.GradientTape() as tape:
        *maps, y = inner(x, training=False)
        y = head(y)
        loss = tf.reduce_sum(y * seed)
    arrays = tape.gradient(loss, maps)
    return {name: np.asarray(array) for name, array in zip(NODES, arrays, strict=True)}, np.asarray(y)


def check(path, prefix, x, seed, expected, expected_output):
    """Compare outputs and gradients of the model in a file with expected ones."""
    model = xception.load_model(path)
    graph, (output,) = model.graph, model.graph.outputs
    parameters = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in model.parameters.items()
    }
    values = graph.evaluate(parameters, x, graph.nodes)
    np.testing.assert_allclose(values[output], expected_output, rtol=1e-9)
    ours = gradients(graph, parameters, values, {output: seed}, [prefix + name for name in NODES])
    for name, theirs in expected.items():
        assert np.abs(theirs).max() > 0
        tolerance = 1e-9 * np.abs(theirs).max()
        np.testing.assert_allclose(ours[prefix + name], theirs, rtol=0, atol=tolerance, strict=True)


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
    randomize(theirs)
    theirs.save(folder / "model.keras")
    expected, y = gradients_by_tape(keras, theirs, lambda y: y, x, seed)
    check(folder / "model.keras", "", x, seed, expected, y)


def test_xception_nested_in_a_model(keras, x, seed, folder):
    base = keras.applications.Xception(include_top=False, weights=None, input_shape=(96, 107, 3))
    head = [
        keras.layers.Conv2D(16, 3, padding="same", activation="gelu"),
        keras.layers.LayerNormalization(),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dense(12, "silu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(CLASSES),
    ]

    def apply_head(y):
        for layer in head:
            y = layer(y)
        return y

    image = keras.Input((96, 107, 3))
    theirs = keras.Model(image, apply_head(base(image)))
    randomize(theirs)
    theirs.save(folder / "model.keras")

    expected, y = gradients_by_tape(keras, base, apply_head, x, seed)
    check(folder / "model.keras", f"{base.name}/", x, seed, expected, y)


@pytest.mark.parametrize("pool", ["MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D"])
def test_ties_are_broken_as_tensorflow_breaks_them(keras, pool):
    """Equal maxima are common: after a ReLU, many values are 0."""
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
