"""RGB pixels of images and arrays, converted in blocks so that there is one large copy at most."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..limits import DEFAULT_MAX_PIXELS, get_limits
from .arrays import as_real_array
from .image_formats import BYTES_PER_PIXEL
from .metadata import check_tags

if TYPE_CHECKING:
    from PIL import Image

    from .preprocessing import Interpolation

#: Usual photographs are converted whole, larger ones in blocks.
MAX_WHOLE_PIXELS = 1 << 24
BLOCK_PIXELS = 1 << 22
#: Memory for resizing the largest image that is allowed.
MARGIN_BYTES = 64 << 20

ORIENTATION_TAG = 0x0112
#: (left, top, right, bottom)
Box = tuple[int, int, int, int]
#: Half the width of Pillow's filters, in pixels of the smaller image.
FILTER_RADIUS = {"nearest": 0.0, "box": 0.5, "bilinear": 1.0, "hamming": 1.0, "bicubic": 2.0, "lanczos": 3.0}


class Picture(Protocol):
    """A source of RGB pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""

    @property
    def is_rgb(self) -> bool:
        """Whether the whole is there as an RGB image."""

    def block(self, box: Box) -> Image.Image:
        """Return the pixels of a part, as an RGB image."""


def render(
    picture: Picture, size: tuple[int, int] | None, interpolation: Interpolation, name: str
) -> NDArray[np.uint8]:
    """Convert a picture to an array.

    Args:
        picture: The picture.
        size: (width, height) to resize it to; None for its own size.
        interpolation: Pillow's filter for resizing.
        name: What the image is called in messages.

    Returns:
        Pixels (height, width, 3), 0…255.

    Raises:
        ImageError: It is too long and thin to be resized.
    """
    from PIL import Image

    width, height = picture.size
    if size is None or size == (width, height):
        if width * height <= MAX_WHOLE_PIXELS:
            return np.array(picture.block((0, 0, width, height)))
        pixels = np.empty((height, width, 3), np.uint8)
        for left, top, right, bottom in _boxes(width, height):
            pixels[top:bottom, left:right] = np.asarray(picture.block((left, top, right, bottom)))
        return pixels
    _check_resizing(picture.size, size, interpolation, name)
    method = Image.Resampling[interpolation.upper()]
    if picture.is_rgb or width * height <= MAX_WHOLE_PIXELS:
        return np.array(picture.block((0, 0, width, height)).resize(size, method))
    channels = [Image.new("L", picture.size) for _ in range(3)]  # 3 bytes for a pixel; "RGB" takes 4
    for box in _boxes(width, height):
        for channel, part in zip(channels, picture.block(box).split(), strict=True):
            channel.paste(part, box)
    return np.stack([np.asarray(channel.resize(size, method)) for channel in channels], axis=-1)


