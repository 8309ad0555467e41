"""Each layer against Keras's layer, with the same settings, weights and inputs.

This library's layer is built from the `get_config` of Keras's layer, as it is in a model file. This tests
that the settings have the same names and meanings.
"""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest

from xception import layers

pytestmark = pytest.mark.conformance

KERAS_3, KERAS_2 = "keras", "tf_keras"
BOTH = (KERAS_3, KERAS_2)
NEW = (KERAS_3,)

WINDOWS = [
    {"kernel_size": 3},
    {"kernel_size": 3, "strides": 2},
    {"kernel_size": [2, 5], "strides": 3, "activation": "relu"},
    {"kernel_size": 3, "dilation_rate": 2, "use_bias": False},
    {"kernel_size": [3, 2], "dilation_rate": [2, 3]},
    {"kernel_size": 1, "strides": 2},
]
MAPS = [(7, 9, 4), (8, 6, 4), (12, 11, 4)]
POOLS = [
    {"pool_size": 2},
    {"pool_size": 3},
    {"pool_size": 3, "strides": 2},
    {"pool_size": [2, 5], "strides": [3, 1]},
]
MERGES = [
    [(5, 4, 3), (5, 4, 3)],
    [(5, 4, 3), (1, 1, 3)],
    [(5, 1, 3), (1, 4, 1)],
    [(5, 4, 3), (3,)],
    [(3,), (4, 3)],
    [(1,), (3,)],
]

