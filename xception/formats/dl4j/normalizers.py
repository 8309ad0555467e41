"""`normalizer.bin`: how a program that uses a network scales its input. The network never does it itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ...errors import ModelFileError
from ...kernels import Array
from .binary import read_array

MAX_PIXEL = 255.0
#: The longest text that is read: types of normalizers, and names of classes.
MAX_TEXT_BYTES = 1000


@dataclass(frozen=True)
class Normalizer:
    """A linear change of the input: x · scale + offset.

    Attributes:
        kind: Its type, such as "IMAGE_MIN_MAX".
        scale: A factor, or one for each channel.
        offset: A number to add, or one for each channel.
    """

    kind: str
    scale: Array
    offset: Array


def read_normalizer(content: bytes, location: str) -> Normalizer:
    """Read a normalizer.

    Args:
        content: What the member holds.
        location: The file, for messages.

    Raises:
        ModelFileError: It is damaged, or of a type that is not supported.
    """
    try:
        magic, position = _read_text(content, 0)
        (version,) = struct.unpack_from(">i", content, position)
        kind, position = _read_text(content, position + 4)
        if magic != "NORMALIZER" or version != 1:
            raise ModelFileError(f"{location}: is no normalizer of Deeplearning4j")
        if kind == "IMAGE_MIN_MAX":
            low, high, max_pixel = struct.unpack_from(">3d", content, position)
            scale, offset = np.asarray((high - low) / max_pixel), np.asarray(low)
        elif kind == "STANDARDIZE":
            mean = read_array(content, location, position + 1)
            deviation = read_array(content, location, mean.end)
            divisors = np.where(deviation.array == 0, 1, deviation.array).astype(np.float64).ravel()
            scale = 1 / divisors
            offset = -mean.array.astype(np.float64).ravel() / divisors
        elif kind == "MIN_MAX":
            low, high = struct.unpack_from(">2d", content, position + 1)
            lower = read_array(content, location, position + 17)
            upper = read_array(content, location, lower.end)
            least = lower.array.astype(np.float64).ravel()
            ranges = upper.array.astype(np.float64).ravel() - least
            scale = (high - low) / np.where(ranges == 0, 1, ranges)
            offset = low - least * scale
        else:
            raise ModelFileError(
                f"{location}: a normalizer of the type {kind!r} is not supported; remove normalizer.bin, and "
                "scale the input yourself"
            )
    except (struct.error, ZeroDivisionError, IndexError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{location}: is damaged ({error})") from None
    if not (np.isfinite(scale).all() and np.isfinite(offset).all()) or scale.shape != offset.shape:
        raise ModelFileError(f"{location}: is damaged: its numbers are not finite, or not as many")
    return Normalizer(kind, scale, offset)


def write_image_normalizer(low: float, high: float) -> bytes:
    """Return the content of a normalizer that scales pixels 0…255 to a range."""
    kind = "IMAGE_MIN_MAX"
    texts = [struct.pack(">H", len(text)) + text.encode("ascii") for text in ("NORMALIZER", kind)]
    return texts[0] + struct.pack(">i", 1) + texts[1] + struct.pack(">3d", low, high, MAX_PIXEL)


def _read_text(content: bytes, position: int) -> tuple[str, int]:
    """Return a text of Java's, and where it ends."""
    (length,) = struct.unpack_from(">H", content, position)
    end = position + 2 + length
    if length > MAX_TEXT_BYTES or end > len(content):
        raise ValueError(f"a text of {length:,} bytes")
    return content[position + 2 : end].decode("ascii", "replace"), end
