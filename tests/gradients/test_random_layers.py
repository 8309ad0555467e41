"""Layers that act at random in training."""

import json

import numpy as np
import pytest

from xception import Graph, layers
from xception.errors import NoGradientError
from xception.gradients.random_layers.registry import REASONS, RULES, random_rule
from xception.gradients.randomness import (
    Randomness,
    acts_in_training,
    idle_reason,
    run_in_training,
    value_range_problem,
)
from xception.gradients.training_pass import TrainingPass
from xception.layers import TRAINING_ONLY, Dropout, StochasticDepth, TimeDistributed, TrainingOnly


def only(kind, **settings):
    return TrainingOnly(kind, json.dumps(settings))


#: A layer of each kind, with settings that it needs.
ACTING = {
    "AlphaDropout": {"rate": 0.3}, "GaussianDropout": {"rate": 0.3}, "GaussianNoise": {"stddev": 0.2},
    "SpatialDropout1D": {"rate": 0.4}, "SpatialDropout2D": {"rate": 0.4}, "SpatialDropout3D": {"rate": 0.4},
    "RandomFlip": {}, "RandomRotation": {"factor": 0.1}, "RandomZoom": {"height_factor": 0.3},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.3}, "RandomShear": {"x_factor": 0.3},
    "RandomPerspective": {}, "RandomBrightness": {"factor": 0.3}, "RandomContrast": {"factor": 0.3},
    "RandomSaturation": {"factor": 0.3}, "RandomHue": {"factor": 0.3}, "RandomGrayscale": {},
    "RandomColorDegeneration": {"factor": 0.3}, "RandomColorJitter": {"hue_factor": 0.3},
    "RandomErasing": {}, "RandomGaussianBlur": {}, "RandomInvert": {}, "RandomSharpness": {"factor": 0.9},
    "RandomPosterization": {"factor": 4}, "Solarization": {"threshold_factor": 0.5},
}  # fmt: skip


def pixels(count=6, shape=(9, 8, 3), dtype=np.float32):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype(dtype)


def generators(count, seed=1):
    return Randomness([(seed, 0, i) for i in range(count)]).generators(2)


def run(layer, x, seed=1):
    return run_in_training(layer, x, generators(len(x), seed))[0]


def test_every_layer_of_training_acts_or_says_why_not():
    assert set(ACTING) == set(RULES)
    assert set(RULES) | set(REASONS) == TRAINING_ONLY
    for kind in TRAINING_ONLY:
        layer = only(kind, **ACTING.get(kind, {}))
        assert acts_in_training(layer) == (idle_reason(layer) is None) == (kind in RULES)
    assert not acts_in_training(layers.Dense(3))
    assert idle_reason(layers.Dense(3)) is None


