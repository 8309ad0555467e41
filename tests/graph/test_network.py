"""Networks as Keras nests them."""

import numpy as np
import pytest
import small_models

import xception
from xception.errors import GraphError
from xception.graph import Graph, Network, flatten
from xception.graph.network import member_nodes, output_nodes
from xception.layers import Add, Dense, Input


@pytest.mark.parametrize("name", small_models.EVERY)
def test_leaves_are_the_nodes_with_parameters_of_their_own(name):
    network = small_models.EVERY[name]()
    graph = flatten(network)
    assert {path for path, _ in network.leaves()} == {node.owner for node in graph.nodes.values()}
    assert graph.inputs == network.inputs


def test_members_and_their_nodes():
    network = small_models.nested()
    graph = flatten(network)
    members = dict(network.walk())
    assert list(members)[:4] == ["image", "scaled", "base", "base/input_layer"]
    assert [node.name for node in member_nodes(graph, members["base"], "base")][1] == "base/block1_conv1"
    assert member_nodes(graph, members["pooled"], "pooled") == [graph.nodes["pooled"]]
    assert output_nodes(members["base"], "base") == ["base/add"]
    assert members["image"].is_input
    assert not members["base"].is_input


def test_a_sequential_model_does_not_list_its_input():
    assert small_models.in_a_row().visible_members()[0].name == "base"
    assert small_models.nested().visible_members()[0].name == "image"


def test_layers_that_no_output_depends_on_are_left_out():
    network = small_models.wired(
        "x", ["i"], ["a"], i=(Input((3,)),), a=(Dense(3), ["i"]), b=(Dense(3), ["a"]), c=(Dense(3), ["b"])
    )
    assert list(network.without_loose_ends().members) == ["i", "a"]


# --- graphs as networks ---------------------------------------------------------------------


def shared_graph():
    net = Graph("shared")
    one, two = net.add(Input((4,)), name="one"), net.add(Input((4,)), name="two")
    x = net.add(Dense(3, "tanh"), one, name="dense")
    y = net.add(Dense(3, "tanh"), two, shares="dense")
    net.add(Dense(1), net.add(Add(), x, y), name="sum_of_both")
    return net


def test_a_graph_and_its_network_are_the_same():
    net = shared_graph()
    network = Network.from_graph(net)
    assert list(network.members) == ["one", "two", "dense", "add", "sum_of_both"]
    assert network.members["dense"].uses == ((("one", 0, 0),), (("two", 0, 0),))
    again = flatten(network)
    assert dict(again.nodes) == dict(net.nodes)
    assert (again.inputs, again.outputs) == (net.inputs, net.outputs)


def test_a_model_with_a_layer_used_twice_is_saved_and_loaded(tmp_path):
    model = xception.Model(shared_graph(), seed=0)
    x = [np.ones((2, 4), np.float32), np.full((2, 4), 0.5, np.float32)]
    assert len(model.get_weights()) == 4
    assert model.count_params() == 4 * 3 + 3 + 3 + 1
    model.save(tmp_path / "x.keras")
    np.testing.assert_array_equal(xception.load_model(tmp_path / "x.keras").predict(x), model.predict(x))


def test_a_further_use_has_the_owners_name_and_layer():
    net = shared_graph()
    net.add(Dense(3, "tanh"), "one", name="mine", shares="dense")
    with pytest.raises(GraphError, match="mine: shares the parameters of dense; name it 'dense:2'"):
        Network.from_graph(net)
    net = shared_graph()
    net.add(Dense(3), "one", shares="dense")
    with pytest.raises(
        GraphError, match="dense:2: shares the parameters of dense, so it must be the same layer"
    ):
        xception.Model(net)