#: (class, settings, shape of the input or a list of shapes, libraries)
CASES = [
    *[
        (kind, {"padding": padding, **more, **window}, shape, libraries)
        for kind, more, libraries in [
            ("Conv2D", {"filters": 6}, BOTH),
            ("Conv2D", {"filters": 6, "groups": 2}, NEW),  # Keras 2 needs a GPU for groups
            ("Conv2D", {"filters": 8, "groups": 4}, NEW),
            ("SeparableConv2D", {"filters": 5}, BOTH),
            ("SeparableConv2D", {"filters": 5, "depth_multiplier": 3}, BOTH),
            ("DepthwiseConv2D", {}, BOTH),
            ("DepthwiseConv2D", {"depth_multiplier": 2}, BOTH),
        ]
        for padding in ("same", "valid")
        for window in WINDOWS
        for shape in MAPS
    ],
    *[
        (kind, {"kernel_size": 3, "strides": 2, "dilation_rate": 2, "padding": padding, **more}, shape, NEW)
        for kind, more in [("SeparableConv2D", {"filters": 3}), ("DepthwiseConv2D", {})]
        for padding in ("same", "valid")
        for shape in MAPS
    ],
    *[
        ("Conv2DTranspose", {"filters": 3, "padding": padding, **window}, shape, BOTH)
        for padding in ("same", "valid")
        for window in [
            {"kernel_size": 3},
            {"kernel_size": 3, "strides": 2},
            {"kernel_size": [4, 2], "strides": 2, "activation": "relu"},
            {"kernel_size": 2, "strides": 3},
            {"kernel_size": 5, "strides": [1, 3], "use_bias": False},
            {"kernel_size": 3, "strides": 2, "output_padding": 0},
            {"kernel_size": [3, 4], "strides": 3, "output_padding": [2, 1]},
            {"kernel_size": 1, "strides": 3, "output_padding": 2},
        ]
        for shape in [(4, 5, 2), (1, 3, 2)]
    ],
    *[
        (kind, {"padding": padding, **pool}, shape, BOTH)
        for kind in ("MaxPooling2D", "AveragePooling2D")
        for padding in ("same", "valid")
        for pool in POOLS
        for shape in MAPS
    ],
    *[
        (kind, {"keepdims": keepdims}, (5, 6, 3), BOTH)
        for kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
        for keepdims in (False, True)
    ],
    *[("Dense", settings, shape, BOTH)
      for settings in ({"units": 3}, {"units": 3, "activation": "tanh", "use_bias": False})
      for shape in [(5,), (4, 5), (2, 3, 5)]],
    # --- normalization ---
    *[
        (kind, settings, shape, BOTH)
        for kind in ("BatchNormalization", "LayerNormalization")
        for settings in (
            {}, {"center": False}, {"scale": False}, {"center": False, "scale": False}, {"epsilon": 0.1},
        )
        for shape in [(5,), (3, 4, 5)]
    ],
    ("BatchNormalization", {"axis": 3}, (3, 4, 5), BOTH),
    ("LayerNormalization", {"axis": [3]}, (3, 4, 5), BOTH),
    *[
        ("GroupNormalization", settings, shape, BOTH)
        for settings in ({"groups": 2}, {"groups": 6, "scale": False}, {"groups": 1}, {"groups": -1})
        for shape in [(3, 4, 6), (5, 6)]
    ],
    *[("UnitNormalization", {"axis": axis}, (3, 4, 5), BOTH) for axis in (-1, 1, [1, 2], [1, 2, 3])],
    *[("LayerNormalization", {"axis": axis}, (3, 4, 5), BOTH) for axis in (1, [1, 2], [2, 3], [1, 3])],
    *[("LayerNormalization", {"rms_scaling": True, "axis": axis}, (3, 4, 5), NEW) for axis in (-1, [1, 3])],
    *[("RMSNormalization", settings, (3, 4, 5), NEW) for settings in ({}, {"axis": [2, 3], "epsilon": 0.1})],
    # --- sequences ---
    *[
        (kind, {"padding": padding, **more, **window}, (9, 4), libraries)
        for kind, more, libraries in [
            ("Conv1D", {"filters": 6, "activation": "gelu"}, BOTH),
            ("Conv1D", {"filters": 6, "groups": 2}, NEW),
            ("SeparableConv1D", {"filters": 5, "depth_multiplier": 2}, BOTH),
            ("DepthwiseConv1D", {"depth_multiplier": 2}, BOTH),
        ]
        for padding in ("same", "valid", "causal")
        for window in (
            {"kernel_size": 3}, {"kernel_size": 4, "strides": 3}, {"kernel_size": 3, "dilation_rate": 2},
        )
        if padding != "causal" or kind == "Conv1D"
    ],
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": "causal"}, (9, 4), (KERAS_2,)),
    *[
        ("Conv1DTranspose", {"filters": 3, "padding": padding, **window}, (4, 2), BOTH)
        for padding in ("same", "valid")
        for window in (
            {"kernel_size": 3}, {"kernel_size": 2, "strides": 3},
            {"kernel_size": 3, "strides": 3, "output_padding": 2},
        )
    ],
    *[
        (kind, {"padding": padding, **pool}, (9, 4), BOTH)
        for kind in ("MaxPooling1D", "AveragePooling1D")
        for padding in ("same", "valid")
        for pool in ({"pool_size": 3}, {"pool_size": 3, "strides": 2})
    ],
    *[
        (f"Global{kind}Pooling{rank}D", {"keepdims": keepdims}, (2, 3, 4, 5)[4 - rank - 1 :], BOTH)
        for kind in ("Average", "Max")
        for rank in (1, 3)
        for keepdims in (False, True)
    ],
    ("ZeroPadding1D", {"padding": [1, 2]}, (4, 3), BOTH),
    ("Cropping1D", {"cropping": [1, 2]}, (4, 3), BOTH),
    ("Cropping1D", {}, (4, 3), BOTH),
    ("UpSampling1D", {"size": 3}, (4, 3), BOTH),
    *[("Attention", settings, shapes, BOTH)
      for settings in (
          {}, {"use_scale": True}, {"score_mode": "concat"}, {"use_scale": True, "score_mode": "concat"},
      )
      for shapes in ([(3, 4), (5, 4)], [(3, 4), (5, 6), (5, 4)])],
    *[("AdditiveAttention", settings, [(3, 4), (5, 4)], BOTH) for settings in ({}, {"use_scale": False})],
    ("AdditiveAttention", {}, [(3, 4), (5, 6), (5, 4)], NEW),
    # --- activation ---
    *[("Activation", {"activation": name}, (3, 4, 5), BOTH) for name in ("linear", "softmax", "gelu")],
    *[("ReLU", settings, (3, 4, 5), BOTH) for settings in (
        {}, {"max_value": 6}, {"max_value": 0.5}, {"negative_slope": 0.25}, {"threshold": 0.5},
        {"max_value": 1, "negative_slope": 0.25, "threshold": 0.5}, {"max_value": 0.5, "threshold": 0.75},
        {"max_value": 1, "negative_slope": 0.25}, {"negative_slope": 2, "threshold": 1},
    )],
    ("LeakyReLU", {}, (3, 4), NEW),
    ("LeakyReLU", {"negative_slope": 0.1}, (3, 4), NEW),
    ("ELU", {"alpha": 0.5}, (3, 4), BOTH),
    ("ThresholdedReLU", {"theta": 0.5}, (3, 4), (KERAS_2,)),
    *[("PReLU", {"shared_axes": axes}, (3, 4, 5), BOTH) for axes in (None, [1, 2], [3], [1, 2, 3], 2)],
    *[("Softmax", {"axis": axis}, (3, 4, 5), BOTH) for axis in (-1, 1, 3, [1, 2], [2])],
    # --- shape ---
    *[("Flatten", {}, shape, BOTH) for shape in [(3, 4, 5), (5,)]],
    *[("Reshape", {"target_shape": shape}, (3, 4, 5), BOTH) for shape in ([60], [-1], [5, -1, 2], [4, 3, 5])],
    *[("Permute", {"dims": dims}, (3, 4, 5), BOTH) for dims in ([1, 2, 3], [3, 1, 2], [2, 1, 3])],
    ("RepeatVector", {"n": 3}, (4,), BOTH),
    *[(kind, {name: border}, (7, 9, 2), BOTH)
      for kind, name in (("ZeroPadding2D", "padding"), ("Cropping2D", "cropping"))
      for border in (0, 2, [1, 3], [[1, 2], [0, 3]], [[2, 0], [1, 0]])],
    *[("UpSampling2D", {"size": size, "interpolation": interpolation}, (5, 4, 2), BOTH)
      for size in (2, [3, 2], [1, 4])
      for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")],
    # --- several inputs ---
    *[(kind, {}, shapes, BOTH)
      for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum")
      for shapes in [*MERGES, [(3, 2), (3, 1), (1, 2)]]],
    *[("Subtract", {}, shapes, BOTH) for shapes in MERGES],
    ("Concatenate", {}, [(3, 4, 5), (3, 4, 2), (3, 4, 1)], BOTH),
    ("Concatenate", {"axis": 1}, [(3, 4, 5), (2, 4, 5)], BOTH),
    ("Concatenate", {"axis": 3}, [(3, 4, 5), (3, 4, 2)], BOTH),
    ("Concatenate", {}, [(3,), (4,)], BOTH),
    *[("Dot", {"axes": axes, "normalize": normalize}, shapes, BOTH)
      for axes, shapes in [
          (1, [(4,), (4,)]), (-1, [(3, 4), (5, 4)]), ([2, 1], [(3, 4), (4, 5)]), ([1, 2], [(4, 3), (5, 4)]),
          ([3, 1], [(2, 3, 4), (4, 5)]), ([1, 1], [(4,), (4, 5)]), ([2, 1], [(3, 4), (4,)]),
      ]
      for normalize in (False, True)],
    # --- images ---
    *[("Rescaling", {"scale": scale, "offset": offset}, (4, 5, 3), BOTH)
      for scale, offset in ((1 / 127.5, -1), ([1, 2, 3], 0.5), (2, [0.1, 0.2, 0.3]))],
    *[("Normalization", settings, (4, 5, 3), BOTH) for settings in (
        {}, {"axis": None}, {"axis": [1, 3]}, {"axis": 1},
        {"mean": [1, 2, 3], "variance": [1, 0, 2]}, {"mean": 0.5, "variance": 4, "axis": None},
        {"mean": 0.5, "variance": 4},
    )],
    ("Normalization", {"invert": True}, (4, 5, 3), BOTH),
    ("Normalization", {}, (3,), BOTH),
    *[("Resizing", {"height": height, "width": width, "interpolation": interpolation}, (7, 9, 3), BOTH)
      for height, width in ((7, 9), (14, 27), (3, 3), (10, 4), (5, 23), (7, 18), (1, 1))
      for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")],
    *[("Resizing", {"height": 299, "width": 299, "interpolation": interpolation}, shape, NEW)
      for shape in ((224, 320, 3), (1000, 331, 1))
      for interpolation in ("nearest", "bilinear", "bicubic", "area")],
    *[("Resizing", {"height": 4, "width": 13, "interpolation": name, "antialias": True}, (9, 7, 3), NEW)
      for name in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")],
    *[("Resizing", {"height": height, "width": width, ratio: True}, (7, 10, 3), libraries)
      for height, width in ((7, 10), (5, 5), (14, 6), (3, 12), (10, 7))
      for ratio, libraries in (("crop_to_aspect_ratio", BOTH), ("pad_to_aspect_ratio", NEW))],
    ("Resizing", {"height": 5, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 0.5}, (4, 9, 2), NEW),
    *[("CenterCrop", {"height": height, "width": width}, (8, 11, 3), BOTH)
      for height, width in ((8, 11), (5, 5), (3, 4), (10, 5), (7, 13), (16, 16))],
]  # fmt: skip


def parameters_of(case):
    kind, settings, shapes, libraries = case
    return [
        pytest.param(library, kind, settings, shapes, id=f"{library}-{kind}-{settings}-{shapes}")
        for library in libraries
    ]


def random_weights(rng, name, shape):
    if "count" in name:
        return np.array(5)
    low = 0.5 if "variance" in name else -1
    return rng.uniform(low, 1.5, shape).astype(np.float32)


def from_config(layer):
    """Return this library's layer with the settings of Keras's, after a round trip through JSON."""
    config = json.loads(json.dumps(layer.get_config(), default=lambda value: np.asarray(value).tolist()))
    kind = getattr(layers, type(layer).__name__)
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in config.items() if name in known})


@pytest.mark.parametrize(
    ("name", "kind", "settings", "shapes"), [p for case in CASES for p in parameters_of(case)]
)
def test_layer(name, kind, settings, shapes):
    library = pytest.importorskip(name)
    shapes = shapes if isinstance(shapes, list) else [shapes]
    rng = np.random.default_rng(len(str(settings)) + sum(map(sum, shapes)))
    arrays = [rng.uniform(-1, 1.5, (2, *shape)).astype(np.float32) for shape in shapes]

    theirs = getattr(library.layers, kind)(**settings)
    theirs.build([(None, *shape) for shape in shapes] if len(shapes) > 1 else (None, *shapes[0]))
    ours = from_config(theirs)
    parameters = ours.parameters(*shapes)
    assert [parameter.shape for parameter in parameters.values()] == [tuple(w.shape) for w in theirs.weights]
    if name == KERAS_3:
        assert list(parameters) == [weight.name for weight in theirs.weights]
    trainable = [parameter.shape for parameter in parameters.values() if parameter.trainable]
    assert trainable == [tuple(weight.shape) for weight in theirs.trainable_weights]
    weights = {key: random_weights(rng, key, parameter.shape) for key, parameter in parameters.items()}
    theirs.set_weights(list(weights.values()))
    if hasattr(theirs, "finalize_state"):
        theirs.finalize_state()

    expected = np.asarray(theirs(arrays if len(arrays) > 1 else arrays[0], training=False))
    assert ours.output_shape(*shapes) == expected.shape[1:]
    y = ours.forward(weights, *arrays)
    assert y.dtype == np.float32
    tolerance = 2e-5 if kind in ("Resizing", "UpSampling2D") else 1e-5
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=tolerance * np.abs(expected).max())


