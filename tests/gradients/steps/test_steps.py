"""Steps of a training pass against the plain rules, for windows, strides, paddings and sizes of all kinds."""

import numpy as np
import pytest

from xception.gradients import backward, parameter_gradients
from xception.gradients.training_pass import TrainingPass
from xception.graph import Graph
from xception.layers import Activation, Add, BatchNormalization, Conv2D, Input, MaxPooling2D, SeparableConv2D

SIZES = [(7, 8), (8, 9), (9, 7)]


def evaluated(graph, rng):
    """Random parameters, inputs and activations of all nodes, in float64."""
    parameters = {
        node.name: {name: rng.uniform(0.5, 1.5, p.shape) for name, p in node.parameters.items()}
        for node in graph.nodes.values()
    }
    (name,) = graph.inputs
    x = rng.standard_normal((2, *graph.nodes[name].output_shape))
    return parameters, x, graph.evaluate(parameters, x, list(graph.nodes))


def by_rules(graph, parameters, values, dy):
    """Gradients of all parameters and of the input, node by node."""
    propagated, gradients = {graph.outputs[0]: dy}, {}
    for node in reversed(list(graph.nodes.values())):
        if node.inputs:
            inputs, own = [values[source] for source in node.inputs], parameters[node.name]
            dy = propagated.pop(node.name)
            if node.parameters:
                gradients[node.name] = parameter_gradients(node.layer, own, dy, *inputs)
            dx = backward(node.layer, own, dy, *inputs)
            for source, part in zip(node.inputs, dx if isinstance(dx, tuple) else (dx,), strict=True):
                propagated[source] = propagated.get(source, 0) + part
    return gradients


def check(graph, seed=0):
    """Compare the output and all gradients of a graph with those of the rules."""
    rng = np.random.default_rng(seed)
    parameters, x, values = evaluated(graph, rng)
    dy = rng.standard_normal(values[graph.outputs[0]].shape)
    training_pass = TrainingPass(graph, [node.name for node in graph.nodes.values() if node.parameters])
    tape = training_pass.forward(parameters, {graph.inputs[0]: x})
    np.testing.assert_allclose(tape.outputs[graph.outputs[0]], values[graph.outputs[0]], rtol=1e-12)
    results = {}
    for variable in training_pass.variables:
        results.setdefault(variable.node, {})[variable.parameter] = np.zeros(variable.shape)
    training_pass.backward(tape, parameters, {graph.outputs[0]: dy}, results)
    expected = by_rules(graph, parameters, values, dy)
    for node, arrays in results.items():
        for name, gradient in arrays.items():
            np.testing.assert_allclose(gradient, expected[node][name], rtol=1e-9, atol=1e-9, err_msg=node)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Fresh memory of buffers holds NaN: what is read before it is written spoils the result."""
    from xception.gradients.steps import buffers

    class Poisoned:
        def __getattr__(self, name):
            return getattr(np, name)

        def empty(self, shape, dtype):
            return np.full(shape, np.nan, dtype)

    monkeypatch.setattr(buffers, "np", Poisoned())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("window", "strides"), [(2, 2), (3, 1), (3, 2), (3, 3), (2, 3), (4, 2), (5, 3), ((3, 2), (1, 2))]
)
def test_max_pooling(window, strides, padding, size):
    graph = Graph("pooled")
    x = graph.add(Conv2D(3, 1), graph.add(Input((*size, 2))))
    graph.add(Conv2D(2, 1), graph.add(MaxPooling2D(window, strides, padding=padding), x))
    check(graph)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("window", "strides"), [(1, 1), (1, 2), (3, 1), (3, 2), (2, 3), ((3, 1), (1, 2))])
def test_convolution_and_normalization(window, strides, padding, size):
    graph = Graph("convolved")
    x = graph.add(Conv2D(3, 1), graph.add(Input((*size, 2))))
    x = graph.add(Conv2D(4, window, strides, padding=padding), x)
    graph.add(Conv2D(2, 1), graph.add(BatchNormalization(), x))
    check(graph)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("window", [1, 2, 3, (3, 2), 5])
@pytest.mark.parametrize("relu", [True, False])
def test_separable_convolution_with_what_is_around_it(window, padding, size, relu):
    graph = Graph("separable")
    x = graph.add(Conv2D(3, 1), graph.add(Input((*size, 2))))
    x = graph.add(Activation("relu"), x) if relu else x
    x = graph.add(SeparableConv2D(4, window, padding=padding), x)
    graph.add(BatchNormalization(scale=relu, center=not relu), x)
    check(graph)


def test_a_residual_sum_whose_parts_are_read_elsewhere():
    graph = Graph("sums")
    x = graph.add(Conv2D(3, 1), graph.add(Input((6, 5, 2))))
    y = graph.add(Activation("relu"), x)
    z = graph.add(Add(), x, y)
    z = graph.add(Add(), z, y, x)
    graph.add(Add(), graph.add(Activation("relu"), z), z)
    check(graph)