def _boxes(width: int, height: int) -> Iterator[Box]:
    """Divide an image into blocks of BLOCK_PIXELS, whole rows if possible."""
    columns = min(width, BLOCK_PIXELS)
    rows = max(1, BLOCK_PIXELS // columns)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield left, top, min(left + columns, width), min(top + rows, height)


def _check_resizing(
    size: tuple[int, int], new_size: tuple[int, int], interpolation: Interpolation, name: str
) -> None:
    """Raise ImageError if resizing would take more memory than the largest image.

    Pillow makes a table of coefficients for each direction, and resizes one direction after the other:
    1×170,000,000 pixels, resized to a width of 299, would take 200 GB.
    """
    (width, height), (new_width, new_height) = size, new_size
    coefficients = 16 * FILTER_RADIUS[interpolation] * (max(width, new_width) + max(height, new_height))
    between = 4 * max(new_width * height, new_height * width)
    needed = BYTES_PER_PIXEL * width * height + coefficients + between - MARGIN_BYTES
    if needed > 0 and needed > BYTES_PER_PIXEL * max(get_limits().max_pixels, DEFAULT_MAX_PIXELS):
        raise ImageError(
            f"{name}: {width:,}×{height:,} pixels are too long and thin to be resized to {new_width}×"
            f"{new_height} pixels; crop the image"
        )


class ArrayPicture:
    """Pixels of an array.

    Args:
        pixels: (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), 0…255.

    Raises:
        ValueError: It holds no pixels.
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        if pixels.ndim == 3 and pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))
        if not is_image or not pixels.size:
            raise ValueError(
                f"an image has shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); got {pixels.shape}"
            )
        if pixels.dtype != np.uint8:
            pixels = as_real_array(pixels, "pixels 0…255")
            if problem := _describe_range(
                pixels.min(), pixels.max(), np.issubdtype(pixels.dtype, np.floating)
            ):
                raise ValueError(problem)
        self._pixels = pixels
        self.size = (pixels.shape[1], pixels.shape[0])
        self.is_rgb = False

    def block(self, box: Box) -> Image.Image:
        """Return the pixels of a part, as an RGB image."""
        from PIL import Image

        left, top, right, bottom = box
        pixels = self._pixels[top:bottom, left:right]
        if pixels.dtype != np.uint8:
            pixels = pixels.round().astype(np.uint8)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return image if image.mode == "RGB" else image.convert("RGB")


class ImagePicture:
    """Pixels of a PIL image, upright as its Exif orientation says.

    Args:
        image: The image, decoded.
        name: What it is called in messages.

    Raises:
        ImageError: Its numbers are no pixels 0…255.
    """

    def __init__(self, image: Image.Image, name: str) -> None:
        self._image = image
        self._orientation = _read_orientation(image, name)
        width, height = image.size
        self.size = (height, width) if self._orientation >= 5 else (width, height)
        self.is_rgb = image.mode == "RGB" and self._orientation == 1
        self._name = name
        self._has_16_bits = False
        if image.mode == "F":
            low, high = image.getextrema()
            if problem := _describe_range(low, high, True):
                raise ImageError(f"{name}: {problem}")
        elif image.mode.startswith("I"):
            self._has_16_bits = image.mode != "I" or _has_16_bits(image, name)

    def block(self, box: Box) -> Image.Image:
        """Return the pixels of a part, as an RGB image."""
        from PIL import Image

        stored = _stored_box(box, self.size, self._orientation)
        part = self._image if stored == (0, 0, *self._image.size) else self._image.crop(stored)
        part = self._to_rgb(part)
        transposition = {
            2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
            7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
        }.get(self._orientation)  # fmt: skip
        return part if transposition is None else part.transpose(transposition)

    def _to_rgb(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip at 255
            values = np.asarray(image)
            if image.mode == "F":
                if np.isnan(values).any():
                    raise ImageError(f"{self._name}: pixels must lie in 0…255, got nan")
                values = values.round()
            elif self._has_16_bits:
                values = (values.astype(np.uint32) + 128) // 257  # rounded
            image = Image.fromarray(values.astype(np.uint8))
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # converting straight to RGB gives the same pixels and a warning
        return image if image.mode == "RGB" else image.convert("RGB")


def _describe_range(low: Any, high: Any, is_float: bool) -> str:
    """Return what is wrong with numbers from `low` to `high` as pixels; nothing if nothing is."""
    if not (low >= 0 and high <= 255):
        return f"pixels must lie in 0…255, got {low} to {high}"
    if is_float and 0 < high <= 1:
        return "pixels must lie in 0…255; these lie in 0…1: multiply them by 255"
    return ""


def _has_16_bits(image: Image.Image, name: str) -> bool:
    """Return whether an image of Pillow's mode "I" holds 16 bits, of 0…65535, rather than 8."""
    low, high = image.getextrema()
    if low < 0 or high > 65535:  # type: ignore[operator]
        raise ImageError(f"{name}: pixels must lie in 0…255 or 0…65535, got {low} to {high}")
    bits = getattr(image, "tag_v2", {}).get(258)  # BitsPerSample
    is_ambiguous = image.format is None or (image.format in ("TIFF", "MPO") and bits != (16,))
    return not is_ambiguous or high > 255  # type: ignore[operator]


def _read_orientation(image: Image.Image, name: str) -> int:
    """Return the Exif orientation, 1…8; 1 if there is none."""
    exif = image.info.get("exif")
    try:
        if exif is None and "Raw profile type exif" in image.info:  # in hexadecimal digits
            exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        if isinstance(exif, bytes):
            check_tags(io.BytesIO(exif.removeprefix(b"Exif\0\0")), name)
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except ImageError:
        raise
    except Exception:
        return 1  # a damaged EXIF block is no reason to refuse the pixels
    return orientation if orientation in range(1, 9) else 1


def _stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Return where a box of an upright image of (width, height) lies in the image as it is stored."""
    left, top, right, bottom = box
    if orientation in (2, 3, 6, 7):  # left and right are exchanged
        left, right = size[0] - right, size[0] - left
    if orientation in (3, 4, 7, 8):  # top and bottom are exchanged
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if orientation >= 5 else (left, top, right, bottom)
