"""Photographs as pixels, read as `keras.utils.load_img` reads them."""

from __future__ import annotations

import io
import os
import struct
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..layers.validation import as_int
from .arrays import as_real_array
from .preprocessing import INTERPOLATIONS, Interpolation, check_option

if TYPE_CHECKING:
    from PIL import Image

    #: One photograph.
    ImageLike = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]

#: What Pillow's decoders have been seen to raise for damaged files.
DECODING_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error,
                   MemoryError, OverflowError)  # fmt: skip


def load_image(
    source: ImageLike,
    target_size: tuple[int, int] | None = (299, 299),
    interpolation: Interpolation = "bilinear",
) -> NDArray[np.uint8]:
    """Read a photograph as RGB pixels.

    Unlike Keras, it turns photographs upright as their EXIF orientation says, and scales 16-bit grey
    images to 8 bits instead of clipping them. Transparency is dropped, as Keras drops it.

    Args:
        source: A path, the bytes of a file, an open binary file, a PIL image, or an array of pixels
            0…255 of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
        target_size: (height, width) to resize to, or None for the photograph's own size. The
            photograph is stretched, as Keras does, not cropped.
        interpolation: Pillow's filter: "nearest", "bilinear", "bicubic", "hamming", "box" or
            "lanczos". The default of `keras.utils.load_img` is "nearest".

    Returns:
        Pixels 0…255 of shape (height, width, 3).

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: The file is not an image, is damaged, or is too large to be a photograph.
        TypeError: `source` is none of the above.
        ValueError: An array does not hold pixels, `target_size` is not a pair of positive integers, or
            the interpolation is unknown.

    Examples:
        >>> load_image("examples/chelsea.jpg", target_size=None).shape
        (300, 451, 3)
    """
    from PIL import Image

    check_option("interpolation", interpolation, INTERPOLATIONS)
    if target_size is not None:
        if not (isinstance(target_size, list | tuple) and len(target_size) == 2):
            raise ValueError(f"target_size must be (height, width), got {target_size!r}")
        height, width = (as_int("target_size", size) for size in target_size)
    if isinstance(source, np.ndarray):
        image = _to_rgb(_from_array(source))
    elif isinstance(source, Image.Image):
        image = _decode(source, "image")
    else:
        image = _open(source)
    if target_size is not None and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    return np.array(image)


def _open(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, bytes):
        source = io.BytesIO(source)
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", "image")
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            raise ImageError(f"{name}: is a folder, expected a photograph")
        if not os.path.exists(source):
            raise FileNotFoundError(f"{name}: there is no such file")
        if not os.path.isfile(source):  # opening a named pipe would wait for ever
            raise ImageError(f"{name}: is not a regular file")
    elif not hasattr(source, "read"):
        raise TypeError(
            "an image is a path, the bytes of a file, an open binary file, a PIL image or an array of "
            f"pixels; got {type(source).__name__}"
        )
    elif isinstance(source, io.TextIOBase):
        raise TypeError(f'{name}: expected a binary file, got one that was opened as text; use mode "rb"')
    try:
        with Image.open(source) as image:
            return _decode(image, str(name))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: is not an image in any format that Pillow reads") from None
    except PermissionError:
        raise ImageError(f"{name}: no permission to read it") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: is too large to be a photograph ({error})") from None
    except DECODING_ERRORS as error:
        raise ImageError(f"{name}: is damaged or incomplete ({error})") from error


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Return the upright RGB pixels of a PIL image."""
    from PIL import ImageOps

    try:
        image.load()
    except DECODING_ERRORS as error:
        raise ImageError(f"{name}: is damaged or incomplete ({error})") from error
    try:
        upright = ImageOps.exif_transpose(image)
    except DECODING_ERRORS:
        upright = image  # a damaged EXIF block is no reason to refuse the pixels
    return _to_rgb(upright)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        from PIL import Image

        values = np.asarray(image).clip(0, 65535)
        if image.mode != "I" or values.max(initial=0) > 255:  # mode "I" may hold 8 or 16 bits
            values = values / 257
        image = Image.fromarray(values.round().astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # converting straight to RGB gives the same pixels and a warning
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))) or not pixels.size:
        raise ValueError(f"an image has shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); got {pixels.shape}")
    if pixels.dtype != np.uint8:
        pixels = as_real_array(pixels, "pixels 0…255")
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 255):
            raise ValueError(f"pixels must lie in 0…255, got {low} to {high}")
        if np.issubdtype(pixels.dtype, np.floating) and 0 < high <= 1:
            raise ValueError("pixels must lie in 0…255; these lie in 0…1: multiply them by 255")
        pixels = pixels.round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))
