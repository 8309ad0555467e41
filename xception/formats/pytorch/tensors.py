"""Tensors of a PyTorch checkpoint or a safetensors file, before they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ...errors import ModelFileError
from ...kernels import Array

#: Bytes of an element of each type that is read. Integers count batches, and are never read.
ELEMENT_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint8": 1, "bool": 1,
}  # fmt: skip
MAX_TENSORS = 100_000  #: each costs an object; a training checkpoint of Xception has a thousand
MAX_TENSOR_AXES = 8
MAX_ELEMENTS = 1 << 40  #: of a tensor: no file holds more


@dataclass(frozen=True)
class Tensor:
    """A tensor that is stored in a file.

    Attributes:
        shape: Its shape.
        dtype: Its type, such as "float32" or "bfloat16".
        read_bytes: Reads its bytes, little-endian and in C order.
    """

    shape: tuple[int, ...]
    dtype: str
    read_bytes: Callable[[], bytes] = field(repr=False)

    def read(self) -> Array:
        """Return the numbers as a new float32 array of the tensor's shape."""
        content = self.read_bytes()
        if self.dtype == "bfloat16":  # the upper half of a float32
            values = (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(content, np.dtype(self.dtype).newbyteorder("<"))
        # A float64 beyond float32 becomes infinity; some processors report a signaling NaN.
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(np.float32).reshape(self.shape)


@dataclass(frozen=True)
class TensorFile:
    """The tensors of a file.

    Attributes:
        kind: What kind of file it is.
        tensors: By name. Names of dicts within dicts are joined: "state_dict.conv1.weight".
        passed_over: Names of the classes and functions in a pickle that were not called.
    """

    kind: Literal["safetensors file", "PyTorch checkpoint"]
    tensors: Mapping[str, Tensor]
    passed_over: tuple[str, ...] = ()


def check_shape(name: str, shape: object, dtype: str, file_name: str) -> tuple[int, ...]:
    """Return a shape as a tuple.

    Args:
        name: The tensor's name.
        shape: A list or tuple of sizes.
        dtype: The tensor's type.
        file_name: For messages.

    Raises:
        ModelFileError: It is no shape, or the type is unknown.
    """
    sizes: tuple[Any, ...] = tuple(shape) if isinstance(shape, list | tuple) else (None,)
    is_shape = len(sizes) <= MAX_TENSOR_AXES and all(
        type(size) is int and 0 <= size < MAX_ELEMENTS for size in sizes
    )
    if not is_shape or math.prod(sizes) >= MAX_ELEMENTS:
        raise ModelFileError(f"{file_name}: {name:.200} has no valid shape{_describe(sizes)}")
    if dtype not in ELEMENT_BYTES:
        raise ModelFileError(f"{file_name}: {name:.200} is of the type {dtype:.50}, which is not supported")
    return sizes


def _describe(sizes: tuple[Any, ...]) -> str:
    """Return sizes for a message, if they are short: the text of tuples within tuples may be endless."""
    is_short = len(sizes) <= MAX_TENSOR_AXES and all(
        type(size) is int and abs(size) < 1 << 64 for size in sizes
    )
    return f": {sizes}" if is_short else ""
