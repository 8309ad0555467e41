"""Arrays of numbers in HDF5 files: located and checked first, then read together.

Reading weights takes most of the time until the first prediction. HDF5 says where an array's numbers are
in the file, and several threads read those of uncompressed, contiguous arrays at once. HDF5 itself reads
the others, except deflated ones: it would expand a chunk to any size, so they are expanded here.
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
from ..limits import LINKS_PER_ARRAY, MAX_DEFLATE_RATIO, MAX_OVERSIZE_CHUNK_BYTES
from .file import Group, count_links, location, open_object
from .source import Source

MAX_READING_THREADS = 4  #: threads that read arrays at once; each takes time to start
BFLOAT16 = np.dtype("V2")  #: as Keras stores it: the upper half of a float32
BLOCK_ELEMENTS = 1 << 14  #: float16 numbers that stay in the cache while they are converted
SIGN_EXPONENT_FRACTION = np.int32(-0x70002000)  #: bits 31, and 27 to 13

SHUFFLE, DEFLATE, LZF = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF
FLETCHER32 = h5py.h5z.FILTER_FLETCHER32
#: Chains of filters that this module undoes, and those that HDF5 undoes in bounded memory.
DECODED_HERE = ((DEFLATE,), (SHUFFLE, DEFLATE))
DECODED_BY_HDF5 = ((), (SHUFFLE,), (FLETCHER32,), (SHUFFLE, FLETCHER32), (LZF,), (SHUFFLE, LZF))


@dataclass(frozen=True)
class StoredArray:
    """An array of numbers in an open HDF5 file, checked but not read yet.

    Attributes:
        parent: The group that `name` starts from.
        name: Path of the array below `parent`.
        shape: Its shape, as declared.
        dtype: The type of the stored numbers.
        dataset: h5py's low-level DatasetID.
    """

    parent: Group
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dataset: Any

    @property
    def location(self) -> str:
        """File and path, for messages."""
        return location(self.parent, self.name)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


# --- locating -------------------------------------------------------------------------------


def find_array(parent: Group, name: str) -> StoredArray:
    """Locate the array at `name` below `parent`, and check how it is stored.

    Raises:
        ModelFileError: There is no array of numbers at this path, its numbers are in another file, it
            declares more than the file holds, or it has a filter that is not supported.
    """
    count_links(parent, LINKS_PER_ARRAY)
    dataset = open_object(parent, name)
    if not isinstance(dataset, h5py.h5d.DatasetID) or not _holds_numbers(dataset):
        raise ModelFileError(f"{location(parent, name)}: expected an array of numbers")
    properties = dataset.get_create_plist()
    if properties.get_external_count() or properties.get_layout() == h5py.h5d.VIRTUAL:
        raise ModelFileError(f"{location(parent, name)}: its numbers are kept in another file; refused")
    shape = dataset.shape
    if shape is None:
        raise ModelFileError(f"{location(parent, name)}: has no shape")
    array = StoredArray(parent, name, shape, dataset.dtype, dataset)
    _check_storage(array, properties)
    return array


def _holds_numbers(dataset: Any) -> bool:
    kind = dataset.get_type()
    if isinstance(kind, h5py.h5t.TypeOpaqueID):
        return bool(dataset.dtype == BFLOAT16)
    # By HDF5's class of type: NumPy takes an enumeration for integers.
    return isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID) and dataset.dtype.kind in "fiu"


def _check_storage(array: StoredArray, properties: Any) -> None:
    """Raise ModelFileError if the array declares more than is stored, or has a filter that is not read."""
    filters = _filters(properties)
    if filters not in DECODED_HERE + DECODED_BY_HDF5:
        raise ModelFileError(
            f"{array.location}: is encoded by the filters {', '.join(map(str, filters))}; supported are "
            "deflate and LZF, each alone or after shuffle"
        )
    stored = array.dataset.get_storage_size()
    if array.size and not stored:
        raise ModelFileError(f"{array.location}: declares shape {array.shape}, but stores nothing")
    max_bytes = stored * (MAX_DEFLATE_RATIO if properties.get_nfilters() else 1)
    complete = array.size * array.dataset.get_type().get_size() <= max_bytes
    if properties.get_layout() == h5py.h5d.CHUNKED:
        if stored > h5py.h5i.get_file_id(array.dataset).get_filesize():
            raise ModelFileError(f"{array.location}: stores {stored:,} bytes, more than the file has")
        chunk_bytes = math.prod(properties.get_chunk()) * array.dtype.itemsize
        if filters and chunk_bytes > max(MAX_OVERSIZE_CHUNK_BYTES, array.size * array.dtype.itemsize):
            raise ModelFileError(f"{array.location}: has chunks larger than the array; refused")
        chunks = zip(array.shape, properties.get_chunk(), strict=True)
        complete &= array.dataset.get_num_chunks() == math.prod(-(-size // chunk) for size, chunk in chunks)
    if not complete:
        raise ModelFileError(
            f"{array.location}: declares shape {array.shape}, but stores only {stored:,} bytes"
        )


def _filters(properties: Any) -> tuple[int, ...]:
    return tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))


# --- reading --------------------------------------------------------------------------------


def read_arrays(arrays: Sequence[StoredArray], source: Source) -> list[Array]:
    """Read arrays of one file.

    Args:
        arrays: What `find_array` returned, of the file that is open.
        source: Where the bytes of this file are.

    Returns:
        float32 arrays, C-contiguous, in one block of memory.

    Raises:
        ModelFileError: The file does not hold what it declares.
    """
    results = _allocate_together([array.shape for array in arrays])
    errors: list[BaseException] = []
    offsets = {}
    for i, array in enumerate(arrays):
        offset = _contiguous_offset(array)
        if offset is None:
            results[i][...] = _read_encoded(array)
        else:
            offsets[i] = offset
    largest_first = iter(sorted(offsets, key=lambda i: -arrays[i].size))  # so that threads end together

    def work() -> None:
        try:
            with source.open() as stream:
                for i in largest_first:  # shared: each index goes to one thread
                    _read_contiguous(arrays[i], offsets[i], stream, results[i])
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work) for _ in range(min(MAX_READING_THREADS, os.cpu_count() or 1) - 1)
    ]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def _allocate_together(shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Return float32 arrays of these shapes, in one block of memory, each on its own cache line."""
    sizes = list(map(math.prod, shapes))
    starts = list(itertools.accumulate(map(whole_lines, sizes), initial=0))
    block = aligned(starts[-1])
    return [
        block[start : start + size].reshape(shape)
        for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]


