"""Backend interface: the steps of the quick forward pass, prepared on reserved arrays.

A backend method does not compute. It returns prepared calls, in the order in which they must run.
They have fixed arguments and may run many times, on whatever the arrays hold at the time. The
interface is coarse, so that a compiled backend can do a whole epilogue in one call.

All maps are float32 and have no batch axis: (h, w, c), with contiguous pixels. Their rows may lie
apart: a map is often the interior of a padded one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .geometry import Array, Pair

Step = Callable[[], object]  #: a prepared call


class Call(NamedTuple):
    """A step, and what kind of work it is."""

    kind: str  #: a label for profiles: "gather", "product", "relu", …
    step: Step


@dataclass(frozen=True)
class Target:
    """Where some channels of a result go.

    Attributes:
        array: Part of a map, (h, w, c).
        channels: The c channels of the result that it receives.
    """

    array: Array
    channels: slice


@dataclass(frozen=True)
class Epilogue:
    """What follows a product y (h, w, c): y·scale + bias + residual, and where it goes.

    Attributes:
        scale: From `Backend.pack`. None means 1.
        bias: From `Backend.pack`. None means 0.
        residual: A map of y's shape to be added, or None.
        raw: Targets of the result. A target that holds all channels may share the residual's memory.
        active: Targets of max(result, 0).
    """

    scale: Array | None = None
    bias: Array | None = None
    residual: Array | None = None
    raw: tuple[Target, ...] = ()
    active: tuple[Target, ...] = ()


class Backend(Protocol):
    """Prepares the work of a stage: gather or depthwise, product, epilogue, pooling."""

    def pack(self, weights: Array, width: int) -> Array:
        """Lay out per-channel weights as `depthwise` and `epilogue` read them.

        Args:
            weights: A depthwise kernel (kh, kw, c), or a scale or bias (c,).
            width: Pixels in a row of the output.

        Returns:
            A new array. It is packed once, and reused for all maps of this width.
        """
        ...

    def gather(self, x: Array, window: Pair, strides: Pair, out: Array) -> list[Call]:
        """Copy windows side by side: the left side of a product (im2col).

        Args:
            x: A map that begins at the corner of the first window, (h', w', c). It contains all windows.
            window: (kh, kw).
            strides: Steps between windows.
            out: (h, w, kh, kw, c). Its channels are contiguous; they may be some of a wider array.

        Returns:
            The prepared calls.
        """
        ...

    def depthwise(self, x: Array, kernel: Array, window: Pair, out: Array, scratch: Array) -> list[Call]:
        """Convolve each channel with its own filter, with strides of 1.

        Args:
            x: A map that begins at the corner of the first window, (h', w', c). It contains all windows.
            kernel: From `pack`, for the width of `out`.
            window: (kh, kw).
            out: (h, w, c). Its channels are contiguous; they may be some of a wider array.
            scratch: (h, w, c), contiguous, free to use while the calls run. May be `out`, if that
                is contiguous.

        Returns:
            The prepared calls.
        """
        ...

    def product(self, left: Array, right: Array, out: Array) -> list[Call]:
        """Multiply two matrices.

        Args:
            left: (m, k), contiguous.
            right: (k, n), its rows contiguous.
            out: (m, n), contiguous.

        Returns:
            The prepared calls.
        """
        ...

    def epilogue(self, y: Array, epilogue: Epilogue) -> list[Call]:
        """Finish a product: scale, bias, residual, ReLU, and copies into padded maps.

        Args:
            y: (h, w, c), contiguous. Overwritten with the result, unless a single target in
                `epilogue.raw` receives all of it.
            epilogue: The operations, and the targets of the result.

        Returns:
            The prepared calls.
        """
        ...

    def max_pool(
        self, y: Array, window: Pair, rows: range, columns: range, out: Array, scratch: Array,
        epilogue: Epilogue,
    ) -> list[Call]:  # fmt: skip
        """Take the maximum of each window, then finish the result.

        Args:
            y: (h, w, c), contiguous.
            window: (kh, kw). Windows are cut off at the edges of `y`.
            rows: The first row of the window of each output row. The step of the range is the
                stride; it may start below 0.
            columns: The first column of the window of each output column, likewise.
            out: Receives the maxima, (oh, ow, c), contiguous.
            scratch: (oh, w, c), contiguous, free to use while the calls run.
            epilogue: What follows on `out`, as in `epilogue`.

        Returns:
            The prepared calls.
        """
        ...

    def copy(self, x: Array, out: Array) -> list[Call]:
        """Copy one array into another of its shape. They may overlap.

        Args:
            x: The source.
            out: The destination.

        Returns:
            The prepared calls.
        """
        ...
