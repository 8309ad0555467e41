"""Operations without parameters, in models that Keras 3 and tf-keras have saved."""

import importlib

import numpy as np
import pytest

import xception
from xception.gradients import gradients

pytestmark = pytest.mark.conformance

SHAPE = (6, 4, 4)


def keras_3(k):
    """Return operations of Keras 3 by name."""
    ops, matrix = k.ops, np.arange(12, dtype="float32").reshape(4, 3) / 7
    return {
        "mean": lambda x: ops.mean(x, -1, keepdims=True),
        "mean of two axes": lambda x: ops.mean(x, axis=(1, 2)),
        "max": lambda x: ops.max(x, axis=-1),
        "max from": lambda x: ops.max(x, -1, initial=1.0),
        "min": lambda x: ops.min(x, axis=(1, 2), keepdims=True),
        "sum": lambda x: ops.sum(x, axis=[1, -1]),
        "amax": lambda x: ops.amax(x, axis=2),
        "prod": lambda x: ops.prod(x, axis=-1),
        "std": lambda x: ops.std(x, axis=1),
        "var": lambda x: ops.var(x, axis=[1, 2], keepdims=True),
        "logsumexp": lambda x: ops.logsumexp(x, axis=-1),
        "average": lambda x: ops.average(x, axis=1),
        "argmax": lambda x: ops.cast(ops.argmax(x, axis=-1), "float32"),
        "any": lambda x: ops.cast(ops.any(x > 2, axis=1), "float32"),
        "to a number": lambda x: ops.sum(ops.mean(x, (1, 2)), 1),
        "concatenate": lambda x: ops.concatenate([x, x * 2], axis=1),
        "stack": lambda x: ops.stack([x, -x, x], axis=-1),
        "stack second": lambda x: ops.stack([x, -x], 1),
        "split": lambda x: ops.multiply(*ops.split(x, 2, axis=-1)),
        "split at": lambda x: ops.split(x, [1, 4], axis=1)[1],
        "unstack": lambda x: ops.unstack(x, axis=1)[2],
        "unstack last": lambda x: ops.unstack(x, axis=-1)[1],
        "reshape": lambda x: ops.reshape(x, (-1, 24, 4)),
        "reshape two": lambda x: ops.reshape(x, (-1, 2, 3, 16)),
        "squeeze": lambda x: ops.squeeze(x[:, :1], 1),
        "squeeze all": lambda x: ops.squeeze(x[:, :1]),
        "expand_dims": lambda x: ops.expand_dims(x, -2),
        "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
        "swapaxes": lambda x: ops.swapaxes(x, -1, 1),
        "moveaxis": lambda x: ops.moveaxis(x, 1, -1),
        "reverse": lambda x: x[..., ::-1],
        "slices": lambda x: x[:, 1:-1, ::2, None, 1],
        "last": lambda x: x[:, -1],
        "ellipsis": lambda x: x[:, 2, ..., 1:3],
        "flip": lambda x: ops.flip(x, axis=[1, -1]),
        "take": lambda x: ops.take(x, [2, 0, -1], axis=-1),
        "take one": lambda x: ops.take(x, 1, axis=2),
        "resize": lambda x: ops.image.resize(x, (5, 7)),
        "resize nearest": lambda x: ops.image.resize(x, (12, 8), interpolation="nearest"),
        "resize smooth": lambda x: ops.image.resize(x, (3, 2), antialias=True),
        "clip": lambda x: ops.clip(x, -0.5, 1),
        "where": lambda x: ops.where(x > 0.5, x, 0.0),
        "where second": lambda x: ops.where(x > 0.5, -1.0, x),
        "where both": lambda x: ops.where(x < 0, x, x * x),
        "normalize": lambda x: ops.normalize(x, axis=-1),
        "normalize 1": lambda x: ops.normalize(x, 1, order=1),
        "norm": lambda x: ops.norm(x, axis=-1, keepdims=True),
        "norm 1": lambda x: ops.norm(x, 1, axis=1),
        "grey": lambda x: ops.image.rgb_to_grayscale(x[..., :3]),
        "matmul": lambda x: ops.matmul(x, ops.swapaxes(x, 2, 3)),
        "matmul constant": lambda x: x @ matrix,
        "constant matmul": lambda x: ops.matmul(matrix, x[:, :, :3]),
        "vectors": lambda x: ops.matmul(x[:, 0, 0], matrix),
        "dot": lambda x: ops.dot(x, matrix),
        "tensordot": lambda x: ops.tensordot(x, matrix, axes=1),
        "einsum": lambda x: ops.einsum("bhwc,bhwd->bcd", x, x),
        "einsum one": lambda x: ops.einsum("bhwc->bwc", x),
        "einsum outer": lambda x: ops.einsum("bi,bj->bji", x[:, 0, 0], x[:, 1, 1]),
        "attention": lambda x: ops.einsum("bhqd,bhkd->bhqk", x, x),
        "softmax": lambda x: ops.softmax(x, axis=1),
        "softmax last": lambda x: ops.softmax(x),
        "sigmoid": ops.sigmoid,
        "relu": ops.relu,
        "relu6": ops.relu6,
        "silu": ops.silu,
        "tanh": ops.tanh,
        "leaky": lambda x: ops.leaky_relu(x, 0.1),
        "elu": lambda x: ops.elu(x, 0.5),
        "softplus": ops.softplus,
        "gelu": lambda x: ops.gelu(x, approximate=False),
        "gelu tanh": ops.gelu,
        "roll": lambda x: ops.roll(x, 2, axis=1),
        "roll two": lambda x: ops.roll(x, (1, -2), axis=(1, 2)),
        "cumsum": lambda x: ops.cumsum(x, axis=1),
        "log_softmax": ops.log_softmax,
        "cast": lambda x: ops.cast(ops.cast(x * 10, "int32"), "float32"),
        "cast uint8": lambda x: ops.cast(ops.cast(abs(x) * 40, "uint8"), "float32"),
        "abs": abs,
        "sqrt": lambda x: ops.sqrt(abs(x)),
        "rsqrt": lambda x: ops.rsqrt(abs(x) + 1),
        "neg": lambda x: -x,
        "square": ops.square,
        "power": lambda x: x**2,
        "mod": lambda x: x % 2,
        "floor": lambda x: x // 2,
        "divide": lambda x: 2.0 / (abs(x) + 1),
        "reciprocal": lambda x: ops.reciprocal(abs(x) + 1),
        "exp": lambda x: ops.exp(ops.sin(x) + ops.cos(x)),
        "log": lambda x: ops.log(ops.log1p(abs(x)) + 1),
        "expm1": ops.expm1,
        "round": ops.round,
        "sign": ops.sign,
        "ceil": lambda x: ops.ceil(ops.floor(x) / 2),
        "greater": lambda x: ops.cast(ops.logical_and(x > 0, x <= 1), "float32"),
        "mask": lambda x: x * ops.cast(ops.logical_not(ops.logical_or(x < 0, ops.equal(x, 1))), "float32"),
        "repeat": lambda x: ops.repeat(x, 3, axis=-1),
        "tile": lambda x: ops.tile(x, (1, 2, 1, 3)),
        "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))),
        "pad value": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 3)), constant_values=1.5),
        "reflect": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect"),
        "zeros_like": lambda x: ops.where(x > 0, x, ops.zeros_like(x)),
        "ones_like": lambda x: x + ops.ones_like(x),
        "constants": lambda x: (x - np.float32([1, 2, 3, 4])) * ops.convert_to_tensor([1.0, 2, 3, 4]),
        "average_pool": lambda x: ops.average_pool(x, 2),
        "max_pool": lambda x: ops.max_pool(x, 3, 2, "same"),
        "vgg": lambda x: k.applications.vgg16.preprocess_input(x[..., :3]),
    }


