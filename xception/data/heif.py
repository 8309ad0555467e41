"""HEIF files, examined before libheif reads them: the size of their pictures, and of their metadata."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import IO, TypeVar

from ..errors import ImageError
from ..limits import get_limits
from .image_formats import BYTES_PER_PIXEL, FORMATS

T = TypeVar("T")

#: Larger files are refused when they are opened.
MAX_SEARCHED_BYTES = 256 << 20
#: What items may declare beyond the size of the file, and metadata of all pictures together. Several items,
#: extents and pictures may use the same bytes, which are copied for each.
MAX_REPEATED_BYTES = 64 << 20
#: Sizes, parts of items, and items that describe others. A photograph of a telephone has a hundred; each
#: takes a microsecond here.
MAX_ENTRIES = 100_000
#: The first that was seen to refuse pictures larger than they declare; 1.21 was not.
MIN_LIBHEIF = (1, 23)
#: Tables of items, of which a file has one.
MAX_TABLES = 16

# Boxes are searched anywhere, since it is libheif that decides where it looks for them. In compressed data
# these eight bytes do not occur by chance.
SIZES = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)
LOCATIONS = re.compile(rb"iloc([\0-\2])\0\0\0")
REFERENCES = re.compile(rb"iref([\0\1])\0\0\0")
DESCRIPTIONS = re.compile(rb"cdsc")


def check_heif(stream: IO[bytes], name: str) -> None:
    """Raise ImageError if a picture in a HEIF file is too large, or its metadata are copied too often.

    The size of a picture that libheif gives before decoding is that of the part that is shown; all of it is
    decoded. A picture that turns out to be larger than its size is refused by libheif.

    Args:
        stream: The file, at its beginning. Damage in it is left to its decoder.
        name: What the image is called in messages.
    """
    _check_version(name)
    data = stream.read(MAX_SEARCHED_BYTES)
    maximum = get_limits().max_pixels
    bytes_per_pixel = next(entry.bytes_per_pixel for entry in FORMATS if entry.name == "HEIF")
    for match in _limited(SIZES.finditer(data), MAX_ENTRIES, name):
        width, height = struct.unpack(">LL", match[1])
        counted = -(-width * height * bytes_per_pixel // BYTES_PER_PIXEL)
        if counted > maximum:
            raise ImageError(
                f"{name}: is too large: it holds {width:,}×{height:,} pixels, which count as {counted:,}; "
                f"the maximum is {maximum:,}. If you trust the image, raise it: "
                f"set_limits(max_pixels={counted}), --max-pixels or XCEPTION_MAX_PIXELS"
            )
    lengths: dict[int, int] = {}
    for match in _limited(LOCATIONS.finditer(data), MAX_TABLES, name):
        extents = _extents(data, match.end(), match[1][0])
        for item, length in _limited(extents, MAX_ENTRIES, name):
            lengths[item] = lengths.get(item, 0) + (length or len(data))  # 0 is all of the file
    copied = 0
    for match in _limited(REFERENCES.finditer(data), MAX_TABLES, name):
        form = struct.Struct(">LH" if match[1][0] else ">HH")  # the item, and how many pictures it describes
        for description in _limited(DESCRIPTIONS.finditer(data, match.end()), MAX_ENTRIES, name):
            if description.end() + form.size <= len(data):
                item, pictures = form.unpack_from(data, description.end())
                copied += lengths.get(item, 0) * pictures
    if max(copied, sum(lengths.values()) - len(data)) > MAX_REPEATED_BYTES:
        raise ImageError(f"{name}: declares the same bytes too many times, as metadata or parts of pictures")


def _check_version(name: str) -> None:
    """Raise ImageError if a libheif is installed that decodes more pixels than a picture declares."""
    try:
        import pillow_heif
    except ImportError:
        return
    version = pillow_heif.libheif_version()
    if tuple(map(int, version.split(".")[:2])) < MIN_LIBHEIF:
        raise ImageError(
            f"{name}: libheif {version} may decode any number of pixels; to read HEIF files: "
            'pip install --upgrade "xception[heif]"'
        )


def _limited(entries: Iterable[T], maximum: int, name: str) -> Iterator[T]:
    """Yield the entries of a file; raise ImageError if there are too many."""
    for count, entry in enumerate(entries):
        if count == maximum:
            raise ImageError(f"{name}: has more than {maximum:,} pictures, items or parts of them")
        yield entry


def _extents(data: bytes, position: int, version: int) -> Iterator[tuple[int, int]]:
    """Yield (item, bytes) of each extent in an `iloc` box, from the sizes of its fields on."""
    try:
        sizes, bases = data[position : position + 2]
        offset_bytes, length_bytes, base_bytes = sizes >> 4, sizes & 15, bases >> 4
        index_bytes = bases & 15 if version else 0
        number = ">L" if version == 2 else ">H"
        (count,) = struct.unpack_from(number, data, position + 2)
        position += 2 + struct.calcsize(number)
        for _ in range(count):
            (item,) = struct.unpack_from(number, data, position)
            position += struct.calcsize(number) + (4 if version else 2) + base_bytes
            (extent_count,) = struct.unpack_from(">H", data, position)
            position += 2
            for _ in range(extent_count):
                position += index_bytes + offset_bytes
                yield item, int.from_bytes(data[position : position + length_bytes], "big")
                position += length_bytes
    except (struct.error, ValueError):
        return  # the end of the file
