"""Texts of any length in an attribute, read as the HDF5 File Format Specification has them.

They stand in a heap; the attribute, in the header of its group, says where, and how long they are.
HDF5 itself takes its word: it makes room for gigabytes that are not there, or a thousand copies of
one text, and walks through a damaged heap for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

ATTRIBUTE, CONTINUATION = 0x0C, 0x10  #: kinds of messages, of which a header is made
SHARED = 2  #: the flag of a message that is kept elsewhere
MOST_BLOCKS = 1000  #: of one header, which may lead in circles
MOST_BYTES = 1 << 16  #: in a block of a header

Read = Callable[[int, int], bytes]  #: (place, size) -> the bytes that are there


class UnreadableError(ValueError):
    """Why a text is not read."""


def texts(read: Read, address: int, attribute: str, count: int, most: int) -> list[bytes]:
    """The `count` texts of an attribute. address: of its object's header. most: bytes, all together.

    Raises UnreadableError.
    """
    superblock = read(0, 16)
    widths = superblock[13:15] if superblock[8] < 2 else superblock[9:11]  # of addresses, of lengths
    if list(widths) != [8, 8]:
        raise UnreadableError("is in a file of addresses that have not 8 bytes")
    content = _content(read, address, attribute)
    if len(content) < 16 * count:
        raise UnreadableError("is damaged")
    pointers = [
        (
            _number(content[at : at + 4]),
            _number(content[at + 4 : at + 12]),
            _number(content[at + 12 : at + 16]),
        )
        for at in range(0, 16 * count, 16)
    ]
    whole = sum(length for length, _, _ in pointers)
    if whole > most:
        raise UnreadableError(f"has {whole:,} bytes; at most {most:,} are read")
    heaps: dict[int, dict[int, bytes]] = {}
    found = []
    for length, place, number in pointers:
        if place not in heaps and length:
            heaps[place] = _heap(read, place)
        text = heaps[place].get(number, b"") if length else b""
        if len(text) < length:
            raise UnreadableError("is damaged")
        found.append(text[:length].split(b"\0")[0])
    return found


def _content(read: Read, address: int, attribute: str) -> bytes:
    """What an attribute of the object at this address holds."""
    for flags, body in _attributes(read, address):
        version = body[0] if body else 0
        # Its name, its type and its shape stand before it.
        sizes = [_number(body[at : at + 2]) for at in (2, 4, 6)]
        start = 9 if version == 3 else 8
        if body[start : start + sizes[0]].split(b"\0")[0] == attribute.encode() and not flags & SHARED:
            return body[start + sum(_padded(size) if version == 1 else size for size in sizes) :]
    raise UnreadableError("is not kept in its group's header, where Keras has it")


def _attributes(read: Read, address: int) -> Iterator[tuple[int, bytes]]:
    """(flags, body) of each message in an object's header that is an attribute."""
    start = read(address, 40)
    newer = start.startswith(b"OHDR")
    if newer:
        at = 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
        width = 1 << (start[5] & 3)
        blocks = [(address + at + width, _number(start[at : at + width]))]
    else:
        blocks = [(address + 16, _number(start[8:12]))]
    head = 8 if not newer else 6 if start[5] & 4 else 4
    for place, size in blocks:  # which grows meanwhile
        content, at = read(place, min(max(0, size), MOST_BYTES)), 0
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


def _heap(read: Read, place: int) -> dict[int, bytes]:
    """The objects in one of the pieces of the heap, by their numbers."""
    start = read(place, 16)
    if not start.startswith(b"GCOL"):
        raise UnreadableError("is damaged")
    content, found, at = read(place, _number(start[8:16])), {}, 16
    while at + 16 <= len(content):
        number, length = _number(content[at : at + 2]), _number(content[at + 8 : at + 16])
        if not number:  # the rest is free
            break
        found[number] = content[at + 16 : at + 16 + length]
        at += 16 + _padded(length)
    return found


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")
