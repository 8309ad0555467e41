"""Models with nested networks, layers used twice, several inputs and outputs."""

import numpy as np
import pytest
import small_models


@pytest.fixture(params=small_models.EVERY)
def built(request):
    return small_models.model(small_models.EVERY[request.param]())


def test_the_layers_of_a_nested_network_are_nodes():
    built = small_models.model(small_models.nested())
    assert "base/block1_conv1" in built.graph.nodes
    assert [layer.name for layer in built.layers] == [
        "image", "scaled", "base", "pooled", "dropout", "classes",
    ]  # fmt: skip
    inner = built.get_layer("base")
    assert inner.output_shape == (None, 6, 6, 8)
    assert [layer.name for layer in inner.layers][:2] == ["input_layer", "block1_conv1"]
    assert built.get_layer("block2_pool").path == "base/block2_pool"
    assert built.get_layer("base/block2_pool").output_shape == (None, 6, 6, 8)
    assert inner.count_params() == sum(array.size for array in inner.get_weights())
    with pytest.raises(ValueError, match="did you mean base"):
        built.get_layer("bas")


def test_the_plan_agrees_with_the_plain_pass(built):
    x = small_models.entering(built)
    arrays = dict(zip(built.input_names, x if isinstance(x, list) else [x], strict=True))
    plain = built.graph.evaluate(built.parameters, arrays)
    for name, y in zip(built.graph.outputs, small_models.leaving(built), strict=True):
        np.testing.assert_allclose(y, plain[name], rtol=1e-5, atol=1e-6)


def test_a_layer_used_twice_is_counted_once():
    built = small_models.model(small_models.siamese())
    assert built.count_params() == sum(array.size for array in built.get_weights())
    left, right = small_models.entering(built)
    assert not np.array_equal(left, right)
    swapped = built.predict([right, left], verbose=0)
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    bias = built.get_layer("same").get_weights()[1]
    np.testing.assert_allclose(logit(built.predict([left, right])) - bias, bias - logit(swapped), atol=1e-4)


def test_several_inputs_and_outputs():
    built = small_models.model(small_models.two_ends())
    image, numbers = small_models.entering(built)
    assert built.input_shape == [(None, 12, 12, 3), (None, 2)]
    assert built.output_shape == [(None, 1), (None, 3)]
    age, kind = built.predict([image, numbers])
    assert (age.shape, kind.shape) == ((2, 1), (2, 3))
    by_name = built.predict({"numbers": numbers, "image": image})
    np.testing.assert_array_equal(by_name[1], kind)
    by_key = small_models.model(small_models.two_ends(("age", "kind"))).predict([image, numbers])
    np.testing.assert_array_equal(by_key["kind"], kind)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 12, 12, 3)), "a list of 2 arrays, for the inputs image, numbers"),
        ([np.zeros((2, 12, 12, 3))], "a list of 2 arrays"),
        ([np.zeros((2, 12, 12, 3)), np.zeros((3, 2))], "as many examples for each input"),
        ([np.zeros((2, 12, 12, 3)), np.zeros((2, 3))], r"numbers: expected numbers of shape \(n, 2\)"),
        ({"image": np.zeros((2, 12, 12, 3))}, "inputs image, numbers; missing: numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        small_models.model(small_models.two_ends()).predict(x)


def test_pixels_draw_no_warning_if_the_model_scales_them():
    pixels = np.full((1, 12, 12, 3), 200, np.uint8)
    small_models.model(small_models.nested()).predict(pixels)  # a warning would be an error
    with pytest.warns(UserWarning, match="did you forget xception.preprocess_input"):
        small_models.model(small_models.in_a_row()).predict(pixels)
