"""Regularizers, constraints and momentum in configs of every Keras: read, kept, written."""

import json
import zipfile

import pytest
import small_models
from hostile import archive, small

import xception
from xception import layers
from xception.formats.keras.layer_settings import read_layer
from xception.layers.penalized import describe_unsupported, penalties_of
from xception.layers.penalties import L1, L1L2, L2, MaxNorm, MinMaxNorm, NonNeg, OtherPenalty, UnitNorm


def keras3(class_name, family="regularizers", **config):
    return {
        "module": f"keras.{family}", "class_name": class_name, "config": config, "registered_name": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keras", "described", "expected"),
    [
        (3, keras3("L2", l2=1e-4), L2(1e-4)),
        (3, keras3("L1", l1=0.5), L1(0.5)),
        (3, keras3("L1L2", l1=0.5, l2=0.25), L1L2(0.5, 0.25)),
        (2, {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 1e-5}}, L1L2(0, 1e-5)),
        (2, {"class_name": "L2", "config": {"l2": 0.01}}, L2(0.01)),
        (2, {"class_name": "L1L2", "config": {"l1": None, "l2": 0.5}}, L1L2(0, 0.5)),
        (1, {"name": "L1L2Regularizer", "l1": 0.0, "l2": 1e-5}, L1L2(0, 1e-5)),
        (1, {"name": "WeightRegularizer", "l1": 0.5, "l2": 0.0}, L1L2(0.5, 0)),
        (3, "l2", L2(0.01)),
    ],
)
def test_regularizers_are_read(keras, described, expected):
    layer = read_layer("Dense", {"units": 2, "kernel_regularizer": described}, keras)
    assert penalties_of(layer) == {"kernel_regularizer": expected}


@pytest.mark.parametrize(
    ("keras", "described", "expected"),
    [
        (3, keras3("MaxNorm", "constraints", max_value=3, axis=[0, 1, 2]), MaxNorm(3, (0, 1, 2))),
        (2, {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}}, MaxNorm(3)),
        (1, {"name": "MaxNorm", "m": 4, "axis": 1}, MaxNorm(4, 1)),
        (3, keras3("UnitNorm", "constraints", axis=1), UnitNorm(1)),
        (3, keras3("NonNeg", "constraints"), NonNeg()),
        (
            3,
            keras3("MinMaxNorm", "constraints", min_value=1.0, max_value=2.0, rate=0.5, axis=0),
            MinMaxNorm(1, 2, 0.5),
        ),
        (2, "max_norm", MaxNorm(2)),
    ],
)
def test_constraints_are_read(keras, described, expected):
    layer = read_layer("Conv2D", {"filters": 2, "kernel_size": 1, "bias_constraint": described}, keras)
    assert penalties_of(layer) == {"bias_constraint": expected}


def test_settings_of_keras_1_are_read_by_their_names():
    config = {"output_dim": 2, "W_regularizer": {"name": "L1L2Regularizer", "l1": 0, "l2": 0.5},
              "b_constraint": {"name": "NonNeg"}, "b_regularizer": None}  # fmt: skip
    layer = read_layer("Dense", config, 1)
    assert penalties_of(layer) == {"kernel_regularizer": L1L2(0, 0.5), "bias_constraint": NonNeg()}


@pytest.mark.parametrize(
    ("described", "kind"),
    [
        (keras3("L2", l2=-1), "L2 with settings that are not valid"),
        (keras3("L2", l2="1"), "L2 with settings that are not valid"),
        (keras3("L2", l3=1), "L2 with settings that are not valid"),
        (keras3("L2") | {"module": "mine"}, "L2"),
        (keras3("L2") | {"registered_name": "mine>L2"}, "L2"),
        (keras3("Mine\x1b"), "Mine\\x1b"),
        (keras3("L2") | {"class_name": ["L2"]}, "list"),
        (keras3("L2") | {"config": 3}, "L2"),
        ("mine", "mine"),
        (keras3("MaxNorm", "constraints"), "MaxNorm"),  # is no regularizer
        ("non_neg", "NonNeg"),
        (3, "int"),
        ([], "list"),
        ({}, "NoneType"),
    ],
)
def test_others_are_named_and_not_saved_and_the_model_predicts(described, kind, tmp_path):
    network = small()
    (dense,) = (layer for layer in network["config"]["layers"] if layer["name"] == "dense")
    dense["config"]["kernel_regularizer"] = described
    model = xception.load_model(archive(tmp_path / "x.keras", network))
    layer = model.graph.nodes["dense"].layer
    assert penalties_of(layer) == {"kernel_regularizer": OtherPenalty(kind)}
    assert "kernel_regularizer is" in describe_unsupported(layer, model.graph.nodes["dense"].parameters)[0]
    model.save(tmp_path / "y.keras")
    assert saved_config(tmp_path / "y.keras", "dense").get("kernel_regularizer") is None


def test_a_constraint_whose_settings_are_not_valid_is_named():
    described = keras3("MaxNorm", "constraints", axis=[[0]])
    layer = read_layer("Dense", {"units": 2, "kernel_constraint": described}, 3)
    assert penalties_of(layer) == {
        "kernel_constraint": OtherPenalty("MaxNorm with settings that are not valid")
    }


