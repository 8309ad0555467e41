"""Keras's automatic names."""

import pytest

from xception.graph import Graph
from xception.graph.names import automatic_stem, is_automatic, next_shared_name
from xception.layers import BatchNormalization, Conv2D, Input


def test_nodes_without_a_name_are_numbered_as_keras_does():
    net = Graph("numbers")
    x = net.add(Input((4, 4, 3)))
    assert [net.add(Conv2D(3, 1), x) for _ in range(3)] == ["conv2d", "conv2d_1", "conv2d_2"]
    net.add(Conv2D(3, 1), x, name="mine")
    assert net.add(Conv2D(3, 1), x) == "conv2d_3"
    assert net.add(BatchNormalization(), x) == "batch_normalization"


@pytest.mark.parametrize(
    ("kind", "stem"),
    [
        ("SeparableConv2D", "separable_conv2d"), ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("Input", "input_layer"), ("ReLU", "re_lu"), ("Add", "add"),
    ],
)  # fmt: skip
def test_names_are_the_class_in_snake_case(kind, stem):
    assert automatic_stem(kind) == stem
    assert is_automatic(stem, kind)
    assert is_automatic(f"{stem}_12", kind)
    assert not is_automatic(f"my_{stem}", kind)
    assert not is_automatic(f"{stem}_", kind)


def test_further_uses_are_numbered():
    assert next_shared_name("dense", {"dense"}) == "dense:1"
    assert next_shared_name("dense", {"dense", "dense:1", "dense:2"}) == "dense:3"
