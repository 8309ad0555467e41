"""Comparisons of models that were saved and loaded."""

import numpy as np
import pytest
import small_models

import xception


def fresh_base():
    """Xception without its classifier, with weights of its own."""
    return xception.Xception(weights=None, include_top=False, seed=9)


def with_other_weights(network):
    """A small model with weights that no file has."""
    return small_models.model(network, seed=99)


def assert_same_weights(model, expected):
    for array, expected_array in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected_array)


def assert_same_outputs(model, expected):
    for y, expected_y in zip(small_models.leaving(model), small_models.leaving(expected), strict=True):
        np.testing.assert_array_equal(y, expected_y)


def assert_refused(path, message, error=xception.ModelFileError):
    """Assert that a weights file is refused, and that the model stays as it was."""
    model = fresh_base()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.load_weights(path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
