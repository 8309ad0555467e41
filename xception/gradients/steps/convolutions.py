"""Convolutions, with the ReLU before them and the frozen batch normalization behind them.

Frozen normalization is y = z · scale + offset for each channel of z = x · W + b. It is folded into the
kernel: y = x · W' + b', with W' = W · scale and b' = b · scale + offset. So no pass over the maps is needed,
and nothing is kept from between the two. The gradients of W' and b' give those of all parameters:

    dW = dW' · scale          dbeta = db'
    db = db' · scale          dgamma = (Σ dW' · W + db' · (b − mean)) / σ, with the sum over the inputs

since dgamma = Σ dy · (z − mean) / σ over the pixels, and Σ dy · z is Σ dW' · W + db' · b.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...graph import GraphParameters, Node
from ...kernels import Array, Pair, output_size, same_padding, windows
from ...kernels.convolution import depthwise_rows, repeat_along_row, row_windows
from ...layers import BatchNormalization, Conv2D, SeparableConv2D, pair
from ..randomness import Randomness
from .step import Step, Worker

Sums = dict[tuple[str, str], Array]


class Folded(NamedTuple):
    """A kernel with what follows it: x · matrix + offset.

    Attributes:
        matrix: (c_in, filters).
        offset: (filters,); None for 0.
        scale: (filters,) by which the layer's own kernel was multiplied; None for 1.
        deviation: (filters,) √(moving variance + epsilon); None without normalization.
    """

    matrix: Array
    offset: Array | None
    scale: Array | None
    deviation: Array | None


@dataclass(frozen=True)
class Fold:
    """A convolution, and the normalization that is folded into it.

    Attributes:
        owner: The node that owns the convolution's parameters.
        kernel: Name of the parameter that is folded.
        uses_bias: Whether the convolution has a bias.
        normalization: The node of the normalization, or None.
        trained: Owners among these two whose parameters are trained.
    """

    owner: str
    kernel: str
    uses_bias: bool
    normalization: Node | None
    trained: Collection[str]

    @property
    def is_trained(self) -> bool:
        """Whether the gradients of the folded kernel and offset are needed."""
        return bool(self.trained)

    def fold(self, parameters: GraphParameters) -> Folded:
        """Return the folded kernel."""
        arrays = parameters[self.owner]
        kernel = arrays[self.kernel]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        bias = arrays["bias"] if self.uses_bias else None
        if self.normalization is None:
            return Folded(matrix, bias, None, None)
        layer = self.normalization.layer
        assert isinstance(layer, BatchNormalization)
        moving = parameters[self.normalization.owner]
        scale, offset = layer.scale_and_offset(moving)
        deviation = np.sqrt(moving["moving_variance"] + layer.epsilon)
        offset = offset if bias is None else offset + bias * scale
        return Folded(matrix * scale, offset, scale, deviation)

    def add(self, worker: Worker, x: Array, dy: Array) -> None:
        """Add the gradients of the folded kernel and offset, from x (r, c_in) and dy (r, filters)."""
        worker.add_product(self.owner, self.kernel, x, dy)
        if self.uses_bias or self.normalization is not None:
            worker.add(self.owner, "bias", np.ones(len(dy), dy.dtype) @ dy)

    def finish(self, parameters: GraphParameters, folded: Folded, sums: Sums) -> None:
        """Convert the sums into the gradients of the convolution's and the normalization's parameters."""
        product = sums.pop((self.owner, self.kernel))  # (c_in, filters)
        offset = sums.pop((self.owner, "bias"), None)  # (filters,)
        arrays = parameters[self.owner]
        kernel = arrays[self.kernel]
        if self.normalization is not None and self.normalization.owner in self.trained:
            assert offset is not None
            assert folded.deviation is not None
            moving, layer = parameters[self.normalization.owner], self.normalization.layer
            assert isinstance(layer, BatchNormalization)
            if layer.scale:
                shift = arrays["bias"] - moving["moving_mean"] if self.uses_bias else -moving["moving_mean"]
                along_inputs = np.einsum("cf,cf->f", product, kernel.reshape(product.shape))
                sums[self.normalization.owner, "gamma"] = (along_inputs + offset * shift) / folded.deviation
            if layer.center:
                sums[self.normalization.owner, "beta"] = offset
        if self.owner in self.trained:
            if folded.scale is not None:
                product *= folded.scale
                offset = None if offset is None else offset * folded.scale
            sums[self.owner, self.kernel] = product.reshape(kernel.shape)
            if self.uses_bias:
                assert offset is not None
                sums[self.owner, "bias"] = offset


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
        padded = _padded(worker, x, before, after, self._has_relu)
        oh, ow = padded.shape[1] - self._window[0] + 1, padded.shape[2] - self._window[1] + 1
        depthwise = worker.buffers.take(n, oh, ow, c)
        _depthwise(padded, kernel, depthwise)
        y = worker.buffers.take(n, oh, ow, folded.matrix.shape[1])
        np.matmul(depthwise.reshape(-1, c), folded.matrix, out=y.reshape(n * oh * ow, -1))
        if folded.offset is not None:
            y += folded.offset
        return y, (padded, depthwise, (h, w), before)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        folded, kernel = prepared
        padded, depthwise, (h, w), before = saved
        n, oh, ow, c = depthwise.shape
        flat, dy = depthwise.reshape(-1, c), dy.reshape(n * oh * ow, -1)
        if self._fold.is_trained:
            self._fold.add(worker, flat, dy)
        trains_depthwise = self._node.owner in self._fold.trained
        dx = None
        if trains_depthwise or wanted[0]:
            np.matmul(dy, folded.matrix.T, out=flat)  # dL/d(depthwise output), in its place
            if trains_depthwise:
                taps = _depthwise_gradient(padded, depthwise, self._window)
                worker.add(self._node.owner, "depthwise_kernel", taps[..., np.newaxis])
            if wanted[0]:
                dx = self._propagate(worker, kernel, padded, depthwise, (h, w), before)
        self.discard(worker, saved)
        return [dx]

    def _propagate(
        self, worker: Worker, kernel: Array, padded: Array, dy: Array, size: Pair, before: Pair
    ) -> Array:
        """Correlate dL/dy with the kernel: a depthwise convolution with the kernel turned by 180°."""
        (kh, kw), (h, w), (n, oh, ow, c) = self._window, size, dy.shape
        above, left = kh - 1 - before[0], kw - 1 - before[1]
        spread = _padded(worker, dy, (above, left), (h + kh - 1 - oh - above, w + kw - 1 - ow - left), False)
        dx = worker.buffers.take(n, h, w, c)
        _depthwise(spread, np.ascontiguousarray(kernel[::-1, ::-1]), dx)
        worker.buffers.give(spread)
        if self._has_relu:
            np.multiply(dx, padded[:, before[0] : before[0] + h, before[1] : before[1] + w] > 0, out=dx)
        return dx

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
        n, h, w, _ = x.shape
        oh, ow = (
            output_size(size, window, stride, self._layer.padding)
            for size, window, stride in zip((h, w), self._window, self._strides, strict=True)
        )
        y = worker.buffers.take(n, oh, ow, prepared.matrix.shape[1])
        for i in range(n):  # one image at a time: the columns take kh · kw times the memory of the map
            columns = self._columns(worker, x[i : i + 1])
            np.matmul(columns, prepared.matrix, out=y[i].reshape(oh * ow, -1))
            worker.buffers.give(columns)
        if prepared.offset is not None:
            y += prepared.offset
        return y, x

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        x, (n, oh, ow, filters) = saved, dy.shape
        for i in range(n if self._fold.is_trained else 0):
            columns = self._columns(worker, x[i : i + 1])
            self._fold.add(worker, columns, dy[i].reshape(oh * ow, filters))
            worker.buffers.give(columns)
        return [self._propagate(worker, prepared.matrix, x.shape, dy) if wanted[0] else None]

    def _propagate(self, worker: Worker, matrix: Array, shape: tuple[int, ...], dy: Array) -> Array:
        """Add each tap's share of dL/dy to the pixels that it has read: the adjoint of im2col."""
        buffers, (kh, kw), (sh, sw) = worker.buffers, self._window, self._strides
        (n, h, w, c), (oh, ow, filters) = shape, dy.shape[1:]
        (above, below), (left, right) = self._padding((h, w))
        spread = buffers.take(n, above + h + below, left + w + right, c)
        spread[...] = 0
        share = buffers.take(n, oh, ow, c)
        by_tap = matrix.reshape(kh, kw, c, filters)
        for row, column in np.ndindex(kh, kw):
            np.matmul(dy.reshape(-1, filters), by_tap[row, column].T, out=share.reshape(-1, c))
            spread[:, row : row + (oh - 1) * sh + 1 : sh, column : column + (ow - 1) * sw + 1 : sw] += share
        buffers.give(share)
        if spread.shape == shape:
            return spread
        dx = buffers.take(*shape)
        dx[...] = spread[:, above : above + h, left : left + w]
        buffers.give(spread)
        return dx

    def _columns(self, worker: Worker, x: Array) -> Array:
        """Return the windows of one image, (oh · ow, kh · kw · c)."""
        (above, below), (left, right) = self._padding(x.shape[1:3])
        padded = x
        if above or below or left or right:
            padded = _padded(worker, x, (above, left), (below, right), False)
        view = windows(padded, self._window, self._strides)  # (1, oh, ow, kh, kw, c)
        columns = worker.buffers.take(view.shape[1] * view.shape[2], math.prod(view.shape[3:]))
        columns.reshape(view.shape)[...] = view
        worker.buffers.give(padded)
        return columns

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