def keras_2(k):
    """Return functions of TensorFlow, and of the backend of tf-keras, by name."""
    tf, backend = importlib.import_module("tensorflow"), k.backend
    matrix = np.arange(12, dtype="float32").reshape(4, 3) / 7
    return {
        "mean": lambda x: tf.reduce_mean(x, -1, keepdims=True),
        "mean 12": lambda x: tf.reduce_mean(x, axis=[1, 2]),
        "K.mean": lambda x: backend.mean(x, axis=-1, keepdims=True),
        "max": lambda x: tf.reduce_max(x, axis=1),
        "K.max": lambda x: backend.max(x, axis=-1, keepdims=True),
        "sum": lambda x: tf.reduce_sum(x, axis=[1, 2]),
        "min": lambda x: tf.reduce_min(x, -1),
        "std": lambda x: tf.math.reduce_std(x, axis=1),
        "var": lambda x: tf.math.reduce_variance(x, 1),
        "lse": lambda x: tf.reduce_logsumexp(x, -1),
        "concat": lambda x: tf.concat([x, -x], -1),
        "K.concatenate": lambda x: backend.concatenate([x, x], axis=1),
        "stack": lambda x: tf.stack([x, x * 2], axis=1),
        "split": lambda x: tf.multiply(*tf.split(x, 2, axis=-1)),
        "split sizes": lambda x: tf.split(x, [1, 3, 2], axis=1)[1],
        "unstack": lambda x: tf.unstack(x, axis=1)[1],
        "reshape": lambda x: tf.reshape(x, (-1, 24, 4)),
        "reshape by shape": lambda x: tf.reshape(x, [tf.shape(x)[0], -1, 2]),
        "squeeze": lambda x: tf.squeeze(x[:, :1], axis=1),
        "squeezes": lambda x: tf.squeeze(x[:, :1, :1], [1, 2]),
        "expand_dims": lambda x: tf.expand_dims(x, -1),
        "K.expand_dims": lambda x: backend.expand_dims(x, 1),
        "transpose": lambda x: tf.transpose(x, [0, 3, 1, 2]),
        "flatten": backend.batch_flatten,
        "permute": lambda x: backend.permute_dimensions(x, (0, 2, 1, 3)),
        "reverse": lambda x: x[..., ::-1],
        "slices": lambda x: x[:, 1:-1, ::2, tf.newaxis, 1],
        "last": lambda x: x[:, -1],
        "tf.slice": lambda x: tf.slice(x, [0, 1, 0, 0], [-1, 2, -1, -1]),
        "gather": lambda x: tf.gather(x, [2, 1, 0], axis=-1),
        "tf.reverse": lambda x: tf.reverse(x, axis=[1, -1]),
        "flip": tf.image.flip_left_right,
        "flip up": tf.image.flip_up_down,
        "resize": lambda x: tf.image.resize(x, (5, 7)),
        "nearest": lambda x: tf.image.resize(x, [9, 8], "nearest"),
        "bicubic": lambda x: tf.image.resize(x, [3, 9], tf.image.ResizeMethod.BICUBIC, antialias=True),
        "K.resize_images": lambda x: backend.resize_images(x, 2, 2, "channels_last"),
        "clip": lambda x: tf.clip_by_value(x, -1, 0.5),
        "K.clip": lambda x: backend.clip(x, 0, 1),
        "where": lambda x: tf.where(x > 0.5, x, tf.zeros_like(x)),
        "where 0": lambda x: tf.where(tf.less(x, 0.5), 0.0, x),
        "l2": lambda x: tf.math.l2_normalize(x, axis=-1),
        "K.l2": lambda x: backend.l2_normalize(x, axis=1),
        "norm": lambda x: tf.norm(x, axis=-1, keepdims=True),
        "rgb": lambda x: tf.image.grayscale_to_rgb(x[..., :1]),
        "grey": lambda x: tf.image.rgb_to_grayscale(x[..., :3]),
        "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
        "matmul a": lambda x: tf.matmul(x, x, transpose_a=True),
        "matmul constant": lambda x: tf.matmul(x, matrix),
        "tensordot": lambda x: tf.tensordot(x, matrix, 1),
        "K.dot": lambda x: backend.batch_dot(x[:, 0], x[:, 1], 2),
        "softmax": lambda x: tf.nn.softmax(x, axis=1),
        "sigmoid": tf.sigmoid,
        "relu": tf.nn.relu,
        "relu6": tf.nn.relu6,
        "leaky": lambda x: tf.nn.leaky_relu(x, alpha=0.1),
        "swish": tf.nn.swish,
        "gelu": tf.nn.gelu,
        "gelu tanh": lambda x: tf.nn.gelu(x, approximate=True),
        "roll": lambda x: tf.roll(x, 2, 1),
        "roll two": lambda x: tf.roll(x, shift=[1, -2], axis=[1, 2]),
        "cumsum": lambda x: tf.cumsum(x, axis=-1),
        "gelu position": lambda x: tf.nn.gelu(x, True),
        "tanh": tf.tanh,
        "K.relu": lambda x: backend.relu(x, max_value=1.0),
        "hard": k.activations.hard_sigmoid,
        "cast": lambda x: tf.cast(tf.cast(x * 10, tf.int32), tf.float32),
        "half": lambda x: tf.cast(x, tf.float32),
        "cast uint8": lambda x: tf.cast(tf.cast(tf.abs(x) * 40, tf.uint8), tf.float32),
        "abs": tf.abs,
        "sqrt": lambda x: tf.sqrt(tf.abs(x)),
        "rsqrt": lambda x: tf.math.rsqrt(tf.square(x) + 1),
        "neg": lambda x: -x,
        "difference": lambda x: tf.math.squared_difference(x, 2 * x),
        "from 1": lambda x: 1 - x,
        "pow": lambda x: x**2,
        "maximum": lambda x: tf.maximum(x, 0.1),
        "no nan": lambda x: tf.math.divide_no_nan(x, tf.nn.relu(x)),
        "mod": lambda x: x % 2,
        "floor": lambda x: x // 2,
        "add_n": lambda x: tf.add_n([x, x, x]),
        "mask": lambda x: x * tf.cast(tf.logical_and(x > 0, tf.not_equal(x, 1)), tf.float32),
        "tile": lambda x: tf.tile(x, [1, 2, 1, 3]),
        "repeat": lambda x: tf.repeat(x, 3, axis=-1),
        "K.repeat": lambda x: backend.repeat_elements(x, 3, axis=-1),
        "add": lambda x: x + tf.constant([1.0, 2, 3, 4]),
        "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [1, 0], [0, 0]]),
        "reflect": lambda x: tf.pad(x, [[0, 0], [1, 2], [1, 0], [0, 0]], mode="REFLECT"),
        "moments": lambda x: tf.concat(tf.nn.moments(x, [1]), -1),
        "pool": lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"),
        "densenet": lambda x: k.applications.densenet.preprocess_input(x[..., :3]),
        "distance": lambda x: backend.sqrt(backend.maximum(backend.sum(backend.square(x), axis=1), 1e-7)),
    }


