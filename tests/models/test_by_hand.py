"""Networks that a user builds by hand, out of Xception's blocks and others."""

import numpy as np
import pytest

import xception
from xception import architecture
from xception.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    Input,
    Multiply,
    Reshape,
    SeparableConv2D,
)
from xception.models.parameters import initial_parameters


def small_xception(middle_blocks=2, filters=64, classes=5):
    """Xception with fewer blocks and filters."""
    net = xception.Graph("small_xception")
    x = net.add(Input((71, 71, 3)))
    x = architecture.convolution(net, x, 16, "block1_conv1", strides=2)
    x = architecture.relu(net, x, "block1_conv1_act")
    x = architecture.halving_block(net, x, "block2", 32, 32, starts_with_relu=False)
    x = architecture.halving_block(net, x, "block3", filters, filters)
    for number in range(4, 4 + middle_blocks):
        x = architecture.residual_block(net, x, f"block{number}", filters)
    x = net.add(GlobalAveragePooling2D(), x, name="avg_pool")
    net.add(Dense(classes, "softmax"), x, name="predictions")
    return net


def strided_block(net, x, block, filters):
    """`architecture.halving_block` with a strided separable convolution in place of the pooling."""
    residual = net.add(Conv2D(filters, 1, strides=2, padding="same", use_bias=False), x)
    residual = net.add(BatchNormalization(), residual)
    x = architecture.relu(net, x, f"{block}_sepconv1_act")
    x = architecture.separable_convolution(net, x, filters, f"{block}_sepconv1")
    x = architecture.relu(net, x, f"{block}_sepconv2_act")
    x = net.add(
        SeparableConv2D(filters, 3, strides=2, padding="same", use_bias=False), x, name=f"{block}_down"
    )
    x = net.add(BatchNormalization(), x, name=f"{block}_down_bn")
    return net.add(Add(), x, residual)


def squeeze_and_excitation(net, x, block, ratio=4):
    """Scale each channel by a number that is computed from all of them (Hu et al., 2018)."""
    filters = net.nodes[x].output_shape[-1]
    scale = net.add(GlobalAveragePooling2D(), x, name=f"{block}_squeeze")
    scale = net.add(Dense(filters // ratio, "relu"), scale, name=f"{block}_reduce")
    scale = net.add(Dense(filters, "sigmoid"), scale, name=f"{block}_expand")
    scale = net.add(Reshape((1, 1, filters)), scale, name=f"{block}_scale")
    return net.add(Multiply(), x, scale, name=f"{block}_excite")


def with_other_blocks():
    """Pooling replaced by strides in one block, squeeze and excitation added to another."""
    net = xception.Graph("other_blocks")
    x = net.add(Input((None, None, 3), 71))
    x = architecture.convolution(net, x, 16, "block1_conv1", strides=2)
    x = architecture.relu(net, x, "block1_conv1_act")
    x = strided_block(net, x, "block2", 32)
    x = squeeze_and_excitation(net, x, "block2")
    x = architecture.halving_block(net, x, "block3", 48, 48)
    x = net.add(GlobalAveragePooling2D(), x, name="avg_pool")
    x = net.add(Dropout(0.5), x)
    net.add(Dense(3, "softmax"), x, name="predictions")
    return net


@pytest.mark.parametrize("build", [small_xception, with_other_blocks])
def test_a_network_built_by_hand_predicts_and_is_saved(build, images, tmp_path):
    model = xception.Model(build(), seed=0, class_names=None)
    y = model.predict(images)
    assert y.shape == (2, model.output_shape[1])
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    plain = model.graph.evaluate(model.parameters, images)["predictions"]
    np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(xception.Model(build(), seed=0).predict(images), y)
    tables = []
    model.summary(print_fn=tables.append)
    model.summary("dl4j", tables.append)
    assert f"Total params: {model.count_params():,}" in tables[0]
    assert all("predictions (Dense" in table for table in tables)
    assert model.features(images, "block3_pool").shape == (2, model.get_layer("block3_pool").output_shape[-1])
    model.save(tmp_path / "mine.keras")
    loaded = xception.load_model(tmp_path / "mine.keras")
    np.testing.assert_array_equal(loaded.predict(images), y)
    assert loaded.get_layer("block3_pool").inputs == model.get_layer("block3_pool").inputs
    model.save_weights(tmp_path / "mine.weights.h5")
    other = xception.Model(build(), seed=1)
    assert np.abs(other.predict(images) - y).max() > 1e-6
    other.load_weights(tmp_path / "mine.weights.h5")
    np.testing.assert_array_equal(other.predict(images), y)


def test_other_pooling_and_excitation_are_in_the_graph():
    net = with_other_blocks()
    assert net.nodes["block2_down"].inputs == ("block2_sepconv2_act",)
    assert net.nodes["block2_excite"].output_shape == (None, None, 32)
    assert "block2_pool" not in net.nodes


def other_classifier():
    """Xception's base with a classifier of two layers."""
    net = xception.Graph("mine")
    x = net.add(Input((71, 71, 3), 71))
    x = architecture.exit_flow(net, architecture.middle_flow(net, architecture.entry_flow(net, x)))
    x = net.add(GlobalAveragePooling2D(), x, name="avg_pool")
    x = net.add(Dense(8, "relu"), x, name="hidden")
    net.add(Dense(2), x, name="logits")
    return net


def test_parameters_of_xception_serve_where_the_nodes_are_the_same(base, images):
    net = other_classifier()
    shared = {name: arrays for name, arrays in base.parameters.items() if name in net.nodes}
    with pytest.raises(ValueError, match=r"mine: no parameters given for hidden \(kernel, bias\), logits \("):
        xception.Model(net, shared)
    model = xception.Model(net, {**initial_parameters(net, seed=0), **shared})
    np.testing.assert_array_equal(model.features(images, "avg_pool"), base.predict(images))
    assert model.predict(images).shape == (2, 2)


def test_a_truncated_xception_needs_only_its_own_parameters(base, images):
    net = xception.Graph("early")
    architecture.entry_flow(net, net.add(Input((None, None, 3), 71)))
    with pytest.raises(ValueError, match=r"early: has no parameters block5_sepconv1 \(depthwise_kernel"):
        xception.Model(net, base.parameters)
    model = xception.Model(
        net, {name: arrays for name, arrays in base.parameters.items() if name in net.nodes}
    )
    expected = base.activations(images, ["add_2"])["add_2"]
    np.testing.assert_allclose(model.predict(images), expected, rtol=1e-5, atol=1e-5)


def test_layers_are_put_behind_a_model(base, images):
    longer = base.graph.with_layer(Dense(4, "softmax"), name="classes")
    with pytest.raises(ValueError, match=r"no parameters given for classes \(kernel, bias\)$"):
        xception.Model(longer, base.parameters)
    kernel = np.random.default_rng(0).normal(size=(2048, 4))
    model = xception.Model(longer, {**base.parameters, "classes": {"kernel": kernel, "bias": np.zeros(4)}})
    logits = base.predict(images) @ kernel
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(images), expected, rtol=1e-4, atol=1e-6)


def test_a_layer_that_does_not_fit_is_named():
    net = xception.Graph("mine")
    x = net.add(Input((71, 71, 3)))
    y = net.add(Activation("relu"), x)
    with pytest.raises(xception.GraphError, match=r"add \(Add\): inputs must have compatible shapes"):
        net.add(Add(), y, net.add(Conv2D(8, 1), x))
