"""Gradients of losses with respect to parameters, against `tf.GradientTape` in float64.

Ours are float32. What is compared is the relative distance of each array, in the Euclidean norm.
"""

import numpy as np
import pytest

import xception
from xception.gradients.steps.batch_statistics import normalize_batch, propagate_batch, sum_gradients

pytestmark = pytest.mark.conformance

MAX_RELATIVE_DISTANCE = 1e-4  # rounding gives 1e-7 to 3e-5 in these models; a wrong rule gives 1e-2 or more
CLASSES = 5


@pytest.fixture(autouse=True)
def float64(keras):
    # Keras makes its default policy from floatx once, and keeps it. Layers use the policy.
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


# --- models: each returns the model and the name of its loss --------------------------------

MODELS = []


def model(build):
    MODELS.append(build)
    return build


def block(layers, x, filters, strides=1):
    """A residual block of Xception."""
    y = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)
    y = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, depth_multiplier=2)(y)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.MaxPooling2D(3, strides, "same")(y)
    residual = layers.Conv2D(filters, 1, strides=strides, padding="same", use_bias=False)(x)
    return layers.Add()([y, layers.BatchNormalization(center=False)(residual)])


@model
def small_xception(keras):
    layers = keras.layers
    image = keras.Input((29, 33, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = block(layers, x, 12, 2)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(CLASSES, "softmax")(x)), "sparse_categorical_crossentropy"


@model
def other_convolutions(keras):
    layers = keras.layers
    image = keras.Input((14, 15, 4))
    x = layers.DepthwiseConv2D(3, 2, "same", depth_multiplier=3, activation="silu")(image)
    x = layers.Conv2D(8, (2, 3), dilation_rate=2, groups=4, padding="same", activation="tanh")(x)
    x = layers.Conv2DTranspose(6, 3, 2, "same", activation="gelu")(x)
    x = layers.SeparableConv2D(5, (3, 2), strides=2, activation="elu")(x)
    x = layers.Conv2D(6, 3, padding="same", strides=(1, 2))(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES)(x)), "mean_squared_error"


