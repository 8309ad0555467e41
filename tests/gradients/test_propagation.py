"""Gradients of whole networks against central differences, in float64."""

import numpy as np
import pytest
import small_models

from xception import architecture, layers
from xception.errors import GraphError, LimitError
from xception.gradients import gradients, nodes_between, required_nodes
from xception.graph import Graph
from xception.layers.operations.indexing import FULL

RNG = np.random.default_rng(1)
STEP = 1e-6


def in_float64(model):
    return {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in model.parameters.items()
    }


@pytest.mark.parametrize(
    "build", [small_models.nested, small_models.nested_twice, small_models.siamese, small_models.two_ends]
)
def test_gradients_of_the_inputs_of_models(build):
    """Through nested networks, layers that are used twice, and several outputs."""
    model = small_models.model(build())
    graph, parameters = model.graph, in_float64(model)
    inputs = {name: RNG.normal(size=(2, *graph.nodes[name].output_shape)) for name in model.input_names}
    values = graph.evaluate(parameters, inputs, graph.nodes)
    seeds = {name: RNG.normal(size=values[name].shape) for name in graph.outputs}
    computed = gradients(graph, parameters, values, seeds, graph.inputs)
    for name, x in inputs.items():
        direction = RNG.normal(size=x.shape)

        def loss(step, name=name, x=x, direction=direction):
            y = graph.evaluate(parameters, {**inputs, name: x + step * direction})
            return sum((seeds[output] * y[output]).sum() for output in graph.outputs)

        slope = (loss(STEP) - loss(-STEP)) / (2 * STEP)
        np.testing.assert_allclose((computed[name] * direction).sum(), slope, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def varied_xception():
    """Xception in float64, with weights that keep the scale of activations from block to block."""
    graph = architecture.xception((71, 71, 3), classes=10, classifier_activation="linear")
    parameters = {
        node.name: {
            name: RNG.normal(0, np.sqrt(2 / np.prod(shape[: 2 if "depthwise" in name else -1])), shape)
            if len(shape := parameter.shape) > 1
            else RNG.uniform(0.5, 1.5, shape)
            for name, parameter in node.parameters.items()
        }
        for node in graph.nodes.values()
        if node.parameters
    }
    return graph, parameters, graph.evaluate(parameters, RNG.uniform(-1, 1, (1, 71, 71, 3)), graph.nodes)


@pytest.mark.parametrize("name", ["block1_conv1", "block4_pool", "add_6", "block14_sepconv2_act"])
def test_gradients_of_the_nodes_of_xception(varied_xception, name):
    """Along a random direction, through all nodes from the given one to the output."""
    graph, parameters, values = varied_xception
    seeds = {"predictions": RNG.normal(size=(1, 10))}
    dy = gradients(graph, parameters, values, seeds, [name])[name]
    direction = RNG.normal(size=dy.shape) * values[name].std()
    losses, small_step = [], 1e-8  # so small that hardly any ReLU switches
    for step in (small_step, -small_step):
        moved = {**values, name: values[name] + step * direction}
        for node in nodes_between(graph, [name], seeds):
            inputs = [moved[source] for source in node.inputs]
            moved[node.name] = node.layer.forward(parameters.get(node.owner, {}), *inputs)
        losses.append((seeds["predictions"] * moved["predictions"]).sum())
    np.testing.assert_allclose((dy * direction).sum(), (losses[0] - losses[1]) / (2 * small_step), rtol=1e-4)


def test_only_inputs_of_layers_on_the_path_are_read():
    model = small_models.model(small_models.nested())
    needed = required_nodes(model.graph, ["base/add"], ["classes"])
    assert needed == {"base/add", "pooled", "dropout"}


def test_a_requested_node_may_precede_another():
    model = small_models.model(small_models.nested())
    graph, parameters = model.graph, in_float64(model)
    values = graph.evaluate(parameters, RNG.normal(size=(1, 12, 12, 3)), graph.nodes)
    seeds = {"classes": np.eye(5)[:1]}
    several = gradients(graph, parameters, values, seeds, ["base/block2_pool", "pooled", "classes"])
    np.testing.assert_array_equal(several["classes"], seeds["classes"])
    for name, dy in several.items():
        np.testing.assert_array_equal(dy, gradients(graph, parameters, values, seeds, [name])[name])


def test_the_error_for_a_layer_without_gradient_names_its_node():
    graph = Graph("small")
    x = graph.add(layers.Input((6, 6, 3)))
    graph.add(layers.CenterCrop(4, 4), x, name="middle")
    values = graph.evaluate({}, np.ones((1, 6, 6, 3)), graph.nodes)
    with pytest.raises(GraphError, match=r"middle \(CenterCrop\): this kind of layer has no gradient rule"):
        gradients(graph, {}, values, {"middle": values["middle"]}, [x])


def test_a_node_without_a_path_to_a_seed_is_refused():
    model = small_models.model(small_models.two_ends())
    with pytest.raises(GraphError, match="numbers: no path leads from this node to age"):
        gradients(model.graph, model.parameters, {}, {"age": np.ones((1, 1))}, ["numbers"])


def test_many_small_parts_of_a_large_map_are_too_much_work():
    """Each part has one number, but its gradient has the size of the map."""
    net = Graph("parts")
    maps = net.add(layers.Input((1000, 1000, 100)), name="maps")
    parts = [net.add(layers.GetItem((FULL, i, 0, FULL)), maps) for i in range(100)]
    total = net.add(layers.Add(), *parts, name="total")
    values = {
        name: np.broadcast_to(np.float32(0), (1, *node.output_shape)) for name, node in net.nodes.items()
    }
    with pytest.raises(LimitError, match=r"operations for one example, most of them in get_item"):
        gradients(net, {}, values, {total: np.zeros((1, 100), np.float32)}, [maps])