def _contiguous_offset(array: StoredArray) -> int | None:
    """Return the file offset of plain float32 or float16 numbers in one piece; None for any others."""
    properties, kind = array.dataset.get_create_plist(), array.dataset.get_type()
    # By HDF5's types: h5py presents bfloat16, which NumPy does not have, as float16.
    plain = kind.equal(h5py.h5t.IEEE_F32LE) or kind.equal(h5py.h5t.IEEE_F16LE)
    if not plain or not array.size or properties.get_layout() != h5py.h5d.CONTIGUOUS:
        return None
    return array.dataset.get_offset()


def _read_contiguous(array: StoredArray, offset: int, stream: Any, out: Array) -> None:
    value = out if array.dtype == out.dtype else np.empty(array.shape, array.dtype)
    stream.seek(offset)
    if stream.readinto(value.reshape(-1).view(np.uint8)) != value.nbytes:
        raise ModelFileError(f"{array.location}: the file ends before the array does")
    if value is not out:
        widen_float16(value, out)


def widen_float16(values: Array, out: Array) -> None:
    """Convert float16 to float32, exactly, in half of NumPy's time.

    Args:
        values: float16, C-contiguous.
        out: float32, C-contiguous, of the same shape.
    """
    halves, wide = values.reshape(-1).view("<i2"), out.reshape(-1)
    for start in range(0, len(halves), BLOCK_ELEMENTS):
        block = halves[start : start + BLOCK_ELEMENTS]
        if (block & 0x7FFF).max() >= 0x7C00:  # infinities and NaNs have another exponent rule
            out[...] = values
            return
        bits = block.astype(np.int32)  # sign extension fills the upper half with the sign
        bits <<= 13  # exponent and fraction to their places in a float32
        bits &= SIGN_EXPONENT_FRACTION
        # The exponent's bias: 127 instead of 15.
        np.multiply(bits.view(np.float32), np.float32(2.0**112), out=wide[start : start + BLOCK_ELEMENTS])


def _read_encoded(array: StoredArray) -> Array:
    """Read an array in any other encoding or type."""
    value: Array | None = None
    if _filters(array.dataset.get_create_plist()) in DECODED_HERE:
        value = _read_deflated(array)
    if array.dtype == BFLOAT16:
        value = h5py.Dataset(array.dataset)[()] if value is None else value
        return (value.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if value is None:
        value = np.empty(array.shape, np.float32)
        array.dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, value)  # HDF5 converts
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, as in HDF5
        return np.asarray(value, np.float32, order="C")


def _read_deflated(array: StoredArray) -> Array:
    """Read deflated chunks, in the file's type."""
    properties = array.dataset.get_create_plist()
    filters, chunk = _filters(properties), properties.get_chunk()
    kind, itemsize = array.dataset.get_type(), array.dtype.itemsize
    if array.dtype != BFLOAT16 and not kind.equal(h5py.h5t.py_create(array.dtype)):
        raise ModelFileError(f"{array.location}: has compressed numbers of a type that NumPy does not have")
    value = np.empty(array.shape, array.dtype)
    for start in itertools.product(*map(range, itertools.repeat(0), array.shape, chunk)):
        skipped, content = array.dataset.read_direct_chunk(start)  # bit i: filter i was not applied
        applied = [name for i, name in enumerate(filters) if not skipped >> i & 1]
        expected = math.prod(chunk) * itemsize
        if DEFLATE in applied:
            content = _inflate(array, content, expected)
        elif len(content) != expected:
            raise ModelFileError(f"{array.location}: has a chunk that is not the {expected:,} bytes declared")
        numbers = np.frombuffer(content, np.uint8)
        if SHUFFLE in applied:
            numbers = np.ascontiguousarray(numbers.reshape(itemsize, -1).T)
        # Chunks may reach beyond the ends of the array.
        target = value[tuple(map(slice, start, map(sum, zip(start, chunk, strict=True))))]
        target[...] = numbers.reshape(-1).view(array.dtype).reshape(chunk)[tuple(map(slice, target.shape))]
    return value


def _inflate(array: StoredArray, content: bytes, expected: int) -> bytes:
    """Return the deflated bytes, of which there must be exactly `expected`."""
    try:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(content, expected + 1)
    except zlib.error as error:
        raise ModelFileError(f"{array.location}: its compressed numbers are damaged ({error})") from None
    if len(content) != expected or not decompressor.eof:
        raise ModelFileError(
            f"{array.location}: its compressed numbers are not the {expected:,} bytes declared"
        )
    return content