def _padded(worker: Worker, x: Array, before: Pair, after: Pair, relu: bool) -> Array:
    """Return max(x, 0), or x, with a border of zeros: (n, h + before + after, …)."""
    n, h, w, c = x.shape
    padded = worker.buffers.take(n, before[0] + h + after[0], before[1] + w + after[1], c)
    bottom, right = before[0] + h, before[1] + w
    padded[:, : before[0]] = 0
    padded[:, bottom:] = 0
    padded[:, before[0] : bottom, : before[1]] = 0
    padded[:, before[0] : bottom, right:] = 0
    inner = padded[:, before[0] : bottom, before[1] : right]
    if relu:
        np.maximum(x, 0, out=inner)
    else:
        inner[...] = x
    return padded


def _depthwise(x: Array, kernel: Array, out: Array) -> None:
    """Convolve each channel of maps (n, h', w', c) with its filter (kh, kw, c): (n, oh, ow, c)."""
    _, oh, ow, c = out.shape
    repeated = repeat_along_row(kernel, ow)
    for image, result in zip(x, out, strict=True):
        depthwise_rows(row_windows(image, kernel.shape[:2], (oh, ow)), repeated, result.reshape(oh, ow * c))


def _depthwise_gradient(x: Array, dy: Array, window: Pair) -> Array:
    """Return dL/dkernel (kh, kw, c) of a depthwise convolution of (n, h', w', c), from (n, oh, ow, c)."""
    _, oh, ow, c = dy.shape
    total = np.zeros((*window, ow * c), dy.dtype)
    for image, gradient in zip(x, dy, strict=True):
        view = row_windows(image, window, (oh, ow))
        total += np.einsum("yxhl,hl->yxl", view, gradient.reshape(oh, ow * c))
    return total.reshape(*window, ow, c).sum(axis=2)
