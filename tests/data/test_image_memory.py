"""Memory of decoded images, which is reused within a pipeline and given back after it."""

import gc

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.image_memory import BLOCKS_PER_THREAD, reuse_image_memory


@pytest.fixture(autouse=True)
def blocks():
    with reuse_image_memory(1):  # which forgets what interrupts have left
        pass
    before = Image.core.get_blocks_max()
    yield before
    Image.core.set_blocks_max(before)


def kept_blocks():
    return Image.core.get_stats()["blocks_cached"]


def test_memory_is_kept_meanwhile_and_given_back(blocks):
    with reuse_image_memory(2):
        assert Image.core.get_blocks_max() == 2 * BLOCKS_PER_THREAD
        with reuse_image_memory(1):  # by another thread
            assert Image.core.get_blocks_max() == 3 * BLOCKS_PER_THREAD
            Image.new("RGB", (3000, 3000)).resize((10, 10))
            gc.collect()
        assert kept_blocks() > 0
    assert Image.core.get_blocks_max() == blocks
    assert kept_blocks() == 0


def test_a_larger_setting_of_the_user_stays():
    Image.core.set_blocks_max(99)
    with reuse_image_memory(2):
        assert Image.core.get_blocks_max() == 99
    assert Image.core.get_blocks_max() == 99


def test_a_stream_gives_memory_back_also_after_an_error(blocks):
    pixels = np.zeros((2000, 2000, 3), np.uint8)
    model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
    with pytest.raises(FileNotFoundError):
        xception.predict([Image.fromarray(pixels), "missing.jpg", pixels], model)
    gc.collect()
    assert (Image.core.get_blocks_max(), kept_blocks()) == (blocks, 0)
