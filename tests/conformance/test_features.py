"""Features of every node, and a fitted model, against Keras."""

from pathlib import Path

import numpy as np
import pytest

import xception
from xception.feature_extraction.extraction import Extractor
from xception.training.pixel_models import SIZE
from xception.training.regression.softmax_regression import fit_softmax_regression
from xception.training.transfer import build_model

pytestmark = pytest.mark.conformance


def test_features_of_every_node(keras, weights, pictures):
    theirs = keras.applications.Xception(weights=None, input_shape=(96, 83, 3))
    theirs.set_weights(weights)
    ours = xception.Xception(weights=None, input_shape=(96, 83, 3))
    ours.set_weights(weights)
    x = pictures(96, 83)
    layers = theirs.layers[1:]
    assert len(layers) == 133
    outputs = keras.Model(theirs.input, [layer.output for layer in layers])(x, training=False)
    names = [layer.name for layer in ours.layers[1:]]  # the same order; automatic names may differ
    features = ours.features(x, names, "avg")
    start = 0
    for name, maps in zip(names, outputs, strict=True):
        expected = np.asarray(maps)
        expected = expected.mean(axis=(1, 2)) if expected.ndim == 4 else expected
        part = features[:, start : start + expected.shape[1]]
        assert np.abs(part - expected).max() <= 1e-4 * np.abs(expected).max(), name
        start += expected.shape[1]
    assert start == features.shape[1]


def test_a_fitted_model_predicts_the_same_in_keras(keras, folder):
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))
    pixels = np.stack([xception.load_image(path, SIZE) for path in examples[:4]])
    extractor = Extractor()
    regression = fit_softmax_regression(extractor.compute(pixels), ["a", "b", "a", "b"])
    model = build_model(extractor.model, regression)
    model.save(folder / "mine.keras")
    theirs = keras.saving.load_model(folder / "mine.keras")
    y = np.asarray(theirs(pixels.astype(np.float32), training=False))
    np.testing.assert_allclose(model.predict(pixels, verbose=0), y, atol=1e-5)
    assert y.argmax(axis=1).tolist() == [0, 1, 0, 1]
    assert not theirs.get_layer("xception").trainable
