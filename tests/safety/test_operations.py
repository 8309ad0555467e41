"""Operations of hostile configs: many outputs, huge settings, shapes that do not fit."""

import json
import time

import numpy as np
import pytest
from hostile import SECONDS, archive, assert_config_refused, entry, functional, hdf5_bytes, layer, tensor

import xception
from xception.formats.building import build_graph
from xception.formats.keras.config_reader import read_network
from xception.graph import Graph
from xception.layers import Arithmetic, Input, Where


def operation(name, class_name, *args, **settings):
    described = layer(class_name, name, list(args))
    described["config"] = {"name": name, **settings}
    return described | {"module": "keras.src.ops.numpy"}


def outputs(name, count):
    return layer("Add", "sum", [[tensor(name, 0, output) for output in range(count)]])


def test_settings_are_read_once_for_thousands_of_outputs():
    """Read again for each output, these ten megabytes would take minutes."""
    node = json.dumps({"op": "Unstack", "attr": {"axis": {"i": "1"}, "canary": {"s": "x" * 10_000_000}}})
    unstacked = {"class_name": "TensorFlowOpLayer", "name": "unstacked", "inbound_nodes": [[["x", 0, 0, {}]]],
                 "config": {"name": "unstacked", "node_def": node, "constants": {}}}  # fmt: skip
    entered = {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 1000, 2]},
               "inbound_nodes": []}  # fmt: skip
    added = {"class_name": "Add", "name": "sum", "config": {"name": "sum"},
             "inbound_nodes": [[["unstacked", 0, output, {}] for output in range(1000)]]}  # fmt: skip
    start = time.process_time()
    graph = build_graph(read_network(functional(entered, unstacked, added), 2, "x"), "x")
    assert time.process_time() - start < SECONDS
    x = np.ones((1, 1000, 2), np.float32)
    np.testing.assert_array_equal(graph.evaluate({}, x)["sum"], [[1000, 1000]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"indices_or_sections": list(range(1, 4001))}, "has 4,000 sections; supported are at most 1,000"),
        ({"indices_or_sections": 4000} | {f"x{i}": None for i in range(200_000)}, "settings; refused"),
    ],
    ids=["sections", "settings"],
)
def test_what_each_of_thousands_of_outputs_would_copy(tmp_path, settings, message):
    split = operation("split", "Split", tensor("x"), axis=-1, **settings)
    assert_config_refused(
        tmp_path, functional(entry("x", (None, 8, 4000)), split, outputs("split", 4000)), message
    )


def test_a_constant_of_millions_of_numbers_is_read_in_time():
    values = [0.5, 1] * 500_000
    described = functional(entry("x", (None, 1_000_000)), operation("sum", "Add", tensor("x"), values))
    start = time.process_time()
    network = read_network(described, 3, "x")
    assert time.process_time() - start < SECONDS
    assert network.members["sum"].layer == Arithmetic("add", tuple(map(float, values)))


@pytest.mark.parametrize(
    "rows",
    [
        [operation("y", "Reshape", tensor("x"), newshape=[-1, *[1] * 40, 12])],
        [operation(f"y{i}", "ExpandDims", tensor(f"y{i - 1}" if i else "x"), axis=1) for i in range(40)],
        [layer("MultiHeadAttention", "y", [tensor("x"), tensor("x")], num_heads=1, key_dim=1,
               output_shape=[1] * 40)],
    ],
    ids=["reshape", "expand_dims", "attention"],
)  # fmt: skip
def test_more_axes_than_numpy_has(tmp_path, rows):
    message = "axes beside that of the batch; supported are at most 31"
    assert_config_refused(tmp_path, functional(entry("x", (None, 4, 3)), *rows), message)


def test_as_many_axes_as_numpy_has(tmp_path):
    rows = [operation("y", "Reshape", tensor("x"), newshape=[-1, *[1] * 30, 12])]
    path = archive(tmp_path / "x.keras", functional(entry("x", (None, 4, 3)), *rows),
                   hdf5_bytes(lambda file: file.create_group("layers")))  # fmt: skip
    x = np.ones((2, 4, 3), np.float32)
    assert xception.load_model(path).predict(x).shape == (2, *[1] * 30, 12)


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_an_input_that_has_the_shape_of_a_constant_is_no_constant(shape):
    """It would be broadcast along the batch axis."""
    net = Graph("net")
    mask, x = net.add(Input((4, 3)), name="mask"), net.add(Input(shape), name="x")
    constant = np.zeros(shape).tolist()
    if len(shape) == 1:
        with pytest.raises(xception.XceptionError, match="must have the same rank"):
            net.add(Where(y=constant), mask, x)
    else:
        net.add(Where(y=constant), mask, x, name="chosen")
        values = {"mask": np.ones((2, 4, 3)), "x": np.arange(6.0).reshape(2, 1, 3)}
        expected = np.broadcast_to(values["x"], (2, 4, 3))
        np.testing.assert_array_equal(net.evaluate({}, values)["chosen"], expected)
    flat = Graph("flat")
    mask, x = flat.add(Input((3,)), name="mask"), flat.add(Input((1, 3)), name="x")
    with pytest.raises(xception.XceptionError, match="must have the same rank"):
        flat.add(Where(y=[[0.0, 0, 0]]), mask, x)


def test_stacked_cells_take_time_in_proportion_to_their_number(tmp_path):
    """A search for the arrays of each among those of all would take their square."""
    cells = [layer("SimpleRNNCell", f"c{i}", units=1) for i in range(1000)]
    stacked = layer("RNN", "y", "x", cell=layer("StackedRNNCells", "cells", cells=cells))
    network = read_network(functional(entry("x", (None, 20, 1)), stacked), 3, "x")
    graph = build_graph(network, "x")
    parameters = {
        "y": {name: np.ones(p.shape, np.float32) * name.endswith("/kernel")
              for name, p in graph.nodes["y"].parameters.items()}
    }  # fmt: skip
    start = time.process_time()
    y = graph.evaluate(parameters, np.zeros((1, 20, 1), np.float32))["y"]
    assert time.process_time() - start < SECONDS
    np.testing.assert_array_equal(y, [[0]])
