"""Random layers against Keras: the same output for the same draw, and draws of the same distribution."""

import json

import numpy as np
import pytest

import xception
from xception.gradients.random_layers.registry import RULES, random_rule
from xception.layers import Dropout, TrainingOnly

pytestmark = pytest.mark.conformance

SHAPE = (21, 16, 3)
UNIT = {"value_range": (0, 1)}
GEOMETRY = [
    {"fill_mode": mode, "interpolation": interpolation}
    for mode in ("reflect", "wrap", "nearest", "constant")
    for interpolation in ("bilinear", "nearest")
]


def column(values, width=4):
    return np.reshape(np.asarray(values, np.float32), (-1, *[1] * (width - 1)))


def rotation(layer, angles):
    zeros, ones = np.zeros(len(angles), np.float32), np.ones(len(angles), np.float32)
    matrix = layer._compute_affine_matrix(
        0.5, 0.5, np.asarray(angles, np.float32), zeros, zeros, ones, zeros, zeros, SHAPE[0], SHAPE[1]
    )
    return {"rotation_matrix": matrix}


def perspective(layer, moves):
    h, w = SHAPE[0] - 1, SHAPE[1] - 1
    corners = np.repeat(np.array([[[0, 0], [w, 0], [0, h], [w, h]]], np.float32), len(moves), axis=0)
    drawn = np.array([np.zeros((4, 2)) if move is None else move for move in moves], np.float32)
    return {
        "apply_perspective": np.array([move is not None for move in moves]),
        "start_points": corners,
        "end_points": corners + corners * drawn,
    }


def erasing(layer, patches):
    corners = [
        [0 if patch is None else getattr(patch, name) for patch in patches]
        for name in ("left", "right", "top", "bottom")
    ]
    fills = [np.zeros(SHAPE) if patch is None else np.broadcast_to(patch.fill, SHAPE) for patch in patches]
    return {
        "apply_erasing": np.array([patch is not None for patch in patches]),
        "batch_masks": layer._generate_batch_mask(
            (len(patches), *SHAPE), [np.array(corner, np.float32) for corner in corners]
        ),
        "fill_value": np.array(fills, np.float32),
    }


#: From our draws to the transformation of Keras's layer.
TRANSFORMATIONS = {
    "RandomFlip": lambda layer, drawn: {"flips": column(drawn).astype(bool)},
    "RandomRotation": rotation,
    "RandomZoom": lambda layer, drawn: {
        "height_zoom": column([each[0] for each in drawn], 2),
        "width_zoom": column([each[1] for each in drawn], 2),
    },
    "RandomTranslation": lambda layer, drawn: {"translations": np.array(drawn, np.float32)[:, ::-1]},
    "RandomShear": lambda layer, drawn: {"shear_factor": np.array(drawn, np.float32)},
    "RandomPerspective": perspective,
    "RandomBrightness": lambda layer, drawn: {"rgb_delta": column(drawn)},
    "RandomContrast": lambda layer, drawn: {"contrast_factor": column(drawn)},
    "RandomSaturation": lambda layer, drawn: {"factor": np.array(drawn, np.float32)},
    "RandomHue": lambda layer, drawn: {"factor": np.array(drawn, np.float32)},
    "RandomColorDegeneration": lambda layer, drawn: {"factor": column(drawn)},
    "RandomGrayscale": lambda layer, drawn: column(drawn).astype(bool),
    "RandomErasing": erasing,
    "RandomSharpness": lambda layer, drawn: {"factor": np.array(drawn, np.float32) / 2},
    "RandomInvert": lambda layer, drawn: {"apply_inversion": np.array(drawn)},
    "RandomPosterization": lambda layer, drawn: {"shift_factor": (8 - np.array(drawn)).astype(np.uint8)},
    "Solarization": lambda layer, drawn: {
        "additions": column([each[0] for each in drawn]),
        "thresholds": column([each[1] for each in drawn]),
    },
}

