"""Headers of HDF5 files: the superblock, filters, and texts of variable length.

HDF5 and h5py handle these without limits, so they are read here, as the HDF5 File Format Specification
defines them.

A filter has a list of values, and h5py before 3.16 writes beyond an array of its own if there are many.

Texts of variable length are stored in a heap. An attribute, in its object's header, says where each text
begins and how long it is, and HDF5 trusts it: it allocates gigabytes that are not in the file, or a
thousand copies of one text, and loops forever over a damaged heap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..limits import MAX_FILTER_VALUES, MAX_HEADER_BLOCK_BYTES, MAX_HEADER_BLOCKS, MAX_TEXT_BYTES

#: Types of header messages.
LINK_TABLE, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION = 0x02, 0x08, 0x0B, 0x0C, 0x10
SYMBOL_TABLE, ATTRIBUTE_TABLE = 0x11, 0x15
SUPERBLOCK_BYTES = 96  #: of the oldest version, with the entry of the root group
MIN_NAMED_FILTER = 256  #: the smaller numbers have no names in version 2 of the message
UNDEFINED_ADDRESS = (1 << 64) - 1
SHARED = 2  #: the flag of a message that is stored elsewhere

Read = Callable[[int, int], bytes]  #: (address, size) -> the bytes there
Heaps = dict[int, dict[int, bytes]]  #: {address of a heap collection: {index: object}}


class HeaderError(ValueError):
    """A header, or what it points to, is damaged or beyond the limits."""


def check_superblock(start: bytes) -> int:
    """Check that a file uses only the parts of HDF5 that Keras's files use.

    An extension of the superblock can replace the content of headers, move them to other files, or list
    free space: much of HDF5's code that is seldom run, and none of it limited.

    Args:
        start: The first SUPERBLOCK_BYTES of the file.

    Returns:
        The address of the root group's header.

    Raises:
        HeaderError: The file has an extension, or addresses of another form than all other files.
    """
    version = start[8] if len(start) >= SUPERBLOCK_BYTES // 2 else -1
    if version not in range(4):
        raise HeaderError("is damaged: it ends in its superblock, or that has an unknown version")
    if version < 2:
        at = 24 if version == 0 else 28
        widths, base, extension = start[13:15], start[at : at + 8], start[at + 24 : at + 32]
        root = start[at + 40 : at + 48]
    else:
        widths, base, extension, root = start[9:11], start[12:20], start[20:28], start[36:44]
    if list(widths) != [8, 8] or integer(base):
        raise HeaderError("has addresses that are not those of Keras's files, 8 bytes from the file's start")
    if integer(extension) != UNDEFINED_ADDRESS:
        raise HeaderError("has an extension of its superblock, which Keras does not write; refused")
    return integer(root)


def read_filters(body: bytes) -> tuple[int, ...]:
    """Read the message that lists an array's filters.

    Args:
        body: The message.

    Returns:
        The numbers of the filters, as they were applied.

    Raises:
        HeaderError: The message is damaged, or a filter has more than MAX_FILTER_VALUES values.
    """
    is_version_1 = body[:1] == b"\1"
    filters, at = [], 8 if is_version_1 else 2
    for _ in range(integer(body[1:2])):
        number, name_bytes = integer(body[at : at + 2]), 0
        at += 2
        if is_version_1 or number >= MIN_NAMED_FILTER:
            name_bytes = integer(body[at : at + 2])
            at += 2
        values = integer(body[at + 2 : at + 4])  # after the flags
        if values > MAX_FILTER_VALUES:
            raise HeaderError(f"has a filter with {values:,} values; at most {MAX_FILTER_VALUES} are read")
        at += 4 + name_bytes + 4 * (values + (is_version_1 and values % 2))
        filters.append(number)
    if at > len(body):
        raise HeaderError("is damaged: its header ends before its filters do")
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
        (integer(content[at : at + 4]), integer(content[at + 4 : at + 12]),
         integer(content[at + 12 : at + 16]))
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


def _attribute_content(read: Read, address: int, attribute: str) -> bytes:
    """Return the data of an attribute of the object at `address`."""
    for kind, flags, body in messages(read, address):
        if kind != ATTRIBUTE:
            continue
        version = body[0] if body else 0
        # The sizes of name, type and shape, which precede the data.
        sizes = [integer(body[at : at + 2]) for at in (2, 4, 6)]
        start = 9 if version == 3 else 8
        if body[start : start + sizes[0]].split(b"\0")[0] == attribute.encode() and not flags & SHARED:
            return body[start + sum(_padded(size) if version == 1 else size for size in sizes) :]
    raise HeaderError("is not in the header of its group, where Keras stores it")


def messages(read: Read, address: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, body) of each message in an object's header."""
    start = read(address, 40)
    is_version_2 = start.startswith(b"OHDR")
    if is_version_2:
        at = 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
        width = 1 << (start[5] & 3)
        blocks = [(address + at + width, integer(start[at : at + width]))]
    else:
        blocks = [(address + 16, integer(start[8:12]))]
    head = 8 if not is_version_2 else 6 if start[5] & 4 else 4
    for block_address, block_size in blocks:  # grows while it is iterated over
        if block_size > MAX_HEADER_BLOCK_BYTES or len(blocks) > MAX_HEADER_BLOCKS:
            raise HeaderError("has an endless header")
        content, at = read(block_address, max(0, block_size)), 0
        while at + head <= len(content):
            if is_version_2:
                kind, length, flags = content[at], integer(content[at + 1 : at + 3]), content[at + 3]
            else:
                kind, length = integer(content[at : at + 2]), integer(content[at + 2 : at + 4])
                flags = content[at + 4]
            body = content[at + head : at + head + length]
            at += head + length
            yield kind, flags, body
            if kind == CONTINUATION:
                next_address, next_size = integer(body[:8]), integer(body[8:16])
                # In version 2 a signature precedes the messages, and a checksum follows them.
                block = (next_address + 4, next_size - 8) if is_version_2 else (next_address, next_size)
                blocks.append(block)


def _read_heap(read: Read, address: int) -> dict[int, bytes]:
    """Return the objects of a global heap collection by their indices."""
    start = read(address, 16)
    if not start.startswith(b"GCOL"):
        raise HeaderError("is damaged")
    content, objects, at = read(address, integer(start[8:16])), {}, 16
    while at + 16 <= len(content):
        index, length = integer(content[at : at + 2]), integer(content[at + 8 : at + 16])
        if not index:  # the rest is free space
            break
        objects[index] = content[at + 16 : at + 16 + length]
        at += 16 + _padded(length)
    return objects


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def integer(field: bytes) -> int:
    """Return the number in a field of a header."""
    return int.from_bytes(field, "little")
