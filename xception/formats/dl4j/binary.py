"""Arrays as Deeplearning4j stores them: shape information, then elements, both big-endian.

Each of the two is a buffer: its mode (a text), the number of elements, their type (a text), and the elements.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from ...errors import ModelFileError
from ...kernels import Array

#: Modes by version: up to beta; beta2 and beta3; from beta4 on. The first ones count elements in 32 bits.
OLD_MODES = ("JAVACPP", "HEAP", "DIRECT")
LONG_SHAPE, MIXED_DATA_TYPES = "LONG_SHAPE", "MIXED_DATA_TYPES"
#: Types of elements. BFLOAT16 is the upper half of a float32.
TYPES = {"FLOAT": ">f4", "DOUBLE": ">f8", "HALF": ">f2", "BFLOAT16": ">u2"}
EXTRAS = {"FLOAT": 8192, "DOUBLE": 16384, "HALF": 4096, "BFLOAT16": 2048}  #: of MIXED_DATA_TYPES
MAX_RANK = 8  #: an array of parameters has one axis or two
MAX_NAME_BYTES = 64  #: names of modes and types are shorter
C_ORDER, F_ORDER = 99, 102
NO_PARAMETERS = "noParams.marker"  #: a member of a zip whose network has none


@dataclass(frozen=True)
class StoredArray:
    """An array and how it was stored.

    Attributes:
        array: float32, of its shape.
        mode: The mode of its buffers, which depends on the version that wrote it.
        type_name: The type of its elements in the file, such as "FLOAT".
        end: Where it ends in the content.
    """

    array: Array
    mode: str
    type_name: str
    end: int


class _Reader:
    """A position in a content, which never passes its end."""

    def __init__(self, content: bytes, position: int, location: str) -> None:
        self._content, self.position, self.location = content, position, location

    def error(self, reason: str) -> ModelFileError:
        return ModelFileError(f"{self.location}: {reason}")

    def take(self, count: int) -> memoryview:
        """Return the next bytes."""
        if count > len(self._content) - self.position:
            raise self.error("it is cut off; fetch or copy the file again")
        part = memoryview(self._content)[self.position : self.position + count]
        self.position += count
        return part

    def text(self) -> str:
        """Return a text of Java's: its length in two bytes, and its characters."""
        (length,) = struct.unpack(">H", self.take(2))
        if length > MAX_NAME_BYTES:
            raise self.error(f"a name has {length:,} bytes; at most {MAX_NAME_BYTES} are read")
        return bytes(self.take(length)).decode("ascii", "replace")

    def count(self, mode: str) -> int:
        """Return a number of elements."""
        size = 4 if mode in OLD_MODES else 8
        count = int.from_bytes(self.take(size), "big", signed=True)
        if count < 0:
            raise self.error(f"holds {count:,} elements")
        return count


def read_array(content: bytes, location: str, start: int = 0) -> StoredArray:
    """Read an array.

    Args:
        content: What holds it.
        location: The file, for messages.
        start: Where it begins.

    Returns:
        The array, which takes no more memory than float32 of the elements that the content holds.

    Raises:
        ModelFileError: It is damaged or hostile, or of a type that is not supported.
    """
    reader = _Reader(content, start, location)
    shape, is_by_columns = _read_shape(reader)
    mode = reader.text()
    if mode not in (*OLD_MODES, LONG_SHAPE, MIXED_DATA_TYPES):
        raise reader.error(f"its elements are stored as {mode!r}, which is not supported")
    count, type_name = reader.count(mode), reader.text()
    if type_name not in TYPES:
        raise reader.error(f"its elements are of the type {type_name!r}; read are {', '.join(TYPES)}")
    if count != math.prod(shape):
        raise reader.error(f"holds {count:,} elements, expected {math.prod(shape):,} for the shape {shape}")
    stored = np.dtype(TYPES[type_name])
    elements = np.frombuffer(reader.take(count * stored.itemsize), stored)
    if type_name == "BFLOAT16":
        values = (elements.astype(np.uint32) << 16).view(np.float32)
    else:
        with np.errstate(over="ignore"):  # a double may be larger than any float: infinity, which is told
            values = elements.astype(np.float32)
    array = values.reshape(shape, order="F" if is_by_columns else "C")
    return StoredArray(array, mode, type_name, reader.position)


def peek_mode(start: bytes, location: str) -> str:
    """Return the mode of an array, which tells the versions that wrote it, from its first bytes.

    Args:
        start: The first bytes of what holds it.
        location: The file, for messages.

    Raises:
        ModelFileError: It is damaged.
    """
    reader = _Reader(start, 0, location)
    _read_shape(reader)
    mode = reader.text()
    return OLD_MODES[0] if mode in OLD_MODES else mode


def _read_shape(reader: _Reader) -> tuple[tuple[int, ...], bool]:
    """Return the shape, and whether elements are stored by columns."""
    mode = reader.text()
    if mode not in (*OLD_MODES, LONG_SHAPE, MIXED_DATA_TYPES):
        raise reader.error(f"is no array of Deeplearning4j, or of a form that is not supported: {mode!r}")
    count, type_name = reader.count(mode), reader.text()
    if type_name not in ("INT", "LONG") or not 4 <= count <= 2 * MAX_RANK + 4:
        raise reader.error(f"its shape has {count:,} numbers of the type {type_name!r}")
    size = 4 if type_name == "INT" else 8
    numbers = struct.unpack(f">{count}{'i' if size == 4 else 'q'}", reader.take(count * size))
    rank = numbers[0]
    if count != 2 * rank + 4:
        raise reader.error(f"its shape has {count} numbers, expected {2 * rank + 4} for {rank} axes")
    shape, strides = numbers[1 : 1 + rank], numbers[1 + rank : 1 + 2 * rank]
    if min(shape, default=0) < 0 or numbers[-1] not in (C_ORDER, F_ORDER):
        raise reader.error(f"its shape is damaged: {numbers}")
    is_by_columns = numbers[-1] == F_ORDER
    if not _are_dense(shape, strides, is_by_columns):
        raise reader.error(f"its strides {strides} do not fit the shape {shape}")
    return shape, is_by_columns


def _are_dense(shape: tuple[int, ...], strides: tuple[int, ...], is_by_columns: bool) -> bool:
    """Return whether strides are those of elements without gaps. Along an axis of size 1 any will do."""
    expected = 1
    axes = list(zip(shape, strides, strict=True))
    for size, stride in axes if is_by_columns else reversed(axes):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def write_array(array: Array, mode: str = LONG_SHAPE) -> bytes:
    """Return the content of a float32 array.

    Args:
        array: The array, of one axis or more.
        mode: "LONG_SHAPE", which beta2 and later read, or "MIXED_DATA_TYPES".
    """
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
    extras = EXTRAS["FLOAT"] if mode == MIXED_DATA_TYPES else 0
    numbers = [array.ndim, *array.shape, *strides, extras, 1, C_ORDER]
    shape = _text(mode) + struct.pack(">q", len(numbers)) + _text("LONG")
    elements = _text(mode) + struct.pack(">q", array.size) + _text("FLOAT")
    return shape + struct.pack(f">{len(numbers)}q", *numbers) + elements + array.astype(">f4").tobytes()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")
