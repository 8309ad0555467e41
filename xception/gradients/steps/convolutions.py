"""Convolutions, with the ReLU before them and the frozen batch normalization after them; see `folding`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...graph import GraphParameters, Node
from ...kernels import Array, Pair, same_padding, windows
from ...kernels.convolution import depthwise_rows, repeat_along_row, row_windows
from ...layers import Conv2D, SeparableConv2D, pair
from ..randomness import Randomness
from .folding import Fold, Folded, Sums
from .step import Step, Worker

#: Rows of a matrix product, which are the pixels that pass through a step together: with 128 channels they
#: take 2 MB, which stays in the cache. Products of more rows are no quicker.
ROWS_PER_PRODUCT = 4096


class SeparableStep(Step):
    """Separable convolution with strides of 1, with the ReLU before it and the normalization behind it.

    Args:
        node: The convolution.
        activation: The node of the ReLU before it, or None.
        fold: Its pointwise kernel, and what is folded into it.
        output: The node whose activation it computes.
    """

    def __init__(self, node: Node, activation: Node | None, fold: Fold, output: str) -> None:
        assert isinstance(node.layer, SeparableConv2D)
        self.inputs = node.inputs if activation is None else activation.inputs
        self.output = output
        self._node, self._layer, self._has_relu, self._fold = node, node.layer, activation is not None, fold
        self._window = pair(node.layer.kernel_size)

    def prepare(self, parameters: GraphParameters) -> tuple[Folded, Array]:
        kernel = parameters[self._node.owner]["depthwise_kernel"][..., 0]  # (kh, kw, c)
        return self._fold.fold(parameters), kernel

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        folded, kernel = prepared
        (x,) = inputs
        n, h, w, c = x.shape
        before, after = self._padding(h, w)
        oh, ow = (
            size + sum(extra) - window + 1
            for size, extra, window in zip((h, w), zip(before, after, strict=True), self._window, strict=True)
        )
        padded = worker.buffers.take(n, before[0] + h + after[0], before[1] + w + after[1], c)
        depthwise = worker.buffers.take(n, oh, ow, c)
        y = worker.buffers.take(n, oh, ow, folded.matrix.shape[1])
        for part in _groups(n, oh * ow):
            _pad(x[part], padded[part], before, self._has_relu)
            _depthwise(padded[part], kernel, depthwise[part])
            _multiply(_rows(depthwise[part]), folded.matrix, _rows(y[part]), folded.offset)
        return y, (padded, depthwise, (h, w), before)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        folded, kernel = prepared
        padded, depthwise, (h, w), before = saved
        n, oh, ow, c = depthwise.shape
        trains_depthwise = self._node.owner in self._fold.trained
        dx = worker.buffers.take(n, h, w, c) if wanted[0] else None
        for part in _groups(n, oh * ow):
            d_depthwise, dy_rows = depthwise[part], _rows(dy[part])
            if self._fold.is_trained:
                self._fold.add(worker, _rows(d_depthwise), dy_rows)
            if trains_depthwise or dx is not None:
                _multiply(dy_rows, folded.matrix.T, _rows(d_depthwise))  # in place of the depthwise output
            if trains_depthwise:
                taps = _depthwise_gradient(padded[part], d_depthwise, self._window)
                worker.add(self._node.owner, "depthwise_kernel", taps[..., np.newaxis])
            if dx is not None:
                self._propagate(worker, kernel, padded[part], d_depthwise, dx[part], before)
        self.discard(worker, saved)
        return [dx]

    def _propagate(
        self, worker: Worker, kernel: Array, padded: Array, dy: Array, dx: Array, before: Pair
    ) -> None:
        """Correlate dL/dy with the kernel: a depthwise convolution with the kernel turned by 180°."""
        (kh, kw), (n, h, w, c) = self._window, dx.shape
        spread = worker.buffers.take(n, h + kh - 1, w + kw - 1, c)
        _pad(dy, spread, (kh - 1 - before[0], kw - 1 - before[1]), False)
        _depthwise(spread, np.ascontiguousarray(kernel[::-1, ::-1]), dx)
        worker.buffers.give(spread)
        if self._has_relu:
            np.multiply(dx, padded[:, before[0] : before[0] + h, before[1] : before[1] + w] > 0, out=dx)

    def discard(self, worker: Worker, saved: Any) -> None:
        worker.buffers.give(saved[0])
        worker.buffers.give(saved[1])

    def finish(self, parameters: GraphParameters, prepared: Any, sums: Sums) -> None:
        if self._fold.is_trained:
            self._fold.finish(parameters, prepared[0], sums)

    def _padding(self, h: int, w: int) -> tuple[Pair, Pair]:
        if self._layer.padding == "valid":
            return (0, 0), (0, 0)
        (above, below), (left, right) = (
            same_padding(size, window, 1) for size, window in zip((h, w), self._window, strict=True)
        )
        return (above, left), (below, right)


class ConvolutionStep(Step):
    """Convolution by im2col and a matrix product, with the normalization behind it.

    Args:
        node: The convolution.
        fold: Its kernel, and what is folded into it.
        output: The node whose activation it computes.
    """

    keeps_inputs = True

    def __init__(self, node: Node, fold: Fold, output: str) -> None:
        assert isinstance(node.layer, Conv2D)
        self.inputs, self.output = node.inputs, output
        self._layer, self._fold = node.layer, fold
        self._window, self._strides = pair(node.layer.kernel_size), pair(node.layer.strides)

    def prepare(self, parameters: GraphParameters) -> Folded:
        return self._fold.fold(parameters)

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        (x,) = inputs
        view, padded = self._windows(worker, x)
        y = worker.buffers.take(*view.shape[:3], prepared.matrix.shape[1])
        for columns, part in self._columns(worker, view):
            _multiply(columns, prepared.matrix, _rows(y[part]), prepared.offset)
        worker.buffers.give(padded)
        return y, x

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        if self._fold.is_trained:
            view, padded = self._windows(worker, saved)
            for columns, part in self._columns(worker, view):
                self._fold.add(worker, columns, _rows(dy[part]))
            worker.buffers.give(padded)
        if not wanted[0]:
            return [None]
        dx = worker.buffers.take(*saved.shape)
        for i in range(len(dx)):
            self._propagate(worker, prepared.matrix, dy[i], dx[i])
        return [dx]

    def _propagate(self, worker: Worker, matrix: Array, dy: Array, dx: Array) -> None:
        """Add each tap's share of dL/dy to the pixels that it has read: the adjoint of im2col."""
        buffers, (kh, kw), (sh, sw) = worker.buffers, self._window, self._strides
        (h, w, c), (oh, ow, filters) = dx.shape, dy.shape
        (above, below), (left, right) = self._padding((h, w))
        spread = buffers.take(above + h + below, left + w + right, c)
        spread[...] = 0
        share = buffers.take(oh, ow, c)
        by_tap = matrix.reshape(kh, kw, c, filters)
        for row, column in np.ndindex(kh, kw):
            _multiply(_rows(dy), by_tap[row, column].T, _rows(share))
            spread[row : row + (oh - 1) * sh + 1 : sh, column : column + (ow - 1) * sw + 1 : sw] += share
        dx[...] = spread[above : above + h, left : left + w]
        buffers.give(share)
        buffers.give(spread)

    def _windows(self, worker: Worker, x: Array) -> tuple[Array, Array]:
        """Return a view of the windows (n, oh, ow, kh, kw, c), and the padded maps under it."""
        (above, below), (left, right) = self._padding(x.shape[1:3])
        if not (above or below or left or right):
            return windows(x, self._window, self._strides), np.empty(0)
        n, h, w, c = x.shape
        padded = worker.buffers.take(n, above + h + below, left + w + right, c)
        _pad(x, padded, (above, left), False)
        return windows(padded, self._window, self._strides), padded

    def _columns(self, worker: Worker, view: Array) -> Iterator[tuple[Array, tuple[slice, slice]]]:
        """Yield windows as rows of a matrix (r, kh · kw · c), with the slices of images and output rows."""
        n, oh, ow, *window = view.shape
        images = max(1, ROWS_PER_PRODUCT // (oh * ow))
        rows = max(1, ROWS_PER_PRODUCT // ow)
        for first in range(0, n, images):
            for top in range(0, oh, rows):
                part = slice(first, min(first + images, n)), slice(top, min(top + rows, oh))
                chosen = view[part]
                columns = worker.buffers.take(*chosen.shape)
                columns[...] = chosen
                yield columns.reshape(-1, math.prod(window)), part
                worker.buffers.give(columns)

    def _padding(self, size: Pair) -> tuple[Pair, Pair]:
        """Return the padding (above, below), (left, right)."""
        if self._layer.padding == "valid":
            return (0, 0), (0, 0)
        (h, kh, sh), (w, kw, sw) = zip(size, self._window, self._strides, strict=True)
        return same_padding(h, kh, sh), same_padding(w, kw, sw)

    def finish(self, parameters: GraphParameters, prepared: Any, sums: Sums) -> None:
        if self._fold.is_trained:
            self._fold.finish(parameters, prepared, sums)


# --- arithmetic -----------------------------------------------------------------------------


def _rows(maps: Array) -> Array:
    """Return maps (…, c) as a matrix of pixels, (r, c)."""
    return maps.reshape(-1, maps.shape[-1])


def _groups(count: int, pixels: int) -> Iterator[slice]:
    """Yield the images that are computed together.

    Args:
        count: Number of images.
        pixels: Pixels of an output map.
    """
    size = max(1, ROWS_PER_PRODUCT // pixels)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def _multiply(x: Array, matrix: Array, out: Array, offset: Array | None = None) -> None:
    """Compute x · matrix + offset, (r, c_in) -> (r, filters), some rows at a time."""
    for first in range(0, len(x), ROWS_PER_PRODUCT):
        part = slice(first, first + ROWS_PER_PRODUCT)
        np.matmul(x[part], matrix, out=out[part])
        if offset is not None:
            out[part] += offset


def _pad(x: Array, padded: Array, before: Pair, relu: bool) -> None:
    """Copy max(x, 0), or x, into maps whose border becomes zeros."""
    (top, left), (bottom, right) = before, (before[0] + x.shape[1], before[1] + x.shape[2])
    padded[:, :top] = 0
    padded[:, bottom:] = 0
    padded[:, top:bottom, :left] = 0
    padded[:, top:bottom, right:] = 0
    if relu:
        np.maximum(x, 0, out=padded[:, top:bottom, left:right])
    else:
        padded[:, top:bottom, left:right] = x


def _depthwise(x: Array, kernel: Array, out: Array) -> None:
    """Convolve each channel of maps (n, h', w', c) with its filter (kh, kw, c): (n, oh, ow, c)."""
    _, oh, ow, c = out.shape
    repeated = repeat_along_row(kernel, ow)
    for image, result in zip(x, out, strict=True):
        depthwise_rows(row_windows(image, kernel.shape[:2], (oh, ow)), repeated, result.reshape(oh, ow * c))


def _depthwise_gradient(x: Array, dy: Array, window: Pair) -> Array:
    """Return dL/dkernel (kh, kw, c) of a depthwise convolution of (n, h', w', c), from (n, oh, ow, c)."""
    n, oh, ow, c = dy.shape
    _, in_row, in_pixel, in_element = x.strides
    # As in `row_windows`, a row of outputs is one run of ow·c elements.
    shape, strides = (*window, n, oh, ow * c), (in_row, in_pixel, x.strides[0], in_row, in_element)
    view = as_strided(x, shape, strides, writeable=False)
    products = np.einsum("yxnhl,nhl->yxl", view, dy.reshape(n, oh, ow * c))
    return products.reshape(*window, ow, c).sum(axis=2)
