"""Models as people build them around Xception, with whichever Keras they are given.

Most stand around `base`, which has Xception's kinds of layers and names, but few and narrow ones;
a few stand around the real network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SHAPE = (40, 48, 3)
REAL = (71, 71, 3)
CLASSES = 5


@dataclass(frozen=True)
class Builder:
    """A function that builds a model, and what is peculiar about it."""

    build: Callable[[Any], Any]
    takes: tuple[str, ...] = ("scaled",)  #: for each input: "scaled", "pixels", "bytes" or "numbers"
    libraries: tuple[str, ...] = ("keras", "tf_keras")
    policy: str = "float32"
    trained: bool = False  #: one step, once the model has its weights


BUILDERS: dict[str, Builder] = {}


def builder(**peculiar):
    def register(build):
        BUILDERS[build.__name__] = Builder(build, **peculiar)
        return build

    return register


# --- what they are made of ------------------------------------------------------------------


def base(keras, shape=SHAPE, name="xception"):
    """Xception with three blocks for fourteen: without a classifier, for images scaled to −1…1."""
    layers = keras.layers
    image = keras.Input(shape)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="block1_conv1")(image)
    x = layers.BatchNormalization(name="block1_conv1_bn")(x)
    x = layers.Activation("relu", name="block1_conv1_act")(x)

    shortcut = layers.Conv2D(16, 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    x = separable(layers, x, 16, "block2_sepconv1")
    x = layers.Activation("relu", name="block2_sepconv2_act")(x)
    x = separable(layers, x, 16, "block2_sepconv2")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="block2_pool")(x)
    x = layers.add([x, shortcut])

    shortcut = layers.Conv2D(24, 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    x = separable(layers, x, 24, "block13_sepconv1")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="block13_pool")(x)
    x = layers.add([x, shortcut])

    x = separable(layers, x, 32, "block14_sepconv1")
    x = layers.Activation("relu", name="block14_sepconv1_act")(x)
    return keras.Model(image, x, name=name)


def separable(layers, x, filters, name):
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def frozen(model, but_for=0):
    """The model with all its layers frozen, apart from the last few."""
    for layer in model.layers[: len(model.layers) - but_for]:
        layer.trainable = False
    return model


def on_top(keras, maps, classes=CLASSES, **settings):
    """The usual classifier."""
    x = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.layers.Dense(classes, **{"activation": "softmax", **settings})(x)


def in_a_row(keras, listed, shape=SHAPE, **settings):
    model = keras.Sequential(listed, **settings)
    model.build((None, *shape))
    return model


def scaling(keras):
    return keras.layers.Rescaling(1 / 127.5, offset=-1)


def augmentation(keras):
    layers = keras.layers
    return keras.Sequential(
        [layers.RandomFlip("horizontal", seed=1), layers.RandomRotation(0.1), layers.RandomZoom(0.2),
         layers.RandomContrast(0.1), layers.RandomTranslation(0.1, 0.1)],
        name="augmentation",
    )  # fmt: skip


# --- the base and its place -----------------------------------------------------------------


@builder()
def flat(keras):
    inside = frozen(base(keras), but_for=8)
    x = keras.layers.GlobalAveragePooling2D()(inside.output)
    x = keras.layers.Dense(12, activation="relu", name="hidden")(x)
    return keras.Model(inside.input, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_and_frozen(keras):
    inside = base(keras)
    inside.trainable = False
    image = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(inside(image, training=False))
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_and_partly_frozen(keras):
    """In `.h5` the base's weights then stand in another order: first those that training changes."""
    inside = frozen(base(keras), but_for=9)
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, inside(image)))


@builder()
def nested_with_frozen_normalisations(keras):
    inside = base(keras)
    for layer in inside.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, inside(image)))


@builder()
def built_late_in_its_session(keras):
    """Its layers are conv2d_9 and conv2d_10, which the alphabet puts the other way round."""
    for _ in range(9):
        keras.layers.Conv2D(1, 1)
        keras.layers.BatchNormalization()
        keras.layers.Add()
    inside = frozen(base(keras), but_for=9)
    assert {"conv2d_9", "conv2d_10"} < {layer.name for layer in inside.layers}
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, inside(image)))


@builder()
def sequential(keras):
    layers = keras.layers
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(CLASSES, activation="softmax")]
    return in_a_row(keras, [frozen(base(keras), but_for=9), *head])


