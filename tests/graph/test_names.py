"""Keras's automatic names."""

import pytest

from xception.graph import Graph
from xception.graph.names import Numbering, automatic_name, automatic_stem, is_automatic, use_name
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
    assert Numbering().next_name(use_name, "dense", {"dense"}) == "dense:1"
    assert Numbering().next_name(use_name, "dense", {"dense", "dense:1", "dense:2"}) == "dense:3"


def test_numbers_continue_where_they_ended():
    numbering, taken = Numbering(), {"conv2d", "conv2d_2"}
    names = []
    for _ in range(3):
        names.append(numbering.next_name(automatic_name, "Conv2D", taken))
        taken.add(names[-1])
    assert names == ["conv2d_1", "conv2d_3", "conv2d_4"]


def test_naming_many_layers_takes_time_in_proportion():
    """Each name is looked up about once, however many there are."""

    class Taken(set):
        lookups = 0

        def __contains__(self, name):
            self.lookups += 1
            return super().__contains__(name)

    numbering, taken = Numbering(), Taken()
    for _ in range(1000):
        taken.add(numbering.next_name(automatic_name, "Dense", taken))
    assert taken.lookups <= 2000
