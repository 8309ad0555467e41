"""`Xception` and `load_model`."""

import subprocess
import sys

import numpy as np
import pytest

import xception


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
def test_arguments_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        xception.Xception(**{"weights": None} | settings)


def test_pooling_equals_pooling_of_the_maps(images):
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


def test_random_weights_are_reproducible_from_the_seed():
    def kernel(seed):
        model = xception.Xception(weights=None, include_top=False, seed=seed)
        return model.get_layer("block14_sepconv2").get_weights()[1]

    np.testing.assert_array_equal(kernel(3), kernel(3))
    assert np.abs(kernel(3) - kernel(4)).max() > 0.01
    limit = np.sqrt(6 / (1536 + 2048))  # Glorot's
    assert 0.99 * limit < np.abs(kernel(3)).max() <= limit


def test_importing_and_predicting_import_no_more_than_they_need():
    program = (
        "import sys, numpy, xception\n"
        "model = xception.Xception(weights=None, input_shape=(71, 71, 3))\n"
        "model.predict(numpy.zeros((1, 71, 71, 3)))\n"
        "training = {f'xception.{name}' for name in ('training', 'gradients', 'layers.penalties')}\n"
        "print(*{'scipy', 'h5py', 'PIL', 'pooch', 'requests', 'tqdm', *training} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.mark.parametrize("include_top", [True, False])
def test_what_is_saved_is_loaded(tmp_path, images, include_top):
    model = xception.Xception(include_top, weights=None, input_shape=(71, 71, 3), classes=3, seed=1)
    model.save(tmp_path / "x.keras")
    loaded = xception.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(loaded.predict(images), model.predict(images))
    with pytest.raises(FileNotFoundError, match=r"missing\.keras"):
        xception.load_model(tmp_path / "missing.keras")


def test_features_import_no_more_than_they_need():
    program = (
        "import sys, numpy, xception\n"
        "model = xception.Xception(include_top=False, weights=None)\n"
        "model.features(numpy.zeros((1, 71, 71, 3)))\n"
        "print(*{'scipy', 'h5py', 'PIL', 'pooch', 'requests', 'tqdm', 'difflib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_what_is_loaded_is_logged(tmp_path, caplog):
    path = tmp_path / "a\nb.keras"
    model = xception.Xception(weights=None, classes=2)
    model.save(path)
    caplog.set_level("INFO", "xception")
    xception.load_model(path)
    shown = str(path).replace("\n", "\\n")
    assert caplog.messages == [f"{shown} is loaded: {model.count_params():,} parameters"]
    caplog.clear()
    xception.Xception(include_top=False)
    (message,) = caplog.messages
    assert message.startswith("weights are read from ")
    assert message.endswith("xception_imagenet_notop.float16.h5")
