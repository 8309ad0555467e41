"""Photographs as pixels, read as `keras.utils.load_img` reads them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, MissingPackageError, RemoteError
from ..layers.validation import as_int
from ..limits import get_limits
from .framing import Size
from .image_files import check_opened, open_image, read_pixels, source_name
from .image_pixels import MODES, ArrayPicture, ImagePicture, Picture, read_orientation, upright_size
from .image_resizing import render
from .jpeg import reduce_jpeg, use_fast_transform
from .preprocessing import (
    ASPECTS,
    EXIF_OPTIONS,
    INTERPOLATIONS,
    Aspect,
    Decode,
    Exif,
    Interpolation,
    check_decode,
    check_option,
)

if TYPE_CHECKING:
    from PIL import Image

    #: One photograph.
    ImageLike = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]


def load_image(
    source: ImageLike,
    target_size: tuple[int, int] | None = (299, 299),
    interpolation: Interpolation = "bilinear",
    *,
    aspect: Aspect = "stretch",
    exif: Exif = "upright",
    channels: int = 3,
    decode: Decode = "exact",
) -> NDArray[Any]:
    """Read a photograph as pixels.

    Unlike Keras, it turns photographs upright as their EXIF orientation says, and scales 16-bit gray
    images to 8 bits instead of clipping them. Floating-point images must hold 0…255, as arrays. Transparency
    is dropped, as Keras drops it, unless there are four channels.

    Files are read in the formats AVIF, BMP, GIF, JPEG, JPEG 2000, PCX, PNG, PPM, QOI, SGI, TGA, TIFF and
    WebP, as far as Pillow was built with them, and in HEIF with `pip install "xception[heif]"`. Limits on
    their pixels, and on the memory that decoding takes, are set by `xception.set_limits(max_pixels=…)`.
    URLs such as `s3://bucket/a.jpg` are read with `pip install "xception[remote]"`.

    Args:
        source: A path or URL, the bytes of a file, an open binary file, a PIL image, or an array of pixels
            0…255 of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
        target_size: (height, width) to resize to, or None for the photograph's own size.
        interpolation: Pillow's filter: "nearest", "bilinear", "bicubic", "hamming", "box" or
            "lanczos". "tf-bilinear" resizes as `tf.image.resize` does. "tf-dataset" resizes alike, and
            decodes JPEG files to the same pixels as TensorFlow does: it is what
            `keras.utils.image_dataset_from_directory` does. The default of `keras.utils.load_img` is
            "nearest".
        aspect: How the photograph is fitted into `target_size`. "stretch" changes its aspect ratio. "crop"
            resizes the largest part in the middle that has the aspect ratio of `target_size`, as
            `load_img(keep_aspect_ratio=True)` and `crop_to_aspect_ratio=True` do in Keras. "pad" resizes
            the whole to fit, between black borders, as `pad_to_aspect_ratio=True` does in
            `image_dataset_from_directory`.
        exif: "upright" turns photographs as their EXIF orientation says. "ignore" leaves them as they are
            stored, as Keras does.
        channels: 1 for gray pixels, 3 for RGB, 4 for RGBA, converted as by `load_img` with the
            `color_mode` "grayscale", "rgb" or "rgba". For any other number, `source` must be an array
            (h, w, channels), which may hold any numbers.
        decode: "exact" decodes every pixel. "fast" lets the decoder reduce large JPEG files 2, 4 or 8 times
            each way before they are resized, which is two to three times quicker for a photograph of 12
            megapixels. Pixels then differ by about 0.3 gray levels on average, and by 8 at most (with "box"
            by 0.8 and 24). It has no effect on photographs that are less than four times as wide or high as
            `target_size` (with "box" eight times); on files in other formats; with "nearest" and
            "tf-bilinear", which read single pixels; or without a `target_size`.

    Returns:
        Pixels 0…255 of shape (height, width, channels), uint8. Pixels that "tf-bilinear" or
        "tf-dataset" have resized are float32 and not rounded, as in TensorFlow, nor are floating-point
        pixels rounded before. Arrays with another number of channels become float32.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: The file is not regular, not an image in one of these formats, damaged, or too large; or
            its values are not pixels.
        MissingPackageError: A package is needed for the URL that is not installed.
        RemoteError: The URL's store cannot be reached.
        TypeError: `source` is none of the above.
        ValueError: An array does not hold pixels, `target_size` is not a pair of positive integers,
            `source` does not have this number of channels, an option is unknown, or "fast" is combined
            with "tf-dataset", whose pixels are exactly TensorFlow's.

    Examples:
        >>> load_image("examples/chelsea.jpg", target_size=None).shape
        (300, 451, 3)
        >>> load_image("examples/chelsea.jpg", (48, 48), "tf-bilinear", channels=1).dtype
        dtype('float32')
    """
    check_option("interpolation", interpolation, INTERPOLATIONS)
    check_option("aspect", aspect, ASPECTS)
    check_option("exif", exif, EXIF_OPTIONS)
    check_decode(decode, interpolation)
    channels = as_int("channels", channels)
    size = None
    if target_size is not None:
        if not (isinstance(target_size, list | tuple) and len(target_size) == 2):
            raise ValueError(f"target_size must be (height, width), got {target_size!r}")
        height, width = (as_int("target_size", size) for size in target_size)
        size = (width, height)
    new_size = size if decode == "fast" else None
    with open_picture(source, exif, channels, interpolation, new_size, aspect) as picture:
        return render(picture, size, interpolation, aspect, channels)


@contextmanager
def open_picture(
    source: ImageLike,
    exif: Exif = "upright",
    channels: int = 3,
    interpolation: Interpolation = "bilinear",
    new_size: Size | None = None,
    aspect: Aspect = "stretch",
) -> Iterator[Picture]:
    """Open and decode a photograph, whose pixels are converted later.

    What fails within the `with` block counts as a fault of the photograph.

    Args:
        source: See `load_image`.
        exif: See `load_image`.
        channels: The number of channels that will be requested.
        interpolation: How it will be resized. By "tf-dataset", JPEG files are decoded as TensorFlow does.
        new_size: (width, height) that it will be resized to, if the decoder may reduce a large JPEG file;
            None if every pixel is decoded.
        aspect: How it will be fitted into `new_size`.

    Yields:
        The picture.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: See `load_image`.
        TypeError: See `load_image`.
        ValueError: An array does not hold pixels, or `source` does not have this number of channels.
    """
    get_limits()  # an invalid environment variable is no image's fault
    name = source_name(source)
    if isinstance(source, np.ndarray):
        array = ArrayPicture(source, channels, name)
        with _image_errors(name):
            yield array
        return
    from PIL import Image

    is_file = isinstance(source, str | bytes | os.PathLike) or hasattr(source, "read")
    if not is_file and not isinstance(source, Image.Image):
        raise TypeError(
            "an image is a path, the bytes of a file, an open binary file, a PIL image or an array of "
            f"pixels; got {type(source).__name__}"
        )
    if isinstance(source, io.TextIOBase):
        raise TypeError(f'{name}: expected a binary file, got one that was opened as text; use mode "rb"')
    if channels not in MODES:
        raise ValueError(
            f"{name}: photographs have 1, 3 or 4 channels; for {channels} channels, expected arrays of "
            f"shape (n, h, w, {channels}) or (h, w, {channels})"
        )
    with _image_errors(name):
        if isinstance(source, Image.Image):
            check_opened(source, name)
            read_pixels(source)
            yield ImagePicture(source, name, exif)
        else:
            with open_image(source) as image:
                original_size, reduction = image.size, 1
                sampling = use_fast_transform(image) if interpolation == "tf-dataset" else None
                if new_size is not None:
                    orientation = read_orientation(image, name) if exif == "upright" else 1
                    size = upright_size(original_size, orientation)
                    reduction = reduce_jpeg(image, size, new_size, aspect, interpolation)
                read_pixels(image)
                yield ImagePicture(image, name, exif, sampling, reduction, original_size)


@contextmanager
def _image_errors(name: str) -> Iterator[None]:
    """Turn whatever an image raises into an ImageError with its name.

    Pillow's decoders have been seen to raise fifteen kinds of exceptions for damaged files.
    """
    try:
        yield
    except (ImageError, FileNotFoundError, MissingPackageError, RemoteError):
        raise
    except MemoryError:
        raise ImageError(f"{name}: takes more memory than this process can have") from None
    except Exception as error:
        if type(error).__name__ == "DecompressionBombError":  # of a part of it, such as a tile
            raise ImageError(f"{name}: is too large ({error})") from None
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name}: is damaged or incomplete ({reason})") from error
