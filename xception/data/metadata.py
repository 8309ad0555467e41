"""Metadata of image files, examined before Pillow reads it: Exif and TIFF tags, segments of JPEG files."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import IO

from ..errors import ImageError

#: Bytes that all tags may declare together. Older versions of Pillow copy the bytes of each tag, though
#: several may point to the same: a file of 2 MB with 65,535 tags would fill 64 GB.
MAX_TAG_BYTES = 64 << 20
#: Files that are larger are refused when they are opened.
MAX_SEARCHED_BYTES = 256 << 20
MAX_EMBEDDED = 100
#: A JPEG file that is decoded scan by scan takes a pass over all its pixels for each, in 0.7 ns for a
#: pixel, though a scan can be 31 bytes. Cameras and editors write 10.
MAX_SCANNED_PIXELS = 5 * 10**9

#: Bytes of a value of each TIFF type, from type 1 on.
TYPE_BYTES = (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
#: Tags that point to further tags, which Pillow reads, too: Exif, GPS, and within Exif interoperability.
POINTERS = frozenset({34665, 34853, 40965})

EXIF, START_OF_SCAN, END = 0xE1, 0xDA, 0xD9
START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
BLOCK_BYTES = 1 << 20

#: Segments of a JPEG file, with padding bytes, and chunks of a PNG file. Each takes microseconds and memory.
MAX_SEGMENTS = 250_000
#: Chunks beside the pixels are read whole, and those after the pixels are read, too.
MAX_CHUNK_BYTES = 64 << 20
#: Each comment in a text file of pixels takes Pillow 20 to 40 µs.
MAX_COMMENTS = 100_000


def check_tags(stream: IO[bytes], name: str) -> None:
    """Raise ImageError if the tags of a TIFF file or an Exif block declare more than MAX_TAG_BYTES.

    Args:
        stream: The file, at the TIFF header. Damage in it is left to its reader.
        name: What the image is called in the message.
    """
    base = stream.tell()
    header = stream.read(16)
    order = "<" if header[:2] == b"II" else ">"
    is_big = header[2:4] in (b"+\0", b"\0+")
    try:
        pending = [struct.unpack_from(order + ("Q" if is_big else "L"), header, 8 if is_big else 4)[0]]
    except struct.error:
        return
    declared, visited = 0, set(pending)
    while pending:
        stream.seek(base + min(pending.pop(), 1 << 62))
        for tag, size, value in _tags(stream, order, is_big):
            declared += size
            if tag in POINTERS and value not in visited:
                visited.add(value)
                pending.append(value)
    if declared > MAX_TAG_BYTES:
        raise ImageError(
            f"{name}: its metadata declares {declared:,} bytes, the maximum is {MAX_TAG_BYTES:,}; save it "
            "without metadata"
        )


def check_embedded_tags(stream: IO[bytes], name: str) -> None:
    """Raise ImageError if anything in a file that looks like Exif tags declares more than MAX_TAG_BYTES.

    Pillow reads the Exif tags of AVIF files when it opens them, and where they are is not known before.

    Args:
        stream: The file, at its beginning.
        name: What the image is called in the message.
    """
    data = stream.read(MAX_SEARCHED_BYTES)
    tags = io.BytesIO(data)
    for count, header in enumerate(re.finditer(rb"II\*\0|MM\0\*", data)):
        if count == MAX_EMBEDDED:
            raise ImageError(f"{name}: holds more than {MAX_EMBEDDED} tables of tags")
        tags.seek(header.start())
        check_tags(tags, name)


def _tags(stream: IO[bytes], order: str, is_big: bool) -> list[tuple[int, int, int]]:
    """Return (tag, bytes outside the table, value or offset) of each entry of a table of tags."""
    count_form, entry_form, inline = ("Q", "HHQQ", 8) if is_big else ("H", "HHLL", 4)
    count_bytes = struct.calcsize(order + count_form)
    head = stream.read(count_bytes)
    if len(head) < count_bytes:
        return []
    entry_bytes = struct.calcsize(order + entry_form)
    entries = stream.read(min(struct.unpack(order + count_form, head)[0], 1 << 16) * entry_bytes)
    entries = entries[: len(entries) // entry_bytes * entry_bytes]
    tags = []
    for tag, kind, count, value in struct.iter_unpack(order + entry_form, entries):
        size = count * (TYPE_BYTES[kind - 1] if 1 <= kind <= len(TYPE_BYTES) else 0)
        tags.append((tag, size if size > inline else 0, value))
    return tags


@dataclass(frozen=True)
class JpegStructure:
    """What the segments of a JPEG file say of the cost of decoding it.

    Attributes:
        scans: Passes over the pixels.
        bytes_per_pixel: What the decoder keeps for each pixel until the last scan.
    """

    scans: int = 1
    bytes_per_pixel: int = 0


def read_jpeg_structure(stream: IO[bytes], name: str) -> JpegStructure:
    """Read the segments of a JPEG file up to its pixels, and count its scans.

    Args:
        stream: The file, at its beginning. Damage in it is left to its decoder.
        name: What the image is called in messages.

    Raises:
        ImageError: Its Exif tags declare too much.
    """
    frame = b""
    exif: list[bytes] = []
    is_progressive = False
    stream.seek(2)
    segments = 0
    while len(head := stream.read(2)) == 2:
        segments += 1
        if segments > MAX_SEGMENTS:
            raise ImageError(f"{name}: has more than {MAX_SEGMENTS:,} segments")
        if head[0] != 0xFF or head[1] in (0xFF, *WITHOUT_LENGTH):
            stream.seek(-1, 1)  # padding, or bytes that Pillow skips
            continue
        if head[1] == END or len(length := stream.read(2)) < 2:
            break
        size = max(int.from_bytes(length, "big") - 2, 0)
        if head[1] == START_OF_SCAN:
            check_tags(io.BytesIO(b"".join(exif)), name)
            components = stream.read(1)[:1]
            if not is_progressive and components == frame[5:6]:
                break  # all in one scan
            return JpegStructure(_count_scans(stream), _coefficient_bytes(frame))
        if head[1] in START_OF_FRAME:
            frame, is_progressive = stream.read(size), head[1] in PROGRESSIVE
        elif head[1] == EXIF:
            segment = stream.read(size)
            if segment.startswith(b"Exif\0\0"):  # Pillow appends further ones to the first
                exif.append(segment[6:])
        else:
            stream.seek(size, 1)
    return JpegStructure()


def _coefficient_bytes(frame: bytes) -> int:
    """Return the bytes of the coefficients of a pixel: two for each, of each component's sampling."""
    factors = [(byte >> 4) * (byte & 15) for byte in frame[7::3]]
    return -(-2 * sum(factors) // max(*factors, 1, 1))


def _count_scans(stream: IO[bytes]) -> int:
    """Return the number of scans from the first on, whose marker has been read."""
    scans, last = 1, b""
    while block := stream.read(BLOCK_BYTES):
        scans += (last + block).count(b"\xff\xda")
        last = block[-1:]
    return scans


def check_png_chunks(stream: IO[bytes], name: str) -> None:
    """Raise ImageError if a PNG file has too many chunks, or too large ones beside its pixels.

    Args:
        stream: The file, at its beginning. Damage in it is left to its decoder.
        name: What the image is called in messages.
    """
    total = 0
    stream.seek(8)
    for _ in range(MAX_SEGMENTS):
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length = int.from_bytes(head[:4], "big")
        if head[4:] not in (b"IDAT", b"fdAT"):
            total += length
            if total > MAX_CHUNK_BYTES:
                raise ImageError(
                    f"{name}: holds more than {MAX_CHUNK_BYTES >> 20} MiB of chunks beside its pixels"
                )
        stream.seek(length + 4, 1)
    raise ImageError(f"{name}: has more than {MAX_SEGMENTS:,} chunks")


def check_ppm_comments(stream: IO[bytes], name: str) -> None:
    """Raise ImageError if a PPM file that is written as text has too many comments.

    Args:
        stream: The file, at its beginning.
        name: What the image is called in messages.
    """
    comments = 0
    if stream.read(2)[1:] in (b"1", b"2", b"3"):
        while block := stream.read(BLOCK_BYTES):
            comments += block.count(b"#")
            if comments > MAX_COMMENTS:
                raise ImageError(f"{name}: has more than {MAX_COMMENTS:,} comments")
