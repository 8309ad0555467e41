"""Builders of models around Xception, as users write them in Keras 2 or 3.

Most use `base`, a small network with the kinds and names of Xception's layers. A few use Xception itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SHAPE = (40, 48, 3)
REAL_SHAPE = (71, 71, 3)
CLASSES = 5


@dataclass(frozen=True)
class Builder:
    """A function that builds a model, and how to test the model.

    Attributes:
        build: build(keras) -> model, for either Keras.
        inputs: The kind of each input: "scaled", "pixels", "uint8" or "numbers".
        libraries: The versions of Keras that can build it.
        policy: The mixed-precision policy.
        is_trained: Whether to train the model for one step.
    """

    build: Callable[[Any], Any]
    inputs: tuple[str, ...] = ("scaled",)
    libraries: tuple[str, ...] = ("keras", "tf_keras")
    policy: str = "float32"
    is_trained: bool = False


BUILDERS: dict[str, Builder] = {}


def builder(**options):
    """Add the decorated function to BUILDERS; see `Builder` for the options."""

    def register(build):
        BUILDERS[build.__name__] = Builder(build, **options)
        return build

    return register


# --- parts ----------------------------------------------------------------------------------


def base(keras, shape=SHAPE, name="xception"):
    """Build a small Xception: four of its blocks, no classifier, for images scaled to −1…1."""
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


def freeze(model, except_last=0):
    """Freeze all layers of a model except the last few."""
    for layer in model.layers[: len(model.layers) - except_last]:
        layer.trainable = False
    return model


def add_classifier(keras, maps, classes=CLASSES, **settings):
    """Add global average pooling and a dense layer."""
    x = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.layers.Dense(classes, **{"activation": "softmax", **settings})(x)


def build_sequential(keras, layers, shape=SHAPE, **settings):
    model = keras.Sequential(layers, **settings)
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


# --- nesting --------------------------------------------------------------------------------


@builder()
def flat(keras):
    backbone = freeze(base(keras), except_last=8)
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    x = keras.layers.Dense(12, activation="relu", name="hidden")(x)
    return keras.Model(backbone.input, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_and_frozen(keras):
    backbone = base(keras)
    backbone.trainable = False
    image = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(backbone(image, training=False))
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_and_partly_frozen(keras):
    """In `.h5`, the weights of the base are then in another order: trainable ones first."""
    backbone = freeze(base(keras), except_last=9)
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, backbone(image)))


@builder()
def nested_with_frozen_normalization(keras):
    backbone = base(keras)
    for layer in backbone.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, backbone(image)))


@builder()
def built_late_in_its_session(keras):
    """Layers are named conv2d_9 and conv2d_10. In alphabetical order, these are swapped."""
    for _ in range(9):
        keras.layers.Conv2D(1, 1)
        keras.layers.BatchNormalization()
        keras.layers.Add()
    backbone = freeze(base(keras), except_last=9)
    assert {"conv2d_9", "conv2d_10"} < {layer.name for layer in backbone.layers}
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, backbone(image)))


@builder()
def sequential(keras):
    layers = keras.layers
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(CLASSES, activation="softmax")]
    return build_sequential(keras, [freeze(base(keras), except_last=9), *head])


@builder(inputs=("pixels",))
def sequential_of_sequentials(keras):
    layers = keras.layers
    head = keras.Sequential([layers.GlobalMaxPooling2D(), layers.Dense(CLASSES, activation="softmax")])
    before = keras.Sequential([scaling(keras)])
    return build_sequential(keras, [layers.InputLayer(SHAPE), augmentation(keras), before, base(keras), head])


@builder()
def nested_twice(keras):
    backbone = freeze(base(keras), except_last=9)
    layers = keras.layers
    sequence = [backbone, layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    features = build_sequential(keras, sequence, name="features")
    image = keras.Input(SHAPE)
    embedder = keras.Model(image, layers.Dense(10, activation="relu")(features(image)), name="embedder")
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(embedder(image)))


@builder()
def two_bases(keras):
    """The layers of both have the same names."""
    image = keras.Input(SHAPE)
    outputs = [add_classifier(keras, base(keras, name=f"xception_{letter}")(image)) for letter in "ab"]
    return keras.Model(image, keras.layers.Average()(outputs))


@builder()
def any_size(keras):
    """The outputs are logits."""
    backbone = base(keras, (None, None, 3))
    image = keras.Input((None, None, 3))
    return keras.Model(image, add_classifier(keras, backbone(image), activation=None))


@builder()
def custom_names(keras):
    backbone = base(keras, name="xception.v1")
    image = keras.Input(SHAPE, name="image.in")
    x = keras.layers.GlobalAveragePooling2D(name="pool-1")(backbone(image))
    x = keras.layers.Dense(8, activation="relu", name="dense_of.mine")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", name="9")(x), name="my-model")


# --- preprocessing --------------------------------------------------------------------------


@builder(inputs=("pixels",))
def augmentation_inside(keras):
    backbone = base(keras)
    backbone.trainable = False
    image = keras.Input(SHAPE)
    x = scaling(keras)(augmentation(keras)(image))
    return keras.Model(image, add_classifier(keras, backbone(x, training=False)))


@builder(inputs=("pixels",))
def preprocess_input_inside(keras):
    image = keras.Input(SHAPE)
    x = keras.applications.xception.preprocess_input(image)
    return keras.Model(image, add_classifier(keras, base(keras)(x)))


@builder(inputs=("pixels",))
def arithmetic_inside(keras):
    image = keras.Input(SHAPE)
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
    x = (image / 255.0 - mean) / deviation
    maps = base(keras)(1 - 0.5 * x)
    return keras.Model(image, add_classifier(keras, maps / (maps**2 + 1.0)))


@builder(inputs=("pixels",))
def adapted_normalization(keras):
    normalization = keras.layers.Normalization()
    rng = np.random.default_rng(3)
    normalization.adapt((rng.uniform(0, 1, (4, *SHAPE)) * [255, 200, 150]).astype(np.float32))
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, base(keras)(normalization(image))))


@builder(inputs=("pixels",))
def resizing_inside(keras):
    image = keras.Input((None, None, 3))
    x = keras.layers.Resizing(*SHAPE[:2])(image)
    return keras.Model(image, add_classifier(keras, base(keras)(scaling(keras)(x))))


@builder(inputs=("uint8",))
def uint8_input(keras):
    image = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(image, add_classifier(keras, base(keras)(scaling(keras)(image))))


# --- heads ----------------------------------------------------------------------------------


@builder()
def squeeze_and_excite(keras):
    backbone, layers = base(keras), keras.layers
    x = layers.GlobalAveragePooling2D(keepdims=True)(backbone.output)
    x = layers.Dense(8, activation="relu", use_bias=False)(x)
    x = layers.Dense(32, activation="sigmoid", use_bias=False)(x)
    return keras.Model(backbone.input, add_classifier(keras, layers.Multiply()([backbone.output, x])))


@builder()
def many_activations(keras):
    backbone, layers = base(keras), keras.layers
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(12, 1)(backbone.output))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(layers.Dense(16)(x)))
    x = layers.LayerNormalization()(layers.Dense(16, activation="gelu")(x))
    x = layers.ReLU(max_value=6)(layers.Dense(16, activation="swish")(x))
    return keras.Model(backbone.input, layers.Softmax()(layers.Dense(CLASSES)(x)))


@builder()
def depthwise_and_transposed(keras):
    backbone, layers = base(keras), keras.layers
    x = layers.ZeroPadding2D(1)(backbone.output)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.UpSampling2D()(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="elu")(x)
    return keras.Model(backbone.input, add_classifier(keras, layers.Cropping2D(1)(x)))


@builder()
def segmentation(keras):
    backbone, layers = base(keras), keras.layers
    early = backbone.get_layer("block1_conv1_act").output
    x = layers.UpSampling2D(4, interpolation="bilinear")(backbone.output)
    x = layers.concatenate([layers.Resizing(*early.shape[1:3])(x), early])
    return keras.Model(backbone.input, layers.Conv2D(4, 1, activation="softmax")(x))


# --- video ----------------------------------------------------------------------------------


@builder()
def video(keras):
    """A frozen base for every frame, then layers for every frame and for all."""
    layers = keras.layers
    maps = base(keras)
    backbone = keras.Model(maps.input, layers.GlobalAveragePooling2D()(maps.output), name="backbone")
    backbone.trainable = False
    frames = keras.Input((3, *SHAPE))
    x = layers.TimeDistributed(backbone)(frames)
    x = layers.TimeDistributed(layers.Dense(6, activation="relu"))(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.Model(frames, layers.Dense(CLASSES, activation="softmax")(x))


@builder(inputs=("pixels",))
def video_of_any_length(keras):
    """Layers, and a network without an input layer, for every frame. The base is partly frozen."""
    layers = keras.layers
    each = layers.TimeDistributed
    head = keras.Sequential([layers.DepthwiseConv2D(2), layers.GlobalMaxPooling2D()])
    sequence = [
        layers.InputLayer((None, *SHAPE)), each(scaling(keras)), each(layers.Conv2D(3, 3, strides=2)),
        each(layers.BatchNormalization()), each(freeze(base(keras, (19, 23, 3)), except_last=9)),
        each(layers.DepthwiseConv2D(1), name="depthwise"), each(head), each(layers.Dropout(0.1)),
        each(layers.Dense(4)),
    ]  # fmt: skip
    return keras.Sequential(sequence)


@builder(inputs=("scaled", "scaled"))
def two_videos_of_clips(keras):
    """The frames of several clips; both videos are computed by one layer."""
    layers = keras.layers
    each = layers.TimeDistributed(layers.TimeDistributed(base(keras)), name="each")
    flat = layers.TimeDistributed(layers.TimeDistributed(layers.Flatten()))
    videos = [keras.Input((2, 2, *SHAPE)), keras.Input((2, 2, *SHAPE))]
    ends = [layers.Flatten()(flat(each(video))) for video in videos]
    return keras.Model(videos, layers.Dense(CLASSES, activation="softmax")(layers.concatenate(ends)))


# --- several inputs and outputs -------------------------------------------------------------


@builder()
def two_outputs(keras):
    """Multi-label classification, and regression."""
    backbone, layers = base(keras), keras.layers
    labels = layers.Dense(7, activation="sigmoid", name="labels")(layers.Flatten()(backbone.output))
    return keras.Model(
        backbone.input, [labels, add_classifier(keras, backbone.output, 1, activation="sigmoid") * 100.0]
    )


@builder(libraries=("keras",))
def named_outputs(keras):
    backbone = base(keras)
    outputs = {
        "kind": add_classifier(keras, backbone.output),
        "age": add_classifier(keras, backbone.output, 1, activation=None),
    }
    return keras.Model(backbone.input, outputs)


@builder(inputs=("scaled", "numbers"))
def image_and_numbers(keras):
    image, numbers = keras.Input(SHAPE, name="image"), keras.Input((6,), name="numbers")
    x = keras.layers.GlobalAveragePooling2D()(base(keras)(image))
    x = keras.layers.Concatenate()([x, keras.layers.Dense(8, activation="relu")(numbers)])
    return keras.Model([image, numbers], keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder(inputs=("scaled", "scaled"))
def siamese(keras):
    """The base and a dense layer are applied twice."""
    backbone, hidden = freeze(base(keras), except_last=9), keras.layers.Dense(12, activation="relu")
    images = [keras.Input(SHAPE), keras.Input(SHAPE)]
    pooled = [keras.layers.GlobalAveragePooling2D()(backbone(image)) for image in images]
    x = keras.layers.Subtract()([hidden(x) for x in pooled])
    return keras.Model(images, keras.layers.Dense(CLASSES, activation="softmax")(x))


@builder()
def nested_with_two_outputs(keras):
    backbone, layers = base(keras), keras.layers
    nested = keras.Model(
        backbone.input, [backbone.get_layer("block2_pool").output, backbone.output], name="b"
    )
    image = keras.Input(SHAPE)
    early, late = nested(image)
    pooled = [layers.GlobalMaxPooling2D()(early), layers.GlobalAveragePooling2D()(late)]
    x = layers.Concatenate()(pooled)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


# --- precision, training --------------------------------------------------------------------


@builder(policy="float16")
def half_precision(keras):
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, base(keras)(image)))


@builder(policy="mixed_float16")
def mixed_precision(keras):
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, base(keras)(image), dtype="float32"))


@builder(is_trained=True)
def trained(keras):
    """The file then also holds the state of the optimizer."""
    backbone = freeze(base(keras), except_last=9)
    image = keras.Input(SHAPE)
    return keras.Model(image, add_classifier(keras, backbone(image)))


# --- Xception itself ------------------------------------------------------------------------
# Some are built with one Keras only, to save time: small models test the other's files.


@builder(libraries=("tf_keras",))
def xception_alone(keras):
    return keras.applications.Xception(weights=None, input_shape=REAL_SHAPE, classes=10)


@builder()
def xception_partly_frozen(keras):
    backbone = keras.applications.Xception(False, weights=None, input_shape=REAL_SHAPE, pooling="avg")
    freeze(backbone, except_last=30)
    image = keras.Input(REAL_SHAPE)
    x = keras.layers.Dropout(0.5)(backbone(image))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


@builder(inputs=("pixels",), libraries=("keras",))
def xception_with_everything(keras):
    backbone = keras.applications.Xception(False, weights=None, input_shape=REAL_SHAPE)
    backbone.trainable = False
    image = keras.Input((90, 100, 3))
    x = keras.layers.Resizing(*REAL_SHAPE[:2])(augmentation(keras)(image))
    x = backbone(keras.applications.xception.preprocess_input(x), training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(24, activation="relu")(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


def random_weights(rng, name, shape):
    """Draw an array such that activations and logits stay about as large as in a trained network.

    Args:
        rng: Random generator.
        name: The name of the parameter in Keras: "gamma", "kernel", …
        shape: The shape of the array.
    """
    if (
        name == "gamma"
    ):  # some are negative, as in trained networks: this swaps the largest and smallest pixel
        value = rng.uniform(0.8, 1.2, shape) * rng.choice([1, 1, 1, -1], shape)
    elif name == "moving_variance":
        value = rng.uniform(0.8, 1.2, shape)
    elif name in ("beta", "moving_mean", "bias"):
        value = rng.uniform(-0.2, 0.2, shape)
    elif name == "depthwise_kernel":
        value = rng.normal(0, 1 / 3, shape)  # a 3×3 window
    elif len(shape) == 2:
        value = rng.normal(0, 0.08, shape)  # the classifier
    else:
        value = rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
    return value.astype(np.float32)
