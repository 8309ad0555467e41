import explanations
import numpy as np
import pytest

from xception.layers import Dense


@pytest.fixture(scope="module")
def model():
    """A classifier of five classes with eight maps of 4×4."""
    return explanations.maps_then_classes(("classes", Dense(5, "softmax")))


@pytest.fixture(scope="module")
def inputs():
    """Three images as the classifier takes them."""
    return np.random.default_rng(4).uniform(-1, 1, (3, 12, 12, 3)).astype(np.float32)
