"""Gradients against central differences, in float64: of each kind of layer, and of whole networks."""

import dataclasses

import numpy as np
import pytest
import small_models

from xception import architecture, layers
from xception.errors import GraphError
from xception.gradients import backward, between, gradients, reads
from xception.graph import Graph
from xception.layers import ACTIVATIONS

RNG = np.random.default_rng(1)
STEP = 1e-6
MAP, VECTOR = (5, 6, 4), (7,)

LAYERS = [
    *((layers.Activation(name), [(3, 4)]) for name in ACTIVATIONS),
    (layers.Activation(layers.LeakyReLU(0.1)), [MAP]),
    (layers.ReLU(max_value=0.8, negative_slope=0.2, threshold=0.3), [MAP]),
    (layers.LeakyReLU(), [MAP]),
    (layers.PReLU(shared_axes=(1, 2)), [MAP]),
    (layers.ELU(0.7), [MAP]),
    (layers.ThresholdedReLU(0.5), [MAP]),
    (layers.Softmax(), [VECTOR]),
    (layers.Softmax(axis=(1, 2)), [MAP]),
    *(
        (layers.Conv2D(6, window, strides, padding, groups=groups), [MAP])
        for window, strides, padding, groups in [
            (1, 1, "valid", 1), (1, 2, "same", 1), (3, 1, "same", 2), (3, 2, "same", 1),
            ((2, 3), (1, 2), "valid", 1),
        ]
    ),
    (layers.Conv2D(8, 3, padding="same", dilation_rate=2, groups=4, activation="tanh"), [MAP]),
    (layers.Conv2D(3, 2, strides=(3, 1), padding="valid", dilation_rate=(1, 2), use_bias=False), [MAP]),
    (layers.SeparableConv2D(5, 3, padding="same"), [MAP]),
    (layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2, activation="relu"), [MAP]),
    (layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2), [MAP]),
    (layers.DepthwiseConv2D((2, 3), dilation_rate=2, activation="sigmoid"), [(6, 7, 4)]),
    (layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="softplus"), [MAP]),
    (layers.Conv2DTranspose(3, 2, strides=3), [MAP]),
    (layers.Conv2DTranspose(3, 3, strides=2, output_padding=1), [MAP]),
    (layers.Dense(3), [VECTOR]),
    (layers.Dense(3, "softmax"), [VECTOR]),
    (layers.Dense(3, "log_softmax"), [MAP]),
    (layers.BatchNormalization(), [MAP]),
    (layers.BatchNormalization(scale=False), [VECTOR]),
    (layers.LayerNormalization(), [MAP]),
    (layers.GroupNormalization(groups=2), [MAP]),
    (layers.GroupNormalization(groups=-1, scale=False), [MAP]),
    (layers.UnitNormalization(axis=(1, 3)), [MAP]),
    *(
        (kind(pool_size, strides, padding), [MAP])
        for kind in (layers.MaxPooling2D, layers.AveragePooling2D)
        for pool_size, strides, padding in [
            (3, 2, "same"), (2, 2, "valid"), ((3, 2), (1, 3), "same"), (2, 3, "same"),
        ]
    ),
    (layers.GlobalAveragePooling2D(), [MAP]),
    (layers.GlobalAveragePooling2D(keepdims=True), [MAP]),
    (layers.GlobalMaxPooling2D(), [MAP]),
    (layers.GlobalMaxPooling2D(keepdims=True), [MAP]),
    (layers.Flatten(), [MAP]),
    (layers.Reshape((6, -1)), [MAP]),
    (layers.Permute((3, 1, 2)), [MAP]),
    (layers.RepeatVector(3), [VECTOR]),
    (layers.ZeroPadding2D(((1, 0), (2, 3))), [MAP]),
    (layers.Cropping2D(((1, 0), (2, 1))), [MAP]),
    (layers.UpSampling2D((2, 3)), [MAP]),
    (layers.UpSampling2D(2, interpolation="bilinear"), [MAP]),
    (layers.Resizing(7, 3, interpolation="bicubic"), [MAP]),
    (layers.Resizing(3, 4, antialias=True), [MAP]),
    (layers.Rescaling(0.3, offset=(1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Rescaling((0.1, 0.2, 0.3, 0.4)), [MAP]),
    (layers.Normalization(mean=(0.1, 0.2, 0.3, 0.4), variance=(1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Normalization(invert=True), [MAP]),
    (layers.Dropout(), [MAP]),
    (layers.TrainingOnly("RandomFlip"), [MAP]),
    *(
        (kind(), shapes)
        for kind in (layers.Add, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
        for shapes in [(MAP, MAP, MAP), (MAP, (1, 1, 4), (4,)), ((5, 1, 4), (1, 6, 4))]
    ),
    (layers.Subtract(), [MAP, (1, 1, 4)]),
    (layers.Concatenate(), [MAP, (5, 6, 2)]),
    (layers.Concatenate(axis=1), [MAP, (1, 6, 4), MAP]),
    *((layers.Arithmetic(name), [MAP]) for name in ("negative", "absolute", "square", "sqrt", "exp", "log")),
    *(
        (layers.Arithmetic(name), [MAP, (1, 6, 1)])
        for name in ("add", "subtract", "multiply", "divide", "floor_divide", "power", "maximum", "minimum")
    ),
    (layers.Arithmetic("subtract", 0.5, constant_first=True), [MAP]),
    (layers.Arithmetic("divide", (1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Arithmetic("divide", 2.0, constant_first=True), [MAP]),
    (layers.Arithmetic("power", 3.0), [MAP]),
    (layers.Arithmetic("multiply", ((1.0,), (2.0,), (3.0,))), [(1, 1, 4)]),
]  # fmt: skip


def drawn(layer, shapes):
    """Inputs, and parameters by name. Where a function is for positive numbers only, these."""
    positive = getattr(layer, "operation", "") in ("sqrt", "log", "power", "divide")
    inputs = [RNG.uniform(0.5, 2, (2, *s)) if positive else RNG.normal(size=(2, *s)) for s in shapes]
    parameters = {
        name: RNG.uniform(0.5, 1.5, parameter.shape)
        if name in ("gamma", "moving_variance", "variance")
        else RNG.normal(size=parameter.shape)
        for name, parameter in layer.parameters(*shapes).items()
    }
    return inputs, parameters


def differences(f, x):
    """dL/dx by moving each number of x a little up and down."""
    dx = np.empty_like(x)
    for place in np.ndindex(x.shape):
        moved = x.copy()
        moved[place] += STEP
        above = f(moved)
        moved[place] -= 2 * STEP
        dx[place] = (above - f(moved)) / (2 * STEP)
    return dx


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=lambda value: str(value)[:60])
def test_each_layer_against_differences(layer, shapes):
    inputs, parameters = drawn(layer, shapes)
    y = layer.forward(parameters, *inputs)
    dy = RNG.normal(size=y.shape)
    found = backward(layer, parameters, dy, *inputs)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(inputs)
    for place, (dx, x) in enumerate(zip(found, inputs, strict=True)):

        def loss(moved, place=place):
            return (dy * layer.forward(parameters, *inputs[:place], moved, *inputs[place + 1 :])).sum()

        assert dx.dtype == np.float64
        np.testing.assert_allclose(dx, differences(loss, x), rtol=1e-6, atol=1e-7, strict=True)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=lambda value: str(value)[:60])
def test_float32_stays_float32(layer, shapes):
    inputs, parameters = drawn(layer, shapes)
    inputs = [x.astype(np.float32) for x in inputs]
    parameters = {name: value.astype(np.float32) for name, value in parameters.items()}
    dy = np.ones_like(layer.forward(parameters, *inputs))
    found = backward(layer, parameters, dy, *inputs)
    for dx in found if isinstance(found, tuple) else (found,):
        assert dx.dtype == np.float32


# --- where several answers would do, TensorFlow's ---------------------------------------------


def test_relu_is_flat_at_0():
    x, dy = np.zeros((1, 3)), np.ones((1, 3))
    for layer in (layers.Activation("relu"), layers.ReLU()):
        np.testing.assert_array_equal(backward(layer, {}, dy, x), 0)


def test_of_equal_pixels_a_window_passes_back_to_the_first():
    found = backward(layers.MaxPooling2D(2), {}, np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(found[0, :, :, 0], [[1, 0], [0, 0]])


def test_of_equal_pixels_the_whole_map_passes_back_to_all():
    found = backward(layers.GlobalMaxPooling2D(), {}, np.ones((1, 1)), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(found, 0.25)


def test_of_equal_inputs_the_first_counts():
    x = np.ones((1, 2))
    for layer in (layers.Maximum(), layers.Minimum(), layers.Arithmetic("maximum")):
        one, other = backward(layer, {}, x, x, x)
        np.testing.assert_array_equal(one, 1)
        np.testing.assert_array_equal(other, 0)


# --- whole networks ---------------------------------------------------------------------------


def in_float64(model):
    return {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in model.parameters.items()
    }


@pytest.mark.parametrize(
    "build", [small_models.nested, small_models.nested_twice, small_models.siamese, small_models.two_ends]
)
def test_whole_models_against_differences(build):
    """Every input's gradient: through networks within, layers used twice, and several ends."""
    model = small_models.model(build())
    graph, parameters = model.graph, in_float64(model)
    entering = {name: RNG.normal(size=(2, *graph.nodes[name].output_shape)) for name in model.input_names}
    values = graph.evaluate(parameters, entering, graph.nodes)
    seeds = {name: RNG.normal(size=values[name].shape) for name in graph.outputs}
    found = gradients(graph, parameters, values, seeds, graph.inputs)
    for name, x in entering.items():
        direction = RNG.normal(size=x.shape)

        def loss(step, name=name, x=x, direction=direction):
            y = graph.evaluate(parameters, {**entering, name: x + step * direction})
            return sum((seeds[output] * y[output]).sum() for output in graph.outputs)

        slope = (loss(STEP) - loss(-STEP)) / (2 * STEP)
        np.testing.assert_allclose((found[name] * direction).sum(), slope, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def lively():
    """Xception in float64 with weights that keep activations as large from block to block."""
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
def test_xception_against_differences(lively, name):
    """At a node within: the rest of the network, from there on, along a direction."""
    graph, parameters, values = lively
    seeds = {"predictions": RNG.normal(size=(1, 10))}
    found = gradients(graph, parameters, values, seeds, [name])[name]
    direction = RNG.normal(size=found.shape) * values[name].std()
    ends, little = [], 1e-8  # so that hardly a ReLU changes sides
    for step in (little, -little):
        moved = {**values, name: values[name] + step * direction}
        for node in between(graph, [name], seeds):
            inputs = [moved[source] for source in node.inputs]
            moved[node.name] = node.layer.forward(parameters.get(node.weights, {}), *inputs)
        ends.append((seeds["predictions"] * moved["predictions"]).sum())
    np.testing.assert_allclose((found * direction).sum(), (ends[0] - ends[1]) / (2 * little), rtol=1e-4)


def test_only_what_is_read_is_needed():
    model = small_models.model(small_models.nested())
    needed = reads(model.graph, ["base/add"], ["classes"])
    assert needed == {"base/add", "pooled", "dropout"}


def test_a_wanted_node_may_stand_before_another():
    model = small_models.model(small_models.nested())
    graph, parameters = model.graph, in_float64(model)
    values = graph.evaluate(parameters, RNG.normal(size=(1, 12, 12, 3)), graph.nodes)
    seeds = {"classes": np.eye(5)[:1]}
    both = gradients(graph, parameters, values, seeds, ["base/block2_pool", "pooled", "classes"])
    np.testing.assert_array_equal(both["classes"], seeds["classes"])
    for name, dy in both.items():
        np.testing.assert_array_equal(dy, gradients(graph, parameters, values, seeds, [name])[name])


def test_a_layer_without_a_gradient_is_named():
    graph = Graph("small")
    x = graph.add(layers.Input((6, 6, 3)))
    graph.add(layers.CenterCrop(4, 4), x, name="middle")
    values = graph.evaluate({}, np.ones((1, 6, 6, 3)), graph.nodes)
    with pytest.raises(GraphError, match=r"middle \(CenterCrop\): no gradient is known"):
        gradients(graph, {}, values, {"middle": values["middle"]}, [x])


def test_resizing_that_keeps_the_ratio_has_none():
    layer = dataclasses.replace(layers.Resizing(4, 4), crop_to_aspect_ratio=True)
    with pytest.raises(ValueError, match="aspect ratio"):
        backward(layer, {}, np.ones((1, 4, 4, 1)), np.ones((1, 6, 6, 1)))


def test_where_nothing_leads_is_said():
    model = small_models.model(small_models.two_ends())
    with pytest.raises(GraphError, match="numbers: nothing leads from here to age"):
        gradients(model.graph, model.parameters, {}, {"age": np.ones((1, 1))}, ["numbers"])
