"""Tables of groups, attributes and chunks in HDF5 files: checks before HDF5 follows them.

HDF5 trusts them. A tree whose node is its own child crashes it, a circular list of free space in a heap
never ends and fills the memory, a name that begins beyond its heap is read from other memory, and
compressed tables expand to any size. They are laid out as the HDF5 File Format Specification says.
"""

from __future__ import annotations

from ..limits import (
    MAX_HEAP_BYTES,
    MAX_NAME_BYTES,
    MAX_TABLE_DEPTH,
    MAX_TABLE_NODE_BYTES,
    MAX_TREE_NODES,
)
from .headers import (
    ATTRIBUTE_TABLE,
    FILTERS,
    LAYOUT,
    LINK_TABLE,
    SHARED,
    SYMBOL_TABLE,
    UNDEFINED_ADDRESS,
    HeaderError,
    Read,
    integer,
    messages,
    read_filters,
)

GROUP_TREE, CHUNK_TREE = 0, 1  #: types of trees
CHUNKED = 2  #: a class of layout
TREE_INDEX = 5  #: of chunks, in version 4 of the layout
NO_FREE_SPACE = 1
CACHED_SOFT_LINK = 2
SYMBOL_BYTES = 40


def check_object(read: Read, address: int) -> tuple[int, ...]:
    """Check the tables of a group or array, before HDF5 opens it.

    Args:
        read: Returns the bytes at an address.
        address: Address of the object's header.

    Returns:
        The numbers of an array's filters, as they were applied.

    Raises:
        HeaderError: The header or a table is damaged, compressed, or larger than the limits allow.
    """
    filters: tuple[int, ...] | None = None
    for kind, flags, body in messages(read, address):
        if kind == SYMBOL_TABLE:
            _check_symbols(read, integer(body[:8]), integer(body[8:16]))
        elif kind in (LINK_TABLE, ATTRIBUTE_TABLE) and len(body) > 1:
            _check_entries(read, body, is_links=kind == LINK_TABLE)
        elif kind == LAYOUT and len(body) > 2:
            _check_chunks(read, body)
        elif kind == FILTERS:
            if filters is not None or flags & SHARED:
                raise HeaderError("has filters listed twice, or elsewhere; refused")
            filters = read_filters(body)
    return filters or ()


def _check_entries(read: Read, body: bytes, is_links: bool) -> None:
    """Check the heap and the trees of links or attributes that are not in a header."""
    counter_bytes = 8 if is_links else 2
    at = 2 + (counter_bytes if body[1] & 1 else 0)
    heap, *trees = (integer(body[i : i + 8]) for i in range(at, at + (24 if body[1] & 2 else 16), 8))
    if heap != UNDEFINED_ADDRESS:
        start = read(heap, 30)
        if not start.startswith(b"FRHP") or any(start[7:9]):  # the length of its filters
            raise HeaderError("its tables of entries are compressed; refused")
        # Many entries of the tree may have the same long name, which is then in a block of its own.
        if is_links and (
            integer(start[10:14]) > MAX_NAME_BYTES or integer(start[22:30]) != UNDEFINED_ADDRESS
        ):
            raise HeaderError(f"its names have more than {MAX_NAME_BYTES:,} bytes; refused")
    for tree in trees:
        _check_table_tree(read, tree)


def _check_symbols(read: Read, tree: int, heap: int) -> None:
    """Check a group's tree of symbols, and the heap of their names; raise HeaderError if damaged."""
    start = read(heap, 32)
    size, free, data = (integer(start[at : at + 8]) for at in (8, 16, 24))
    if not start.startswith(b"HEAP") or not 0 < size <= MAX_HEAP_BYTES:
        raise HeaderError("its table of names is damaged")
    names = read(data, size)
    blocks = 0
    while free != NO_FREE_SPACE:  # a list of blocks, each of at least 16 bytes
        blocks += 1
        if free + 16 > len(names) or blocks > size // 16:
            raise HeaderError("its table of names is damaged")
        free = integer(names[free : free + 8])
    characters = 0
    for leaf in _check_tree(read, tree, GROUP_TREE, key_bytes=8):
        node = read(leaf, 8)
        count = integer(node[6:8])
        if not node.startswith(b"SNOD"):
            raise HeaderError("its table of entries is damaged")
        symbols = read(leaf + 8, count * SYMBOL_BYTES)
        for at in range(0, count * SYMBOL_BYTES, SYMBOL_BYTES):
            offsets = [integer(symbols[at : at + 8])]
            if integer(symbols[at + 16 : at + 20]) == CACHED_SOFT_LINK:
                offsets.append(integer(symbols[at + 24 : at + 28]))
            for offset in offsets:
                end = names.find(b"\0", offset)
                if end < 0:
                    raise HeaderError("its table of entries leads out of its table of names")
                characters += end - offset  # many entries may have the same long name
                if characters > MAX_HEAP_BYTES:
                    raise HeaderError(f"its names have more than {MAX_HEAP_BYTES:,} bytes; refused")


def _check_chunks(read: Read, body: bytes) -> None:
    """Check the table in which an array's layout lists its chunks."""
    version = body[0]
    if version == 4 and body[1] == CHUNKED:
        at = 5 + body[3] * body[4]  # after the sizes of a chunk: how the chunks are listed
        if body[at : at + 1] == bytes([TREE_INDEX]):
            _check_table_tree(read, integer(body[at + 7 : at + 15]))
        return
    if version == 3 and body[1] == CHUNKED:
        axes, tree = body[2], integer(body[3:11])
    elif version < 3 and body[2] == CHUNKED:
        axes, tree = body[1], integer(body[8:16])
    else:
        return
    if tree != UNDEFINED_ADDRESS:
        _check_tree(read, tree, CHUNK_TREE, key_bytes=8 + 8 * axes)


def _check_tree(read: Read, address: int, kind: int, key_bytes: int) -> list[int]:
    """Check that each level of a tree of version 1 is below the one before; return where it leads."""
    leaves: list[int] = []
    pending, nodes = [(address, -1)], 0
    while pending:
        address, expected_level = pending.pop()
        start = read(address, 24)
        level, entries = start[5:6], integer(start[6:8])
        if start[:5] != b"TREE" + bytes([kind]) or not level or expected_level not in (-1, level[0]):
            raise HeaderError("its table of entries is damaged")
        nodes += 1
        if nodes > MAX_TREE_NODES:
            raise HeaderError(f"its table has more than {MAX_TREE_NODES:,} nodes; refused")
        if level[0] or kind == GROUP_TREE:
            step = key_bytes + 8
            content = read(address + 24, entries * step)
            children = [integer(content[at - 8 : at]) for at in range(step, len(content) + 1, step)]
            if level[0]:
                pending += [(child, level[0] - 1) for child in children]
            else:
                leaves += children
    return leaves


def _check_table_tree(read: Read, address: int) -> None:
    """Check that a tree of version 2 is as small as those of files within the limits."""
    if address == UNDEFINED_ADDRESS:
        return
    start = read(address, 16)
    node_bytes, depth = integer(start[6:10]), integer(start[12:14])
    if not start.startswith(b"BTHD") or depth > MAX_TABLE_DEPTH or node_bytes > MAX_TABLE_NODE_BYTES:
        raise HeaderError("its table of entries is damaged, or larger than those that are read")
