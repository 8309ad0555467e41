"""How graphs are divided into stages."""

import numpy as np
import pytest
from forward_passes import assert_agree, evaluate_exactly, trained

from xception import layers
from xception.engine.fusion import FusedStage, LayerStage, fuse
from xception.engine.plan import Plan
from xception.graph import Graph


def by_name(stages):
    return {stage.name: stage for stage in stages}


def test_xception_is_forty_fused_stages_and_three_layers(full_model):
    graph = full_model.graph
    assert len(graph.nodes) == 134
    stages = fuse(graph, full_model.parameters, graph.outputs)
    layer_stages = [stage.name for stage in stages if isinstance(stage, LayerStage)]
    assert layer_stages == ["input_layer", "avg_pool", "predictions"]
    assert len(stages) == 43


def test_stages_stand_behind_what_they_read(network):
    computed = set()
    for stage in fuse(*network, network[0].outputs):
        assert computed.issuperset(stage.inputs)
        computed.update(stage.outputs)


def test_what_is_not_requested_is_not_computed(network):
    stages = fuse(*network, ["block1_conv1_bn"])
    assert [stage.name for stage in stages] == ["input_layer", "block1_conv1_bn"]
    assert stages[1].relu is not None or stages[1].stores_raw


def test_a_requested_node_is_not_fused_away(network):
    stages = by_name(fuse(*network, ["block1_conv1", "block1_conv1_act"]))
    assert stages["block1_conv1"].scale is None
    assert not stages["block1_conv1"].bias.any()


def small_graph(*chain):
    graph = Graph("small")
    x = graph.add(layers.Input((8, 8, 4)), name="pixels")
    for name, layer in chain:
        x = graph.add(layer, x, name=name)
    return graph


def test_small_kernels_take_the_scale_and_large_products_are_scaled(monkeypatch):
    graph = small_graph(("conv", layers.Conv2D(3, 1)), ("norm", layers.BatchNormalization()))
    parameters = trained(graph)
    (_, folded) = fuse(graph, parameters, ["norm"])
    assert folded.scale is None
    monkeypatch.setattr("xception.engine.fusion.MAX_FOLDED_ELEMENTS", 11)
    (_, scaled) = fuse(graph, parameters, ["norm"])
    assert np.shares_memory(scaled.matrix, parameters["conv"]["kernel"])
    np.testing.assert_allclose(scaled.matrix * scaled.scale, folded.matrix, rtol=1e-6)
    np.testing.assert_array_equal(scaled.bias, folded.bias)


@pytest.mark.parametrize("gamma", [0.5, -0.5, 0.0])
def test_only_positive_scales_move_into_the_next_depthwise_kernel(monkeypatch, gamma):
    monkeypatch.setattr("xception.engine.fusion.MAX_FOLDED_ELEMENTS", 0)
    graph = small_graph(
        ("conv", layers.Conv2D(4, 1)), ("norm", layers.BatchNormalization()),
        ("relu", layers.ReLU()), ("next", layers.SeparableConv2D(4, 3)),
    )  # fmt: skip
    parameters = trained(graph)
    parameters["norm"]["gamma"][...] = np.abs(parameters["norm"]["gamma"])
    parameters["norm"]["gamma"][2] = gamma
    stages = by_name(fuse(graph, parameters, ["next"]))
    assert (stages["norm"].scale is None) == (gamma > 0)
    depthwise = parameters["next"]["depthwise_kernel"][..., 0]
    assert np.array_equal(stages["next"].depthwise, depthwise) == (gamma <= 0)
    stages = by_name(fuse(graph, parameters, ["next", "relu"]))
    assert stages["norm"].scale is not None  # the ReLU's activation is requested itself


def test_dropout_is_left_out():
    graph = small_graph(("drop", layers.Dropout(0.5)), ("conv", layers.Conv2D(3, 3)))
    stages = fuse(graph, trained(graph), ["conv"])
    assert [stage.name for stage in stages] == ["pixels", "conv"]
    assert [stage.name for stage in fuse(graph, trained(graph), ["drop"])] == ["pixels", "drop"]


def test_convolutions_that_do_not_fit_a_stage_are_computed_by_their_layers():
    graph = small_graph(
        ("dilated", layers.Conv2D(4, 3, dilation_rate=2)), ("grouped", layers.Conv2D(4, 1, groups=2)),
        ("curved", layers.Conv2D(4, 1, activation="tanh")),
        ("doubled", layers.SeparableConv2D(4, 2, depth_multiplier=2)), ("plain", layers.Conv2D(4, 1)),
    )  # fmt: skip
    stages = by_name(fuse(graph, trained(graph), ["plain"]))
    fused = [name for name, stage in stages.items() if isinstance(stage, FusedStage)]
    assert fused == ["plain"]


def test_a_graph_deeper_than_pythons_stack():
    net = Graph("deep")
    x = net.add(layers.Input((3, 3, 2)))
    for _ in range(1200):
        x = net.add(layers.Activation("tanh"), x)
    image = np.ones((1, 3, 3, 2), np.float32)
    assert_agree(Plan(net, {}).run(image), net.evaluate({}, image))


def halving_graph(size, window, strides, selection_padding):
    """A pooling as PyTorch pads it, in two layers, between a product and a residual sum."""
    graph = Graph("halving")
    x = graph.add(layers.Input((*size, 6)), name="pixels")
    residual = graph.add(layers.Conv2D(8, 1, strides, padding="same"), x, name="projection")
    y = graph.add(layers.SeparableConv2D(8, 3, padding="same", use_bias=False), x, name="product")
    y = graph.add(layers.BatchNormalization(), y, name="norm")
    y = graph.add(layers.MaxPooling2D(window, 1, "same"), y, name="maximum")
    y = graph.add(layers.MaxPooling2D(1, strides, selection_padding), y, name="selection")
    graph.add(layers.Activation("relu"), graph.add(layers.Add(), y, residual, name="sum"), name="relu")
    return graph


@pytest.mark.parametrize("size", [(37, 40), (40, 37), (74, 75), (5, 4)])
@pytest.mark.parametrize(
    ("window", "strides", "selection"), [(3, 2, "same"), (3, 2, "valid"), ((2, 3), (1, 3), "same")]
)
def test_pooling_as_pytorch_pads_it_is_one_step(size, window, strides, selection):
    graph = halving_graph(size, window, strides, selection)
    parameters = trained(graph)
    stages = fuse(graph, parameters, ["relu"])
    assert [stage.name for stage in stages] == ["pixels", "projection", "sum"]
    x = np.random.default_rng(0).normal(size=(2, *size, 6)).astype(np.float32)
    for outputs in (["relu", "sum"], ["maximum", "relu"]):  # a pooling that is asked for is computed apart
        exact = evaluate_exactly(graph, parameters, x, outputs)
        assert_agree(Plan(graph, parameters).run(x, outputs), exact)


def test_pooling_that_skips_pixels_is_not_fused():
    graph = halving_graph((40, 40), 2, 3, "same")
    names = [stage.name for stage in fuse(graph, trained(graph), ["relu"])]
    assert "maximum" in names or "selection" in names
