"""Which maps serve as features, and their pooling."""

import numpy as np
import pytest
import small_models

import xception
from xception.errors import GraphError
from xception.layers import Dense, GlobalAveragePooling2D, Input
from xception.models.feature_maps import POOLINGS, count_features, last_maps, pool_maps


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_over_space(pooling):
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    pooled = pool_maps(maps, pooling)
    expected = {
        "avg": maps.mean((1, 2)), "max": maps.max((1, 2)), "min": maps.min((1, 2)), "sum": maps.sum((1, 2)),
        "none": maps.reshape(2, 60),
    }  # fmt: skip
    np.testing.assert_array_equal(pooled, expected[pooling])
    assert pooled.shape == (2, count_features((3, 4, 5), pooling))


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_anything_else_is_flattened(shape):
    values = np.ones((2, *shape))
    assert pool_maps(values, "max").shape == (2, count_features(shape, "max")) == (2, values[0].size)


@pytest.mark.parametrize(
    ("network", "node"),
    [("base", "add"), ("nested", "base/add"), ("in_a_row", "base/add"), ("nested_twice", "inner/base/add")],
)
def test_the_last_maps_before_the_classifier(network, node):
    assert last_maps(small_models.model(small_models.EVERY[network]()).graph) == node


def test_a_network_without_maps():
    net = xception.Graph("flat")
    net.add(Dense(3), net.add(GlobalAveragePooling2D(), net.add(Input((8, 8, 3)))))
    with pytest.raises(GraphError, match="flat has no maps"):
        last_maps(net)


def test_maps_of_frames_are_pooled_over_the_space_of_each():
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    np.testing.assert_array_equal(pool_maps(maps, "max"), maps.max((2, 3)).reshape(2, 18))
    assert count_features((3, 4, 5, 6), "max") == 18
    assert pool_maps(maps, "none").shape == (2, count_features((3, 4, 5, 6), "none")) == (2, 360)
    built = small_models.model(small_models.video())
    assert last_maps(built.graph) == "each:1/add"
    arrays = small_models.entering(built)
    assert built.features(arrays).shape == (2, 3 * 8)
