import numpy as np
import pytest
import small_models

import xception


@pytest.fixture(scope="session")
def distinct_base():
    """Xception's base with weights of which no two arrays are alike, not even those of one shape."""
    model = xception.Xception(weights=None, include_top=False, seed=5)
    rng = np.random.default_rng(5)
    model.set_weights([array + rng.random(array.shape, np.float32) for array in model.get_weights()])
    return model


@pytest.fixture
def base_file(distinct_base, tmp_path):
    """The weights of `distinct_base` in an `.h5` file that a test may change."""
    path = tmp_path / "base.h5"
    distinct_base.save_weights(path)
    return path


@pytest.fixture(params=small_models.EVERY)
def built(request):
    """A small model of each kind that people build around Xception."""
    return small_models.model(small_models.EVERY[request.param]())