CASES = [
    *(("RandomFlip", {"mode": mode}) for mode in ("horizontal", "vertical", "horizontal_and_vertical")),
    *(("RandomRotation", {"factor": 0.3, **settings}) for settings in GEOMETRY),
    *(("RandomTranslation", {"height_factor": 1.0, "width_factor": (-0.4, 0.9), **each})
      for each in GEOMETRY),
    *(("RandomZoom", {"height_factor": (-0.5, 0.9), **settings}) for settings in GEOMETRY),
    ("RandomZoom", {"height_factor": 0.3, "width_factor": 0.9, "fill_mode": "constant", "fill_value": 7.0}),
    *(("RandomShear", {"x_factor": 0.5, "y_factor": (0.1, 0.9), **settings}) for settings in GEOMETRY),
    ("RandomPerspective", {"factor": 1.0, "scale": 0.7}),
    ("RandomPerspective", {"factor": (0.5, 0.5), "interpolation": "nearest", "fill_value": 3.0}),
    ("RandomBrightness", {"factor": 0.6}),
    ("RandomBrightness", {"factor": (-0.2, 0.7), **UNIT}),
    ("RandomContrast", {"factor": 0.8}),
    ("RandomContrast", {"factor": (0.9, 0.3), **UNIT}),
    ("RandomSaturation", {"factor": 0.7}),
    ("RandomSaturation", {"factor": (0.4, 0.6), **UNIT}),
    ("RandomHue", {"factor": 0.9}),
    ("RandomHue", {"factor": (0.3, 0.5), **UNIT}),
    ("RandomColorDegeneration", {"factor": 0.8}),
    ("RandomColorDegeneration", {"factor": 0.8, **UNIT}),
    ("RandomGrayscale", {"factor": 0.5}),
    ("RandomErasing", {}),
    ("RandomErasing", {"factor": (0.5, 0.9), "scale": (0.1, 0.9), "fill_value": [3.0, 300.0, 20.0]}),
    ("RandomErasing", {"fill_value": 0.5, **UNIT}),
    ("RandomErasing", {"scale": (0.5, 1.5), "fill_value": 9.0}),
    ("RandomContrast", {"factor": (0.0, 2.5)}),
    ("RandomSharpness", {"factor": 0.9}),
    ("RandomSharpness", {"factor": (0.7, 1.0), **UNIT}),
    ("RandomInvert", {"factor": 1.0}),
    ("RandomInvert", {"factor": (0.2, 0.9), **UNIT}),
    ("RandomPosterization", {"factor": 5}),
    ("RandomPosterization", {"factor": (2, 2), **UNIT}),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.8}),
    ("Solarization", {"addition_factor": (0.1, 0.3), "threshold_factor": (0.2, 0.8), **UNIT}),
]  # fmt: skip


def make(keras, name, settings):
    """Return Keras's layer, and the rule of what Keras saves for it."""
    layer = getattr(keras.layers, name)(**settings)
    return layer, random_rule(
        TrainingOnly(name, json.dumps(keras.saving.serialize_keras_object(layer)["config"]))
    )


