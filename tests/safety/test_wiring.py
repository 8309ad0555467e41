"""Hostile wiring in configs: circles, missing layers, and too many of them."""

import json

import numpy as np
import pytest
from hostile import archive, assert_config_refused, entry, functional, layer, sequential, small, tensor

import xception


def inner(name, *reads, **ends):
    """A network with one input and one output, used as a layer."""
    network = functional(entry("in", (None, 2)), layer("Identity", "same", "in"), name=name, **ends)
    return network | {
        "name": name,
        "inbound_nodes": [{"args": [tensor(read)], "kwargs": {}} for read in reads],
    }


# --- circles --------------------------------------------------------------------------------


def test_circles(tmp_path):
    circle = [layer("Identity", "a", "c"), layer("Identity", "b", "a"), layer("Identity", "c", "b")]
    assert_config_refused(tmp_path, small(*circle), "depends on its own output")
    assert_config_refused(tmp_path, small(layer("Identity", "a", "a")), "'a' depends on its own output")
    entering = functional(entry() | {"inbound_nodes": [{"args": [tensor("same")], "kwargs": {}}]},
                          layer("Identity", "same", "pixels"))  # fmt: skip
    assert_config_refused(tmp_path, entering, "'pixels' depends on its own output")
    twice = [
        layer("Add", "sum", [[tensor("dense"), tensor("sum", 1)]], [[tensor("dense"), tensor("sum", 0)]])
    ]
    assert_config_refused(tmp_path, small(*twice), "'sum' depends on its own output")
    assert_config_refused(tmp_path, small(inner("net", "net")), "'net' depends on its own output")


# --- missing tensors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [("nobody", 0, 0), ("dense", 0, 1), ("dense", 0, 10**30), ("", 0, 0)],
)
def test_references_to_missing_tensors(tmp_path, reference):
    name, use, output = reference
    message = "there is no layer|has 1 output|is damaged"
    assert_config_refused(tmp_path, small(layer("Identity", "evil", [tensor(name, use, output)])), message)
    assert_config_refused(tmp_path, small(output_layers=[list(reference)]), message)
    assert_config_refused(
        tmp_path, small(inner("net", "dense"), output_layers=[["net", use + 5, output + 5]]), message
    )


@pytest.mark.parametrize(
    "history",
    [
        ["dense", -1, 0], ["dense", 0, -1], ["dense", 0.5, 0], ["dense", float("nan"), 0], ["dense", "0", 0],
        ["dense", True, 0], ["dense"], [], None, "abc", [["dense"], 0, 0], [{}, 0, 0], [None, 0, 0], {"a": 1},
    ],
)  # fmt: skip
def test_malformed_references(tmp_path, history):
    described = {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
    assert_config_refused(tmp_path, small(layer("Identity", "evil", [described])), "small: ")
    assert_config_refused(tmp_path, small(output_layers=[history]), "small: ")
    assert_config_refused(
        tmp_path, small(layer("Identity", "evil") | {"inbound_nodes": [[history]]}), "small: "
    )


@pytest.mark.parametrize("ends", [[], {}, None, 3, "abc", "dense", ["dense"], [[]], [[[[]]]], {"a": None}])
def test_malformed_inputs_and_outputs(tmp_path, ends):
    assert_config_refused(tmp_path, small(output_layers=ends), "small: .*(no outputs|tensor|damaged)")
    assert_config_refused(tmp_path, small(input_layers=ends), "small: .*(no inputs|tensor|damaged)")


def test_inputs_that_are_no_input_layers(tmp_path):
    assert_config_refused(
        tmp_path, small(input_layers=[["conv", 0, 0]]), "its input 'conv' is not an input layer"
    )
    assert_config_refused(
        tmp_path, small(input_layers=[["nobody", 0, 0]]), "its input 'nobody' is not an input layer"
    )
    assert_config_refused(tmp_path, small(input_layers=[["pixels", 0, 0]] * 2), "its inputs are pixels")
    other = entry("other")
    assert_config_refused(
        tmp_path, functional(other, *small()["config"]["layers"], name="small"), "its inputs are|no weights"
    )
    loose = layer("Identity", "loose")
    assert_config_refused(tmp_path, small(loose), "loose .*takes 1 input")
    bare = entry() | {"config": {"name": "pixels", "dtype": "float32"}}
    assert_config_refused(
        tmp_path, functional(bare, layer("Flatten", "flat", "pixels")), "pixels .*has no shape"
    )
    net = inner("net", "dense", input_layers=[["in", 0, 0], ["in", 0, 0]])
    assert_config_refused(tmp_path, small(net), r"net: takes 2 input|its inputs")
    assert_config_refused(tmp_path, small(inner("net", "dense", input_layers=[])), "net: ")


@pytest.mark.parametrize(
    "nodes", [3, "dense", {"a": 1}, [3], [[3]], [None], ["dense"], [[["dense"]]], [{"args": 3}]]
)
def test_malformed_calls(tmp_path, nodes):
    assert_config_refused(tmp_path, small(layer("Identity", "evil") | {"inbound_nodes": nodes}), "small: ")


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        None,
        3,
        ["a"],
        {"a": 1},
        "a\0b",
        "a\nb",
        "\x1b[2Jgone",
        "\u202egnp.exe",
        "\ud800",
        "\x7f",
        "x" * 100_000,
    ],
    ids=lambda name: repr(name)[:20],
)
def test_odd_names_of_layers(tmp_path, name):
    evil = layer("Identity", "evil", "dense") | {"name": name}
    evil["config"]["name"] = name
    if name == "":
        evil["config"]["name"] = None
    assert_config_refused(tmp_path, small(evil, output_layers=[["dense", 0, 0]]), "name should be")
    assert_config_refused(tmp_path, sequential(entry(), evil), "name should be")
    if name:
        assert_config_refused(tmp_path, small(name=name), "name should be")
        assert_config_refused(
            tmp_path, sequential(entry(), layer("Flatten", "flat"), name=name), "name should be"
        )


