"""ReLU, sums and max pooling, on reserved arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """The sum of several maps of one shape.

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
                # One of them takes the array itself; each must have its own.
                is_last = not any(wanted[i + 1 :])
                part = dy if is_last and worker.buffers.owns(dy) else worker.buffers.take(*dy.shape)
                if part is not dy:
                    part[...] = dy
                parts[i] = part
        return parts


class MaxPoolingStep(Step):
    """Max pooling, first along rows of pixels, then along columns.

    Of several maxima the first by rows has the gradient, as in TensorFlow: the first row that has the
    maximum, and in it the first pixel.

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
        along_rows = worker.buffers.take(n, h, ow, c)
        along_rows[...] = -np.inf
        for source, target in self._taps(1, w, ow):
            part = along_rows[:, :, target]
            np.maximum(part, x[:, :, source], out=part)
        y = worker.buffers.take(n, oh, ow, c)
        y[...] = -np.inf
        for source, target in self._taps(0, h, oh):
            np.maximum(y[:, target], along_rows[:, source], out=y[:, target])
        return y, (x, along_rows, y)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        x, along_rows, y = saved
        d_rows = worker.buffers.take(*along_rows.shape)
        d_rows[...] = 0
        for source, target, claimed in self._claims(0, along_rows, y):
            share = worker.buffers.take(*claimed.shape)
            np.multiply(dy[:, target], claimed, out=share)
            d_rows[:, source] += share
            worker.buffers.give(share)
        dx = worker.buffers.take(*x.shape)
        dx[...] = 0
        for source, target, claimed in self._claims(1, x, along_rows):
            share = worker.buffers.take(*claimed.shape)
            np.multiply(d_rows[:, :, target], claimed, out=share)
            dx[:, :, source] += share
            worker.buffers.give(share)
        worker.buffers.give(d_rows)
        self.discard(worker, saved)
        return [dx]

    def _claims(self, axis: int, x: Array, y: Array) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
        """Yield each tap along an axis: its pixels, its windows, and whether it is their first maximum."""
        unclaimed = np.ones(y.shape, bool)
        for source, target in self._taps(axis, x.shape[1 + axis], y.shape[1 + axis]):
            pixels, rest = (slice(None),) * (1 + axis) + (source,), (slice(None),) * (1 + axis) + (target,)
            claimed = x[pixels] == y[rest]
            claimed &= unclaimed[rest]
            unclaimed[rest] ^= claimed
            yield source, target, claimed

    def discard(self, worker: Worker, saved: Any) -> None:
        worker.buffers.give(saved[1])

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