def images(settings, count=8):
    high = settings.get("value_range", (0, 255))[1]
    return np.random.default_rng(1).uniform(0, high, (count, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_same_draw_gives_the_same_images(keras, name, settings):
    layer, rule = make(keras, name, settings)
    x = images(settings)
    rng = np.random.default_rng(2)
    drawn = [rule.draw(rng, SHAPE) for _ in x]
    ours = np.array([rule.transform(image, each) for image, each in zip(x, drawn, strict=True)])
    expected = np.asarray(layer.transform_images(x, TRANSFORMATIONS[name](layer, drawn), training=True))
    assert ours.dtype == np.float32
    difference = np.abs(ours - expected) / max(1, np.abs(expected).max())
    if settings.get("interpolation") == "nearest":  # rounding decides some coordinates halfway between pixels
        assert np.mean(difference > 1e-4) < 2e-3
    else:
        assert difference.max() < 2e-5
    if name != "RandomFlip":
        assert np.abs(ours - x).max() > 0


@pytest.mark.parametrize("sizes", [3, (5, 5), (3, 7)])
def test_blur_of_an_image_is_that_of_keras(keras, sizes):
    layer, rule = make(keras, "RandomGaussianBlur", {"kernel_size": sizes})
    x = images({})
    ours = rule.transform(x[0], (0.8, 1.7))
    drawn = {"blur_factor": np.array([0.8, 1.7], np.float32), "should_apply_blur": np.array([True])}
    expected = np.asarray(layer.transform_images(x[:1], drawn, training=True))[0]
    np.testing.assert_allclose(ours, expected, atol=2e-4)


def test_color_jitter_is_its_parts_in_keras_order(keras):
    factors = {f"{name}_factor": 0.4 for name in ("brightness", "contrast", "saturation", "hue")}
    layer, rule = make(keras, "RandomColorJitter", factors)
    x = images({})[:1]
    drawn = rule.draw(np.random.default_rng(3), SHAPE)
    expected = x
    for part, number in zip(("brightness", "contrast", "saturation", "hue"), drawn, strict=True):
        kind = f"Random{part.capitalize()}"
        transformation = TRANSFORMATIONS[kind](None, [number])
        expected = getattr(layer, f"random_{part}").transform_images(expected, transformation)
    np.testing.assert_allclose(rule.transform(x[0], drawn), np.asarray(expected)[0], atol=2e-3)


def numbers(transformation, count):
    """Return all numbers of Keras's transformations, (count, k)."""
    arrays = transformation.values() if isinstance(transformation, dict) else [transformation]
    arrays = [np.asarray(array, np.float64) for array in arrays if hasattr(array, "dtype")]
    return np.concatenate([array.reshape(count, -1) for array in arrays], axis=1)


@pytest.mark.parametrize(("name", "settings"), [
    case for case in CASES if case[0] not in ("RandomErasing", "RandomPerspective")
])  # fmt: skip
def test_draws_have_the_distribution_of_keras(keras, name, settings):
    layer, rule = make(keras, name, {**settings, "seed": 3})
    count = 1000
    x = np.zeros((count, *SHAPE), np.float32)
    theirs = numbers(layer.get_random_transformation(x, training=True), count)
    rng = np.random.default_rng(4)
    ours = numbers(TRANSFORMATIONS[name](layer, [rule.draw(rng, SHAPE) for _ in x]), count)
    if name == "RandomRotation":
        ours, theirs = ours[:, :6], theirs[:, -6 - 2 : -2]
    if name == "RandomSaturation":  # the numbers drawn are uniform, those used have a long tail
        ours, theirs = ours / (1 + ours), theirs / (1 + theirs)
    assert ours.shape[1] == theirs.shape[1]
    span = np.ptp(theirs, axis=0)
    for quantile in (0.02, 0.25, 0.75, 0.98):
        gap = np.abs(np.quantile(ours, quantile, axis=0) - np.quantile(theirs, quantile, axis=0))
        if name not in ("RandomFlip", "RandomGrayscale", "RandomInvert", "RandomPosterization"):
            assert np.all(gap <= 0.06 * span + 1e-6)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) <= 0.05 * span + 1e-6)


def masks(keras, layer, count=400):
    keras.utils.set_random_seed(5)
    x = np.ones((count, 6, 5, 4), np.float32)
    return x, np.asarray(layer(x, training=True))


