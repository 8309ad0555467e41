"""Files to pixels, the way `keras.utils.load_img` reads them; and which files there are."""

from __future__ import annotations

import glob
import os
import struct
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

    ImageLike = str | os.PathLike[str] | IO[bytes] | Image.Image | NDArray[Any]

#: What counts as a photograph inside a folder. A file that is named itself may be anything.
SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".jp2",
    ".avif",
)

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def load_image(
    source: ImageLike,
    target_size: tuple[int, int] | None = (299, 299),
    interpolation: str = "bilinear",
) -> NDArray[np.uint8]:
    """Pixels of a photograph: uint8 (height, width, 3), RGB, 0…255.

    source: a path, an open binary file, a PIL image, or an array of pixels 0…255 of shape
        (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
    target_size: (height, width) to resize to, or None for the photograph's own size. The
        photograph is stretched, as Keras does, not cropped.
    interpolation: nearest, bilinear, bicubic, hamming, box or lanczos, by Pillow, so that the
        pixels are those of `keras.utils.load_img` (whose default is "nearest").

    Unlike Keras, it turns photographs upright as their EXIF orientation says, and scales 16-bit
    greys to 8 bits instead of clipping them. Transparency is dropped, as Keras drops it.

    Raises FileNotFoundError, ImageError where a file is no image or is damaged, ValueError for
    arrays that hold no pixels, sizes that are no pair and unknown interpolations, TypeError for what
    can be no image.
    """
    from PIL import Image

    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}; got {interpolation!r}")
    if target_size is not None and not (isinstance(target_size, list | tuple) and len(target_size) == 2):
        raise ValueError(f"target_size must be (height, width), got {target_size!r}")
    if isinstance(source, np.ndarray):
        image = _to_rgb(_from_array(source))
    elif isinstance(source, Image.Image):
        image = _decode(source, "image")
    else:
        image = _open(source)
    if target_size is not None:
        height, width = target_size
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    return np.array(image)


def _open(source: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", "image")
    if isinstance(source, str | os.PathLike):
        if os.path.isdir(source):
            raise ImageError(f"{name}: is a folder, expected a photograph")
        if not os.path.exists(source):
            raise FileNotFoundError(f"{name}: there is no such file")
    elif not hasattr(source, "read"):
        raise TypeError(
            "an image is a path, an open binary file, a PIL image or an array of pixels; got "
            f"{type(source).__name__}"
        )
    try:
        with Image.open(source) as image:
            return _decode(image, str(name))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: is not an image in any format that Pillow reads") from None
    except PermissionError:
        raise ImageError(f"{name}: may not be read (permission denied)") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: is too large to be a photograph ({error})") from None
    except _DAMAGED as error:
        raise ImageError(f"{name}: is damaged or incomplete ({error})") from error


#: What Pillow's decoders have been seen to raise for broken files.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error,
            MemoryError, OverflowError)  # fmt: skip


def _decode(image: Image.Image, name: str) -> Image.Image:
    """Upright RGB pixels of a PIL image."""
    from PIL import ImageOps

    try:
        image.load()
    except _DAMAGED as error:
        raise ImageError(f"{name}: is damaged or incomplete ({error})") from error
    try:
        upright = ImageOps.exif_transpose(image)
    except _DAMAGED:
        upright = image  # a broken EXIF block is no reason to refuse the pixels
    return _to_rgb(upright)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow would clip it at 255
        from PIL import Image

        values = np.asarray(image).clip(0, 65535)
        if image.mode != "I" or values.max(initial=0) > 255:  # "I" may hold 8 bits, or 16
            values = values / 257
        image = Image.fromarray(values.round().astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB gives the same pixels and a warning
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))) or not pixels.size:
        raise ValueError(f"an image has shape (h, w), (h, w, 3) or (h, w, 4); got {pixels.shape}")
    if pixels.dtype != np.uint8:
        if not np.issubdtype(pixels.dtype, np.number) or np.iscomplexobj(pixels):
            raise ValueError(f"pixels must be real numbers, got an array of {pixels.dtype}")
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 255):
            raise ValueError(f"pixels must lie in 0…255, got {low} to {high}")
        if np.issubdtype(pixels.dtype, np.floating) and 0 < high <= 1:
            raise ValueError("pixels must lie in 0…255; these lie in 0…1: multiply them by 255")
        pixels = pixels.round().astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def photographs(place: str) -> list[str]:
    """The photographs at `place`: itself, those below the folder, or those that fit the pattern.

    Sorted by name; hidden files are left out. Raises FileNotFoundError where there are none.
    """
    if os.path.isdir(place):
        found = []
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if not name.startswith(".")]
            photos = (name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))
            found += [os.path.join(folder, name) for name in photos]
        if not found:
            raise FileNotFoundError(f"{place}: there are no photographs in this folder")
        return sorted(found)
    if os.path.exists(place) or not glob.has_magic(place):
        return [place]  # whether it can be read is seen when it is opened
    matches = [match for match in glob.glob(place, recursive=True) if not os.path.isdir(match)]
    if not matches:
        raise FileNotFoundError(f"{place}: no file fits this pattern")
    return sorted(matches)
