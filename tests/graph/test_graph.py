import numpy as np
import pytest

from xception.errors import GraphError
from xception.graph import Graph
from xception.layers import Add, BatchNormalization, Conv2D, Dense, Input


def small_graph():
    """input -> a -> add, and beside it input -> projection -> add."""
    net = Graph("small")
    x = net.add(Input((4, 6, 3)))
    residual = net.add(Conv2D(8, 1), x)
    y = net.add(Conv2D(8, 3, padding="same"), x, name="a")
    y = net.add(BatchNormalization(), y, name="a_bn")
    net.add(Add(), y, residual)
    return net


def test_nodes_without_a_name_are_numbered_as_keras_does():
    net = Graph("numbers")
    x = net.add(Input((4, 4, 3)))
    assert [net.add(Conv2D(3, 1), x) for _ in range(3)] == ["conv2d", "conv2d_1", "conv2d_2"]
    net.add(Conv2D(3, 1), x, name="mine")
    assert net.add(Conv2D(3, 1), x) == "conv2d_3"
    assert net.add(BatchNormalization(), x) == "batch_normalization"


def test_shapes_and_counts():
    net = small_graph()
    assert net.nodes["add"].output_shape == (4, 6, 8)
    assert net.nodes["a"].count_params() == 3 * 3 * 3 * 8 + 8
    assert net.count_params() == (27 * 8 + 8) + (3 * 8 + 8) + 4 * 8
    assert net.count_params(trainable=False) == 2 * 8
    assert net.shapes((9, 9, 3))["add"] == (9, 9, 8)
    assert net.outputs == ("add",)


def test_order_is_keras_order():
    # `a` is as far from the output as nothing else; the projection stands beside a_bn, and
    # after it, as the sum names it second.
    order = [node.name for node in small_graph().topological_order()]
    assert order == ["input_layer", "a", "a_bn", "conv2d", "add"]


@pytest.mark.parametrize(
    ("layer", "inputs", "name", "message"),
    [
        (Conv2D(8, 3), ["nowhere"], "b", "b: its input 'nowhere' is not a node of small"),
        (Conv2D(8, 3), ["a"], "a", "a: there is a node of this name already"),
        (Conv2D(8, 3), ["a", "a"], "b", r"b \(Conv2D\): takes 1 input\(s\), got 2"),
        (Add(), ["a"], "b", r"b \(Add\): takes two or more inputs, got 1"),
        (
            Add(),
            ["a", "input_layer"],
            "b",
            r"b \(Add\): inputs must have compatible shapes, got \(4, 6, 8\) and \(4, 6, 3\)",
        ),
        (
            Conv2D(8, 5),
            ["a"],
            "b",
            r"b \(Conv2D\): a window of 5 does not fit into an input of shape \(4, 6, 8\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(layer, inputs, name, message):
    net = small_graph()
    with pytest.raises(GraphError, match=message):
        net.add(layer, *inputs, name=name)
    assert len(net.nodes) == 5


def test_a_map_is_needed_for_a_convolution():
    net = Graph("flat")
    x = net.add(Input((7,)))
    with pytest.raises(GraphError, match=r"conv2d \(Conv2D\): takes maps \(h, w, c\)"):
        net.add(Conv2D(8, 3), x)


def test_evaluate_gives_the_wanted_nodes_only_and_keeps_the_type():
    net = small_graph()
    rng = np.random.default_rng(0)
    parameters = {
        node.name: {name: p.initial_value(rng).astype(np.float64) for name, p in node.parameters.items()}
        for node in net.nodes.values()
    }
    x = rng.normal(size=(2, 4, 6, 3))
    everything = net.evaluate(parameters, x, net.nodes)
    assert set(everything) == set(net.nodes)
    np.testing.assert_allclose(everything["add"], everything["a_bn"] + everything["conv2d"])
    only = net.evaluate({"conv2d": parameters["conv2d"]}, x, ["conv2d"])  # the others have no numbers
    assert list(only) == ["conv2d"]
    assert only["conv2d"].dtype == np.float64
    with pytest.raises(GraphError, match="nothing: is not a node of small"):
        net.evaluate(parameters, x, ["nothing"])


def test_dense_needs_to_know_its_channels():
    net = Graph("open")
    x = net.add(Input((None,)))
    with pytest.raises(GraphError, match=r"dense \(Dense\): needs a known number of channels"):
        net.add(Dense(3), x)
