"""Arrays in an HDF5 file: found and checked first, then read all together.

A start-up is mostly the reading of weights. Where the numbers lie in the file is asked of HDF5;
those that lie there in one run are then fetched by several threads. What is not compressed is else
read by HDF5 itself. What is, never: HDF5 would unpack a chunk to any size, and look for a library
on the disk for a filter that it does not know.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...errors import ModelFileError
from ...kernels import Array, aligned, whole_lines
from .file import Group, Source, follow, look, place

MOST_COMPRESSION = 1100  #: deflate makes of a byte at most this many
LINKS_WORTH = 10  #: as long as it takes to look at so many links
LEAST_CHUNK = 1 << 20  #: bytes that a chunk may have though its array has fewer; as h5py makes them
READERS = 4  #: threads, at most
BFLOAT16 = np.dtype("V2")  #: as Keras stores it: the upper half of a float32
BLOCK = 1 << 14  #: numbers that stay in the cache while they are converted
SIGN_AND_MAGNITUDE = np.int32(-0x70002000)  #: the bits 31, and 27 to 13

SHUFFLE, DEFLATE, LZF = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF
FLETCHER32 = h5py.h5z.FILTER_FLETCHER32
#: Filters, in their order, that are undone here, and that HDF5 undoes in bounded memory.
UNPACKED_HERE = ((DEFLATE,), (SHUFFLE, DEFLATE))
UNPACKED_BY_HDF5 = ((), (SHUFFLE,), (FLETCHER32,), (SHUFFLE, FLETCHER32), (LZF,), (SHUFFLE, LZF))


@dataclass(frozen=True)
class StoredArray:
    """An array of numbers, stored in the very file, that has not been read yet."""

    parent: Group
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dataset: Any  #: h5py's low-level DatasetID

    @property
    def place(self) -> str:
        return place(self.parent, self.name)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def find(parent: Group, name: str) -> StoredArray:
    """The array at `name` below `parent`. Raises ModelFileError for anything else."""
    look(parent, LINKS_WORTH)
    found = follow(parent, name)
    if not isinstance(found, h5py.h5d.DatasetID) or not _holds_numbers(found):
        raise ModelFileError(f"{place(parent, name)}: expected an array of numbers")
    properties = found.get_create_plist()
    if properties.get_external_count() or properties.get_layout() == h5py.h5d.VIRTUAL:
        raise ModelFileError(f"{place(parent, name)}: its numbers are kept in another file; refused")
    shape = found.shape
    if shape is None:
        raise ModelFileError(f"{place(parent, name)}: has no shape")
    array = StoredArray(parent, name, shape, found.dtype, found)
    _check_storage(array, properties)
    return array


def _holds_numbers(dataset: Any) -> bool:
    kind = dataset.get_type()
    if isinstance(kind, h5py.h5t.TypeOpaqueID):
        return bool(dataset.dtype == BFLOAT16)
    # By their class: to NumPy, an enumeration is made of whole numbers too.
    return isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID) and dataset.dtype.kind in "fiu"


def _check_storage(array: StoredArray, properties: Any) -> None:
    """Raise ModelFileError for an array that declares more than the file can hold of it, or that is
    packed in a way that takes more to unpack."""
    filters = _filters(properties)
    if filters not in UNPACKED_HERE + UNPACKED_BY_HDF5:
        raise ModelFileError(
            f"{array.place}: is packed by the filters {', '.join(map(str, filters))}; deflate and LZF are "
            "read, each alone or behind shuffle"
        )
    stored = array.dataset.get_storage_size()
    if array.size and not stored:
        raise ModelFileError(f"{array.place}: declares shape {array.shape}, but stores nothing")
    most = stored * (MOST_COMPRESSION if properties.get_nfilters() else 1)
    whole = array.size * array.dataset.get_type().get_size() <= most
    if properties.get_layout() == h5py.h5d.CHUNKED:
        if stored > h5py.h5i.get_file_id(array.dataset).get_filesize():
            raise ModelFileError(f"{array.place}: stores {stored:,} bytes, more than there are in the file")
        unpacked = math.prod(properties.get_chunk()) * array.dtype.itemsize
        if filters and unpacked > max(LEAST_CHUNK, array.size * array.dtype.itemsize):
            raise ModelFileError(f"{array.place}: is kept in chunks greater than itself; refused")
        chunks = zip(array.shape, properties.get_chunk(), strict=True)
        whole &= array.dataset.get_num_chunks() == math.prod(-(-size // chunk) for size, chunk in chunks)
    if not whole:
        raise ModelFileError(f"{array.place}: declares shape {array.shape}, but stores only {stored:,} bytes")


def read(arrays: Sequence[StoredArray], source: Source) -> list[Array]:
    """The numbers of arrays in the file `source`: float32, C-contiguous.

    Raises ModelFileError where the file does not hold what it declares.
    """
    results = _side_by_side([array.shape for array in arrays])
    problems: list[BaseException] = []
    plain = {}
    for i, array in enumerate(arrays):
        offset = _offset(array)
        if offset is None:
            results[i][...] = _read_alone(array)
        else:
            plain[i] = offset
    todo = iter(sorted(plain, key=lambda i: -arrays[i].size))  # the greatest first: an even end

    def work() -> None:
        try:
            with source.open() as stream:
                for i in todo:  # each number goes to one of the threads
                    _fetch(arrays[i], plain[i], stream, results[i])
        except BaseException as error:
            problems.append(error)

    helpers = [threading.Thread(target=work) for _ in range(min(READERS, os.cpu_count() or 1) - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if problems:
        raise problems[0]
    return results


def _side_by_side(shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Float32 arrays of these shapes, in one block of memory."""
    sizes = list(map(math.prod, shapes))
    starts = list(itertools.accumulate(map(whole_lines, sizes), initial=0))
    block = aligned(starts[-1])
    return [
        block[start : start + size].reshape(shape)
        for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]


