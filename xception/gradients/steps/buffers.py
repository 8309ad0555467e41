"""Pool of arrays, which the next pass of the same shapes uses again."""

from __future__ import annotations

from math import prod

import numpy as np

from ...kernels import Array


class Buffers:
    """A pool of arrays for one thread.

    A fresh array of megabytes costs a page fault for every 4 KB, about as much as a pass over it.

    An array belongs to its caller from `take` to `give`. `give` ignores arrays of other origin.

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
        """Return True if an array is from this pool, and was not given back."""
        return id(array) in self._taken  # it holds the array, so that no other can have its id

    def give(self, array: Array) -> None:
        """Return an array to the pool. Arrays of other origin are ignored."""
        if id(array) in self._taken:
            _, memory = self._taken.pop(id(array))
            self._free[memory.size].append(memory)

    def writable(self, array: Array) -> Array:
        """Return the array itself if it is from this pool, else a copy that is."""
        if self.owns(array):
            return array
        copy = self.take(*array.shape)
        copy[...] = array
        return copy

    def reclaim(self) -> None:
        """Return all arrays to the pool."""
        for array, _ in list(self._taken.values()):
            self.give(array)
