"""Photographs, some of which cannot be read, and a model that takes 71×71 pixels."""

import shutil

import numpy as np
import pytest
from faults import write_unreadable
from PIL import Image
from small_models import entry_flow

BAD = ("cut.jpg", "empty.jpg", "html.jpg", "link.jpg", "random.jpg")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """The file of the first blocks of Xception with a classifier, for images of 71×71."""
    path = tmp_path_factory.mktemp("model") / "small.keras"
    entry_flow(classes=3).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Nine photographs in two folders, and five that cannot be read."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for number in range(9):
        path = folder / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (9, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((90, 80)).save(path)
    write_unreadable(folder / "a", folder / "b", folder / "a" / "0.jpg")
    return folder


@pytest.fixture
def good_photos(photos):
    for path in photos.rglob("*.jpg"):
        if path.name in BAD:
            path.unlink()
    return photos


@pytest.fixture
def add_killing(photos, killing):
    """Put a photograph among the others that kills each process that opens it."""
    return shutil.move(killing, photos / "a" / "killing.jpg")
