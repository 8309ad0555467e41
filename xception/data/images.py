"""Photographs as pixels, read as `keras.utils.load_img` reads them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..layers.validation import as_int
from ..limits import get_limits
from .image_files import check_opened, decode, open_image, source_name
from .image_pixels import ArrayPicture, ImagePicture, render
from .preprocessing import INTERPOLATIONS, Interpolation, check_option

if TYPE_CHECKING:
    from PIL import Image

    #: One photograph.
    ImageLike = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]


def load_image(
    source: ImageLike,
    target_size: tuple[int, int] | None = (299, 299),
    interpolation: Interpolation = "bilinear",
) -> NDArray[np.uint8]:
    """Read a photograph as RGB pixels.

    Unlike Keras, it turns photographs upright as their EXIF orientation says, and scales 16-bit grey
    images to 8 bits instead of clipping them. Floating-point images must hold 0…255, as arrays. Transparency
    is dropped, as Keras drops it.

    Files are read in the formats AVIF, BMP, GIF, JPEG, JPEG 2000, PCX, PNG, PPM, QOI, SGI, TGA, TIFF and
    WebP, as far as Pillow was built with them, and in HEIF with `pip install "xception[heif]"`. Limits on
    their pixels, and on the memory that decoding takes, are set by `xception.set_limits(max_pixels=…)`.

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
        ImageError: The file is not regular, not an image in one of these formats, damaged, or too large; or
            its numbers are no pixels.
        TypeError: `source` is none of the above.
        ValueError: An array does not hold pixels, `target_size` is not a pair of positive integers, or
            the interpolation is unknown.

    Examples:
        >>> load_image("examples/chelsea.jpg", target_size=None).shape
        (300, 451, 3)
    """
    check_option("interpolation", interpolation, INTERPOLATIONS)
    size = None
    if target_size is not None:
        if not (isinstance(target_size, list | tuple) and len(target_size) == 2):
            raise ValueError(f"target_size must be (height, width), got {target_size!r}")
        height, width = (as_int("target_size", size) for size in target_size)
        size = (width, height)
    get_limits()  # an invalid environment variable is no image's fault
    name = source_name(source)
    if isinstance(source, np.ndarray):
        picture = ArrayPicture(source)
        with _image_errors(name):
            return render(picture, size, interpolation, name)
    from PIL import Image

    if isinstance(source, Image.Image):
        with _image_errors(name):
            check_opened(source, name)
            decode(source)
            return render(ImagePicture(source, name), size, interpolation, name)
    if not (isinstance(source, str | bytes | os.PathLike) or hasattr(source, "read")):
        raise TypeError(
            "an image is a path, the bytes of a file, an open binary file, a PIL image or an array of "
            f"pixels; got {type(source).__name__}"
        )
    if isinstance(source, io.TextIOBase):
        raise TypeError(f'{name}: expected a binary file, got one that was opened as text; use mode "rb"')
    with _image_errors(name), open_image(source) as image:
        decode(image)
        return render(ImagePicture(image, name), size, interpolation, name)


@contextmanager
def _image_errors(name: str) -> Iterator[None]:
    """Turn whatever an image raises into an ImageError with its name.

    Pillow's decoders have been seen to raise fifteen kinds of exceptions for damaged files.
    """
    try:
        yield
    except (ImageError, FileNotFoundError):
        raise
    except MemoryError:
        raise ImageError(f"{name}: takes more memory than this process can have") from None
    except Exception as error:
        if type(error).__name__ == "DecompressionBombError":  # of a part of it, such as a tile
            raise ImageError(f"{name}: is too large ({error})") from None
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name}: is damaged or incomplete ({reason})") from error
