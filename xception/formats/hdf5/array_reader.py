"""Reading of arrays in HDF5 files, on threads, in bounded memory.

Reading weights takes most of the time until the first prediction. HDF5 says where an array's numbers are
in the file, and several threads read those of uncompressed, contiguous arrays at once. HDF5 itself reads
the others, except those with filters: it would expand a chunk to any size, and some of its filters read
beyond the end of a chunk that is too short. So filters are undone here.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
import zlib
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, raise_first
from ...kernels import Array, aligned, whole_lines
from ...limits import format_bytes, format_limit, get_limits, memory_advice
from .arrays import BFLOAT16, DEFLATE, FLETCHER32, SHUFFLE, StoredArray, is_numpy_type
from .source import Source

MAX_READING_THREADS = 4  #: threads that read arrays at once; each takes time to start
BLOCK_ELEMENTS = 1 << 16  #: numbers that stay in the cache while they are converted and checked
SIGN_EXPONENT_FRACTION = np.int32(-0x70002000)  #: bits 31, and 27 to 13
CHECKSUM_MODULUS = 65535


def read_arrays(arrays: Sequence[StoredArray], source: Source) -> tuple[list[Array], list[int]]:
    """Read arrays of one file.

    Args:
        arrays: What `find_array` returned, of the file that is open.
        source: Where the bytes of this file are.

    Returns:
        float32 arrays, C-contiguous, in one block of memory; and the indices of those that hold NaN or
        infinity.

    Raises:
        ModelFileError: The file does not hold what it declares, or its arrays need more memory than the
            limits allow.
    """
    check_memory(arrays, source)
    results = _allocate_together([array.shape for array in arrays])
    errors: list[BaseException] = []
    not_finite: list[int] = []
    first_of: dict[int, int] = {}  # {address: index}: an array with several names is read once
    for i, array in enumerate(arrays):
        first_of.setdefault(array.address, i)
    contiguous = []
    for i in first_of.values():
        if _is_plain(arrays[i]):
            contiguous.append(i)
        else:
            _read_encoded(arrays[i], results[i])
            if not np.isfinite(results[i]).all():
                not_finite.append(i)
    largest_first = iter(sorted(contiguous, key=lambda i: -arrays[i].size))  # so that threads end together

    def work() -> None:
        try:
            with source.open() as stream:
                for i in largest_first:  # shared: each index goes to one thread
                    is_finite = _read_contiguous(arrays[i], stream, results[i].reshape(-1))
                    not_finite.extend([] if is_finite else [i])
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
        raise_first(errors)
    for i, array in enumerate(arrays):
        if (first := first_of[array.address]) != i:
            results[i][...] = results[first]
            if first in not_finite:
                not_finite.append(i)
    return results, sorted(not_finite)


def check_memory(arrays: Sequence[StoredArray], source: Source) -> None:
    """Raise ModelFileError if reading these arrays would take more memory than the limits allow."""
    needed = sum(4 * whole_lines(array.size) for array in arrays)
    # One chunk at a time: its bytes, which unpacking has twice until they are joined, or shuffled.
    needed += max((array.stored_bytes + 2 * array.chunk_bytes for array in arrays if array.chunk), default=0)
    needed += len(source.content or b"")
    limit = get_limits().max_memory_bytes
    if needed > limit:
        raise ModelFileError(
            f"{source.name}: reading its weights takes {format_bytes(needed)} of memory; the limit is "
            f"{format_limit(limit)}. If you trust the file, raise it: {memory_advice(needed)}"
        )


def _allocate_together(shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Return float32 arrays of these shapes, in one block of memory, each on its own cache line."""
    sizes = list(map(math.prod, shapes))
    starts = list(itertools.accumulate(map(whole_lines, sizes), initial=0))
    block = aligned(starts[-1])
    return [
        block[start : start + size].reshape(shape)
        for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]


# --- contiguous arrays ----------------------------------------------------------------------


def _is_plain(array: StoredArray) -> bool:
    """Return True if the numbers are in one piece, of a type that is read without HDF5."""
    if not array.size or array.offset is None:
        return False
    kind = array.dataset.get_type()
    # By HDF5's types: h5py presents bfloat16, which NumPy does not have, as float16.
    return array.dtype == BFLOAT16 or any(
        kind.equal(plain) for plain in (h5py.h5t.IEEE_F32LE, h5py.h5t.IEEE_F16LE)
    )


def _read_contiguous(array: StoredArray, stream: Any, out: Array) -> bool:
    """Read an array in blocks, and return True if all its numbers are finite."""
    stream.seek(array.offset)
    is_finite = True
    buffer = None if array.dtype == out.dtype else np.empty(min(BLOCK_ELEMENTS, array.size), array.dtype)
    for start in range(0, array.size, BLOCK_ELEMENTS):
        block = out[start : start + BLOCK_ELEMENTS]
        values = block if buffer is None else buffer[: len(block)]
        if stream.readinto(values.view(np.uint8)) != values.nbytes:
            raise ModelFileError(f"{array.location}: the file ends before the array does")
        if array.dtype == np.float16:
            is_finite &= widen_float16(values, block)
            continue
        if buffer is not None:
            _widen_bfloat16(values, block)
        is_finite = is_finite and bool(np.isfinite(block).all())
    return is_finite


