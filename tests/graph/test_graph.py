"""Graphs: building, copies, shapes and the plain forward pass."""

import copy
import pickle

import numpy as np
import pytest

from xception.errors import GraphError
from xception.graph import Graph
from xception.layers import Activation, Add, BatchNormalization, Conv2D, Dense, Input


def small_graph():
    """input -> a -> add, and beside it input -> projection -> add."""
    net = Graph("small")
    x = net.add(Input((4, 6, 3)))
    residual = net.add(Conv2D(8, 1), x)
    y = net.add(Conv2D(8, 3, padding="same"), x, name="a")
    y = net.add(BatchNormalization(), y, name="a_bn")
    net.add(Add(), y, residual)
    return net


def test_shapes_and_counts():
    net = small_graph()
    assert net.nodes["add"].output_shape == (4, 6, 8)
    assert net.nodes["a"].count_params() == 3 * 3 * 3 * 8 + 8
    assert net.count_params() == (27 * 8 + 8) + (3 * 8 + 8) + 4 * 8
    assert net.count_params(trainable=False) == 2 * 8
    assert net.shapes((9, 9, 3))["add"] == (9, 9, 8)
    assert net.outputs == ("add",)


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
def test_a_layer_that_does_not_fit_is_refused_by_name(layer, inputs, name, message):
    net = small_graph()
    with pytest.raises(GraphError, match=message):
        net.add(layer, *inputs, name=name)
    assert len(net.nodes) == 5


def test_a_map_is_needed_for_a_convolution():
    net = Graph("flat")
    x = net.add(Input((7,)))
    with pytest.raises(GraphError, match=r"conv2d \(Conv2D\): takes maps \(h, w, c\)"):
        net.add(Conv2D(8, 3), x)


def test_evaluate_gives_the_requested_nodes_and_keeps_the_dtype():
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


# --- inputs and outputs ---------------------------------------------------------------------


def test_inputs_and_outputs_in_another_order():
    net = Graph("two")
    for name in ("a", "b"):
        net.add(Dense(3), net.add(Input((4,)), name=name), name=f"{name}_out")
    assert (net.inputs, net.outputs) == (("a", "b"), ("a_out", "b_out"))
    net.set_inputs_and_outputs(["b", "a"], ["b_out", "a"])
    assert (net.inputs, net.outputs) == (("b", "a"), ("b_out", "a"))
    with pytest.raises(GraphError, match="two: its inputs are a, b, not a"):
        net.set_inputs_and_outputs(["a"], ["a_out"])
    with pytest.raises(GraphError, match="c: is not a node of two"):
        net.set_inputs_and_outputs(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="two: expected a dict with the inputs b, a"):
        net.evaluate({}, np.ones((1, 4)))


# --- shared parameters ----------------------------------------------------------------------


def test_a_layer_used_again_shares_its_parameters():
    net = Graph("shared")
    one, two = net.add(Input((4,)), name="one"), net.add(Input((4,)), name="two")
    net.add(Dense(3), one, name="dense")
    assert net.add(Dense(3), two, shares="dense") == "dense:1"
    assert net.nodes["dense:1"].owner == "dense"
    assert net.count_params() == 4 * 3 + 3
    with pytest.raises(GraphError, match="there is no node 'dance' to share parameters with"):
        net.add(Dense(3), two, shares="dance")
    with pytest.raises(
        GraphError, match=r"dense:2 \(Dense\): its input does not suit the parameters of dense"
    ):
        net.add(Dense(2), two, shares="dense")


# --- new graphs of old ones -----------------------------------------------------------------


def test_with_layer_reads_the_outputs_and_leaves_the_graph_alone():
    net = small_graph()
    longer = net.with_layer(Activation("relu"), name="last")
    assert (longer.outputs, net.outputs) == (("last",), ("add",))
    assert longer.nodes["last"].inputs == ("add",)
    assert "last" not in net.nodes
    longer.add(Activation("relu"), "last", name="more")  # an ordinary graph
    assert longer.outputs == ("more",)


def test_with_layer_behind_another_node_adds_an_output():
    net = small_graph()
    assert net.with_layer(Activation("relu"), "a", name="last").outputs == ("add", "last")
    net.set_inputs_and_outputs(["input_layer"], ["a", "add"])
    assert net.with_layer(Activation("relu"), "a_bn", name="last").outputs == ("a", "add", "last")
    assert net.with_layer(Activation("relu"), "a", name="last").outputs == ("add", "last")
    assert net.with_layer(Add(), name="last").outputs == ("last",)
    with pytest.raises(GraphError, match="takes 1 input"):
        net.with_layer(Activation("relu"))


def test_with_replaced_keeps_shapes_and_parameters():
    net = small_graph()
    changed = net.with_replaced("a", Conv2D(8, 3, padding="same", activation="tanh"))
    assert (changed.nodes["a"].layer.activation, net.nodes["a"].layer.activation) == ("tanh", "linear")
    assert list(changed.nodes) == list(net.nodes)
    with pytest.raises(
        GraphError, match=r"a \(Conv2D\): should give \(4, 6, 8\) as Conv2D does, gives \(2, 4, 8\)"
    ):
        net.with_replaced("a", Conv2D(8, 3))
    with pytest.raises(GraphError, match=r"a \(Conv2D\): its parameters are not those of Conv2D"):
        net.with_replaced("a", Conv2D(8, 1))
    with pytest.raises(GraphError, match="b: is not a node of small"):
        net.with_replaced("b", Conv2D(8, 1))
    with pytest.raises(GraphError, match=r"a \(Add\): takes two or more inputs, got 1"):
        net.with_replaced("a", Add())


def test_a_frozen_copy_cannot_be_changed():
    net = small_graph()
    frozen = net.frozen()
    assert frozen.frozen() is frozen
    for change in (
        lambda: frozen.add(Activation("relu"), "add"),
        lambda: frozen.set_inputs_and_outputs(["input_layer"], ["a"]),
    ):
        with pytest.raises(GraphError, match=r"small: the graph of a model cannot be changed; .*with_layer"):
            change()
    with pytest.raises(TypeError):
        frozen.nodes["b"] = frozen.nodes["a"]
    net.add(Activation("relu"), "add", name="last")
    assert "last" not in frozen.nodes
    assert frozen.with_layer(Activation("relu"), name="end").add(Activation("relu"), "end")


def test_a_frozen_graph_can_be_copied_and_sent():
    frozen = small_graph().frozen()
    for copied in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert list(copied.nodes) == list(frozen.nodes)
        with pytest.raises(GraphError, match="cannot be changed"):
            copied.add(Activation("relu"), "add")


def test_repr_says_how_large_a_graph_is():
    assert repr(small_graph()) == "<Graph small: 5 nodes, 288 parameters>"
