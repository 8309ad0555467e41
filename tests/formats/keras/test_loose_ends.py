"""Layers that no output depends on, as `add_loss` and `add_metric` of Keras 2 leave them in a file."""

import io

import h5py
import numpy as np
import pytest
from hostile import (
    BIAS,
    FILTER,
    KERNEL,
    archive,
    assert_same,
    fill_by_position,
    layer,
    small,
    whole_h5,
)

import xception
from xception.formats.keras.config_reader import read_network

OUTPUTS = {"output_layers": [["dense", 0, 0]]}
OTHER = np.ones((2, 5), np.float32)


def with_loose_ends():
    """An operation that is unknown, and a layer with weights before it."""
    return small(
        layer("Dense", "dense_9", "dense", units=5),
        layer("Mystery", "odd", "dense_9"),
        layer("AddLoss", "add_loss", "odd", unconditional=False),
        **OUTPUTS,
    )


def test_they_are_not_members_and_not_judged():
    network = read_network(with_loose_ends(), 2, "x")
    assert list(network.members) == ["pixels", "conv", "pool", "dense"]
    assert network.loose_ends == {"dense_9": "Dense", "odd": "Mystery", "add_loss": "AddLoss"}


def test_a_layer_that_an_output_needs_is_judged():
    with pytest.raises(xception.ModelFileError, match=r"odd \(Mystery\)"):
        read_network(small(layer("Mystery", "odd", "dense")), 2, "x")


def test_a_use_that_only_a_loss_reads_is_left_out():
    config = small(
        layer("GaussianNoise", "noise", "pool", stddev=1.0), layer("Dense", "again", "pool", units=2)
    )
    config["config"]["output_layers"] = [["dense", 1, 0], ["again", 0, 0]]
    dense = next(row for row in config["config"]["layers"] if row["name"] == "dense")
    dense["inbound_nodes"] = layer("Dense", "x", "noise", "pool")["inbound_nodes"]
    network = read_network(config, 3, "x")
    assert network.members["dense"].uses == ((("pool", 0, 0),),)
    assert network.outputs == (("dense", 0, 0), ("again", 0, 0))
    assert "noise" not in network.members


def test_their_arrays_are_not_missed_by_position(tmp_path):
    def fill(file):
        fill_by_position(file)
        file["layers/dense_1/vars/0"], file["layers/dense_1/vars/1"] = OTHER, OTHER[0]

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    path = archive(tmp_path / "x.keras", with_loose_ends(), stream.getvalue())
    assert_same(xception.load_model(path).get_weights(), [FILTER, KERNEL, BIAS])
    with h5py.File(stream, "a") as file:
        file["layers/dense_2/vars/0"] = OTHER  # one more than the config lists
    archive(path, with_loose_ends(), stream.getvalue())
    with pytest.raises(xception.ModelFileError, match="no layer for the file's dense_2"):
        xception.load_model(path)


def test_their_arrays_are_not_missed_by_name(tmp_path):
    def add(file):
        root = file["model_weights"]
        names = [*root.attrs["layer_names"], b"dense_9"]
        root.attrs["layer_names"] = np.array(names)
        group = root.create_group("dense_9")
        group.attrs["weight_names"] = np.array([b"dense_9/kernel:0", b"dense_9/bias:0"])
        group["dense_9/kernel:0"], group["dense_9/bias:0"] = OTHER, np.zeros(5, np.float32)

    path = whole_h5(tmp_path / "x.h5", with_loose_ends(), add)
    assert_same(xception.load_model(path).get_weights(), [FILTER, KERNEL, BIAS])
