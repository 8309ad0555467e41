"""Features and raw activations of any layers."""

import numpy as np
import pytest
import small_models


@pytest.fixture(scope="module")
def nested():
    return small_models.model(small_models.nested())


@pytest.fixture(scope="module")
def maps(nested):
    return nested.activations(small_models.entering(nested, 3), ["block1_conv1_act", "base", "dropout"])


@pytest.mark.parametrize(
    ("pooling", "reduce"),
    [("avg", np.mean), ("max", np.max), ("min", np.min), ("sum", np.sum)],
)
def test_pooling_and_order(nested, maps, pooling, reduce):
    found = nested.features(
        small_models.entering(nested, 3), ["base", "block1_conv1_act"], pooling, batch_size=2
    )
    expected = [reduce(maps["base"], axis=(1, 2)), reduce(maps["block1_conv1_act"], axis=(1, 2))]
    assert found.shape == (3, 8 + 6)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-6)


def test_unpooled_and_vectors(nested, maps):
    found = nested.features(small_models.entering(nested, 3), ["dropout", "base"], "none")
    np.testing.assert_array_equal(found[:, :8], maps["dropout"])
    np.testing.assert_array_equal(found[:, 8:], maps["base"].reshape(3, -1))


def test_the_last_maps_unless_told(nested, maps):
    found = nested.features(small_models.entering(nested, 3))
    np.testing.assert_allclose(found, maps["base"].mean(axis=(1, 2)), rtol=1e-6)


def test_activations_agree_with_the_plain_pass(nested, maps):
    x = small_models.entering(nested, 3)
    plain = nested.graph.evaluate(nested.parameters, x, ["base/block1_conv1_act", "dropout"])
    np.testing.assert_allclose(maps["block1_conv1_act"], plain["base/block1_conv1_act"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps["dropout"], plain["dropout"], rtol=1e-5, atol=1e-6)


def test_nothing_behind_the_last_layer_is_computed(nested, monkeypatch):
    from xception.layers import Dense

    monkeypatch.setattr(Dense, "forward", lambda *_: pytest.fail("the head was computed"))
    nested.features(small_models.entering(nested), ["pooled", "block2_pool"])


def test_wrong_use(nested):
    x = small_models.entering(nested)
    with pytest.raises(ValueError, match="pooling must be one of avg, max, min, sum, none"):
        nested.features(x, ["base"], "median")
    with pytest.raises(ValueError, match="has no layer 'block9'"):
        nested.features(x, ["block9"])
    with pytest.raises(ValueError, match="at least one layer"):
        nested.features(x, [])
    two = small_models.model(small_models.two_ends())
    with pytest.raises(ValueError, match="two has several outputs: two/average, two/greatest"):
        two.activations(small_models.entering(two), ["two"])
