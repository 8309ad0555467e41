"""Keras's order of layers."""

from xception.graph import Graph
from xception.graph.order import keras_order
from xception.layers import Add, BatchNormalization, Conv2D, Input


def small_graph():
    """input -> a -> add, and beside it input -> projection -> add."""
    net = Graph("small")
    x = net.add(Input((4, 6, 3)))
    residual = net.add(Conv2D(8, 1), x)
    y = net.add(Conv2D(8, 3, padding="same"), x, name="a")
    y = net.add(BatchNormalization(), y, name="a_bn")
    net.add(Add(), y, residual)
    return net


def test_order_is_keras_order():
    # `a` is as far from the output as nothing else; the projection stands beside a_bn, and
    # after it, as the sum names it second.
    order = [node.name for node in small_graph().topological_order()]
    assert order == ["input_layer", "a", "a_bn", "conv2d", "add"]


def test_a_layer_used_twice_stands_where_its_deepest_use_is():
    sources = {"x": [], "a": ["x"], "b": ["a"], "a:1": ["b"]}
    assert keras_order(sources, ["a:1"], {use: use.partition(":")[0] for use in sources}) == ["x", "a", "b"]


def test_layers_without_readers_are_kept():
    sources = {"x": [], "loose": ["x"], "end": ["x"]}
    assert keras_order(sources, ["end"], dict(zip(sources, sources, strict=True))) == ["x", "loose", "end"]