# --- activations ----------------------------------------------------------------------------


def input_values():
    rng = np.random.default_rng(5)
    return np.concatenate(
        [np.linspace(-12, 12, 997), [-1e4, -100, -0.5, 0, 0.5, 1, 3, 100, 1e4], rng.normal(0, 3, 494)]
    ).astype(np.float32).reshape(5, 300)  # fmt: skip


@pytest.mark.parametrize("name", sorted(layers.ACTIVATIONS))
def test_activation(library, name):
    tensorflow = pytest.importorskip("tensorflow")
    is_keras_2 = library.__name__ == KERAS_2
    if (name == "hard_sigmoid_keras2") != (name.startswith("hard_sigmoid") and is_keras_2):
        pytest.skip("an activation of the other Keras")
    theirs = getattr(library.activations, name.removesuffix("_keras2"), None)
    if name == "gelu_tanh":
        theirs = partial(library.activations.gelu, approximate=True)
    if theirs is None:
        assert is_keras_2
        pytest.skip("Keras 2 has no such activation")
    x = input_values()
    expected = np.asarray(theirs(tensorflow.constant(x)))
    np.testing.assert_allclose(layers.ACTIVATIONS[name](x), expected, rtol=1e-5, atol=2e-6)


def test_every_activation_is_supported(keras):
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) - set(layers.ACTIVATIONS) == {"glu", "sparsemax", "threshold"}
    assert set(layers.ACTIVATIONS) - set(ALL_OBJECTS_DICT) == {"hard_sigmoid_keras2", "gelu_tanh"}


