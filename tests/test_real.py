"""A real trained model and real photographs, against what Keras answers."""

import numpy as np
import pytest

import xception


@pytest.fixture(scope="module")
def expected(real):
    with np.load(real / "expected.npz") as answers:
        return dict(answers)


@pytest.fixture(scope="module")
def exact_base(real):
    """The exact ImageNet base, out of a model of which it is a layer."""
    with pytest.warns(UserWarning, match="'functional'.* not loaded: dense, dense_1"):
        return xception.Xception(
            include_top=False, weights=real / "kitchenware_xception.keras", pooling="avg"
        )


def test_features_of_the_exact_base(exact_base, expected):
    features = exact_base.predict(xception.preprocess_input(expected["x"]))
    assert np.abs(features - expected["features"]).max() <= 1e-4 * np.abs(expected["features"]).max()
    np.testing.assert_allclose(features, expected["features"], rtol=1e-4, atol=1e-5)


def test_the_shipped_base_is_the_exact_one_rounded(base, exact_base, expected):
    for shipped, exact in zip(base.get_weights(), exact_base.get_weights(), strict=True):
        rounded = exact.astype(np.float16).astype(np.float32) if exact.ndim > 1 else exact
        np.testing.assert_array_equal(shipped, rounded)
    ours, theirs = base.predict(xception.preprocess_input(expected["x"])), expected["features"]
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert (1 - (ours * theirs).sum(axis=1) / lengths).max() < 6e-6


def test_photographs_are_read_as_keras_reads_them(real, expected):
    for name, pixels in zip(expected["names"], expected["x"], strict=True):
        x = xception.load_image(real / "images" / name, (150, 150), "nearest")
        np.testing.assert_array_equal(x, pixels)
