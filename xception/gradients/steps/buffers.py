"""Arrays that are used again by the next pass, which needs the same shapes."""

from __future__ import annotations

from math import prod

import numpy as np

from ...kernels import Array


class Buffers:
    """A pool of arrays for one thread.

    Fresh arrays of megabytes cost a page fault for every 4 KB, about as much as a pass over them.

    An array that was taken belongs to the caller alone until it is given back. Other arrays are ignored by
    `give`, so that the caller need not know where an array came from.

    Args:
        dtype: Type of all arrays.
    """

    def __init__(self, dtype: np.dtype[np.floating]) -> None:
        self.dtype = dtype
        self._free: dict[int, list[Array]] = {}
        self._taken: dict[int, tuple[Array, Array]] = {}  # the array and its memory, by identity

    def take(self, *shape: int) -> Array:
        """Return an uninitialized array."""
        size = prod(shape)
        free = self._free.setdefault(size, [])
        memory = free.pop() if free else np.empty(size, self.dtype)
        array = memory.reshape(shape)
        self._taken[id(array)] = array, memory
        return array

    def owns(self, array: Array) -> bool:
        """Return True if an array was taken here, and not given back."""
        return id(array) in self._taken  # which holds the array, so that no other has its identity

    def give(self, array: Array) -> None:
        """Take an array back, if it is one of these."""
        if id(array) in self._taken:
            _, memory = self._taken.pop(id(array))
            self._free[memory.size].append(memory)

    def writable(self, array: Array) -> Array:
        """Return an array if it was taken here; else a copy of it that was."""
        if self.owns(array):
            return array
        copy = self.take(*array.shape)
        copy[...] = array
        return copy

    def reclaim(self) -> None:
        """Take all arrays back."""
        for array, _ in list(self._taken.values()):
            self.give(array)
