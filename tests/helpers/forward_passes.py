"""Graphs with trained-looking parameters, and the plain forward pass in float64 as reference."""

import numpy as np

from xception import layers
from xception.graph import Graph
from xception.models.parameters import initial_parameters


def trained(graph, seed=0):
    """Parameters as training leaves them: normalizations differ, and some gammas are negative."""
    rng = np.random.default_rng(seed)
    parameters = initial_parameters(graph, seed)
    for arrays in parameters.values():
        for name, array in arrays.items():
            if name == "moving_variance":
                array[...] = rng.uniform(0.5, 2, array.shape)
            elif name == "gamma":
                array[...] = rng.uniform(0.5, 1.5, array.shape) * rng.choice(
                    [-1, 1], array.shape, p=[0.1, 0.9]
                )
            elif array.ndim == 1:
                array[...] = rng.normal(0, 0.3, array.shape)
    return parameters


def evaluate_exactly(graph, parameters, x, outputs=None):
    """The plain forward pass in float64."""
    double = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in parameters.items()
    }
    return graph.evaluate(double, x.astype(np.float64), outputs)


def assert_agree(activations, expected, tolerance=2e-5):
    """Compare float32 activations with the reference, relative to its largest value."""
    assert set(activations) == set(expected)
    for name, value in expected.items():
        assert activations[name].dtype == np.float32
        assert activations[name].shape == value.shape
        error = np.abs(activations[name] - value).max(initial=0)
        assert error <= tolerance * np.abs(value).max(initial=0), name


def odd_graph():
    """What Xception does not have: other windows and strides, and sums and readers of all kinds."""
    net = Graph("odd")
    x = net.add(layers.Input((None, None, 2)))
    x = net.add(layers.Conv2D(5, (3, 2), strides=(2, 1), padding="same"), x, name="uneven")
    a = net.add(layers.SeparableConv2D(6, 5, padding="same"), x, name="wide")
    b = net.add(layers.Conv2D(6, 1), x, name="beside")
    x = net.add(layers.Add(), a, b, name="sum")
    x = net.add(layers.Conv2D(6, 3, padding="same"), x, name="onto_itself")
    x = net.add(layers.Add(), x, "sum", name="sum_of_itself")
    net.add(layers.Activation("relu"), x, name="first_relu")
    net.add(layers.Activation("relu"), x, name="second_relu")
    x = net.add(layers.Add(), "first_relu", "second_relu", "sum", name="three")
    x = net.add(layers.BatchNormalization(scale=False), x, name="lone_norm")
    x = net.add(layers.SeparableConv2D(4, 3, strides=2, activation="tanh"), x, name="strided")
    x = net.add(layers.Conv2D(3, 3, padding="same", activation="sigmoid"), x, name="curved")
    x = net.add(layers.SeparableConv2D(4, 2, padding="same", depth_multiplier=2), x, name="doubled")
    x = net.add(layers.Conv2D(7, 2, use_bias=False), x, name="last")
    x = net.add(layers.BatchNormalization(center=False), x, name="last_norm")
    x = net.add(layers.MaxPooling2D((2, 3), strides=(3, 1), padding="same"), x, name="pool")
    x = net.add(layers.Activation("relu"), x, name="after_pool")
    x = net.add(layers.Flatten(), x)
    x = net.add(layers.Dropout(0.3), x)
    net.add(layers.Activation("softmax"), x, name="end")
    return net


def random_graph(rng):
    """Up to twenty randomly wired nodes: branches, sums, windows and strides of all kinds."""
    net = Graph("random")
    names = [net.add(layers.Input(tuple(int(size) for size in rng.integers(1, (26, 26, 7)))))]
    for _ in range(rng.integers(2, 14)):
        source = names[-1] if rng.random() < 0.7 else names[rng.integers(len(names))]
        alike = [n for n in names if net.nodes[n].output_shape == net.nodes[source].output_shape]
        window = tuple(int(size) for size in rng.integers(1, 5, 2))
        strides = tuple(int(size) for size in rng.integers(1, 4, 2)) if rng.random() < 0.4 else 1
        padding, filters = ("same", "valid")[rng.integers(2)], int(rng.integers(1, 9))
        channels, relu = net.nodes[source].output_shape[-1], layers.Activation("relu")
        chain = [
            [layers.Conv2D(filters, window, strides, padding)],
            [layers.Conv2D(filters, 1, strides, padding, use_bias=False)],
            [layers.SeparableConv2D(filters, window, strides, padding)],
            [layers.SeparableConv2D(filters, 3, 1, "same"), layers.BatchNormalization(), relu],
            [relu, layers.SeparableConv2D(channels, 3, 1, "same"), layers.BatchNormalization()],
            [layers.MaxPooling2D(window, strides, padding)],
            [relu],
            [layers.BatchNormalization()],
        ][rng.integers(8)]  # fmt: skip
        try:
            last = source
            for layer in chain:
                last = net.add(layer, last)
            if net.nodes[last].output_shape == net.nodes[source].output_shape and rng.random() < 0.6:
                last = net.add(
                    layers.Add(), *rng.permutation([last, alike[rng.integers(len(alike))]]).tolist()
                )
            names.append(last)
        except ValueError:
            continue  # the window does not fit
    return net
