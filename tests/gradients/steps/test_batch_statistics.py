"""Normalization by the statistics of the batch."""

import numpy as np
import pytest
from gradient_checks import MAP, differentiate, draw, layer_id

from xception import Graph, layers
from xception.gradients.steps.batch_statistics import normalize_batch, propagate_batch, sum_gradients
from xception.gradients.training_pass import TrainingPass

LAYERS = [
    (layers.BatchNormalization(), (3, 4)),
    (layers.BatchNormalization(epsilon=0.1), (2, 3, 4)),
    (layers.BatchNormalization(scale=False), (4,)),
    (layers.BatchNormalization(center=False, scale=False), (2, 3)),
]


def normalize(layer, parameters, x):
    y = np.empty_like(x)
    return y, normalize_batch(layer, parameters, x, y)


def test_a_batch_is_normalized_by_its_mean_and_biased_variance():
    x = np.array([[[1.0, 0.0], [3.0, 0.0]], [[5.0, 6.0], [7.0, 2.0]]])
    parameters = {"gamma": np.array([2.0, 1.0]), "beta": np.array([0.0, 3.0])}
    y, statistics = normalize(layers.BatchNormalization(epsilon=0.0), parameters, x)
    np.testing.assert_allclose(statistics.mean, [4, 2])
    np.testing.assert_allclose(statistics.variance, [5, 6])
    np.testing.assert_allclose(y[..., 0], 2 * (x[..., 0] - 4) / np.sqrt(5))
    np.testing.assert_allclose(y[..., 1], (x[..., 1] - 2) / np.sqrt(6) + 3)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=layer_id)
def test_gradients_through_the_statistics_equal_central_differences(layer, shape):
    (x,), parameters = draw(layer, [shape])
    dy = np.random.default_rng(2).normal(size=x.shape)

    def loss(x, parameters):
        return (dy * normalize(layer, parameters, x)[0]).sum()

    _, statistics = normalize(layer, parameters, x)
    dx = np.empty_like(x)
    sums = sum_gradients(dy, x, statistics, dx)
    propagate_batch(layer, parameters, dy, statistics, sums, dx)
    np.testing.assert_allclose(dx, differentiate(lambda x: loss(x, parameters), x), rtol=1e-6, atol=1e-7)
    for name, dw in zip(("beta", "gamma"), sums, strict=True):
        if name in parameters:
            expected = differentiate(lambda w, name=name: loss(x, {**parameters, name: w}), parameters[name])
            np.testing.assert_allclose(dw, expected, rtol=1e-6, atol=1e-7)


def test_parts_of_a_batch_give_the_output_and_the_gradient_of_the_whole():
    layer = layers.BatchNormalization()
    parameters = draw(layer, [MAP])[1]
    x, dy = np.random.default_rng(3).normal(size=(2, 5, *MAP))
    y, statistics = normalize(layer, parameters, x)
    dx = np.empty_like(x)
    sums = sum_gradients(dy, x, statistics, dx)
    propagate_batch(layer, parameters, dy, statistics, sums, dx)
    totals = iter([x.sum((0, 1, 2)), ((x - statistics.mean) ** 2).sum((0, 1, 2))])
    part = slice(2, 5)
    y_part, dx_part = np.empty_like(x[part]), np.empty_like(x[part])
    pixels = x.size // x.shape[-1]
    own = normalize_batch(layer, parameters, x[part], y_part, pixels, lambda sums: next(totals))
    np.testing.assert_allclose(y_part, y[part])
    others = sum_gradients(dy[:2], x[:2], statistics, np.empty_like(x[:2]))
    np.testing.assert_allclose(others + sum_gradients(dy[part], x[part], own, dx_part), sums)
    propagate_batch(layer, parameters, dy[part], own, sums, dx_part)
    np.testing.assert_allclose(dx_part, dx[part])


def test_normalization_of_frames_uses_the_statistics_of_all_frames():
    graph = Graph("frames")
    graph.add(layers.Input((2, 3, 4)))
    bn = graph.add(layers.TimeDistributed(layers.BatchNormalization()), "input_layer", name="bn")
    x = np.random.default_rng(4).normal(5, 2, (3, 2, 3, 4))
    parameters = {bn: draw(graph.nodes[bn].layer, [(2, 3, 4)])[1]}
    tape = TrainingPass(graph, {bn}, batch_statistics=True).forward(parameters, {"input_layer": x})
    expected, statistics = normalize(layers.BatchNormalization(), parameters[bn], x)
    np.testing.assert_allclose(tape.outputs[bn], expected)
    np.testing.assert_allclose(tape.statistics[bn][0], statistics.mean)
