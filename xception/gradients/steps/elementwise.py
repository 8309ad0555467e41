"""ReLU, sums and max pooling, on reserved arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...graph import Node
from ...kernels import Array, output_size, same_padding
from ...layers import MaxPooling2D
from ..randomness import Randomness
from .step import Step, Worker


class ReLUStep(Step):
    """max(x, 0). Its derivative at 0 is 0, as in TensorFlow.

    Args:
        node: The node.
    """

    keeps_output = True

    def __init__(self, node: Node) -> None:
        self.inputs, self.output = node.inputs, node.name

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        (x,) = inputs
        y = x if free[0] else worker.buffers.take(*x.shape)
        np.maximum(x, 0, out=y)
        return y, y

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        dx = dy if worker.buffers.owns(dy) else worker.buffers.take(*dy.shape)
        np.multiply(dy, saved > 0, out=dx)
        return [dx]


class AddStep(Step):
    """Sum of several inputs of one shape.

    Args:
        node: The node.
    """

    def __init__(self, node: Node) -> None:
        self.inputs, self.output = node.inputs, node.name

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        y = inputs[0] if free[0] else worker.buffers.take(*inputs[0].shape)
        np.add(inputs[0], inputs[1], out=y)
        for x in inputs[2:]:
            y += x
        return y, None

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        parts: list[Array | None] = [None] * len(wanted)
        for i in range(len(wanted)):
            if wanted[i]:
                # No two inputs may share dy: the last one takes it, the others take copies.
                is_last = not any(wanted[i + 1 :])
                part = dy if is_last and worker.buffers.owns(dy) else worker.buffers.take(*dy.shape)
                if part is not dy:
                    part[...] = dy
                parts[i] = part
        return parts


class MaxPoolingStep(Step):
    """Max pooling, first along rows of pixels, then along columns.

    Where several pixels of a window have the maximum, the gradient goes to the first one by rows, as in
    TensorFlow.

    Args:
        node: The node.
    """

    keeps_inputs = keeps_output = True

    def __init__(self, node: Node) -> None:
        assert isinstance(node.layer, MaxPooling2D)
        self.inputs, self.output = node.inputs, node.name
        self._window, self._strides = node.layer.geometry
        self._padding = node.layer.padding

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        (x,) = inputs
        n, h, w, c = x.shape
        oh, ow = self._size(0, h), self._size(1, w)
        along_rows, y = worker.buffers.take(n, h, ow, c), worker.buffers.take(n, oh, ow, c)
        for i in range(n):
            self._maximum(1, x[i], along_rows[i])
            self._maximum(0, along_rows[i], y[i])
        return y, (x, along_rows, y)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        x, along_rows, y = saved
        d_rows, dx = worker.buffers.take(*along_rows.shape), worker.buffers.take(*x.shape)
        for i in range(len(x)):  # one image at a time, which stays in the cache
            self._propagate(worker, 0, along_rows[i], y[i], dy[i], d_rows[i])
            self._propagate(worker, 1, x[i], along_rows[i], d_rows[i], dx[i])
        worker.buffers.give(d_rows)
        self.discard(worker, saved)
        return [dx]

    def _propagate(self, worker: Worker, axis: int, x: Array, y: Array, dy: Array, dx: Array) -> None:
        """Propagate along one axis of a map, from the maxima y to the first pixel of x that equals each."""
        x, dx, y, dy = (np.moveaxis(array, axis, 0) for array in (x, dx, y, dy))
        taken = np.zeros(y.shape, bool)  # maxima whose pixel is known
        written = np.zeros(len(x), bool)
        for source, target in self._taps(axis, len(x), len(y)):
            claimed = np.equal(x[source], y[target])
            np.greater(claimed, taken[target], out=claimed)
            taken[target] |= claimed
            if written[source].any():  # another tap has read some of these pixels
                dx[source][~written[source]] = 0
                share = worker.buffers.take(*claimed.shape)
                np.multiply(dy[target], claimed, out=share)
                dx[source] += share
                worker.buffers.give(share)
            else:
                np.multiply(dy[target], claimed, out=dx[source])
            written[source] = True
        dx[~written] = 0

    def discard(self, worker: Worker, saved: Any) -> None:
        worker.buffers.give(saved[1])

    def _maximum(self, axis: int, x: Array, y: Array) -> None:
        """Take the maximum of each window along one axis of a map."""
        x, y = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
        y[...] = -np.inf
        for source, target in self._taps(axis, len(x), len(y)):
            np.maximum(y[target], x[source], out=y[target])

    def _size(self, axis: int, size: int) -> int:
        return output_size(size, self._window[axis], self._strides[axis], self._padding)

    def _taps(self, axis: int, size: int, count: int) -> Iterator[tuple[slice, slice]]:
        """Yield, for each tap along an axis, the pixels that it reads, and the windows that have them."""
        window, stride = self._window[axis], self._strides[axis]
        before = same_padding(size, window, stride)[0] if self._padding == "same" else 0
        for tap in range(window):
            first = max(0, -(-(before - tap) // stride))  # the first window whose tap is on the map
            last = min(count - 1, (size - 1 + before - tap) // stride)
            if last >= first:
                start = first * stride + tap - before
                yield (
                    slice(start, start + (last - first) * stride + 1, stride),
                    slice(first, last + 1),
                )