@builder(takes=("pixels",))
def sequential_of_sequentials(keras):
    layers = keras.layers
    head = keras.Sequential([layers.GlobalMaxPooling2D(), layers.Dense(CLASSES, activation="softmax")])
    before = keras.Sequential([scaling(keras)])
    return in_a_row(keras, [layers.InputLayer(SHAPE), augmentation(keras), before, base(keras), head])


@builder()
def nested_twice(keras):
    inside = frozen(base(keras), but_for=9)
    layers = keras.layers
    row = [inside, layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    features = in_a_row(keras, row, name="features")
    image = keras.Input(SHAPE)
    embedder = keras.Model(image, layers.Dense(10, activation="relu")(features(image)), name="embedder")
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(embedder(image)))


@builder()
def two_bases(keras):
    """Their layers bear the same names."""
    image = keras.Input(SHAPE)
    answers = [on_top(keras, base(keras, name=f"xception_{letter}")(image)) for letter in "ab"]
    return keras.Model(image, keras.layers.Average()(answers))


@builder()
def any_size(keras):
    """Without an activation: it gives logits."""
    inside = base(keras, (None, None, 3))
    image = keras.Input((None, None, 3))
    return keras.Model(image, on_top(keras, inside(image), activation=None))


@builder()
def names_of_ones_own(keras):
    inside = base(keras, name="xception.v1")
    image = keras.Input(SHAPE, name="image.in")
    x = keras.layers.GlobalAveragePooling2D(name="pool-1")(inside(image))
    x = keras.layers.Dense(8, activation="relu", name="dense_of.mine")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", name="9")(x), name="my-model")


# --- what is done to the image --------------------------------------------------------------


@builder(takes=("pixels",))
def augmentation_inside(keras):
    inside = base(keras)
    inside.trainable = False
    image = keras.Input(SHAPE)
    x = scaling(keras)(augmentation(keras)(image))
    return keras.Model(image, on_top(keras, inside(x, training=False)))


@builder(takes=("pixels",))
def preprocess_input_inside(keras):
    image = keras.Input(SHAPE)
    x = keras.applications.xception.preprocess_input(image)
    return keras.Model(image, on_top(keras, base(keras)(x)))


@builder(takes=("pixels",))
def arithmetic_inside(keras):
    image = keras.Input(SHAPE)
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
    x = (image / 255.0 - mean) / deviation
    maps = base(keras)(1 - 0.5 * x)
    return keras.Model(image, on_top(keras, maps / (maps**2 + 1.0)))


@builder(takes=("pixels",))
def adapted_normalisation(keras):
    normalisation = keras.layers.Normalization()
    rng = np.random.default_rng(3)
    normalisation.adapt((rng.uniform(0, 1, (4, *SHAPE)) * [255, 200, 150]).astype(np.float32))
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, base(keras)(normalisation(image))))


@builder(takes=("pixels",))
def resized_inside(keras):
    image = keras.Input((None, None, 3))
    x = keras.layers.Resizing(*SHAPE[:2])(image)
    return keras.Model(image, on_top(keras, base(keras)(scaling(keras)(x))))


@builder(takes=("bytes",))
def takes_bytes(keras):
    image = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(image, on_top(keras, base(keras)(scaling(keras)(image))))


# --- what stands behind ---------------------------------------------------------------------


@builder()
def squeeze_and_excite(keras):
    inside, layers = base(keras), keras.layers
    x = layers.GlobalAveragePooling2D(keepdims=True)(inside.output)
    x = layers.Dense(8, activation="relu", use_bias=False)(x)
    x = layers.Dense(32, activation="sigmoid", use_bias=False)(x)
    return keras.Model(inside.input, on_top(keras, layers.Multiply()([inside.output, x])))


@builder()
def many_activations(keras):
    inside, layers = base(keras), keras.layers
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(12, 1)(inside.output))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(layers.Dense(16)(x)))
    x = layers.LayerNormalization()(layers.Dense(16, activation="gelu")(x))
    x = layers.ReLU(max_value=6)(layers.Dense(16, activation="swish")(x))
    return keras.Model(inside.input, layers.Softmax()(layers.Dense(CLASSES)(x)))


@builder()
def depthwise_and_transposed(keras):
    inside, layers = base(keras), keras.layers
    x = layers.ZeroPadding2D(1)(inside.output)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.UpSampling2D()(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="elu")(x)
    return keras.Model(inside.input, on_top(keras, layers.Cropping2D(1)(x)))