TABLES = {"keras": keras_3, "tf_keras": keras_2}


def one_operation(k, apply):
    x = k.Input(SHAPE, name="x")
    return k.Model(x, apply(x))


def assert_same(theirs, path, x):
    """Compare the answers of the engine, of the plain pass, and after saving; and with Keras's own."""
    expected = np.asarray(theirs.predict(x, verbose=0), np.float32)
    model = xception.load_model(path)
    options = {"rtol": 1e-5, "atol": 1e-5 * np.abs(expected).max()}
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, **options)
    (plain,) = model.graph.evaluate(model.parameters, x.astype(np.float64)).values()
    np.testing.assert_allclose(plain, expected, **options)
    assert model.graph.nodes[model.graph.outputs[0]].output_shape == expected.shape[1:]
    saved = path.with_name("again.keras")
    model.save(saved)
    np.testing.assert_array_equal(
        xception.load_model(saved).predict(x, verbose=0), model.predict(x, verbose=0)
    )
    model.summary(print_fn=lambda line: None)
    keras = importlib.import_module("keras")
    again = keras.models.load_model(saved).predict(x, verbose=0)
    np.testing.assert_allclose(np.asarray(again, np.float32), expected, **options)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("library", TABLES)
def test_one_operation(library, suffix, folder):
    k = importlib.import_module(library)
    x = np.random.default_rng(5).normal(0, 1, (3, *SHAPE)).astype(np.float32)
    wrong = {}
    for name, apply in TABLES[library](k).items():
        path = folder / f"x{suffix}"
        theirs = one_operation(k, apply)
        try:
            theirs.save(path)
        except TypeError:
            if (library, suffix) != ("tf_keras", ".keras"):  # which cannot save an Ellipsis
                raise
            continue
        try:
            assert_same(theirs, path, x)
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"[:600]
    assert not wrong, "\n".join(f"{name}: {error}" for name, error in wrong.items())


