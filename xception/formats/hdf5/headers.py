"""The headers of HDF5's groups, read as the HDF5 File Format Specification has them: for what HDF5
itself does not do with care.

Texts of any length stand in a heap; an attribute, in the header of its group, says where, and how
long they are. HDF5 takes its word: it makes room for gigabytes that are not there, or a thousand
copies of one text, and walks through a damaged heap for ever. They are read here instead.

Links and attributes may stand in tables of their own, and these may be compressed. HDF5 unpacks
them to any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

#: Kinds of messages, of which a header is made.
LINK_TABLE, ATTRIBUTE, CONTINUATION, ATTRIBUTE_TABLE = 0x02, 0x0C, 0x10, 0x15
NOWHERE = (1 << 64) - 1  #: an address
SHARED = 2  #: the flag of a message that is kept elsewhere
MOST_BLOCKS = 1000  #: of one header, which may lead in circles
MOST_BYTES = 1 << 20  #: in a block of a header

Read = Callable[[int, int], bytes]  #: (place, size) -> the bytes that are there
Heaps = dict[int, dict[int, bytes]]  #: by the place of a piece of the heap, its objects by their numbers


class UnreadableError(ValueError):
    """What is wrong with a header, or with what it leads to."""


def texts(read: Read, heaps: Heaps, address: int, attribute: str, count: int, most: int) -> list[bytes]:
    """The `count` texts of an attribute. address: of its object's header. most: bytes, all together.

    heaps: what was read before, to which is added. Raises UnreadableError.
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
    for kind, flags, body in _messages(read, address):
        if kind != ATTRIBUTE:
            continue
        version = body[0] if body else 0
        # Its name, its type and its shape stand before it.
        sizes = [_number(body[at : at + 2]) for at in (2, 4, 6)]
        start = 9 if version == 3 else 8
        if body[start : start + sizes[0]].split(b"\0")[0] == attribute.encode() and not flags & SHARED:
            return body[start + sum(_padded(size) if version == 1 else size for size in sizes) :]
    raise UnreadableError("is not kept in its group's header, where Keras has it")


def has_packed_tables(read: Read, address: int) -> bool:
    """Whether the links or attributes of the object at this address stand in compressed tables."""
    for kind, _, body in _messages(read, address):
        if kind in (LINK_TABLE, ATTRIBUTE_TABLE) and len(body) > 1:
            counter = (8 if kind == LINK_TABLE else 2) if body[1] & 1 else 0
            place = _number(body[2 + counter : 10 + counter])
            if place != NOWHERE:
                heap = read(place, 9)
                if not heap.startswith(b"FRHP") or any(heap[7:9]):  # the length of its filters
                    return True
    return False


def _messages(read: Read, address: int) -> Iterator[tuple[int, int, bytes]]:
    """(kind, flags, body) of each message in an object's header."""
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
        if size > MOST_BYTES or len(blocks) > MOST_BLOCKS:
            raise UnreadableError("has a header without end")
        content, at = read(place, max(0, size)), 0
        while at + head <= len(content):
            if newer:
                kind, length, flags = content[at], _number(content[at + 1 : at + 3]), content[at + 3]
            else:
                kind, length = _number(content[at : at + 2]), _number(content[at + 2 : at + 4])
                flags = content[at + 4]
            body = content[at + head : at + head + length]
            at += head + length
            yield kind, flags, body
            if kind == CONTINUATION:
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