@pytest.mark.parametrize("name", ["..", "/", "../../evil", "a\\b", "C:", "~", "évil", "层", ".", "%s{0}"])
def test_names_that_look_like_paths_are_names(tmp_path, name):
    described = small(layer("Identity", name, "dense"))
    model = xception.load_model(archive(tmp_path / "x.keras", described))
    assert model.layers[-1].name == name
    assert model.predict(np.zeros((1, 8, 8, 3))).tolist() == [[1, 2]]
    model.save(tmp_path / "again.keras")
    model.save_weights(tmp_path / "again.weights.h5")
    assert {path.name for path in tmp_path.iterdir()} == {"x.keras", "again.keras", "again.weights.h5"}


def test_layers_with_the_same_name(tmp_path):
    assert_config_refused(tmp_path, small(layer("Identity", "conv", "dense")), "has two layers called 'conv'")
    rows = [layer("Identity", "same"), layer("Identity", "same")]
    assert_config_refused(tmp_path, sequential(entry(), *rows), "has two layers called 'same'")
    # In the graph, the name of a nested layer begins with that of its network.
    path = [
        inner("net", "dense"),
        layer("Identity", "net/same", "dense"),
        layer("Add", "sum", [[tensor("net"), tensor("net/same")]]),
    ]
    assert_config_refused(tmp_path, small(*path), "there is a node of this name already")


def test_long_names_in_deep_networks(tmp_path):
    network = functional(entry("in", (None, 2)), layer("Identity", "same", "in"), name="x" * 500)
    for _ in range(10):
        network = network | {"name": "x" * 500, "inbound_nodes": [{"args": [tensor("in")], "kwargs": {}}]}
        network = functional(entry("in", (None, 2)), network, name="x" * 500)
    text = json.dumps(network)
    with pytest.raises(xception.ModelFileError):
        xception.load_model(archive(tmp_path / "x.keras", text, b""))


# --- multitudes -----------------------------------------------------------------------------


def billion_laughs(depth, width):
    """Return networks within networks, each of which uses the inner one `width` times."""
    network = inner("net")
    for _ in range(depth):
        net = network | {
            "name": "net",
            "inbound_nodes": [
                {"args": [tensor("net", i - 1) if i else tensor("in")], "kwargs": {}} for i in range(width)
            ],
        }
        network = functional(entry("in", (None, 2)), net, output_layers=[["net", width - 1, 0]], name="net")
    return network


@pytest.mark.parametrize(("depth", "width"), [(30, 2), (16, 3), (15, 3), (3, 100), (1, 20_001)])
def test_networks_that_multiply(tmp_path, depth, width):
    assert_config_refused(
        tmp_path, billion_laughs(depth, width), "has more than 20,000 layers|more than 16 deep"
    )


def test_networks_that_multiply_a_little(tmp_path):
    model = xception.load_model(archive(tmp_path / "x.keras", billion_laughs(5, 3), empty_hdf5()))
    assert model.predict(np.array([[1, 2]])).tolist() == [[1, 2]]


def empty_hdf5():
    from hostile import hdf5_bytes

    return hdf5_bytes(lambda file: file.create_group("layers"))


def test_deeply_nested_networks(tmp_path):
    network = functional(entry("in", (None, 2)), layer("Identity", "same", "in"))
    for depth in range(100):
        network = network | {"name": f"n{depth}", "inbound_nodes": [{"args": [tensor("in")], "kwargs": {}}]}
        network = functional(entry("in", (None, 2)), network, name="deep")
    assert_config_refused(tmp_path, network, "networks within networks, more than 16 deep")
    row = sequential(entry("in", (None, 2)))
    for depth in range(100):
        row = sequential(row | {"name": f"n{depth}"}, name=f"n{depth}")
    assert_config_refused(tmp_path, row, "networks within networks, more than 16 deep")


def test_very_many_layers(tmp_path):
    rows = [layer("Identity", f"i{i}", f"i{i - 1}" if i else "pixels") for i in range(20_001)]
    with pytest.raises(xception.ModelFileError, match="has more than 20,000 layers"):
        xception.load_model(archive(tmp_path / "x.keras", functional(entry(), *rows)))
    many = layer("Add", "sum", [[tensor("pixels")] * 30_000])
    model = archive(tmp_path / "x.keras", functional(entry(), many), empty_hdf5())
    assert xception.load_model(model).output_shape == (None, 8, 8, 3)


def test_very_many_inputs(tmp_path):
    """Of a nested network, which looks up each of them."""
    names = [f"in{i}" for i in range(9_000)]
    total = layer("Add", "sum", [[tensor(name) for name in names]])
    ends = [[name, 0, 0] for name in names]
    net = functional(*(entry(name, (None, 2)) for name in names), total, input_layers=ends)
    net |= {"name": "net", "inbound_nodes": [{"args": [[tensor("in")] * len(names)], "kwargs": {}}]}
    described = functional(entry("in", (None, 2)), net)
    model = xception.load_model(archive(tmp_path / "x.keras", described, empty_hdf5()))
    assert model.output_shape == (None, 2)