def test_sparsemax_is_wrong_in_keras(keras):
    y = np.asarray(keras.activations.sparsemax(np.array([[1.0, 1.0, 1.0]], np.float32)))
    assert y.sum() != pytest.approx(1)  # if this fails, Keras has been fixed, and sparsemax can be added


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "Softmax"])
def test_layers_as_activations(library, name):
    theirs = library.layers.Dense(4, activation=getattr(library.layers, name)())
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    expected = np.asarray(theirs(x))
    ours = layers.Dense(4, activation=getattr(layers, name)())
    weights = dict(zip(("kernel", "bias"), theirs.get_weights(), strict=True))
    np.testing.assert_allclose(ours.forward(weights, x), expected, rtol=1e-5, atol=1e-6)


# --- layers without effect at inference -----------------------------------------------------

#: Arguments of the constructors.
ARGUMENTS = {
    "SpatialDropout1D": [0.5], "SpatialDropout2D": [0.5], "SpatialDropout3D": [0.5], "GaussianDropout": [0.5],
    "GaussianNoise": [0.5], "AlphaDropout": [0.5], "RandomTranslation": [0.2, 0.2], "RandomZoom": [0.2],
    "RandomRotation": [0.2], "RandomContrast": [0.2], "RandomBrightness": [0.2], "RandomHeight": [0.2],
    "RandomWidth": [0.2], "RandomHue": [0.2], "RandomSaturation": [0.2], "RandomSharpness": [0.2],
    "RandomPosterization": [4], "RandomColorDegeneration": [0.2],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(layers.TRAINING_ONLY))
