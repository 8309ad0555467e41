"""How long the texts of an attribute are, before HDF5 reads them.

Texts of any length stand in a heap, and an attribute only says where, and how long they are. HDF5
takes its word: it makes room for gigabytes that are not there, or thousands of copies of one text.
The lengths stand in the header of the group that has the attribute, which is read here as the HDF5
File Format Specification has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

ATTRIBUTE, CONTINUATION = 0x0C, 0x10  #: kinds of messages, of which a header is made
SHARED = 2  #: the flag of a message that is kept elsewhere
MOST_BLOCKS = 1000  #: of one header, which may lead in circles
MOST_BYTES = 1 << 24  #: of one block


def length_of_texts(stream: BinaryIO, address: int, attribute: str, count: int) -> int | None:
    """The bytes of all the texts in an attribute of an object together; None if that cannot be told.

    address: of the object's header. count: how many texts there are.
    """
    superblock = _read(stream, 0, 16)
    each = 4 + superblock[13 if superblock[8] < 2 else 9] + 4  # a length, an address, an index
    lengths = []
    for flags, body in _attributes(stream, address):
        name, content = _name_and_content(body)
        if name == attribute.encode():
            if flags & SHARED or len(content) < each * count:
                return None
            lengths.append(sum(_number(content[at : at + 4]) for at in range(0, each * count, each)))
    return max(lengths, default=None)


def _attributes(stream: BinaryIO, address: int) -> Iterator[tuple[int, bytes]]:
    """(flags, body) of each message that is an attribute."""
    start = _read(stream, address, 40)
    newer = start.startswith(b"OHDR")
    if newer:
        at = 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
        width = 1 << (start[5] & 3)
        blocks = [(address + at + width, _number(start[at : at + width]))]
    else:
        blocks = [(address + 16, _number(start[8:12]))]
    head = 8 if not newer else 6 if start[5] & 4 else 4
    for place, size in blocks:  # which grows meanwhile
        content, at = _read(stream, place, size), 0
        while at + head <= len(content):
            if newer:
                kind, length, flags = content[at], _number(content[at + 1 : at + 3]), content[at + 3]
            else:
                kind, length = _number(content[at : at + 2]), _number(content[at + 2 : at + 4])
                flags = content[at + 4]
            body = content[at + head : at + head + length]
            at += head + length
            if kind == ATTRIBUTE:
                yield flags, body
            elif kind == CONTINUATION and len(blocks) < MOST_BLOCKS:
                place, size = _number(body[:8]), _number(body[8:16])
                # In the newer form a signature stands before it, and a checksum behind.
                blocks.append((place + 4, size - 8) if newer else (place, size))


def _name_and_content(body: bytes) -> tuple[bytes, bytes]:
    """An attribute's name and what it holds, behind its type and shape."""
    version = body[0] if body else 0
    sizes = [_number(body[at : at + 2]) for at in (2, 4, 6)]
    start = 9 if version == 3 else 8
    name = body[start : start + sizes[0]].split(b"\0")[0]
    padded = [-(-size // 8) * 8 if version == 1 else size for size in sizes]
    return name, body[start + sum(padded) :]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _read(stream: BinaryIO, place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(max(0, min(size, MOST_BYTES)))
