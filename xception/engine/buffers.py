"""Where activations live while a plan runs: maps with a border, in buffers that are used again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..kernels import Array, aligned, whole_lines

BLOCK = 1 << 20  #: numbers that are reserved at a time, for buffers that are smaller
Border = tuple[int, int, int, int]  #: rows above, rows below, columns left, columns right
NO_BORDER: Border = (0, 0, 0, 0)


class Buffers:
    """Memory that is reserved while a plan is built, and handed on from step to step."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._lent: dict[int, tuple[Array, Array]] = {}  # by identity: (array, the buffer under it)
        self._free_maps: dict[tuple[tuple[int, ...], Border], list[Array]] = {}
        self._rest = aligned(0)  # of the last block
        self.reserved = 0  #: bytes, all together

    def take(self, *shape: int) -> Array:
        """A float32 array of this shape that starts on a cache line; its content is anything."""
        size = math.prod(shape)
        fitting = [buffer for buffer in self._free if buffer.size >= size]
        if fitting:
            buffer = min(fitting, key=lambda found: found.size)
            self._free = [other for other in self._free if other is not buffer]
        else:
            buffer = self._reserve(size)
        array = buffer[:size].reshape(shape)
        self._lent[id(array)] = (array, buffer)
        return array

    def give_back(self, array: Array) -> None:
        """An array from `take` that no later step reads."""
        self._free.append(self._lent.pop(id(array))[1])

    def take_map(self, h: int, w: int, span: slice, border: Border) -> Map:
        """A map for the channels `span` of an activation, its border zero.

        Only maps of the same kind follow each other in one place, and nobody writes into a
        border. So it is set to zero once, and stays so.
        """
        top, bottom, left, right = border
        shape = (top + h + bottom, left + w + right, span.stop - span.start)
        if border == NO_BORDER:
            return Map(self.take(*shape), border, span)
        free = self._free_maps.setdefault((shape, border), [])
        if free:
            return Map(free.pop(), border, span)
        array = self._reserve(math.prod(shape)).reshape(shape)
        array[:top] = array[top + h :] = 0
        array[:, :left] = array[:, left + w :] = 0
        return Map(array, border, span)

    def give_back_map(self, found: Map) -> None:
        """A map from `take_map` that no later step reads."""
        if found.border == NO_BORDER:
            self.give_back(found.array)
        else:
            self._free_maps[found.array.shape, found.border].append(found.array)

    def _reserve(self, size: int) -> Array:
        if size > len(self._rest):
            block = aligned(max(size, BLOCK))
            self.reserved += block.nbytes
            if size >= BLOCK:
                return block
            self._rest = block
        array, self._rest = self._rest[:size], self._rest[whole_lines(size) :]
        return array


@dataclass
class Map:
    """An activation, or some of its channels, inside the border of zeros that its readers need."""

    array: Array  #: (top + h + bottom, left + w + right, c)
    border: Border
    span: slice  #: the channels that these are, of all

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


#: An activation: one map, or one for each thread that computes its share of the channels.
Maps = tuple[Map, ...]


def activation(maps: Maps) -> Array:
    """All channels together, a copy: (1, h, w, c)."""
    return np.concatenate([part.interior for part in maps], axis=-1)[np.newaxis]


def channels(maps: Maps, span: slice) -> Array:
    """The channels `span`, a view (h, w, c); of several maps one must hold just these."""
    if len(maps) == 1:
        return maps[0].interior[..., span]
    return next(part.interior for part in maps if part.span == span)


def shares(size: int, parts: int) -> list[slice]:
    """`size` cut into `parts` runs as equal as can be."""
    return [slice(a, b) for a, b in pairwise(size * part // parts for part in range(parts + 1))]