def test_training_only_layers_return_their_input(library, name):
    kind = getattr(library.layers, name, None)
    if kind is None:
        pytest.skip("not in this Keras")
    shape = {"SpatialDropout1D": (6, 3), "SpatialDropout3D": (5, 6, 4, 3)}.get(name, (8, 9, 3))
    layer = kind(*ARGUMENTS.get(name, []))
    assert not layer.weights
    for high in (1, 255):
        x = np.random.default_rng(1).uniform(-0.1, high, (2, *shape)).astype(np.float32)
        np.testing.assert_array_equal(np.asarray(layer(x, training=False)), x)


def test_every_training_only_layer_is_supported(library):
    """They are in Keras's modules of regularization and image preprocessing."""
    names = set()
    for name in dir(library.layers):
        kind = getattr(library.layers, name)
        module = getattr(kind, "__module__", "")
        if isinstance(kind, type) and (".regularization" in module or "image_preprocessing" in module):
            names.add(name)
    # These change their input at inference, always or with some settings.
    others = {"AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization", "RandomCrop"}
    others |= {"CenterCrop", "Resizing", "Rescaling", "MaxNumBoundingBoxes"}
    assert names - others <= layers.TRAINING_ONLY | {"Dropout"}


# --- arithmetic -----------------------------------------------------------------------------

CONSTANTS = [2.5, [0.5, 1.5, 2.0], [[[1.0]], [[2.0]], [[3.0]], [[4.0]]], [[[[3.0]]]]]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("constant", [None, *CONSTANTS], ids=str)
@pytest.mark.parametrize(
    "operation",
    ["add", "subtract", "multiply", "divide", "floor_divide", "power", "maximum", "minimum"],
)
def test_arithmetic(keras, operation, constant, first):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.5, 2, (2, 2, 4, 5, 3)).astype(np.float32)
    theirs = getattr(keras.ops, operation)
    if constant is None:
        ours = layers.Arithmetic(operation)
        z, expected = ours.forward({}, x, y), theirs(x, y)
        assert ours.output_shape((4, 5, 3), (4, 5, 3)) == (4, 5, 3)
    else:
        value = np.array(constant, np.float32)
        ours = layers.Arithmetic(operation, constant, constant_first=first)
        z, expected = ours.forward({}, x), theirs(value, x) if first else theirs(x, value)
        assert ours.output_shape((4, 5, 3)) == z.shape[1:]
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, np.asarray(expected), rtol=1e-5)


@pytest.mark.parametrize("operation", ["negative", "absolute", "square", "sqrt", "exp", "log"])
def test_arithmetic_with_one_operand(keras, operation):
    # Some are negative: their roots and logarithms are NaN.
    x = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
    ours = layers.Arithmetic(operation)
    np.testing.assert_allclose(ours.forward({}, x), np.asarray(getattr(keras.ops, operation)(x)), rtol=1e-5)
    assert (
        ours.kind == type(getattr(keras.ops, operation)(keras.Input((3,)))._keras_history.operation).__name__
    )
