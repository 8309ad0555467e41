"""Small photographs that are files, and their rows in stores."""

import os

import numpy as np

from xception.data.photographs import Photograph


def at(path, index=0, label=""):
    return Photograph(index, str(path), str(path), label)


def row(photo):
    return np.array([int(os.path.basename(photo.path)[0]) + column / 8 for column in range(3)], np.float32)


def fill(store, photos):
    for photo in photos:
        store.add([photo], row(photo)[np.newaxis])


def missing(store, photos):
    return [photo for photo in photos if store.find(photo) is None]


def check(store, photos):
    numbers = [store.find(photo) for photo in photos]
    np.testing.assert_array_equal(store.take(numbers), [row(photo) for photo in photos])
