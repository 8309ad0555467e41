"""Headers of HDF5 files: the superblock, filters, texts of variable length, and compressed tables.

HDF5 and h5py handle these without limits, so they are read here, as the HDF5 File Format Specification
defines them.

A filter has a list of values, and h5py before 3.16 writes beyond an array of its own if there are many.

Texts of variable length are stored in a heap. An attribute, in its object's header, says where each text
begins and how long it is, and HDF5 trusts it: it allocates gigabytes that are not in the file, or a
thousand copies of one text, and loops forever over a damaged heap.

Links and attributes may be stored in separate tables, which may be compressed. HDF5 expands them to any
size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..limits import MAX_FILTER_VALUES, MAX_HEADER_BLOCK_BYTES, MAX_HEADER_BLOCKS, MAX_TEXT_BYTES

#: Types of header messages.
LINK_TABLE, FILTERS, ATTRIBUTE, CONTINUATION, ATTRIBUTE_TABLE = 0x02, 0x0B, 0x0C, 0x10, 0x15
SUPERBLOCK_BYTES = 96  #: of the oldest version, with the entry of the root group
MIN_NAMED_FILTER = 256  #: the smaller numbers have no names in version 2 of the message
UNDEFINED_ADDRESS = (1 << 64) - 1
SHARED = 2  #: the flag of a message that is stored elsewhere

Read = Callable[[int, int], bytes]  #: (address, size) -> the bytes there
Heaps = dict[int, dict[int, bytes]]  #: {address of a heap collection: {index: object}}


class HeaderError(ValueError):
    """A header, or what it points to, is damaged or beyond the limits."""


def check_superblock(start: bytes) -> None:
    """Check that a file uses only the parts of HDF5 that Keras's files use.

    An extension of the superblock can replace the content of headers, move them to other files, or list
    free space: much of HDF5's code that is seldom run, and none of it limited.

    Args:
        start: The first SUPERBLOCK_BYTES of the file.

    Raises:
        HeaderError: The file has an extension, or addresses of another form than all other files.
    """
    version = start[8] if len(start) >= SUPERBLOCK_BYTES // 2 else -1
    if version not in range(4):
        raise HeaderError("is damaged: it ends in its superblock, or that has an unknown version")
    if version < 2:
        at = 24 if version == 0 else 28
        widths, base, extension = start[13:15], start[at : at + 8], start[at + 24 : at + 32]
    else:
        widths, base, extension = start[9:11], start[12:20], start[20:28]
    if list(widths) != [8, 8] or _integer(base):
        raise HeaderError("has addresses that are not those of Keras's files, 8 bytes from the file's start")
    if _integer(extension) != UNDEFINED_ADDRESS:
        raise HeaderError("has an extension of its superblock, which Keras does not write; refused")


def read_filters(read: Read, address: int) -> tuple[int, ...]:
    """Read the filters of an array.

    Args:
        read: Returns the bytes at an address.
        address: Address of the array's header.

    Returns:
        The numbers of the filters, as they were applied.

    Raises:
        HeaderError: The header is damaged, or a filter has more than MAX_FILTER_VALUES values.
    """
    messages = [(flags, body) for kind, flags, body in _messages(read, address) if kind == FILTERS]
    if not messages:
        return ()
    flags, body = messages[0]
    if len(messages) > 1 or flags & SHARED:
        raise HeaderError("has filters listed twice, or elsewhere; refused")
    is_version_1 = body[:1] == b"\1"
    filters, at = [], 8 if is_version_1 else 2
    for _ in range(_integer(body[1:2])):
        number, name_bytes = _integer(body[at : at + 2]), 0
        at += 2
        if is_version_1 or number >= MIN_NAMED_FILTER:
            name_bytes = _integer(body[at : at + 2])
            at += 2
        values = _integer(body[at + 2 : at + 4])  # after the flags
        if values > MAX_FILTER_VALUES:
            raise HeaderError(f"has a filter with {values:,} values; at most {MAX_FILTER_VALUES} are read")
        at += 4 + name_bytes + 4 * (values + (is_version_1 and values % 2))
        filters.append(number)
    if at > len(body):
        raise HeaderError("is damaged: it has more filters than its header holds")
    return tuple(filters)


def read_texts(read: Read, heaps: Heaps, address: int, attribute: str, count: int) -> list[bytes]:
    """Read the texts of an attribute.

    Args:
        read: Returns the bytes at an address.
        heaps: The heap collections that were read before; new ones are added.
        address: Address of the header of the object that has the attribute.
        attribute: Name of the attribute.
        count: Number of texts.

    Returns:
        The texts, each up to its first NUL.

    Raises:
        HeaderError: The file is damaged, or the texts have more than MAX_TEXT_BYTES together.
    """
    content = _attribute_content(read, address, attribute)
    if len(content) < 16 * count:
        raise HeaderError("is damaged")
    pointers = [
        (_integer(content[at : at + 4]), _integer(content[at + 4 : at + 12]),
         _integer(content[at + 12 : at + 16]))
        for at in range(0, 16 * count, 16)
    ]  # fmt: skip
    total = sum(length for length, _, _ in pointers)
    if total > MAX_TEXT_BYTES:
        raise HeaderError(f"has {total:,} bytes; at most {MAX_TEXT_BYTES:,} are read")
    texts = []
    for length, collection, index in pointers:
        if collection not in heaps and length:
            heaps[collection] = _read_heap(read, collection)
        text = heaps[collection].get(index, b"") if length else b""
        if len(text) < length:
            raise HeaderError("is damaged")
        texts.append(text[:length].split(b"\0")[0])
    return texts


def has_compressed_tables(read: Read, address: int) -> bool:
    """Return True if the links or attributes of an object are stored in compressed tables.

    Args:
        read: Returns the bytes at an address.
        address: Address of the object's header.

    Raises:
        HeaderError: The header is damaged.
    """
    for kind, _, body in _messages(read, address):
        if kind in (LINK_TABLE, ATTRIBUTE_TABLE) and len(body) > 1:
            counter = (8 if kind == LINK_TABLE else 2) if body[1] & 1 else 0
            heap_address = _integer(body[2 + counter : 10 + counter])
            if heap_address != UNDEFINED_ADDRESS:
                heap = read(heap_address, 9)
                if not heap.startswith(b"FRHP") or any(heap[7:9]):  # the length of its filters
                    return True
    return False


def _attribute_content(read: Read, address: int, attribute: str) -> bytes:
    """Return the data of an attribute of the object at `address`."""
    for kind, flags, body in _messages(read, address):
        if kind != ATTRIBUTE:
            continue
        version = body[0] if body else 0
        # The sizes of name, type and shape, which precede the data.
        sizes = [_integer(body[at : at + 2]) for at in (2, 4, 6)]
        start = 9 if version == 3 else 8
        if body[start : start + sizes[0]].split(b"\0")[0] == attribute.encode() and not flags & SHARED:
            return body[start + sum(_padded(size) if version == 1 else size for size in sizes) :]
    raise HeaderError("is not in the header of its group, where Keras stores it")


def _messages(read: Read, address: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, body) of each message in an object's header."""
    start = read(address, 40)
    is_version_2 = start.startswith(b"OHDR")
    if is_version_2:
        at = 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
        width = 1 << (start[5] & 3)
        blocks = [(address + at + width, _integer(start[at : at + width]))]
    else:
        blocks = [(address + 16, _integer(start[8:12]))]
    head = 8 if not is_version_2 else 6 if start[5] & 4 else 4
    for block_address, block_size in blocks:  # grows while it is iterated over
        if block_size > MAX_HEADER_BLOCK_BYTES or len(blocks) > MAX_HEADER_BLOCKS:
            raise HeaderError("has an endless header")
        content, at = read(block_address, max(0, block_size)), 0
        while at + head <= len(content):
            if is_version_2:
                kind, length, flags = content[at], _integer(content[at + 1 : at + 3]), content[at + 3]
            else:
                kind, length = _integer(content[at : at + 2]), _integer(content[at + 2 : at + 4])
                flags = content[at + 4]
            body = content[at + head : at + head + length]
            at += head + length
            yield kind, flags, body
            if kind == CONTINUATION:
                next_address, next_size = _integer(body[:8]), _integer(body[8:16])
                # In version 2 a signature precedes the messages, and a checksum follows them.
                block = (next_address + 4, next_size - 8) if is_version_2 else (next_address, next_size)
                blocks.append(block)


def _read_heap(read: Read, address: int) -> dict[int, bytes]:
    """Return the objects of a global heap collection by their indices."""
    start = read(address, 16)
    if not start.startswith(b"GCOL"):
        raise HeaderError("is damaged")
    content, objects, at = read(address, _integer(start[8:16])), {}, 16
    while at + 16 <= len(content):
        index, length = _integer(content[at : at + 2]), _integer(content[at + 8 : at + 16])
        if not index:  # the rest is free space
            break
        objects[index] = content[at + 16 : at + 16 + length]
        at += 16 + _padded(length)
    return objects


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _integer(field: bytes) -> int:
    return int.from_bytes(field, "little")
