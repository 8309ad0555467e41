"""Image formats: which ones photographs are read in, and what decoding them costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class ImageFormat:
    """An image format that Pillow decodes itself.

    Attributes:
        name: Pillow's name of the format.
        plugin: The module of `PIL` that reads it.
        signature: What its files begin with.
        suffixes: File names that count as photographs inside a folder.
        bytes_per_pixel: Memory for a pixel while it is decoded.
        max_header_bytes: How much may be read before the pixels; None if the whole file is read at once.
    """

    name: str
    plugin: str
    signature: re.Pattern[bytes]
    suffixes: tuple[str, ...] = ()
    bytes_per_pixel: int = 4
    max_header_bytes: int | None = 64 << 20


def _format(name: str, signature: bytes, *suffixes: str, **options: int | None) -> ImageFormat:
    plugin = {"JPEG": "Jpeg", "JPEG2000": "Jpeg2K", "WEBP": "WebP"}.get(name, name.capitalize())
    pattern = re.compile(signature, re.DOTALL)
    return ImageFormat(name, f"{plugin}ImagePlugin", pattern, suffixes, **options)  # type: ignore[arg-type]


#: Every format that is read. Not among them: those that Pillow hands to a program (EPS to Ghostscript), those
#: that it only recognizes (WMF, GRIB, HDF5, …), and those that contain files in other formats (ICO, IPTC, …).
FORMATS = (
    _format("JPEG", rb"\xff\xd8\xff", ".jpg", ".jpeg"),
    _format("PNG", rb"\x89PNG\r\n\x1a\n", ".png"),
    _format("WEBP", rb"RIFF.{4}WEBP", ".webp", bytes_per_pixel=16, max_header_bytes=None),
    _format("TIFF", rb"II[*+]\0|MM\0[*+]|MM[*]\0|II\0[*]", ".tif", ".tiff"),
    # A comment's time grows with the square of its length.
    _format("GIF", rb"GIF8[79]a", ".gif", max_header_bytes=4 << 20),
    _format("BMP", rb"BM", ".bmp"),
    _format("PPM", rb"P[1-6fF]", ".ppm", ".pgm"),
    _format("JPEG2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", ".jp2", bytes_per_pixel=24,
            max_header_bytes=None),
    _format("AVIF", rb".{4}ftyp", ".avif", bytes_per_pixel=24, max_header_bytes=None),
    _format("QOI", rb"qoif"),
    _format("SGI", rb"\x01\xda"),
    _format("PCX", rb"\x0a[\0\x02\x03\x05]"),
    _format("TGA", rb".[\0\x01][\x01-\x03\x09-\x0b]"),
)  # fmt: skip

#: Pillow's names of the formats of pictures that are read. MPO is a JPEG file that holds several pictures.
FORMAT_NAMES = frozenset(image_format.name for image_format in FORMATS) | {"MPO"}

#: File names that count as photographs inside a folder. A file that is named itself may have any.
SUFFIXES = tuple(suffix for image_format in FORMATS for suffix in image_format.suffixes)

#: Decoders that Pillow has in Python, which take 100 times as long as those in C: their pixels count as more.
PYTHON_DECODER_BYTES = {"bmp_rle": 64, "ppm": 64, "ppm_plain": 64, "qoi": 400, "SGI16": 8}


def decoder_bytes_per_pixel(image: Image.Image) -> int:
    """Return the bytes that each pixel of an opened image counts as while it is decoded."""
    needed = max((entry.bytes_per_pixel for entry in FORMATS if entry.name == image.format), default=4)
    decoders = {tile[0] for tile in getattr(image, "tile", ())}
    return max(needed, *(PYTHON_DECODER_BYTES.get(decoder, 0) for decoder in decoders), 0)
