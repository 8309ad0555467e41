"""Cost of a layer's plain forward pass: work and memory, known from shapes alone.

Every layer states its cost, so that a graph from a stranger's file is refused before anything is computed.
Work is counted in floating-point operations of a matrix product. Slower operations count as several,
by their time on large arrays, one thread, relative to a product of 1024×1024 matrices in float32.
"""

from __future__ import annotations

import math

from ..kernels import Interpolation, Pair, count_taps
from .base import Cost, Shape, Sizes

#: One call of a layer: ten microseconds.
OPERATIONS_PER_CALL = 1_000_000
#: One tap of a loop over the taps of a window, for a window of one element.
OPERATIONS_PER_TAP = 200_000

#: Reading and writing an element once: from 0.1 ns in the cache to 1.2 ns in memory.
OPERATIONS_PER_ELEMENT = 100
#: One inner loop along the last axis, however short: 7 to 10 ns.
OPERATIONS_PER_ROW = 1000
#: One inner loop of a sum or maximum along an axis, however short: 15 to 30 ns.
OPERATIONS_PER_REDUCTION = 3000
#: One tap of a pooling window, for an element: 0.2 to 0.6 ns, strided 1.4.
OPERATIONS_PER_POOLED_ELEMENT = 100
#: An element of the windows that are gathered for a convolution: 1.5 to 3.5 ns.
OPERATIONS_PER_GATHERED_ELEMENT = 250
#: A multiplication of a depthwise convolution with one filter per channel: 0.4 to 1.4 ns with strides.
OPERATIONS_PER_DEPTHWISE_TAP = 100
#: The same with several filters per channel: 1.3 to 4.2 ns.
OPERATIONS_PER_MULTIPLIED_TAP = 400
#: One tap of a resized element, by index: 7 to 13 ns.
OPERATIONS_PER_RESIZED_TAP = 1200


def known(shape: Shape) -> Sizes:
    """Return the output shape of a layer, all of whose inputs' sizes are known."""
    return tuple(size or 0 for size in shape)


def count(shape: Shape) -> int:
    """Return the number of elements of a shape, all of whose sizes are known."""
    return math.prod(known(shape))


def elementwise_cost(
    shape: Shape, temporaries: int = 0, operations: int = OPERATIONS_PER_ELEMENT, row_passes: int = 1
) -> Cost:
    """Return the cost of an elementwise layer.

    Args:
        shape: Shape of the output.
        temporaries: Arrays of this size besides the output, at the peak.
        operations: Work for one element.
        row_passes: Passes whose inner loops go along the last axis, which may be short.
    """
    elements, rows = count(shape), count(shape[:-1])
    work = OPERATIONS_PER_CALL + elements * operations + rows * row_passes * OPERATIONS_PER_ROW
    return Cost(work, elements * (1 + temporaries))


def reduction_cost(shape: Sizes, reductions: int = 1) -> Cost:
    """Return the cost of sums or maxima along an axis, beyond that of the elements.

    Args:
        shape: Shape of the array.
        reductions: Number of passes.
    """
    return Cost(reductions * math.prod(shape[:-1]) * OPERATIONS_PER_REDUCTION, 0)


def resize_cost(
    shape: tuple[int, int, int], size: Pair, interpolation: Interpolation, antialias: bool = False
) -> Cost:
    """Return the cost of `kernels.resize`.

    Args:
        shape: (h, w, c) of the map.
        size: (height, width) of the result.
        interpolation: One of `kernels.INTERPOLATIONS`.
        antialias: Whether the kernel is widened when an axis shrinks.
    """
    (h, w, c), (height, width) = shape, size
    cost, rows = Cost(OPERATIONS_PER_CALL, 0), height * w * c  # the rows are resized first
    for before, after, elements in ((h, height, rows), (w, width, height * width * c)):
        taps = count_taps(before, after, interpolation, antialias)
        work = taps * (OPERATIONS_PER_TAP + (elements + after) * OPERATIONS_PER_RESIZED_TAP)
        cost += Cost(work, 4 * elements + 8 * taps * after)
    return cost
