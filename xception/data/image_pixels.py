"""Pixels of images and arrays, upright and with the requested channels, converted part by part."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from .arrays import as_real_array
from .jpeg import to_rgb
from .metadata import check_tags

if TYPE_CHECKING:
    from PIL import Image

    from .framing import Box, Size
    from .jpeg import Sampling
    from .preprocessing import Exif

ORIENTATION_TAG = 0x0112
#: EXIF orientations in which left and right of the upright image are exchanged, and top and bottom.
MIRRORED, INVERTED = (2, 3, 6, 7), (3, 4, 7, 8)
#: Pillow's mode for photographs with this number of channels. Arrays may have other numbers.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class Picture(Protocol):
    """A source of pixels, which are converted to the requested number of channels."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def size(self) -> Size:
        """(width, height) of the pixels that are available."""

    @property
    def original_size(self) -> Size:
        """(width, height) before the decoder reduced the picture."""

    def locate(self, box: Box) -> tuple[float, float, float, float]:
        """Return where a box of the picture in its original size lies among the available pixels."""

    def is_whole(self, channels: int) -> bool:
        """Return True if the whole is available as an image with these channels."""

    def block(self, box: Box, channels: int) -> Image.Image:
        """Return the pixels of a part, as an image with 1, 3 or 4 channels."""

    def pixels(self, box: Box, channels: int, rows: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Return the pixels of a part, (h, w, channels): uint8, or float32 where the source has floats.

        Where `rows` are given, only these rows, which lie in the box.
        """


class ArrayPicture:
    """Pixels of an array.

    Args:
        pixels: (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), 0…255; or, for any other number of
            channels, (h, w, channels) with any numbers.
        channels: The number of channels that will be requested.
        name: What it is called in messages.

    Raises:
        ValueError: It holds no pixels.
    """

    def __init__(self, pixels: NDArray[Any], channels: int = 3, name: str = "image") -> None:
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        counts = tuple(MODES) if channels in MODES else (channels,)
        if pixels.ndim != 3 or pixels.shape[-1] not in counts or not pixels.size:
            expected = "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
            if channels not in MODES:
                expected = f"(h, w, {channels}), as the model takes it"
            shape = pixels.shape[:2] if pixels.shape[2:] == (1,) else pixels.shape
            raise ValueError(f"an image has shape {expected}; got {shape}")
        if pixels.dtype != np.uint8:
            pixels = as_real_array(pixels, "pixels 0…255")
            problem = _describe_range(pixels.min(), pixels.max(), np.issubdtype(pixels.dtype, np.floating))
            if problem and channels in MODES:
                raise ValueError(problem)
        self._pixels = pixels
        self.name = name
        self.size = self.original_size = (pixels.shape[1], pixels.shape[0])

    def locate(self, box: Box) -> tuple[float, float, float, float]:
        """Return the box: arrays are not reduced."""
        return box

    def is_whole(self, channels: int) -> bool:
        """Return False: blocks are copies."""
        return False

    def block(self, box: Box, channels: int) -> Image.Image:
        """Return the pixels of a part, as an image."""
        from PIL import Image

        pixels = self._crop(box)
        if pixels.dtype != np.uint8:
            pixels = pixels.round().astype(np.uint8)
        if pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return image if image.mode == MODES[channels] else image.convert(MODES[channels])

    def pixels(self, box: Box, channels: int, rows: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Return the pixels of a part; floats are not rounded."""
        if rows is not None:
            return self.pixels(box, channels)[rows - box[1]]
        pixels = self._crop(box)
        is_grayscaled = channels == 1 and pixels.shape[-1] > 1  # by Pillow, as integers
        if channels in MODES and (is_grayscaled or not np.issubdtype(pixels.dtype, np.floating)):
            return as_array(self.block(box, channels))
        return _with_channels(pixels, channels)

    def _crop(self, box: Box) -> NDArray[Any]:
        left, top, right, bottom = box
        return self._pixels[top:bottom, left:right]


class ImagePicture:
    """Pixels of a PIL image.

    Args:
        image: The image, decoded.
        name: What it is called in messages.
        exif: Whether the image is turned upright as its EXIF orientation says.
        sampling: What `use_fast_transform` returned for a JPEG file, before it was decoded.
        reduction: What `reduce_jpeg` returned for a JPEG file, before it was decoded.
        original_size: (width, height) of the stored image before it was reduced; by default its own.

    Raises:
        ImageError: Its values are not pixels 0…255.
    """

    def __init__(
        self,
        image: Image.Image,
        name: str,
        exif: Exif = "upright",
        sampling: Sampling | None = None,
        reduction: int = 1,
        original_size: Size | None = None,
    ) -> None:
        self.name = name
        self._image = image
        self._sampling = sampling
        self._reduction = reduction
        self._orientation = read_orientation(image, name) if exif == "upright" else 1
        self.size = upright_size(image.size, self._orientation)
        self.original_size = upright_size(original_size or image.size, self._orientation)
        self._has_16_bits = False
        if image.mode == "F":
            low, high = image.getextrema()
            if problem := _describe_range(low, high, True):
                raise ImageError(f"{name}: {problem}")
        elif image.mode.startswith("I"):
            self._has_16_bits = image.mode != "I" or _has_16_bits(image, name)

    def locate(self, box: Box) -> tuple[float, float, float, float]:
        """Return where a box of the image in its original size lies in the image as it was decoded."""
        if self._reduction == 1:
            return box
        # The last column and row of the stored image are made of what remains; turned, they may be the first.
        left, top, right, bottom = (edge / self._reduction for edge in box)
        x = self.size[0] - self.original_size[0] / self._reduction if self._orientation in MIRRORED else 0.0
        y = self.size[1] - self.original_size[1] / self._reduction if self._orientation in INVERTED else 0.0
        return (left + x, top + y, right + x, bottom + y)

    def is_whole(self, channels: int) -> bool:
        """Return True if the image needs neither conversion nor turning."""
        return self._image.mode == MODES[channels] and self._orientation == 1

    def block(self, box: Box, channels: int) -> Image.Image:
        """Return the pixels of a part, as an image."""
        return self._turn(self._convert(self._crop(box, channels), MODES[channels]))

    def pixels(self, box: Box, channels: int, rows: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Return the pixels of a part; those of floating-point images are not rounded."""
        if rows is not None:
            if self._sampling is None or self._orientation != 1 or channels == 1:
                return self.pixels(box, channels)[rows - box[1]]
            return as_array(self._convert(to_rgb(self._image, box, rows, self._sampling), MODES[channels]))
        if self._image.mode != "F":
            return as_array(self.block(box, channels))
        values = np.asarray(self._turn(self._crop(box, channels)))
        self._check_numbers(values)
        return _with_channels(values[..., None], channels)

    def _crop(self, box: Box, channels: int) -> Image.Image:
        stored = _stored_box(box, self.size, self._orientation)
        if self._sampling is not None:
            if channels == 1:
                return self._image.crop(stored).getchannel("Y")
            return to_rgb(self._image, stored, np.arange(stored[1], stored[3]), self._sampling)
        return self._image if stored == (0, 0, *self._image.size) else self._image.crop(stored)

    def _turn(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        transposition = {
            2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
            7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
        }.get(self._orientation)  # fmt: skip
        return image if transposition is None else image.transpose(transposition)

    def _convert(self, image: Image.Image, mode: str) -> Image.Image:
        from PIL import Image

        if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip at 255
            values = np.asarray(image)
            if image.mode == "F":
                self._check_numbers(values)
                values = values.round()
            elif self._has_16_bits:
                values = (values.astype(np.uint32) + 128) // 257  # rounded
            image = Image.fromarray(values.astype(np.uint8))
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # converting straight to RGB gives the same pixels and a warning
        return image if image.mode == mode else image.convert(mode)

    def _check_numbers(self, values: NDArray[Any]) -> None:
        if np.isnan(values).any():
            raise ImageError(f"{self.name}: pixels must lie in 0…255, got nan")


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """Return an image as an array (h, w, channels)."""
    pixels = np.array(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _with_channels(pixels: NDArray[Any], channels: int) -> NDArray[np.float32]:
    """Return pixels as float32 with 1, 3 or 4 channels, made from as many or from 1, 3 or 4 others."""
    pixels = pixels.astype(np.float32)
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, min(channels, 3), axis=-1)
    if pixels.shape[-1] < channels:
        pixels = np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1)  # opaque
    return pixels[..., :channels]


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


def upright_size(size: Size, orientation: int) -> Size:
    """Return the (width, height) that a stored image has when it is turned upright."""
    return (size[1], size[0]) if orientation >= 5 else size


def read_orientation(image: Image.Image, name: str) -> int:
    """Return the EXIF orientation, 1…8; 1 if there is none."""
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
    if orientation in MIRRORED:
        left, right = size[0] - right, size[0] - left
    if orientation in INVERTED:
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if orientation >= 5 else (left, top, right, bottom)
