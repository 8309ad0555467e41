"""Memory for activations: padded maps, and buffers that are reused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..kernels import Array, aligned, whole_lines

#: Float32 elements (4 MiB) reserved at a time; smaller buffers share such a block. Bounds the cost
#: of address translation: NumPy asks for huge pages from this size on.
MIN_BLOCK_ELEMENTS = 1 << 20

Border = tuple[int, int, int, int]  #: rows above, rows below, columns left, columns right
NO_BORDER: Border = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Map:
    """An activation, or some of its channels, inside the zero padding that its readers need.

    Attributes:
        array: (above + h + below, left + w + right, c).
        border: The padding.
        channels: The channels of the activation that are here.
    """

    array: Array
    border: Border
    channels: slice

    @property
    def interior(self) -> Array:
        """The map without its padding: (h, w, c), a view."""
        above, below, left, right = self.border
        height, width, _ = self.array.shape
        return self.array[above : height - below, left : width - right]


#: An activation: one map, or for each thread a map of the channels that it computes.
Maps = tuple[Map, ...]


class OverBudget(Exception):  # noqa: N818
    """Stops the building of a schedule that would reserve more than it may."""


class Buffers:
    """Memory that is reserved while a schedule is built, and reused from stage to stage.

    Args:
        limit: Bytes that may be reserved. None only counts them: the arrays have their shapes, but no
            memory, and must not be written to.

    Attributes:
        reserved: Bytes reserved in total.
        counted: Bytes of other memory that the schedule needs.
    """

    def __init__(self, limit: float | None = math.inf) -> None:
        self._limit = limit
        self._free: list[Array] = []
        self._lent: dict[int, tuple[Array, Array]] = {}  # by identity: (array, buffer under it)
        self._free_maps: dict[tuple[tuple[int, ...], Border], list[Array]] = {}
        self._block_rest = aligned(0)
        self.reserved = self.counted = 0

    def count(self, size: int) -> None:
        """Count memory that is not reserved here.

        Args:
            size: Its bytes.

        Raises:
            OverBudget: They are more than may be reserved.
        """
        self._check(size)
        self.counted += size

    def _check(self, size: int) -> None:
        if self._limit is not None and self.reserved + self.counted + size > self._limit:
            raise OverBudget

    def take(self, *shape: int) -> Array:
        """Lend an array.

        Args:
            *shape: Its shape.

        Returns:
            An uninitialized, cache-line-aligned, contiguous float32 array.
        """
        size = math.prod(shape)
        fitting = [buffer for buffer in self._free if buffer.size >= size]
        if fitting:
            buffer = min(fitting, key=lambda candidate: candidate.size)
            self._free = [candidate for candidate in self._free if candidate is not buffer]
        else:
            buffer = self._reserve(size)
        array = buffer[:size].reshape(shape)
        self._lent[id(array)] = (array, buffer)
        return array

    def give_back(self, array: Array) -> None:
        """Take back an array that no later step reads.

        Args:
            array: An array from `take`.
        """
        self._free.append(self._lent.pop(id(array))[1])

    def take_map(self, h: int, w: int, channels: slice, border: Border) -> Map:
        """Lend a map.

        The memory of a padded map is reused only for maps of the same shape and padding, and
        nothing writes to the padding. So it is set to zero only once.

        Args:
            h: Height without padding.
            w: Width without padding.
            channels: The channels of the activation that it will hold.
            border: The padding.

        Returns:
            A map with zeros in its padding and an uninitialized interior.
        """
        above, below, left, right = border
        shape = (above + h + below, left + w + right, channels.stop - channels.start)
        if border == NO_BORDER:
            return Map(self.take(*shape), border, channels)
        free = self._free_maps.setdefault((shape, border), [])
        if free:
            return Map(free.pop(), border, channels)
        array = self._reserve(math.prod(shape)).reshape(shape)
        if self._limit is not None:
            array[:above] = array[above + h :] = 0
            array[:, :left] = array[:, left + w :] = 0
        return Map(array, border, channels)

    def give_back_map(self, part: Map) -> None:
        """Take back a map that no later step reads.

        Args:
            part: A map from `take_map`.
        """
        if part.border == NO_BORDER:
            self.give_back(part.array)
        else:
            self._free_maps[part.array.shape, part.border].append(part.array)

    def _reserve(self, size: int) -> Array:
        if size > len(self._block_rest):
            elements = max(size, MIN_BLOCK_ELEMENTS)
            self._check(4 * elements)
            self.reserved += 4 * elements
            block = aligned(elements) if self._limit is not None else phantom((elements,))
            if size >= MIN_BLOCK_ELEMENTS:
                return block
            self._block_rest = block
        array, self._block_rest = self._block_rest[:size], self._block_rest[whole_lines(size) :]
        return array


def phantom(shape: tuple[int, ...]) -> Array:
    """Return an array of a shape that takes no memory: all its elements are the same."""
    return np.broadcast_to(np.float32(0), shape)


def read_activation(maps: Maps) -> Array:
    """Return all channels of an activation with a batch axis, a copy: (1, h, w, c).

    Args:
        maps: The activation.
    """
    return np.concatenate([part.interior for part in maps], axis=-1)[np.newaxis]


def write_activation(maps: Maps, activation: Array) -> None:
    """Copy an activation into its maps.

    Args:
        maps: The destination.
        activation: (1, h, w, c).
    """
    for part in maps:
        np.copyto(part.interior, activation[0][..., part.channels])


def select_channels(maps: Maps, channels: slice) -> Array:
    """Return some channels of an activation, a view: (h, w, c).

    Args:
        maps: The activation. If there are several maps, one must hold exactly these channels.
        channels: The channels.
    """
    if len(maps) == 1:
        return maps[0].interior[..., channels]
    return next(part.interior for part in maps if part.channels == channels)


def split_evenly(size: int, parts: int) -> list[slice]:
    """Split a range into consecutive shares whose lengths differ by at most 1.

    Args:
        size: Length of the range.
        parts: Number of shares. Some are empty if there are more than `size`.

    Returns:
        The shares, in order.

    Examples:
        >>> split_evenly(5, 2)
        [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(a, b) for a, b in pairwise(size * part // parts for part in range(parts + 1))]
