"""Where activations live while a plan runs: maps with a border, in buffers that are used again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..kernels import Array

CACHE_LINE = 16  #: float32 numbers
Border = tuple[int, int, int, int]  #: rows above, rows below, columns left, columns right
NO_BORDER: Border = (0, 0, 0, 0)


class Buffers:
    """Memory that is reserved while a plan is built, and handed on from step to step."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._lent: dict[int, tuple[Array, Array]] = {}  # by identity: (array, the buffer under it)
        self.reserved = 0  #: bytes, all together

    def take(self, *shape: int) -> Array:
        """A float32 array of this shape that starts on a cache line; its content is anything."""
        size = math.prod(shape)
        fitting = [buffer for buffer in self._free if buffer.size >= size]
        if fitting:
            buffer = min(fitting, key=lambda found: found.size)
            self._free = [other for other in self._free if other is not buffer]
        else:
            raw = np.empty(size + CACHE_LINE, np.float32)
            start = -(raw.ctypes.data // raw.itemsize) % CACHE_LINE
            buffer = raw[start : start + size]
            self.reserved += raw.nbytes
        array = buffer[:size].reshape(shape)
        self._lent[id(array)] = (array, buffer)
        return array

    def give_back(self, *arrays: Array) -> None:
        """Arrays from `take` that no later step reads."""
        for array in arrays:
            self._free.append(self._lent.pop(id(array))[1])


@dataclass
class Map:
    """An activation (h, w, c) inside the border of zeros that its readers' windows need."""

    array: Array  #: (top + h + bottom, left + w + right, c)
    border: Border

    @property
    def interior(self) -> Array:
        """(h, w, c), a view."""
        top, bottom, left, right = self.border
        height, width, _ = self.array.shape
        return self.array[top : height - bottom, left : width - right]

    @property
    def rows(self) -> Array:
        """(h, w·c), a view: what stands in a row is one run, with or without a border."""
        inside = self.interior
        h, w, c = inside.shape
        return as_strided(inside, (h, w * c), (inside.strides[0], inside.itemsize))

    def activation(self) -> Array:
        """(1, h, w, c), a copy."""
        return self.interior[np.newaxis].copy()
