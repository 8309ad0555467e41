"""Resizing of pictures, by Pillow's filters or as TensorFlow does, in blocks to save memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..kernels import Taps, find_taps, resample
from ..limits import DEFAULT_MAX_PIXELS, get_limits
from .framing import Frame, Size, divide, fit_frame
from .image_formats import BYTES_PER_PIXEL
from .image_pixels import MODES, Picture, as_array
from .preprocessing import TENSORFLOW_INTERPOLATIONS, Aspect, Interpolation

if TYPE_CHECKING:
    from PIL import Image

#: Usual photographs are converted whole, larger ones in blocks.
MAX_WHOLE_PIXELS = 1 << 24
BLOCK_PIXELS = 1 << 22
#: Pixels between two rows that are read too, since another part costs as much time.
GAP_PIXELS = 1 << 13
#: Memory for resizing the largest image that is allowed.
MARGIN_BYTES = 64 << 20

#: Half the width of Pillow's filters, in pixels of the smaller image.
FILTER_RADIUS = {"nearest": 0.0, "box": 0.5, "bilinear": 1.0, "hamming": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def render(
    picture: Picture,
    size: Size | None,
    interpolation: Interpolation = "bilinear",
    aspect: Aspect = "stretch",
    channels: int = 3,
) -> NDArray[Any]:
    """Convert a picture to an array.

    Args:
        picture: The picture.
        size: (width, height) to resize it to; None for its own size, as it was decoded.
        interpolation: Pillow's filter for resizing, "tf-bilinear" or "tf-dataset".
        aspect: How it is fitted into `size`; see `fit_frame`.
        channels: 1, 3 or 4; or the channels of an array.

    Returns:
        Pixels (height, width, channels), 0…255: uint8, or float32 where it is resized as by TensorFlow. The
        numbers of an array with other channels are float32, and in no particular range.

    Raises:
        ImageError: It is too long and thin to be resized, or too large for this number of channels.
    """
    width, height = picture.original_size
    is_float = interpolation in TENSORFLOW_INTERPOLATIONS or channels not in MODES
    if size is None or size == (width, height):
        if channels not in MODES or (is_float and size is not None):
            return picture.pixels((0, 0, width, height), channels).astype(np.float32, copy=False)
        return _convert(picture, channels)
    frame = fit_frame(picture.original_size, size, aspect)
    if interpolation in TENSORFLOW_INTERPOLATIONS:
        _check_result(picture, size)
        pixels = _resize_as_tensorflow(picture, frame, channels)
    else:
        _check_resizing(picture, frame.size, interpolation, channels)
        pixels = _resize_by_pillow(picture, frame, interpolation, channels)
    if frame.size == size:
        return pixels
    (left, top), (inner_width, inner_height) = frame.offset, frame.size
    padded = np.zeros((size[1], size[0], channels), pixels.dtype)
    padded[top : top + inner_height, left : left + inner_width] = pixels
    return padded


def _convert(picture: Picture, channels: int) -> NDArray[np.uint8]:
    """Return all pixels of a picture."""
    width, height = picture.size
    if width * height <= MAX_WHOLE_PIXELS:
        return as_array(picture.block((0, 0, width, height), channels))
    pixels = np.empty((height, width, channels), np.uint8)
    for left, top, right, bottom in divide((0, 0, width, height), BLOCK_PIXELS):
        pixels[top:bottom, left:right] = as_array(picture.block((left, top, right, bottom), channels))
    return pixels


# --- by Pillow ------------------------------------------------------------------------------


def _resize_by_pillow(
    picture: Picture, frame: Frame, interpolation: Interpolation, channels: int
) -> NDArray[Any]:
    from PIL import Image

    width, height = picture.size
    method, box = Image.Resampling[interpolation.upper()], picture.locate(frame.box)
    if channels not in MODES:
        values = picture.pixels((0, 0, width, height), channels)
        planes = (Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(channels))
        resized = [np.asarray(plane.resize(frame.size, method, box)) for plane in planes]
        return np.stack(resized, axis=-1)
    if picture.is_whole(channels) or width * height <= MAX_WHOLE_PIXELS:
        whole = picture.block((0, 0, width, height), channels)
        return as_array(whole.resize(frame.size, method, box))
    # A byte for a pixel and channel; "RGB" takes 4 bytes. Pillow multiplies colors by their alpha.
    mode = "RGBa" if channels == 4 and interpolation != "nearest" else MODES[channels]
    layers = [Image.new("L", picture.size) for _ in range(channels)]
    for block in divide((0, 0, width, height), BLOCK_PIXELS):
        for layer, band in zip(layers, _split(picture.block(block, channels), mode), strict=True):
            layer.paste(band, block)
    merged = Image.merge(mode, [layer.resize(frame.size, method, box) for layer in layers])
    return as_array(merged if mode == MODES[channels] else merged.convert(MODES[channels]))


def _split(image: Image.Image, mode: str) -> tuple[Image.Image, ...]:
    return (image if image.mode == mode else image.convert(mode)).split()


def _check_resizing(picture: Picture, new_size: Size, interpolation: Interpolation, channels: int) -> None:
    """Raise ImageError if resizing would take more memory than the largest image.

    Pillow makes a table of coefficients for each direction, and resizes one direction after the other:
    1×170,000,000 pixels, resized to a width of 299, would take 200 GB.
    """
    (width, height), (new_width, new_height) = picture.size, new_size
    coefficients = 16 * FILTER_RADIUS[interpolation] * (max(width, new_width) + max(height, new_height))
    between = 4 * max(new_width * height, new_height * width)
    per_pixel = BYTES_PER_PIXEL + (channels == 4)
    needed = per_pixel * width * height + coefficients + between - MARGIN_BYTES
    if needed > 0 and needed > BYTES_PER_PIXEL * max(get_limits().max_pixels, DEFAULT_MAX_PIXELS):
        raise ImageError(
            f"{picture.name}: {width:,}×{height:,} pixels are too long and thin to be resized to {new_width}×"
            f"{new_height} pixels; crop the image"
        )


# --- as TensorFlow does ---------------------------------------------------------------------


def _check_result(picture: Picture, new_size: Size) -> None:
    """Raise ImageError if the result would be larger than the largest image, before it takes all memory."""
    width, height = new_size
    maximum = max(get_limits().max_pixels, DEFAULT_MAX_PIXELS)
    if width * height > maximum:
        raise ImageError(
            f"{picture.name}: would be resized to {width:,}×{height:,} pixels; the maximum is {maximum:,}"
        )


def _resize_as_tensorflow(picture: Picture, frame: Frame, channels: int) -> NDArray[np.float32]:
    """Interpolate between the two nearest rows and columns; no others are read."""
    left, top, right, bottom = frame.box
    columns, column_taps = _used_taps(find_taps(right - left, frame.size[0], "bilinear"))
    rows, row_taps = _used_taps(find_taps(bottom - top, frame.size[1], "bilinear"))
    x = _gather(picture, rows + top, columns + left, channels)  # (rows, columns, channels)
    return resample(resample(x, column_taps, 1), row_taps, 0)


def _used_taps(taps: Taps) -> tuple[NDArray[np.intp], Taps]:
    """Return the pixels that have a weight, in order, and the taps as positions among these."""
    pixels, weights = taps
    heaviest = np.take_along_axis(pixels, weights.argmax(axis=1)[:, None], axis=1)
    used, positions = np.unique(np.where(weights > 0, pixels, heaviest), return_inverse=True)
    return used, (positions.reshape(pixels.shape), weights)


def _gather(
    picture: Picture, rows: NDArray[np.intp], columns: NDArray[np.intp], channels: int
) -> NDArray[Any]:
    """Return the pixels at some rows and columns, which are sorted: (rows, columns, channels)."""
    result: NDArray[Any] | None = None
    width = int(min(columns[-1] - columns[0] + 1, BLOCK_PIXELS))
    for across in _runs(columns, BLOCK_PIXELS, BLOCK_PIXELS):
        left, right = columns[across][0], columns[across][-1] + 1
        for down in _runs(rows, max(1, BLOCK_PIXELS // width), max(1, GAP_PIXELS // width)):
            box = (int(left), int(rows[down][0]), int(right), int(rows[down][-1]) + 1)
            part = picture.pixels(box, channels, rows[down])
            if result is None:
                result = np.empty((len(rows), len(columns), channels), part.dtype)
            result[down, across] = part[:, columns[across] - box[0]]
    assert result is not None  # there is a row and a column
    return result


def _runs(positions: Sequence[int] | NDArray[np.intp], most: int, gap: int) -> Iterator[slice]:
    """Divide increasing positions into runs of at most `most` pixels, without gaps larger than `gap`."""
    start = 0
    for i in range(1, len(positions) + 1):
        if (
            i == len(positions)
            or positions[i] - positions[start] >= most
            or positions[i] - positions[i - 1] > gap
        ):
            yield slice(start, i)
            start = i
