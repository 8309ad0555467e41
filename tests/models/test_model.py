"""The interface that Keras users know."""

import subprocess
import sys

import numpy as np
import pytest

import xception


def test_predict(full_model, images):
    y = full_model.predict(images)
    assert y.shape == (2, 1000)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(y[0] - y[1]).max() > 1e-9


def test_batch_size_changes_no_answer(full_model, images):
    five = np.concatenate([images, images[::-1], images[:1]])
    y = full_model.predict(five, batch_size=2)
    np.testing.assert_allclose(y, full_model.predict(five, batch_size=5), atol=1e-7)
    np.testing.assert_allclose(y[[1, 0, 0]], y[2:], atol=1e-7)


def test_an_empty_batch(full_model, base):
    assert full_model.predict(np.empty((0, 71, 71, 3))).shape == (0, 1000)
    assert base.predict(np.empty((0, 90, 80, 3))).shape == (0, 2048)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_types_give_the_same_answers(full_model, images, dtype):
    x = images.astype(np.float16)
    np.testing.assert_allclose(full_model.predict(x.astype(dtype)), full_model.predict(x), atol=1e-6)
    reversed_in_memory = np.asfortranarray(x)[:, ::-1][:, ::-1]
    np.testing.assert_allclose(full_model.predict(reversed_in_memory), full_model.predict(x), atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((71, 71, 3)),
            r"expected images of shape \(n, 71, 71, 3\), got shape \(71, 71, 3\); .*newaxis",
        ),
        (np.zeros((1, 71, 71)), "got shape"),
        (np.zeros((1, 71, 71, 1)), r"got shape \(1, 71, 71, 1\)"),
        (np.zeros((1, 3, 71, 71)), "got shape"),
        (np.zeros((1, 71, 80, 3)), "got shape"),
        (np.full((1, 71, 71, 3), "a"), "real numbers, got an array of <U1"),
        (np.zeros((1, 71, 71, 3), complex), "real numbers, got an array of complex128"),
        (np.zeros((1, 71, 71, 3), object), "real numbers, got an array of object"),
        ([np.zeros((71, 71, 3)), np.zeros((70, 71, 3))], "a list of arrays that differ in shape"),
        (np.full((1, 71, 71, 3), np.nan), "not finite"),
        (np.full((1, 71, 71, 3), np.inf), "not finite"),
        (None, "real numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(full_model, x, message):
    with pytest.raises(ValueError, match=message):
        full_model.predict(x)


def test_a_single_number_that_is_not_finite_is_found(full_model, images):
    images[1, 70, 70, 2] = -np.inf
    with pytest.raises(ValueError, match="not finite"):
        full_model.predict(images)
    with pytest.raises(ValueError, match="not finite"):  # beyond float32
        full_model.predict(np.full((1, 71, 71, 3), -1e300))


def test_an_open_size_has_a_least(base):
    assert base.predict(np.zeros((1, 71, 90, 3))).shape == (1, 2048)
    with pytest.raises(ValueError, match=r"at least 71 each way, got \(70, 71, 3\)"):
        base.predict(np.zeros((1, 70, 71, 3)))


@pytest.mark.parametrize(
    "x",
    [
        np.full((1, 71, 71, 3), 200, np.uint8),
        np.zeros((1, 71, 71, 3), np.uint8),
        np.full((1, 71, 71, 3), 9.0),
    ],
)
def test_pixels_that_were_not_scaled_draw_a_warning(full_model, x):
    with pytest.warns(UserWarning, match="did you forget xception.preprocess_input"):
        full_model.predict(x)


def test_a_bar_is_shown_when_asked_for(full_model, images, capsys):
    full_model.predict(images, batch_size=1, verbose=1)
    assert "2/2" in capsys.readouterr().err
    full_model.predict(images, batch_size=1)  # quick: no bar
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="verbose must be"):
        full_model.predict(images, verbose="loud")
    for size in (0, "3", 1.5):
        with pytest.raises(ValueError, match="batch_size must be"):
            full_model.predict(images, batch_size=size)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "pooling must be None"),
        ({"input_shape": 299}, r"input_shape must be \(height, width, channels\), got 299"),
        ({"weights": "imagenet", "classes": 10}, "1000 classes, not 10"),
        ({"weights": "imagenet", "classifier_activation": "sigmoid"}, "softmax"),
        ({"input_shape": (70, 71, 3)}, "at least 71 each way"),
        ({"input_shape": (299, 299)}, r"must be \(height, width, channels\)"),
        ({"weights": "imagenet", "input_shape": (299, 299, 1)}, "take 3 channels, not 1"),
        ({"classifier_activation": "crelu"}, "unknown activation 'crelu'"),
        ({"classes": 0}, "units must be at least 1"),
        ({"input_shape": (299, 299, None)}, "known number of channels"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        xception.Xception(**{"weights": None} | settings)


def test_poolings_are_those_of_the_maps(images):
    def features(pooling):
        return xception.Xception(include_top=False, pooling=pooling).predict(images)

    maps = features(None)
    assert maps.shape == (2, 3, 3, 2048)
    np.testing.assert_allclose(features("avg"), maps.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(features("max"), maps.max((1, 2)))


def test_classifier_activation_none_gives_logits(full_model, images, weights_file):
    settings = {"input_shape": (71, 71, 3), "weights": weights_file}
    logits = xception.Xception(**settings, classifier_activation=None).predict(images).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(full_model.predict(images), expected, rtol=1e-5)


def test_the_seed_settles_fresh_weights():
    def kernel(seed):
        model = xception.Xception(weights=None, include_top=False, seed=seed)
        return model.get_layer("block14_sepconv2").get_weights()[1]

    np.testing.assert_array_equal(kernel(3), kernel(3))
    assert np.abs(kernel(3) - kernel(4)).max() > 0.01
    limit = np.sqrt(6 / (1536 + 2048))  # Glorot's
    assert 0.99 * limit < np.abs(kernel(3)).max() <= limit


def test_looking_at_layers(full_model):
    assert len(full_model.layers) == 134
    assert full_model.layers[0].name == "input_layer"
    pool = full_model.get_layer("block4_pool")
    assert pool.output_shape == (None, 5, 5, 728)
    assert pool.count_params() == 0
    assert pool.inputs == ("block4_sepconv2_bn",)
    assert full_model.get_layer(index=-1).name == "predictions"
    assert [w.shape for w in full_model.layers[-1].get_weights()] == [(2048, 1000), (1000,)]
    assert full_model.input_shape == (None, 71, 71, 3)
    assert full_model.output_shape == (None, 1000)
    assert full_model.count_params() == 22_910_480
    assert "22,910,480" in repr(full_model)
    with pytest.raises(ValueError, match=r"no layer 'block4_poll'; did you mean block4_pool"):
        full_model.get_layer("block4_poll")
    with pytest.raises(ValueError, match="there is none at 134"):
        full_model.get_layer(index=134)
    with pytest.raises(ValueError, match="either a layer's name or its index"):
        full_model.get_layer()


def test_summary_goes_where_it_is_told(full_model, capsys):
    lines = []
    full_model.summary(print_fn=lines.append)
    assert "Total params: 22,910,480" in "\n".join(lines)
    assert capsys.readouterr().out == ""
    full_model.summary("dl4j")
    assert "VertexName (VertexType)" in capsys.readouterr().out
    with pytest.raises(ValueError, match='style must be "keras" or "dl4j"'):
        full_model.summary("html")


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


def test_set_weights_of_one_layer(images):
    model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=3, seed=1)
    kernel, bias = model.get_layer("predictions").get_weights()
    model.get_layer("predictions").set_weights([kernel * 0, np.add(bias, [0, np.log(2), 0])])
    np.testing.assert_allclose(model.predict(images), [[0.25, 0.5, 0.25]] * 2, rtol=1e-6)


def test_importing_and_predicting_import_no_more_than_they_need():
    program = (
        "import sys, numpy, xception\n"
        "model = xception.Xception(weights=None, input_shape=(71, 71, 3))\n"
        "model.predict(numpy.zeros((1, 71, 71, 3)))\n"
        "print(*{'scipy', 'h5py', 'PIL', 'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
