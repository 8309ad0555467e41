"""Calls of attention layers, whose arguments have names, in the forms of Keras 2 and 3."""

import json
import zipfile

import numpy as np
import pytest

import xception
from xception import layers
from xception.formats.keras.layer_settings import check_origin, read_layer
from xception.formats.keras.named_calls import check_no_mask, read_named_calls
from xception.graph import Graph

ATTENTION, HEADS = layers.Attention(), layers.MultiHeadAttention(2, 3)
A, B, C = ("a", 0, 0), ("b", 0, 0), ("c", 1, 0)


def tensor(reference):
    """A tensor as Keras 3 writes it."""
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 5, 8], "dtype": "float32", "keras_history": list(reference)},
    }


def old(*tensors):
    """A call as Keras 2 writes it."""
    return {"inbound_nodes": [list(map(list, tensors))]}


def new(*args, **kwargs):
    """A call as Keras 3 writes it."""
    return {"inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


@pytest.mark.parametrize(
    ("layer", "described", "expected", "causal"),
    [
        (HEADS, new(tensor(A), tensor(B)), [A, B], False),
        (HEADS, new(tensor(A), tensor(B), tensor(C), training=None), [A, B, C], False),
        (HEADS, new(key=tensor(C), query=tensor(A), value=tensor(B)), [A, B, C], False),
        (HEADS, new(tensor(A), value=tensor(B), key=None, attention_mask=None), [A, B], False),
        (HEADS, new(tensor(A), tensor(A), use_causal_mask=True, return_attention_scores=True), [A, A], True),
        (HEADS, old((*A, {"value": [*B]})), [A, B], False),
        (HEADS, old((*A, {"key": [*C], "value": [*B], "use_causal_mask": True})), [A, B, C], True),
        (HEADS, {"inbound_nodes": [["a", 0, 0, {"value": ["b", 0, 0]}]]}, [A, B], False),
        (ATTENTION, new([tensor(A), tensor(B)], mask=[None, None]), [A, B], False),
        (ATTENTION, new([tensor(A), tensor(B), tensor(C)], use_causal_mask=True), [A, B, C], True),
        (ATTENTION, new(inputs=[tensor(A), tensor(B)]), [A, B], False),
        (
            ATTENTION,
            {
                "inbound_nodes": [
                    [["a", 0, 0, {"use_causal_mask": True}], ["b", 0, 0, {"use_causal_mask": True}]]
                ]
            },
            [A, B],
            True,
        ),
    ],
)
def test_tensors_are_put_in_order_and_settings_read(layer, described, expected, causal):
    read, calls = read_named_calls(layer, described)
    assert [list(map(tuple, call)) for call in calls] == [expected]
    assert read.use_causal_mask == causal


@pytest.mark.parametrize(
    ("layer", "described", "reason"),
    [
        (HEADS, new(tensor(A), tensor(B), attention_mask=tensor(C)), "called with attention_mask"),
        (HEADS, new(tensor(A), tensor(B), query_mask=tensor(C)), "called with query_mask"),
        (ATTENTION, new([tensor(A), tensor(B)], mask=[tensor(C), None]), "called with mask"),
        (ATTENTION, new([tensor(A), tensor(B)], [tensor(C)]), "a second argument"),
        (HEADS, old((*A, {"value": [*B], "attention_mask": [*C]})), "called with attention_mask"),
        (HEADS, new(tensor(A), 3.0), "constant"),
        (HEADS, new(tensor(A), tensor(B), use_causal_mask="yes"), "use_causal_mask"),
        (
            HEADS,
            {"inbound_nodes": [*new(tensor(A), tensor(B), use_causal_mask=True)["inbound_nodes"],
                               *new(tensor(B), tensor(B))["inbound_nodes"]]},
            "different use_causal_mask",
        ),
    ],
)  # fmt: skip
def test_masks_and_other_arguments_are_refused(layer, described, reason):
    with pytest.raises(ValueError, match=reason):
        read_named_calls(layer, described)


def test_a_mask_of_other_layers_is_refused():
    check_no_mask(new(tensor(A), mask=None))
    with pytest.raises(ValueError, match="called with mask"):
        check_no_mask(new(tensor(A), mask=tensor(B)))


@pytest.fixture(scope="module")
def attentive():
    """A model with attention and layers for sequences, and with random parameters."""
    graph = Graph("attentive")
    x = graph.add(layers.Input((6, 8)), name="x")
    y = graph.add(layers.MultiHeadAttention(2, 3, output_shape_setting=5, use_causal_mask=True), x, x)
    y = graph.add(layers.GroupedQueryAttention(3, 4, 2), y, x)
    y = graph.add(layers.Attention(use_scale=True, use_causal_mask=True), y, y, y)
    y = graph.add(layers.AdditiveAttention(), y, y)
    y = graph.add(layers.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d"), y)
    y = graph.add(layers.CustomScaleLayer(0.5), y, graph.add(layers.LayerScale(0.1, 6), y))
    y = graph.add(layers.Conv1D(4, 3, padding="causal"), graph.add(layers.StochasticDepth(0.1), y))
    graph.add(layers.GlobalAveragePooling1D(), graph.add(layers.RMSNormalization(), y))
    model, rng = xception.Model(graph), np.random.default_rng(0)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    return model


@pytest.mark.filterwarnings("ignore")
def test_a_saved_model_and_its_weights_are_read_back(attentive, tmp_path):
    x = np.random.default_rng(1).normal(size=(2, 6, 8)).astype(np.float32)
    expected = attentive.predict(x, verbose=False)
    attentive.save(tmp_path / "x.keras")
    loaded = xception.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=False), expected)
    assert {node.layer for node in loaded.graph.nodes.values()} == {
        node.layer for node in attentive.graph.nodes.values()
    }
    for name in ("x.weights.h5", "x.h5"):
        attentive.save_weights(tmp_path / name)
        loaded.set_weights([np.zeros_like(array) for array in loaded.get_weights()])
        loaded.load_weights(tmp_path / name)
        np.testing.assert_array_equal(loaded.predict(x, verbose=False), expected)


