"""Arrays of numbers in HDF5 files: located and checked before any of them is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...errors import ModelFileError
from ..limits import (
    CHUNK_BYTES_PER_LINK,
    LINKS_PER_ARRAY,
    MAX_DEFLATE_RATIO,
    MAX_NUMBER_BITS,
    MAX_OVERSIZE_CHUNK_BYTES,
)
from .file import Group, count_chunks, count_links, location, open_object, read_filters

BFLOAT16 = np.dtype("V2")  #: as Keras stores it: the upper half of a float32

DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
#: Chains of filters, as they were applied. These unpack to a size that is known before, and each only once.
SUPPORTED_FILTERS = tuple(
    (*shuffle, *deflate, *checksum)
    for shuffle in ((), (SHUFFLE,))
    for deflate in ((), (DEFLATE,))
    for checksum in ((), (FLETCHER32,))
)
FILTER_NAMES = {
    DEFLATE: "deflate", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset",
    32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd",
}  # fmt: skip


@dataclass(frozen=True)
class StoredArray:
    """An array of numbers in an open HDF5 file, checked but not read yet.

    Attributes:
        parent: The group that `name` starts from.
        name: Path of the array below `parent`.
        shape: Its shape, as declared.
        dtype: The type of the stored numbers.
        dataset: h5py's low-level DatasetID.
        address: Of its header in the file, which several names may share.
        filters: Numbers of the filters that its chunks are encoded with, as they were applied.
        chunk: Shape of the chunks that are decoded here; None if it is read otherwise.
        offset: Of its numbers in the file, if they are in one piece; else None.
        stored_bytes: What its numbers take in the file.
    """

    parent: Group
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dataset: Any
    address: int
    filters: tuple[int, ...] = ()
    chunk: tuple[int, ...] | None = None
    offset: int | None = None
    stored_bytes: int = 0

    @property
    def location(self) -> str:
        """File and path, for messages."""
        return location(self.parent, self.name)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def chunk_bytes(self) -> int:
        """Size of a decoded chunk."""
        return math.prod(self.chunk or ()) * self.dtype.itemsize


# --- locating -------------------------------------------------------------------------------


def find_array(parent: Group, name: str) -> StoredArray:
    """Locate the array at `name` below `parent`, and check how it is stored.

    Raises:
        ModelFileError: There is no array of numbers at this path, its numbers are in another file, it
            declares more than the file holds, or it has a filter that is not supported.
    """
    if not isinstance(parent, h5py.Group):  # a group of several files
        return parent.find_array(name)
    count_links(parent, LINKS_PER_ARRAY)
    dataset = open_object(parent, name)
    if not isinstance(dataset, h5py.h5d.DatasetID) or not _holds_numbers(dataset):
        raise ModelFileError(f"{location(parent, name)}: expected an array of numbers")
    properties = dataset.get_create_plist()
    address, filters = read_filters(parent, name, dataset, properties.get_nfilters())
    if filters not in SUPPORTED_FILTERS:
        named = ", ".join(FILTER_NAMES.get(number, str(number)) for number in filters)
        raise ModelFileError(
            f"{location(parent, name)}: is encoded by the filters {named}; supported are shuffle, deflate "
            "(gzip) and fletcher32, in this order. Load the file with Keras and save it again, or copy the "
            "array with h5py and compression='gzip'"
        )
    layout = properties.get_layout()
    if properties.get_external_count() or layout == h5py.h5d.VIRTUAL:
        raise ModelFileError(f"{location(parent, name)}: its numbers are kept in another file; refused")
    shape = dataset.shape  # for this, HDF5 opens the other files of a virtual array
    if shape is None:
        raise ModelFileError(f"{location(parent, name)}: has no shape")
    if filters and layout != h5py.h5d.CHUNKED:
        raise ModelFileError(f"{location(parent, name)}: has filters, but no chunks; refused")
    chunk = properties.get_chunk() if layout == h5py.h5d.CHUNKED else None
    if chunk and len(chunk) != len(shape):  # HDF5 divides by the sizes that are missing
        raise ModelFileError(
            f"{location(parent, name)}: has {len(shape)} axes, but its chunks have {len(chunk)}"
        )
    stored = dataset.get_storage_size()
    array = StoredArray(
        parent,
        name,
        shape,
        dataset.dtype,
        dataset,
        address,
        filters,
        chunk if filters or dataset.dtype == BFLOAT16 else None,
        dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else None,
        stored,
    )
    _check_storage(array, chunk)
    return array


def is_numpy_type(kind: Any, dtype: np.dtype[Any]) -> bool:
    """Return True if a type of HDF5 has the bytes of its type of NumPy."""
    return bool(dtype == BFLOAT16 or kind.equal(h5py.h5t.py_create(dtype)))


def _holds_numbers(dataset: Any) -> bool:
    kind = dataset.get_type()
    if isinstance(kind, h5py.h5t.TypeOpaqueID):
        return bool(dataset.dtype == BFLOAT16)
    # By HDF5's class of type: NumPy takes an enumeration for integers.
    is_number = isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID)
    return (
        is_number
        and (kind.equal(h5py.h5t.IEEE_F32LE) or _fits_its_size(kind))
        and dataset.dtype.kind in "fiu"
    )


def _fits_its_size(kind: Any) -> bool:
    """Return True if all bits of a number are within its bytes. HDF5 converts numbers without checking."""
    bits, ends = 8 * kind.get_size(), [kind.get_offset() + kind.get_precision()]
    if isinstance(kind, h5py.h5t.TypeFloatID):
        sign, exponent, exponent_bits, mantissa, mantissa_bits = kind.get_fields()
        ends += [sign + 1, exponent + exponent_bits, mantissa + mantissa_bits]
    return bits <= MAX_NUMBER_BITS and max(ends) <= bits


def _check_storage(array: StoredArray, chunk: tuple[int, ...] | None) -> None:
    """Raise ModelFileError if an array declares more than is stored."""
    stored, array_bytes = array.stored_bytes, array.size * array.dtype.itemsize
    if array.size and not stored:
        raise ModelFileError(f"{array.location}: declares shape {array.shape}, but stores nothing")
    max_bytes = stored * (MAX_DEFLATE_RATIO if array.filters else 1)
    complete = array.size * array.dataset.get_type().get_size() <= max_bytes
    if chunk:
        if stored > h5py.h5i.get_file_id(array.dataset).get_filesize():
            raise ModelFileError(f"{array.location}: stores {stored:,} bytes, more than the file has")
        if array.filters and array.chunk_bytes > max(MAX_OVERSIZE_CHUNK_BYTES, array_bytes):
            raise ModelFileError(f"{array.location}: has chunks larger than the array; refused")
        if array.chunk_bytes > array_bytes:
            count_links(array.parent, array.chunk_bytes // CHUNK_BYTES_PER_LINK)
        chunks = array.dataset.get_num_chunks()
        count_chunks(array.parent, chunks)
        complete &= chunks == math.prod(
            -(-size // length) for size, length in zip(array.shape, chunk, strict=True)
        )
    if not complete:
        raise ModelFileError(
            f"{array.location}: declares shape {array.shape}, but stores only {stored:,} bytes"
        )