@model
def normalizations(keras):
    layers = keras.layers
    image = keras.Input((9, 8, 6))
    x = layers.Conv2D(12, 3)(image)
    x = layers.GroupNormalization(groups=3)(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.LayerNormalization(axis=[1, 3])(x)
    x = layers.EinsumDense("abcd,de->abce", (7, 6, 7), "silu", "e")(x)
    x = layers.RMSNormalization()(x)
    x = layers.PReLU()(x)
    x = layers.Dense(4, "softplus")(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(CLASSES, "sigmoid")(x)), "binary_crossentropy"


@model
def sequences(keras):
    layers = keras.layers
    words = keras.Input((12, 4))
    x = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu")(words)
    x = layers.SeparableConv1D(8, 3, padding="same", activation="selu")(x)
    x = layers.DepthwiseConv1D(3, 2, "same", depth_multiplier=2)(x)
    x = layers.Conv1DTranspose(5, 3, 2, activation="tanh")(x)
    x = layers.TimeDistributed(layers.Dense(6, "elu"))(x)
    x = layers.LSTM(7)(x)  # gradients pass it, and have none of its own parameters
    return keras.Model(words, layers.Dense(CLASSES, "softmax")(x)), "categorical_crossentropy"


@model
def layers_used_twice_and_a_frozen_network(keras):
    layers = keras.layers
    image = keras.Input((11, 12, 3))
    x = layers.Conv2D(6, 3, activation="relu")(image)
    base = keras.Model(image, block(layers, x, 6), name="base")
    for layer in base.layers[:4]:
        layer.trainable = False
    left, right = keras.Input((11, 12, 3), name="left"), keras.Input((11, 12, 3), name="right")
    shared = layers.Dense(4, "tanh")
    pooled = [layers.GlobalAveragePooling2D()(base(side)) for side in (left, right)]
    difference = layers.Subtract()([shared(pooled[0]), shared(pooled[1])])
    y = layers.Dense(CLASSES, "softmax")(difference)
    return keras.Model([left, right], y), "sparse_categorical_crossentropy"


# --- comparisons ----------------------------------------------------------------------------


def randomize(model):
    """Set random weights that keep the magnitude of activations from layer to layer."""
    rng = np.random.default_rng(5)
    for variable in model.weights:
        shape = variable.shape
        if len(shape) > 1 and variable.name.endswith("kernel"):
            fan_in = np.prod(shape[:2] if variable.name == "depthwise_kernel" else shape[:-1])
            value = rng.normal(0, np.sqrt(2 / fan_in), shape)
        else:
            value = rng.uniform(0.5, 1.5, shape)
        variable.assign(value.astype(np.float32))  # a model of this library stores float32


def draw_examples(model, loss, count=6):
    rng = np.random.default_rng(6)
    x = [rng.uniform(-1, 1, (count, *source.shape[1:])).astype(np.float32) for source in model.inputs]
    labels = rng.integers(0, CLASSES, count)
    targets = {
        "sparse_categorical_crossentropy": labels,
        "categorical_crossentropy": np.eye(CLASSES)[labels],
        "binary_crossentropy": rng.integers(0, 2, (count, CLASSES)),
        "mean_squared_error": rng.normal(size=(count, CLASSES)),
    }
    return (x[0] if len(x) == 1 else x), targets[loss]


def gradients_by_tape(keras, model, x, y, loss, training=False):
    """Return the paths and gradients of all trainable variables, in Keras's order."""
    import tensorflow as tf

    x = [tf.constant(each, tf.float64) for each in (x if isinstance(x, list) else [x])]
    with tf.GradientTape() as tape:
        outputs = model(x if len(x) > 1 else x[0], training=training)
        value = tf.reduce_mean(keras.losses.get(loss)(tf.constant(y), outputs))
    variables = [variable.value for variable in model.trainable_variables]
    arrays = [np.asarray(array) for array in tape.gradient(value, variables)]
    return dict(zip([variable.path for variable in model.trainable_variables], arrays, strict=True))


def distance(ours, exact):
    assert ours.shape == exact.shape
    assert np.linalg.norm(exact) > 0
    return np.linalg.norm(ours - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_gradients_of_a_model(keras, folder, build):
    theirs, loss = build(keras)
    randomize(theirs)
    x, y = draw_examples(theirs, loss)
    theirs.save(folder / "model.keras")
    expected = {
        path: array
        for path, array in gradients_by_tape(keras, theirs, x, y, loss).items()
        if "lstm" not in path
    }
    ours = xception.training.gradients(xception.load_model(folder / "model.keras"), x, y, loss)
    arrays = [array for layer in ours.values() for array in layer.values()]
    for (path, exact), array in zip(expected.items(), arrays, strict=True):
        assert array.dtype == np.float32
        assert distance(array, exact) < MAX_RELATIVE_DISTANCE, path


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_gradients_of_xception(keras, folder, batch_statistics):
    """The loss is computed from logits, as in Keras; the layers before block 13 are frozen."""
    theirs = keras.applications.Xception(weights=None, input_shape=(71, 71, 3), classes=CLASSES)
    randomize(theirs)
    for layer in theirs.layers:
        layer.trainable = layer.name.startswith(("block13", "block14", "predictions"))
    theirs.save(folder / "model.keras")
    x, y = draw_examples(theirs, "sparse_categorical_crossentropy", 2)
    exact = gradients_by_tape(keras, theirs, x, y, "sparse_categorical_crossentropy", batch_statistics)
    model = xception.load_model(folder / "model.keras")
    ours = xception.training.gradients(
        model, x, y, "sparse_categorical_crossentropy", batch_statistics=batch_statistics
    )
    assert [f"{layer}/{name}" for layer, arrays in ours.items() for name in arrays] == list(exact)
    for path, array in exact.items():
        layer, name = path.rsplit("/", 1)
        assert distance(ours[layer][name], array) < MAX_RELATIVE_DISTANCE, path


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}])
def test_normalization_by_the_statistics_of_the_batch(keras, settings):
    import tensorflow as tf

    rng = np.random.default_rng(7)
    x, dy = rng.normal(2, 3, (2, 4, 5, 6, 3))
    theirs, ours = keras.layers.BatchNormalization(**settings), xception.layers.BatchNormalization(**settings)
    theirs.build(x.shape)
    parameters = {}
    for variable in theirs.weights:
        parameters[variable.name] = rng.uniform(0.5, 1.5, variable.shape)
        variable.assign(parameters[variable.name])
    with tf.GradientTape() as tape:
        source = tf.constant(x)
        tape.watch(source)
        y = theirs(source, training=True)
        loss = tf.reduce_sum(y * dy)
    exact = tape.gradient(loss, [source, *(variable.value for variable in theirs.trainable_variables)])
    output, dx = np.empty_like(x), np.empty_like(x)
    statistics = normalize_batch(ours, parameters, x, output)
    np.testing.assert_allclose(output, y, rtol=1e-10)
    beta, gamma = sums = sum_gradients(dy, x, statistics, dx)
    propagate_batch(ours, parameters, dy, statistics, sums, dx)
    np.testing.assert_allclose(dx, exact[0], rtol=1e-8, atol=1e-12)
    gradients = [gamma] * ours.scale + [beta] * ours.center
    for array, expected in zip(gradients, exact[1:], strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-9)
    mean, variance = statistics.mean, statistics.variance
    # Keras moves its statistics by the biased variance.
    np.testing.assert_allclose(theirs.moving_mean, 0.99 * parameters["moving_mean"] + 0.01 * mean)
    np.testing.assert_allclose(theirs.moving_variance, 0.99 * parameters["moving_variance"] + 0.01 * variance)