@pytest.mark.parametrize(("name", "settings", "ours"), [
    ("Dropout", {"rate": 0.3}, None),
    ("Dropout", {"rate": 0.3, "noise_shape": (None, 1, 1, 1)}, None),
    ("Dropout", {"rate": 0.3, "noise_shape": (None, 6, 1, 4)}, None),
    ("SpatialDropout2D", {"rate": 0.3}, None),
    ("GaussianDropout", {"rate": 0.3}, None),
    ("GaussianNoise", {"stddev": 0.3}, None),
    ("AlphaDropout", {"rate": 0.3}, None),
    ("AlphaDropout", {"rate": 0.3, "noise_shape": (None, 1, 1, 4)}, None),
])  # fmt: skip
def test_dropout_and_noise_have_the_distribution_of_keras(keras, name, settings, ours):
    layer = getattr(keras.layers, name)(**settings)
    x, expected = masks(keras, layer)
    config = layer.get_config()
    rule = random_rule(
        Dropout(config["rate"], config["noise_shape"]) if name == "Dropout"
        else TrainingOnly(name, json.dumps(keras.saving.serialize_keras_object(layer)["config"]))
    )  # fmt: skip
    y, _ = rule.run(x, [np.random.default_rng((6, i)) for i in range(len(x))])
    if "Gaussian" not in name:  # two values, the same ones, and the same units together
        np.testing.assert_allclose(np.unique(y), np.unique(expected), rtol=1e-6)
        for axis in (1, 2, 3):
            assert np.all(np.ptp(y, axis=axis) == 0) == np.all(np.ptp(expected, axis=axis) == 0)
    assert abs(y.mean() - expected.mean()) < 0.06
    assert abs(y.std() - expected.std()) < 0.04


def test_every_rule_is_compared():
    units = {"AlphaDropout", "GaussianDropout", "GaussianNoise"}
    spatial = {f"SpatialDropout{rank}D" for rank in (1, 2, 3)}
    assert set(RULES) == set(TRANSFORMATIONS) | units | spatial | {"RandomGaussianBlur", "RandomColorJitter"}


def test_a_model_in_training_mode_is_that_of_keras(keras, tmp_path):
    """Statistics of the batch where a layer is trainable, moving ones where it is frozen."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((11, 10, 3)),
            layers.SeparableConv2D(6, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(5, 3, strides=2),
            layers.BatchNormalization(scale=False, trainable=False),
            layers.Dropout(0.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, "softmax"),
        ]
    )
    rng = np.random.default_rng(8)
    model.set_weights([rng.uniform(0.1, 1, array.shape) for array in model.get_weights()])
    model.save(tmp_path / "model.keras")
    x = rng.normal(0, 1, (6, 11, 10, 3)).astype(np.float32)
    ours = xception.load_model(tmp_path / "model.keras")(x, training=True)
    np.testing.assert_allclose(ours, np.asarray(model(x, training=True)), atol=1e-6)
    assert np.abs(ours - np.asarray(model(x, training=False))).max() > 1e-4


def test_a_saved_model_keeps_its_noise_shapes(keras, tmp_path):
    layers = keras.layers
    inner = [
        layers.Dropout(0.3, noise_shape=(None, 1, 1, 4)),
        layers.AlphaDropout(0.2, noise_shape=(None, 1, 1, 1)),
    ]
    keras.Sequential([layers.Input((5, 5, 4)), *inner]).save(tmp_path / "model.keras")
    xception.load_model(tmp_path / "model.keras").save(tmp_path / "saved.keras")
    loaded = keras.saving.load_model(tmp_path / "saved.keras")
    assert [tuple(layer.noise_shape) for layer in loaded.layers] == [(None, 1, 1, 4), (None, 1, 1, 1)]


def test_spatial_dropout_of_keras_2_is_saved_for_keras_3(keras, tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Input((5, 5, 4)), tf_keras.layers.SpatialDropout2D(0.3)])
    model.save(tmp_path / "model.h5")
    xception.load_model(tmp_path / "model.h5").save(tmp_path / "saved.keras")
    assert keras.saving.load_model(tmp_path / "saved.keras").layers[-1].rate == 0.3