def test_a_regularizer_of_keras_that_does_not_act_is_saved_again(tmp_path):
    described = keras3("OrthogonalRegularizer", factor=0.01, mode="rows")
    layer = read_layer("Dense", {"units": 2, "kernel_regularizer": described}, 3)
    assert describe_unsupported(layer, {}) == [
        "kernel_regularizer is 'OrthogonalRegularizer'; supported are those of Keras's L1, L2 and norms"
    ]
    save(tmp_path / "x.keras", layer)
    assert saved_config(tmp_path / "x.keras", "layer")["kernel_regularizer"] == described


ALL_KINDS = [
    layers.Dense(
        2,
        penalties={
            "kernel_regularizer": L2(0.5),
            "bias_constraint": NonNeg(),
            "activity_regularizer": L1(0.25),
        },
    ),
    layers.Conv1D(
        2, 3, penalties={"kernel_constraint": MaxNorm(1, (0, 1)), "bias_regularizer": L1L2(0.5, 0.25)}
    ),
    layers.SeparableConv1D(
        2, 3, penalties={"depthwise_regularizer": L1(), "pointwise_constraint": UnitNorm()}
    ),
    layers.DepthwiseConv1D(2, penalties={"depthwise_constraint": MinMaxNorm(1, 2, 0.5)}),
    layers.BatchNormalization(
        momentum=0.5, penalties={"gamma_regularizer": L2(), "beta_constraint": NonNeg()}
    ),
    layers.LayerNormalization(penalties={"beta_regularizer": L2()}),
    layers.PReLU(penalties={"alpha_constraint": NonNeg()}),
    layers.EinsumDense("abc,cd->abd", (None, 2), penalties={"kernel_regularizer": L2()}),
    layers.LSTM(2, penalties={"recurrent_regularizer": L2(), "kernel_constraint": MaxNorm()}),
    layers.MultiHeadAttention(1, 2, penalties={"kernel_regularizer": L2()}),
    layers.GroupNormalization(3, penalties={"gamma_constraint": NonNeg()}),
]


def save(path, layer):
    reads = ["steps"] * (2 if layer.arity is None else 1)
    members = {"steps": (layers.Input((5, 3)),), "layer": (layer, reads)}
    small_models.model(small_models.wired("row", ["steps"], ["layer"], **members)).save(path)


@pytest.mark.parametrize("layer", ALL_KINDS, ids=lambda layer: layer.kind)
def test_penalties_and_momentum_are_saved_and_loaded(layer, tmp_path):
    save(tmp_path / "x.keras", layer)
    loaded = xception.load_model(tmp_path / "x.keras").graph.nodes["layer"].layer
    assert loaded == layer
    assert penalties_of(loaded) == penalties_of(layer)
    assert getattr(loaded, "momentum", None) == getattr(layer, "momentum", None)


def test_penalties_of_a_layer_within_another_are_its_own(tmp_path):
    layer = layers.TimeDistributed(layers.Dense(2, penalties={"kernel_regularizer": L2(0.5)}))
    save(tmp_path / "x.keras", layer)
    config = saved_config(tmp_path / "x.keras", "layer")
    assert "kernel_regularizer" not in config
    assert config["layer"]["config"]["kernel_regularizer"] == keras3("L2", l2=0.5)


def test_penalties_of_cells_and_of_both_directions_are_their_own(tmp_path):
    cell = layers.GRUCell(2, penalties={"recurrent_constraint": UnitNorm()})
    backward = layers.RNN(cell, go_backwards=True)
    layer = layers.Bidirectional(
        layers.LSTM(2, penalties={"bias_regularizer": L1()}), backward_layer=backward
    )
    save(tmp_path / "x.keras", layer)
    loaded = xception.load_model(tmp_path / "x.keras").graph.nodes["layer"].layer
    assert penalties_of(loaded.layer) == {"bias_regularizer": L1()}
    assert penalties_of(loaded.backward_layer.cell) == {"recurrent_constraint": UnitNorm()}


def test_a_setting_of_this_name_in_a_file_is_no_setting_of_keras():
    with pytest.raises(ValueError, match=r"its setting penalties = .* is not supported"):
        read_layer("Dense", {"units": 2, "penalties": {"kernel_regularizer": "l2"}}, 3)


def test_penalties_that_are_none_are_not_written(tmp_path):
    save(tmp_path / "x.keras", layers.Dense(2))
    assert not [key for key in saved_config(tmp_path / "x.keras", "layer") if "regularizer" in key]


def test_the_momentum_of_every_keras_is_read():
    assert read_layer("BatchNormalization", {"momentum": 0.9}, 1).momentum == 0.9
    assert read_layer("BatchNormalization", {}, 2).momentum == 0.99


def saved_config(path, name):
    with zipfile.ZipFile(path) as file:
        members = json.loads(file.read("config.json"))["config"]["layers"]
    return next(member for member in members if member["name"] == name)["config"]