def test_saved_settings_have_keras_s_names(attentive, tmp_path):
    attentive.save(tmp_path / "x.keras")
    config = json.loads(zipfile.ZipFile(tmp_path / "x.keras").read("config.json"))
    described = {layer["class_name"]: layer for layer in config["config"]["layers"]}
    heads = described["MultiHeadAttention"]
    assert heads["config"]["output_shape"] == [5]
    assert "use_causal_mask" not in heads["config"]
    (call,) = heads["inbound_nodes"]
    assert len(call["args"]) == 2
    assert call["kwargs"] == {"use_causal_mask": True}
    assert "GroupQueryAttention" in described  # its name in keras.layers
    assert described["LayerScale"]["module"] == "keras.src.applications.convnext"
    assert described["LayerScale"]["registered_name"] == "LayerScale"


def test_a_causal_separable_convolution_cannot_be_saved(tmp_path):
    graph = Graph("causal")
    graph.add(layers.SeparableConv1D(2, 3, padding="causal"), graph.add(layers.Input((6, 8))))
    with pytest.raises(ValueError, match="causal SeparableConv1D"):
        xception.Model(graph).save(tmp_path / "x.keras")


@pytest.mark.parametrize(
    ("module", "registered", "is_known"),
    [
        ("keras.src.applications.convnext", "LayerScale", True),
        ("tf_keras.src.applications.inception_resnet_v2", "Custom>CustomScaleLayer", True),
        (None, "Custom>StochasticDepth", True),
        ("my_layers", "Custom>LayerScale", False),
        ("keras.layers", "Custom>Dense", False),
        (None, "mine>LayerScale", False),
    ],
)
def test_layers_of_published_models_are_known_as_keras_registers_them(module, registered, is_known):
    described = {"class_name": "LayerScale", "module": module, "registered_name": registered}
    if is_known:
        check_origin(described)
    else:
        with pytest.raises(ValueError, match="custom code is not run"):
            check_origin(described)


def test_layers_are_read_by_all_of_their_names():
    config = {"name": "x", "scale": 0.17, "trainable": True}
    assert read_layer("Custom>CustomScaleLayer", config, 2) == layers.CustomScaleLayer(0.17)
    old = {"nb_filter": 4, "filter_length": 3, "subsample_length": 2, "border_mode": "same"}
    assert read_layer("Convolution1D", old, 1) == layers.Conv1D(4, 3, 2, "same")
