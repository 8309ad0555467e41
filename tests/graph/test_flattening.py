"""Flattening: limits on a graph's size, and wiring that cannot be computed."""

import pytest
import small_models

from xception.errors import GraphError
from xception.graph import flatten
from xception.layers import Add, Dense, Identity, Input


def test_many_layers_with_many_inputs_are_refused():
    inner = small_models.wired("inner", ["i"], ["s"], i=(Input((3,)),), s=(Add(), ["i"] * 30_000))
    members = {f"n{k}": (inner, [f"n{k - 1}" if k else "x"]) for k in range(8)}
    network = small_models.wired("outer", ["x"], ["n7"], x=(Input((3,)),), **members)
    with pytest.raises(GraphError, match="outer: its layers have more than 200,000 inputs together"):
        flatten(network)


def test_many_layers_are_refused():
    members = {f"n{k}": (Identity(), [f"n{k - 1}" if k else "x"]) for k in range(20_001)}
    network = small_models.wired("deep", ["x"], ["n20000"], x=(Input((3,)),), **members)
    with pytest.raises(GraphError, match="deep: has more than 20,000 layers"):
        flatten(network)


def test_impossible_wiring_is_refused():
    with pytest.raises(GraphError, match="'a' depends on its own output"):
        flatten(
            small_models.wired("x", ["i"], ["a"], i=(Input((3,)),), a=(Dense(3), ["b"]), b=(Dense(3), ["a"]))
        )
    with pytest.raises(GraphError, match="no layer 'c'"):
        flatten(small_models.wired("x", ["i"], ["c"], i=(Input((3,)),)))
    with pytest.raises(GraphError, match="no layer 'i' with a use number 1"):
        flatten(small_models.wired("x", ["i"], ["i:1"], i=(Input((3,)),)))
    with pytest.raises(GraphError, match="there is none with number 1"):
        flatten(small_models.wired("x", ["i"], ["a"], i=(Input((3,)),), a=(Dense(3), ["i/1"])))
    with pytest.raises(GraphError, match="does not suit the parameters of a"):
        flatten(small_models.wired("x", ["i"], ["a:1"], i=(Input((3,)),), a=(Dense(2), ["i"], ["a"])))


def test_networks_that_multiply_are_refused():
    network = small_models.wired("n0", ["i"], ["d"], i=(Input((3,)),), d=(Dense(3), ["i"]))
    for level in range(1, 40):
        network = small_models.wired(f"n{level}", ["i"], ["n:1"], i=(Input((3,)),), n=(network, ["i"], ["n"]))
    with pytest.raises(GraphError, match="more than 20,000 layers"):
        flatten(network)
