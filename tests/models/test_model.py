"""`Model`: predictions, activations, features and weights."""

import numpy as np
import pytest
import small_models

import xception
from xception.data.preprocessing import Preprocessing
from xception.errors import GraphError
from xception.layers import Dense, Input


def test_predict(full_model, images):
    y = full_model.predict(images)
    assert y.shape == (2, 1000)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(y[0] - y[1]).max() > 1e-9


def test_batch_size_does_not_change_the_outputs(full_model, images):
    five = np.concatenate([images, images[::-1], images[:1]])
    y = full_model.predict(five, batch_size=2)
    np.testing.assert_allclose(y, full_model.predict(five, batch_size=5), atol=1e-7)
    np.testing.assert_allclose(y[[1, 0, 0]], y[2:], atol=1e-7)


def test_an_empty_batch(full_model, base):
    assert full_model.predict(np.empty((0, 71, 71, 3))).shape == (0, 1000)
    assert base.predict(np.empty((0, 90, 80, 3))).shape == (0, 2048)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_dtypes_and_layouts_give_the_same_outputs(full_model, images, dtype):
    x = images.astype(np.float16)
    np.testing.assert_allclose(full_model.predict(x.astype(dtype)), full_model.predict(x), atol=1e-6)
    reversed_in_memory = np.asfortranarray(x)[:, ::-1][:, ::-1]
    np.testing.assert_allclose(full_model.predict(reversed_in_memory), full_model.predict(x), atol=1e-6)


def test_progress_bar_and_batch_size(full_model, images, capsys):
    full_model.predict(images, batch_size=1, verbose=1)
    assert "xception: 2 images in 0:" in capsys.readouterr().err
    full_model.predict(images, batch_size=1)  # quick: none
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="verbose must be"):
        full_model.predict(images, verbose="loud")
    for size in (0, "3", 1.5):
        with pytest.raises(ValueError, match="batch_size must be"):
            full_model.predict(images, batch_size=size)


def test_get_and_set_weights(images):
    one = xception.Xception(weights=None, include_top=False, pooling="avg", seed=1)
    two = xception.Xception(weights=None, include_top=False, pooling="avg", seed=2)
    weights = one.get_weights()
    assert len(weights) == 234
    two.set_weights(weights)
    np.testing.assert_array_equal(one.predict(images), two.predict(images))
    weights[0][...] = 0  # copies: neither model notices
    np.testing.assert_array_equal(one.predict(images), two.predict(images))


def test_weights_that_do_not_fit_change_nothing(images):
    model = xception.Xception(weights=None, include_top=False, pooling="avg", seed=1)
    before = model.predict(images)
    weights = [np.zeros_like(array) for array in model.get_weights()]
    with pytest.raises(ValueError, match="expected 234 arrays, got 233"):
        model.set_weights(weights[:-1])
    weights[-1] = np.zeros(2047)
    with pytest.raises(ValueError, match=r"block14_sepconv2_bn: moving_variance .* \(2048,\), got \(2047,\)"):
        model.set_weights(weights)
    with pytest.raises(ValueError, match="expected 4 arrays, got 0"):
        model.get_layer("block1_conv1_bn").set_weights([])
    np.testing.assert_array_equal(model.predict(images), before)


def test_swapped_arguments_are_recognized(base, images):
    with pytest.raises(TypeError, match="name of a layer or a list of names, got an array of shape"):
        base.features("block4_pool", images)
    with pytest.raises(TypeError, match=r"got an array of shape .*; the images are the first argument"):
        base.activations(["block4_pool"], images)
    with pytest.raises(TypeError, match="list of names, got list"):
        base.features(images, [1, 2])
    with pytest.raises(TypeError, match="list of names, got int"):
        base.features(images, 7)


def test_activations_take_one_name_or_several(base, images):
    only = base.activations(images, "block2_pool")
    both = base.activations(images, ["block2_pool", "block3_pool"])
    assert (list(only), list(both)) == (["block2_pool"], ["block2_pool", "block3_pool"])
    np.testing.assert_array_equal(only["block2_pool"], both["block2_pool"])


def test_class_names_may_be_set():
    model = small_models.model(small_models.nested())
    assert model.class_names is None
    model.class_names = ["a", "b", "c", "d", "e"]
    assert model.class_names[4] == ("4", "e")
    model.class_names = {"cat": 0, "dog": 1}
    assert model.class_names == (("0", "cat"), ("1", "dog"))
    for wrong in ("cat", 5, []):
        with pytest.raises(ValueError, match="class names"):
            model.class_names = wrong
    assert model.class_names == (("0", "cat"), ("1", "dog"))
    model.class_names = None
    assert model.class_names is None


def test_preprocessing_may_be_set():
    model = small_models.model(small_models.nested())
    assert model.preprocessing == Preprocessing()
    model.preprocessing = Preprocessing(scaling="unit")
    assert model.preprocessing.scaling == "unit"
    for wrong in ("unit", {"scaling": "unit"}):
        with pytest.raises(TypeError, match=r"must be a Preprocessing, such as .*, got .*unit"):
            model.preprocessing = wrong
    model.preprocessing = None
    assert model.preprocessing == Preprocessing()


def test_class_names_and_preprocessing_are_saved(tmp_path):
    model = small_models.model(small_models.nested())
    model.class_names, model.preprocessing = list("abcde"), Preprocessing("unit", "bicubic", True)
    model.save(tmp_path / "x.keras")
    loaded = xception.load_model(tmp_path / "x.keras")
    assert loaded.class_names == model.class_names
    assert loaded.preprocessing == model.preprocessing


def test_the_graph_of_a_model_cannot_be_changed():
    graph = xception.Graph("small")
    graph.add(Dense(3), graph.add(Input((4,))))
    model = xception.Model(graph, seed=0)
    with pytest.raises(GraphError, match=r"small: the graph of a model cannot be changed.*with_layer"):
        model.graph.add(Dense(2), "dense")
    with pytest.raises(AttributeError):
        model.graph = graph
    graph.add(Dense(2), "dense")  # the model does not notice
    assert model.output_shape == (None, 3)
    assert model.predict(np.ones((1, 4))).shape == (1, 3)
    assert xception.Model(model.graph.with_layer(Dense(2)), seed=0).output_shape == (None, 2)


def test_a_network_that_is_not_that_of_the_graph():
    nested, row = small_models.model(small_models.nested()), small_models.in_a_row()
    with pytest.raises(ValueError, match=r"nested: graph and network differ in .*flatten"):
        xception.Model(nested.graph, nested.parameters, row)
    with pytest.raises(TypeError, match=r"expected an xception\.Graph, got a Network"):
        xception.Model(row)


def test_feature_names_are_those_of_the_columns(base, images):
    layers = ["block4_pool", "block13_pool"]
    names = base.feature_names(layers, "max", (71, 71))
    assert len(names) == base.features(images, layers, "max").shape[1] == 728 + 1024
    assert (names[0], names[-1]) == ("block4_pool_0", "block13_pool_1023")
    assert base.feature_names(None, "avg", (71, 71))[-1] == "feature_2047"
    unpooled = base.feature_names("block13_pool", "none", (71, 90))
    assert len(unpooled) == 3 * 3 * 1024
    with pytest.raises(ValueError, match="pooling must be one of"):
        base.feature_names(layers, "median", (71, 71))