def _offset(array: StoredArray) -> int | None:
    """Where in the file an array's float32 or float16 numbers begin; None if it is of another form."""
    properties, kind = array.dataset.get_create_plist(), array.dataset.get_type()
    # Asked of HDF5: NumPy has no bfloat16, and h5py passes it off as float16.
    plain = kind.equal(h5py.h5t.IEEE_F32LE) or kind.equal(h5py.h5t.IEEE_F16LE)
    if not plain or not array.size or properties.get_layout() != h5py.h5d.CONTIGUOUS:
        return None
    return array.dataset.get_offset()


def _fetch(array: StoredArray, offset: int, stream: Any, target: Array) -> None:
    value = target if array.dtype == target.dtype else np.empty(array.shape, array.dtype)
    stream.seek(offset)
    if stream.readinto(value.reshape(-1).view(np.uint8)) != value.nbytes:
        raise ModelFileError(f"{array.place}: the file ends before its numbers do")
    if value is not target:
        _widen(value, target)


def _inflated(array: StoredArray, content: bytes, expected: int) -> bytes:
    """What was deflated, if it is just as much as it should be."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(content, expected + 1)
    except zlib.error as error:
        raise ModelFileError(f"{array.place}: its compressed numbers are damaged ({error})") from None
    if len(content) != expected or not unpacker.eof:
        raise ModelFileError(f"{array.place}: its compressed numbers are not the {expected:,} bytes declared")
    return content


def _read_alone(array: StoredArray) -> Array:
    """An array of any other form."""
    value: Array | None = None
    if _filters(array.dataset.get_create_plist()) in UNPACKED_HERE:
        value = _from_chunks(array)
    if array.dtype == BFLOAT16:
        value = h5py.Dataset(array.dataset)[()] if value is None else value
        return (value.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if value is None:
        value = np.empty(array.shape, np.float32)
        array.dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, value)  # HDF5 converts
    with np.errstate(over="ignore"):  # too large for float32 is infinite, as HDF5 has it
        return np.asarray(value, np.float32, order="C")


def _from_chunks(array: StoredArray) -> Array:
    """The numbers that compressed chunks hold, in the file's type."""
    properties = array.dataset.get_create_plist()
    filters, chunk = _filters(properties), properties.get_chunk()
    kind, size = array.dataset.get_type(), array.dtype.itemsize
    if array.dtype != BFLOAT16 and not kind.equal(h5py.h5t.py_create(array.dtype)):
        raise ModelFileError(f"{array.place}: holds compressed numbers of a type that is not NumPy's")
    value = np.empty(array.shape, array.dtype)
    for start in itertools.product(*map(range, itertools.repeat(0), array.shape, chunk)):
        left_out, content = array.dataset.read_direct_chunk(start)  # the filters left out, as bits
        done = [name for i, name in enumerate(filters) if not left_out >> i & 1]
        expected = math.prod(chunk) * size
        if DEFLATE in done:
            content = _inflated(array, content, expected)
        elif len(content) != expected:
            raise ModelFileError(f"{array.place}: has a chunk that is not the {expected:,} bytes declared")
        numbers = np.frombuffer(content, np.uint8)
        if SHUFFLE in done:
            numbers = np.ascontiguousarray(numbers.reshape(size, -1).T)
        # At the array's ends, chunks reach beyond it.
        target = value[tuple(map(slice, start, map(sum, zip(start, chunk, strict=True))))]
        target[...] = numbers.reshape(-1).view(array.dtype).reshape(chunk)[tuple(map(slice, target.shape))]
    return value


def _filters(properties: Any) -> tuple[int, ...]:
    return tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))


def _widen(value: Array, target: Array) -> None:
    """Float16 as float32, the same numbers. NumPy takes twice as long."""
    halves, wide = value.reshape(-1).view("<i2"), target.reshape(-1)
    for start in range(0, len(halves), BLOCK):
        block = halves[start : start + BLOCK]
        if (block & 0x7FFF).max() >= 0x7C00:  # infinities and NaNs are another matter
            target[...] = value
            return
        bits = block.astype(np.int32)  # the sign spreads over the upper half
        bits <<= 13  # exponent and fraction to their places
        bits &= SIGN_AND_MAGNITUDE
        # The exponent's bias: 127 for 15.
        np.multiply(bits.view(np.float32), np.float32(2.0**112), out=wide[start : start + BLOCK])