def widen_float16(values: Array, out: Array) -> bool:
    """Convert float16 to float32, exactly, in half of NumPy's time.

    Args:
        values: float16, one axis, contiguous.
        out: float32, of the same shape.

    Returns:
        Whether all numbers are finite.
    """
    halves = values.view("<i2")
    if (halves & 0x7FFF).max() >= 0x7C00:  # infinities and NaNs have another exponent rule
        out[...] = values
        return False
    bits = halves.astype(np.int32)  # sign extension fills the upper half with the sign
    bits <<= 13  # exponent and fraction to their places in a float32
    bits &= SIGN_EXPONENT_FRACTION
    # The exponent's bias: 127 instead of 15.
    np.multiply(bits.view(np.float32), np.float32(2.0**112), out=out)
    return True


def _widen_bfloat16(values: Array, out: Array) -> None:
    """Convert bfloat16, the upper half of float32, to float32."""
    np.left_shift(values.view("<u2"), np.uint32(16), out=out.view(np.uint32), dtype=np.uint32)


# --- other arrays ---------------------------------------------------------------------------


def _read_encoded(array: StoredArray, out: Array) -> None:
    """Read an array in any other encoding or type."""
    is_bfloat16 = array.dtype == BFLOAT16
    if array.filters or (is_bfloat16 and array.chunk):
        _read_chunks(array, out)
    elif is_bfloat16:  # in the header, which has at most 64 KiB
        _widen_bfloat16(np.asarray(h5py.Dataset(array.dataset)[()]), out)
    elif array.size:
        array.dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, out)  # HDF5 converts


def _read_chunks(array: StoredArray, out: Array) -> None:
    """Read the chunks of an array that has filters."""
    if not is_numpy_type(array.dataset.get_type(), array.dtype):
        raise ModelFileError(f"{array.location}: has compressed numbers of a type that NumPy does not have")
    chunk = array.chunk or ()
    for start in itertools.product(*map(range, itertools.repeat(0), array.shape, chunk)):
        numbers = _read_chunk(array, start).view(array.dtype).reshape(chunk)
        # Chunks may reach beyond the ends of the array.
        target = out[tuple(map(slice, start, map(sum, zip(start, chunk, strict=True))))]
        numbers = numbers[tuple(map(slice, target.shape))]
        if array.dtype == BFLOAT16:
            _widen_bfloat16(numbers, target)
        else:
            with np.errstate(over="ignore"):  # too large for float32 becomes infinite, as in HDF5
                target[...] = numbers


def _read_chunk(array: StoredArray, start: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the bytes of the chunk at `start`, decoded."""
    skipped, content = array.dataset.read_direct_chunk(start)  # bit i: filter i was not applied
    applied = [name for i, name in enumerate(array.filters) if not skipped >> i & 1]
    if FLETCHER32 in applied:
        content = _checked(array, content)
    if DEFLATE in applied:
        content = _inflate(array, content)
    elif len(content) != array.chunk_bytes:
        raise ModelFileError(
            f"{array.location}: has a chunk that is not the {array.chunk_bytes:,} bytes declared"
        )
    decoded = np.frombuffer(content, np.uint8)
    if SHUFFLE in applied:
        decoded = np.ascontiguousarray(decoded.reshape(array.dtype.itemsize, -1).T).reshape(-1)
    return decoded


def _inflate(array: StoredArray, content: bytes) -> bytes:
    """Return the deflated bytes of a chunk, of which there must be exactly as many as declared."""
    try:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(content, array.chunk_bytes + 1)
    except zlib.error as error:
        raise ModelFileError(f"{array.location}: its compressed numbers are damaged ({error})") from None
    if len(content) != array.chunk_bytes or not decompressor.eof:
        raise ModelFileError(
            f"{array.location}: its compressed numbers are not the {array.chunk_bytes:,} bytes declared"
        )
    return content


def _checked(array: StoredArray, content: bytes) -> bytes:
    """Return the bytes before the checksum that ends a chunk; raise ModelFileError if it differs."""
    content, stored = content[:-4], content[-4:]
    first = second = 0
    for start in range(0, len(content), 2 * BLOCK_ELEMENTS):
        block = content[start : start + 2 * BLOCK_ELEMENTS]
        words = np.frombuffer(block + bytes(len(block) % 2), ">u2").astype(np.uint64)
        weights = np.arange(len(words), 0, -1, dtype=np.uint64)
        second = (second + first * len(words) + int(words @ weights)) % CHECKSUM_MODULUS
        first = (first + int(words.sum())) % CHECKSUM_MODULUS
    # HDF5 writes zero as 65535.
    expected = [int.from_bytes(stored[at : at + 2], "little") % CHECKSUM_MODULUS for at in (0, 2)]
    if len(stored) != 4 or [first, second] != expected:
        raise ModelFileError(f"{array.location}: is damaged: the checksum of a chunk differs")
    return content
