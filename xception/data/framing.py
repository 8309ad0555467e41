"""Aspect ratios: which part of a photograph is resized, and where it is placed in the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .preprocessing import Aspect

#: (width, height)
Size = tuple[int, int]
#: (left, top, right, bottom)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Frame:
    """How a photograph is fitted into an image of another aspect ratio.

    Attributes:
        box: The part of the photograph that is resized.
        size: (width, height) that it is resized to.
        offset: (left, top) where it is placed in the image.
    """

    box: Box
    size: Size
    offset: tuple[int, int] = (0, 0)


def fit_frame(size: Size, new_size: Size, aspect: Aspect) -> Frame:
    """Fit a photograph into an image.

    Args:
        size: (width, height) of the photograph.
        new_size: (width, height) of the image.
        aspect: "stretch" changes the aspect ratio. "crop" takes the largest part in the middle that has the
            image's, as `keras.utils.load_img(keep_aspect_ratio=True)` and `keras.utils.smart_resize` do.
            "pad" keeps the whole photograph, in the middle, as `tf.image.resize_with_pad` does.
    """
    (width, height), (new_width, new_height) = size, new_size
    if aspect == "crop":
        # `smart_resize` divides in float32, which gives the same integers below 2**24 / `new_size` pixels.
        crop_width = max(min(width, height * new_width // new_height), 1)
        crop_height = max(min(height, width * new_height // new_width), 1)
        left, top = (width - crop_width) // 2, (height - crop_height) // 2
        return Frame((left, top, left + crop_width, top + crop_height), new_size)
    box = (0, 0, width, height)
    if aspect == "stretch" or size == new_size:
        return Frame(box, new_size)
    old, new = np.array(size, np.float32), np.array(new_size, np.float32)
    fitted = old / (old / new).max()  # in float32, whose errors TensorFlow rounds down, too
    inner_width, inner_height = (max(int(length), 1) for length in fitted)
    left, top = (int(border) for border in np.maximum((new - fitted) / 2, 0))
    return Frame(box, (inner_width, inner_height), (left, top))


def divide(box: Box, pixels: int) -> Iterator[Box]:
    """Divide a box into boxes of at most so many pixels, of whole rows if possible."""
    left, top, right, bottom = box
    columns = min(right - left, pixels)
    rows = max(1, pixels // columns)
    for upper in range(top, bottom, rows):
        for start in range(left, right, columns):
            yield start, upper, min(start + columns, right), min(upper + rows, bottom)