# --- whole models ---------------------------------------------------------------------------


def functions(k):
    """Return the functions that the models below call, by the names of Keras 3."""
    if k.__name__ == "keras":
        return k.ops
    tf = importlib.import_module("tensorflow")
    names = {
        "mean": tf.reduce_mean,
        "max": tf.reduce_max,
        "sum": tf.reduce_sum,
        "concatenate": tf.concat,
        "reshape": tf.reshape,
        "transpose": tf.transpose,
        "sigmoid": tf.sigmoid,
        "square": tf.square,
        "sqrt": tf.sqrt,
        "maximum": tf.maximum,
        "resize": tf.image.resize,
    }
    return type("Functions", (), {name: staticmethod(function) for name, function in names.items()})


def features(k, x, name="maps"):
    x = k.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return k.layers.SeparableConv2D(8, 3, padding="same", name=name)(x)


def cbam(k, f):
    """Channel attention, then spatial attention: Woo et al., "CBAM" (ECCV 2018)."""
    image = k.Input((12, 12, 3))
    x = features(k, image)
    first, second = k.layers.Dense(4, activation="relu"), k.layers.Dense(8)
    pooled = [f.mean(x, axis=(1, 2), keepdims=True), f.max(x, axis=(1, 2), keepdims=True)]
    x = x * f.sigmoid(second(first(pooled[0])) + second(first(pooled[1])))
    maps = f.concatenate([f.mean(x, axis=-1, keepdims=True), f.max(x, axis=-1, keepdims=True)], -1)
    x = x * k.layers.Conv2D(1, 7, padding="same", activation="sigmoid")(maps)
    return k.Model(image, k.layers.Dense(3)(k.layers.GlobalAveragePooling2D()(x)))


