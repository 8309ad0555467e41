"""Names that Keras numbers: "conv2d", "conv2d_1", …"""

from __future__ import annotations

import re

#: Keras 1 wrote these stems where Keras 2 writes others.
OLD_STEMS = {
    "convolution2d": "conv2d",
    "separableconvolution2d": "separable_conv2d",
    "batchnormalization": "batch_normalization",
}


def stem_of(name: str) -> str:
    """The name without its number: "convolution2d_1" -> "conv2d"."""
    stem = re.sub(r"_\d+$", "", name)
    return OLD_STEMS.get(stem, stem)


def number_of(name: str) -> int:
    """The number that Keras gave a layer: "conv2d_5" -> 5, "conv2d" -> 0."""
    found = re.search(r"_(\d{1,9})$", name)
    return int(found[1]) if found else 0