@builder()
def segmentation(keras):
    inside, layers = base(keras), keras.layers
    early = inside.get_layer("block1_conv1_act").output
    x = layers.UpSampling2D(4, interpolation="bilinear")(inside.output)
    x = layers.concatenate([layers.Resizing(*early.shape[1:3])(x), early])
    return keras.Model(inside.input, layers.Conv2D(4, 1, activation="softmax")(x))


# --- several in, several out ----------------------------------------------------------------


@builder()
def two_outputs(keras):
    """Labels, of which several may be true, and a quantity."""
    inside, layers = base(keras), keras.layers
    labels = layers.Dense(7, activation="sigmoid", name="labels")(layers.Flatten()(inside.output))
    return keras.Model(inside.input, [labels, on_top(keras, inside.output, 1, activation="sigmoid") * 100.0])


@builder(libraries=("keras",))
def named_outputs(keras):
    inside = base(keras)
    outputs = {"kind": on_top(keras, inside.output), "age": on_top(keras, inside.output, 1, activation=None)}
    return keras.Model(inside.input, outputs)


@builder(takes=("scaled", "numbers"))
def image_and_numbers(keras):
    image, numbers = keras.Input(SHAPE, name="image"), keras.Input((6,), name="numbers")
    x = keras.layers.GlobalAveragePooling2D()(base(keras)(image))
    x = keras.layers.Concatenate()([x, keras.layers.Dense(8, activation="relu")(numbers)])
    return keras.Model([image, numbers], keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder(takes=("scaled", "scaled"))
def siamese(keras):
    """The base and a layer behind it are used twice."""
    inside, hidden = frozen(base(keras), but_for=9), keras.layers.Dense(12, activation="relu")
    images = [keras.Input(SHAPE), keras.Input(SHAPE)]
    pooled = [keras.layers.GlobalAveragePooling2D()(inside(image)) for image in images]
    x = keras.layers.Subtract()([hidden(x) for x in pooled])
    return keras.Model(images, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_with_two_outputs(keras):
    inside, layers = base(keras), keras.layers
    backbone = keras.Model(inside.input, [inside.get_layer("block2_pool").output, inside.output], name="b")
    image = keras.Input(SHAPE)
    early, late = backbone(image)
    pooled = [layers.GlobalMaxPooling2D()(early), layers.GlobalAveragePooling2D()(late)]
    x = layers.Concatenate()(pooled)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


# --- precision, training --------------------------------------------------------------------


@builder(policy="float16")
def half_precision(keras):
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, base(keras)(image)))


@builder(policy="mixed_float16")
def mixed_precision(keras):
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, base(keras)(image), dtype="float32"))


@builder(trained=True)
def trained(keras):
    """The file then holds an optimiser's state too."""
    inside = frozen(base(keras), but_for=9)
    image = keras.Input(SHAPE)
    return keras.Model(image, on_top(keras, inside(image)))


# --- the real network -----------------------------------------------------------------------
# Of these some with one Keras alone: what is peculiar to the other's files, small models show too.


@builder(libraries=("tf_keras",))
def xception_itself(keras):
    return keras.applications.Xception(weights=None, input_shape=REAL, classes=10)


@builder()
def xception_partly_frozen(keras):
    inside = keras.applications.Xception(False, weights=None, input_shape=REAL, pooling="avg")
    frozen(inside, but_for=30)
    image = keras.Input(REAL)
    x = keras.layers.Dropout(0.5)(inside(image))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


@builder(takes=("pixels",), libraries=("keras",))
def xception_with_everything(keras):
    inside = keras.applications.Xception(False, weights=None, input_shape=REAL)
    inside.trainable = False
    image = keras.Input((90, 100, 3))
    x = keras.layers.Resizing(*REAL[:2])(augmentation(keras)(image))
    x = inside(keras.applications.xception.preprocess_input(x), training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(24, activation="relu")(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


def draw(rng, name, shape):
    """One array as `weights` needs it, by the name that Keras gives it: "gamma", "kernel", …"""
    if name == "gamma":  # some negative, as in trained networks: it reverses which pixel is the largest
        value = rng.uniform(0.8, 1.2, shape) * rng.choice([1, 1, 1, -1], shape)
    elif name == "moving_variance":
        value = rng.uniform(0.8, 1.2, shape)
    elif name in ("beta", "moving_mean", "bias"):
        value = rng.uniform(-0.2, 0.2, shape)
    elif name == "depthwise_kernel":
        value = rng.normal(0, 1 / 3, shape)  # nine taps
    elif len(shape) == 2:
        value = rng.normal(0, 0.08, shape)  # the classifier
    else:
        value = rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
    return value.astype(np.float32)
