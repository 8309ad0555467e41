"""Stages: which layers train, at which rates, and the head that they begin with."""

import numpy as np
import pytest

import xception
from xception.layers import Activation, Add, Conv2D, Dense, GlobalAveragePooling2D, Input, Softmax
from xception.training.fine_tuning.stages import (
    check_order,
    check_train,
    choose_stage,
    divide_epochs,
    set_trainable,
)
from xception.training.fine_tuning.starting_model import make_starting_model
from xception.training.fine_tuning.task_objective import Objective

CLASSES = Objective("classes", ("a", "b", "c"), np.eye(3))


@pytest.fixture(scope="module")
def starting():
    return make_starting_model(xception.Xception(weights=None, input_shape=(71, 71, 3), seed=0), CLASSES)


@pytest.mark.parametrize(
    ("train", "count", "first", "last_frozen"),
    [
        ("head", 1, "predictions", "block14_sepconv2_bn"),
        ("exit", 11, "block13_sepconv1", "block12_sepconv3"),
        ("half", 41, "block8_sepconv1", "block7_sepconv3_bn"),
        ("all", 81, "block1_conv1", None),
        ("norms", 41, "block1_conv1_bn", "block14_sepconv2"),
        ("block14_sepconv1", 5, "block14_sepconv1", "block13_sepconv2"),
    ],
)
def test_a_stage_is_what_its_name_says(starting, train, count, first, last_frozen):
    rates = choose_stage(starting.model, train, starting.head)
    assert len(rates) == count
    assert first in rates
    assert last_frozen not in rates
    set_trainable(starting.model, rates)
    assert starting.model.trainable_nodes == set(rates)


def test_the_projection_beside_block_13_trains_with_it(starting):
    assert "conv2d_3" in choose_stage(starting.model, "exit", starting.head)


def test_rates_fall_with_depth_down_to_a_tenth(starting):
    rates = choose_stage(starting.model, "all", starting.head)
    assert rates["predictions"] == 1
    assert rates["block14_sepconv2"] == rates["block14_sepconv2_bn"] == pytest.approx(0.9)
    assert rates["block13_sepconv1"] == pytest.approx(0.9**4)
    assert rates["block1_conv1"] == pytest.approx(0.1)


@pytest.mark.parametrize("ending", ["softmax", "layer", "activation", "maps", "vector"])
def test_the_last_layer_is_replaced_or_added(ending):
    net = xception.Graph("net")
    x = net.add(Input((8, 8, 3)))
    maps = net.add(Conv2D(5, 3), x, name="maps")
    if ending != "maps":
        x = net.add(GlobalAveragePooling2D(), maps, name="pooled")
    if ending in ("softmax", "layer", "activation"):
        activation = "softmax" if ending == "softmax" else "linear"
        x = net.add(Dense(7, activation), x, name="old")
    if ending == "layer":
        net.add(Softmax(), x)
    if ending == "activation":
        net.add(Activation("softmax"), x)
    starting = make_starting_model(xception.Model(net, seed=0), CLASSES)
    assert starting.head == ("old" if ending in ("softmax", "layer", "activation") else "predictions")
    features = starting.model.graph.nodes[starting.features]
    assert features.output_shape == (5,)
    model = starting.with_head(np.arange(15.0).reshape(5, 3), np.zeros(3))
    assert [name for _, name in model.class_names] == ["a", "b", "c"]
    scores = model.predict(np.full((1, 8, 8, 3), 0.5, np.float32))
    assert scores.shape == (1, 3)
    assert scores.sum() == pytest.approx(1)


def test_a_head_within_a_nested_network_is_found():
    inner = xception.Graph("inner")
    x = inner.add(Input((8, 8, 3)))
    x = inner.add(GlobalAveragePooling2D(), inner.add(Conv2D(5, 3), x))
    inner.add(Dense(7, "softmax"), x, name="old")
    from xception.graph import Member, Network, flatten

    nested = Network.from_graph(inner)
    members = {
        "input": Member("input", Input((8, 8, 3)), ((),)),
        "inner": Member("inner", nested, ((("input", 0, 0),),)),
    }
    network = Network("outer", members, ("input",), (("inner", 0, 0),))
    graph = flatten(network)
    base = xception.Model(graph, xception.Model(graph, network=network, seed=0).parameters, network)
    starting = make_starting_model(base, CLASSES)
    assert starting.head == "inner/old"
    assert starting.model.output_shape == (None, 3)


def test_a_model_with_two_outputs_is_refused():
    net = xception.Graph("two")
    x = net.add(Input((8,)))
    net.add(Dense(2), x)
    net.add(Dense(2), x)
    with pytest.raises(ValueError, match="several outputs, dense, dense_1"):
        make_starting_model(xception.Model(net, seed=0), CLASSES)


def test_a_sum_behind_the_head_gets_a_head_of_its_own():
    net = xception.Graph("net")
    x = net.add(Input((8,)))
    net.add(Add(), net.add(Dense(4), x), net.add(Dense(4), x))
    starting = make_starting_model(xception.Model(net, seed=0), CLASSES)
    assert (starting.head, starting.features) == ("predictions", "add")


# --- several stages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epochs", "stages", "expected"),
    [(10, 1, [10]), (10, 2, [5, 5]), (10, 3, [3, 3, 4]), (11, 3, [3, 4, 4]), (2, 2, [1, 1]), (0, 2, [0, 0])],
)
def test_stages_share_the_epochs_and_the_last_ones_have_those_left_over(epochs, stages, expected):
    assert divide_epochs(epochs, stages) == expected


@pytest.mark.parametrize(
    ("train", "epochs", "error", "message"),
    [
        (("exit", "half", "all"), 2, ValueError, "3 stages need at least as many epochs, got 2"),
        (("exit", "exit"), 5, ValueError, "has a stage twice"),
        ((), 5, ValueError, "train has no stage"),
        (("exit", 3), 5, TypeError, "must be a stage or the name of a layer, or a sequence"),
        (7, 5, TypeError, "must be a stage or the name of a layer, or a sequence"),
        ("", 5, TypeError, "must be a stage or the name of a layer, or a sequence"),
    ],
)
def test_wrong_stages_are_refused(train, epochs, error, message):
    with pytest.raises(error, match=message):
        check_train(train, epochs)


def test_one_stage_in_a_list_is_that_stage():
    assert check_train(["exit"], 3) == "exit"
    assert check_train(["exit", "half"], 3) == ("exit", "half")


def test_each_stage_trains_more_than_the_one_before(starting):
    nodes = {
        name: choose_stage(starting.model, name, starting.head) for name in ("head", "exit", "half", "norms")
    }
    check_order([(name, nodes[name]) for name in ("head", "exit", "half")])
    for wrong in (("half", "exit"), ("norms", "exit"), ("exit", "norms")):
        with pytest.raises(
            ValueError, match=f"train: '{wrong[1]}' must train what '{wrong[0]}' does, and more"
        ):
            check_order([(name, nodes[name]) for name in wrong])