@pytest.mark.parametrize("kind", ACTING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_changes_pixels_and_keeps_shape_and_type(kind, dtype):
    x = pixels(dtype=dtype)
    before = x.copy()
    y = run(only(kind, **ACTING[kind]), x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(x, before)
    assert not np.array_equal(x, y)


@pytest.mark.parametrize("kind", ACTING)
def test_a_draw_belongs_to_its_example_not_to_the_batch(kind):
    layer, x = only(kind, **ACTING[kind]), pixels()
    keys = Randomness([(3, 1, i) for i in range(len(x))])
    whole = run_in_training(layer, x, keys.generators(0))[0]
    parts = [run_in_training(layer, x[i : i + 2], keys[i : i + 2].generators(0))[0] for i in (0, 2, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, run_in_training(layer, x, keys.generators(1))[0])


@pytest.mark.parametrize("layer", [
    Dropout(0.4), Dropout(0.4, (None, 1, 1, 3)), StochasticDepth(0.4), only("SpatialDropout2D", rate=0.4),
    only("GaussianDropout", rate=0.3), only("GaussianNoise", stddev=0.2), only("AlphaDropout", rate=0.4),
    TimeDistributed(Dropout(0.4)),
], ids=str)  # fmt: skip
def test_gradients_of_units_equal_central_differences(layer):
    x = np.random.default_rng(2).normal(0, 1, (3, 4, 3, 3))
    y, backward = run_in_training(layer, x, generators(3))
    dy = np.random.default_rng(3).normal(0, 1, y.shape)
    dx = backward(dy)
    direction = np.random.default_rng(4).normal(0, 1, x.shape)
    moved = [run_in_training(layer, x + step * direction, generators(3))[0] for step in (-1e-4, 1e-4)]
    np.testing.assert_allclose(
        np.sum(dx * direction), np.sum((moved[1] - moved[0]) / 2e-4 * dy), rtol=1e-8, atol=1e-10
    )


def test_dropout_keeps_the_mean_and_drops_the_rate():
    x = np.ones((200, 50), np.float32)
    y = run(Dropout(0.25), x)
    assert set(np.unique(y)) == {np.float32(0), np.float32(4 / 3)}
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.02)
    assert y.mean() == pytest.approx(1, abs=0.02)
    assert run_in_training(Dropout(0.0), x, generators(200)) is None
    assert not acts_in_training(Dropout(0.0))
    assert not run(Dropout(1.0), x).any()


def test_dropout_drops_what_is_not_finite():
    y = run(Dropout(0.5), np.full((4, 100), np.inf, np.float32))
    assert set(np.unique(y)) == {0, np.inf}


def test_spatial_dropout_drops_whole_maps_and_stochastic_depth_whole_examples():
    x = np.ones((20, 4, 5, 6), np.float32)
    y = run(only("SpatialDropout2D", rate=0.5), x)
    assert np.ptp(y, axis=(1, 2)).max() == 0
    assert len(np.unique(y[:, 0, 0], axis=0)) > 5
    y = run(StochasticDepth(0.5), x)
    assert np.ptp(y, axis=(1, 2, 3)).max() == 0
    assert set(np.unique(y)) == {0, 2}


def test_a_flip_is_both_ways_unless_the_mode_says_so():
    x = pixels(40)
    y = run(only("RandomFlip"), x)
    turned = [np.array_equal(image, before[::-1, ::-1]) for image, before in zip(y, x, strict=True)]
    same = [np.array_equal(image, before) for image, before in zip(y, x, strict=True)]
    assert np.all(np.array(turned) ^ np.array(same))
    assert 10 < sum(turned) < 30
    y = run(only("RandomFlip", mode="horizontal"), x)
    mirrored = [np.array_equal(image, before[:, ::-1]) for image, before in zip(y, x, strict=True)]
    assert 10 < sum(mirrored) < 30


def test_a_rotation_by_a_quarter_turn():
    x = pixels(1, (8, 8, 3))
    rule = random_rule(only("RandomRotation", factor=[0.25, 0.25]))
    assert rule.draw(np.random.default_rng(0), (8, 8, 3)) == 90
    np.testing.assert_allclose(rule.transform(x[0], 90.0), np.rot90(x[0], 1), atol=0.01)


def test_frames_of_a_video_have_draws_of_their_own():
    x = np.repeat(pixels(1)[:, None], 8, axis=1)
    layer = TimeDistributed(only("RandomBrightness", factor=0.3))
    y = run(layer, x)
    assert y.shape == x.shape
    assert len(np.unique(y.mean(axis=(2, 3, 4)))) == 8
    assert idle_reason(TimeDistributed(only("MixUp"))) == REASONS["MixUp"]


@pytest.mark.parametrize(("layer", "message"), [
    (only("RandomRotation"), "its settings lack one of"),
    (only("RandomRotation", factor=3), "factor must be from -1.0 to 1.0, got 3"),
    (only("RandomRotation", factor="much"), "factor must be a number"),
    (only("RandomRotation", factor=[1, 2, 3]), "factor must be a pair of numbers"),
    (only("RandomRotation", factor=[2, 3]), "factor must overlap -1.0…1.0, got [2, 3]"),
    (only("RandomPosterization", factor=[3, 12]), "factor must be from 1 to 8 bits"),
    (only("RandomErasing", scale=[-1, 1]), "scale must be at least 0"),
    (only("RandomRotation", factor=0.1, fill_mode="black"), "fill_mode must be 'reflect' or"),
    (only("RandomFlip", mode="up"), "mode must be 'horizontal_and_vertical' or"),
    (only("RandomFlip", data_format="channels_first"), "data_format must be 'channels_last'"),
    (only("RandomBrightness", factor=0.1, value_range=[1, 1]), "value_range must be two different"),
    (only("RandomErasing", fill_value=[1, 2]), "fill_value must be a number or three"),
    (only("RandomGaussianBlur", kernel_size=4), "kernel_size must be one or two odd numbers"),
    (only("RandomGaussianBlur", kernel_size=100001), "at most 101"),
    (only("GaussianDropout", rate=1), "rate must be less than 1"),
    (only("AlphaDropout", rate=0.2, noise_shape="all"), "noise_shape must be a list"),
    (layers.MultiHeadAttention(2, 3, dropout=0.1), "its dropout of attention weights is left out"),
])  # fmt: skip
def test_settings_that_cannot_act_are_named_not_raised(layer, message):
    assert message in idle_reason(layer)
    assert not acts_in_training(layer)


def test_augmentation_does_not_pass_gradients():
    _, backward = run_in_training(only("RandomFlip"), pixels(), generators(6))
    with pytest.raises(NoGradientError, match="freeze them"):
        backward(pixels())


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"augments images .*got shape \(6, 9\)"):
        run(only("RandomFlip"), np.zeros((6, 9), np.float32))
    with pytest.raises(ValueError, match="takes three channels, got 1"):
        run(only("RandomHue", factor=0.2), np.zeros((6, 9, 9, 1), np.float32))
    with pytest.raises(ValueError, match="does not fit an input of shape"):
        run(Dropout(0.5, (None, 2)), np.zeros((6, 9), np.float32))


@pytest.mark.parametrize(("settings", "low", "high", "fits"), [
    ({}, 0, 255, True), ({}, 10, 60, True), ({}, -1, 1, False), ({}, 0, 1, False),
    ({"value_range": [0, 1]}, 0, 1, True), ({"value_range": [0, 1]}, 0, 255, False),
    ({"value_range": [-1, 1]}, -1, 1, True), ({"value_range": [0, 1]}, -1, 1, False),
])  # fmt: skip
def test_a_value_range_that_does_not_fit_is_noticed(settings, low, high, fits):
    problem = value_range_problem(only("RandomBrightness", factor=0.2, **settings), low, high)
    assert (problem is None) == fits
    if not fits:
        assert "its value_range is" in problem
    assert value_range_problem(Dropout(0.5), low, high) is None


def test_saturation_takes_no_negative_pixels():
    layer = only("RandomSaturation", factor=0.2)
    assert "at least 0" in value_range_problem(layer, -1, 1)
    assert value_range_problem(layer, 0, 1) is None


def test_a_training_pass_with_dropout_does_not_depend_on_how_the_batch_is_split():
    graph = Graph("small")
    node = graph.add(layers.Input((6, 6, 3)))
    node = graph.add(only("RandomFlip"), node)
    node = graph.add(layers.Dense(5), node, name="dense")
    node = graph.add(Dropout(0.5), node)
    graph.add(layers.Dense(2), node, name="last")
    rng = np.random.default_rng(5)
    parameters = {
        name: {key: rng.normal(0, 1, p.shape) for key, p in n.parameters.items()}
        for name, n in graph.nodes.items()
    }
    training = TrainingPass(graph, ["dense", "last"])
    x, keys = rng.normal(0, 1, (4, 6, 6, 3)), Randomness([(0, 0, i) for i in range(4)])
    (border,) = training.border

    def gradients(part):
        result = {v.node: {"kernel": 0.0, "bias": 0.0} for v in training.variables}
        result = {
            name: {key: np.zeros(p.shape) for key, p in graph.nodes[name].parameters.items()}
            for name in result
        }
        tape = training.forward(parameters, {border: x[part]}, keys[part])
        training.backward(tape, parameters, {n: np.ones_like(y) for n, y in tape.outputs.items()}, result)
        return result

    whole, parts = gradients(slice(0, 4)), [gradients(slice(0, 1)), gradients(slice(1, 4))]
    for name, arrays in whole.items():
        for key, array in arrays.items():
            np.testing.assert_allclose(array, parts[0][name][key] + parts[1][name][key], rtol=1e-12)