def squeeze_and_excitation(k, f):
    image = k.Input((12, 12, 3))
    x = features(k, image)
    scale = k.layers.Dense(8, activation="sigmoid")(
        k.layers.Dense(2, activation="relu")(f.mean(x, axis=(1, 2)))
    )
    x = x * scale[:, None, None]
    return k.Model(image, k.layers.Dense(3, activation="softmax")(f.max(x, axis=(1, 2))))


def siamese(k, f):
    image = k.Input((12, 12, 3))
    embed = k.Model(image, k.layers.Dense(5)(k.layers.GlobalAveragePooling2D()(features(k, image))))
    a, b = k.Input((12, 12, 3)), k.Input((12, 12, 3))
    squared = f.sum(f.square(embed(a) - embed(b)), axis=1, keepdims=True)
    return k.Model([a, b], f.sqrt(f.maximum(squared, 1e-7)))


def reversed_channels(k, f):
    image = k.Input((12, 12, 3))
    return k.Model(
        image,
        k.layers.GlobalMaxPooling2D()(features(k, image[:, :, :, ::-1] - np.float32([103.9, 116.8, 123.7]))),
    )


def decoder(k, f):
    image = k.Input((12, 12, 3))
    x = features(k, image)
    low = k.layers.MaxPooling2D(2)(x)
    resize = f.resize if hasattr(f, "resize") else f.image.resize
    x = f.concatenate([resize(low, (12, 12)), x], axis=-1)
    return k.Model(image, k.layers.Conv2D(2, 1, activation="sigmoid")(x))


def channel_shuffle(k, f):
    image = k.Input((12, 12, 3))
    x = f.reshape(features(k, image), (-1, 12, 12, 2, 4))
    x = f.reshape(f.transpose(x, [0, 1, 2, 4, 3]), (-1, 12, 12, 8))
    return k.Model(image, k.layers.Dense(3)(k.layers.GlobalAveragePooling2D()(features(k, x, "end"))))


MODELS = (cbam, squeeze_and_excitation, siamese, reversed_channels, decoder, channel_shuffle)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_models_that_people_build(library, build, suffix, folder):
    theirs = build(library, functions(library))
    rng = np.random.default_rng(2)
    theirs.set_weights([rng.normal(0, 0.3, array.shape) for array in theirs.get_weights()])
    path = folder / f"x{suffix}"
    theirs.save(path)
    x = [rng.uniform(-1, 1, (2, 12, 12, 3)).astype(np.float32) for _ in theirs.inputs]
    expected = theirs.predict(x, verbose=0)
    model = xception.load_model(path)
    given = x if len(x) > 1 else x[0]
    np.testing.assert_allclose(model.predict(given, verbose=0), expected, rtol=1e-5, atol=1e-5)
    saved = folder / "again.keras"
    model.save(saved)
    again = importlib.import_module("keras").models.load_model(saved).predict(x, verbose=0)
    np.testing.assert_allclose(again, expected, rtol=1e-5, atol=1e-5)


def test_gradients_through_attention_by_operations(keras, folder):
    tf = importlib.import_module("tensorflow")
    theirs = cbam(keras, functions(keras))
    rng = np.random.default_rng(2)
    theirs.set_weights([rng.normal(0, 0.3, array.shape) for array in theirs.get_weights()])
    theirs.save(folder / "x.keras")
    x = rng.uniform(-1, 1, (2, 12, 12, 3)).astype(np.float32)
    middle = keras.Model(theirs.inputs, [theirs.get_layer("maps").output, theirs.output])
    with tf.GradientTape() as tape:
        maps, scores = middle(x)
        score = tf.reduce_sum(scores[:, 1])
    expected = tape.gradient(score, maps).numpy()
    model = xception.load_model(folder / "x.keras")
    graph, (end,) = model.graph, model.graph.outputs
    values = graph.evaluate(model.parameters, x, list(graph.nodes))
    seed = np.zeros((2, 3), np.float32)
    seed[:, 1] = 1
    dx = gradients(graph, model.parameters, values, {end: seed}, ["maps"])["maps"]
    np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-6)
