"""NumPy backend: each step as prepared NumPy calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .backend import Backend, Call, Epilogue, Step
from .convolution import depthwise_rows, repeat_along_row, row_windows
from .geometry import Array, Pair, windows


class NumPyBackend:
    """The default backend. Its methods are documented in `Backend`."""

    def pack(self, weights: Array, width: int) -> Array:
        return repeat_along_row(weights, width)

    def gather(self, x: Array, window: Pair, strides: Pair, out: Array) -> list[Call]:
        (kh, kw), (sh, sw), (h, w, *_, c) = window, strides, out.shape
        if window == (1, 1):
            out = out[:, :, 0, 0]
            source = x[: (h - 1) * sh + 1 : sh, : (w - 1) * sw + 1 : sw]  # (h, w, c)
        elif out.flags.c_contiguous:
            # A row of a window is one run. Copied as one item, it takes a third of the time.
            item = np.dtype((np.void, kw * c * out.itemsize))
            in_row, in_pixel, _ = x.strides
            run = x[0].reshape(-1)[: kw * c].view(item)
            items = as_strided(run, (h, w, kh), (in_row * sh, in_pixel * sw, in_row))
            item_out = out.reshape(-1).view(item).reshape(h, w, kh)
            return [Call("gather", partial(np.copyto, item_out, items))]
        else:
            source = windows(x[np.newaxis], window, strides)[0, :h, :w]  # (h, w, kh, kw, c)
        return [Call("gather", partial(np.copyto, out, source))]

    def depthwise(self, x: Array, kernel: Array, window: Pair, out: Array, scratch: Array) -> list[Call]:
        h, w, c = out.shape
        runs = _as_runs(out)
        view = row_windows(x, window, (h, w))
        if runs is not None:
            return [Call("gather", partial(depthwise_rows, view, kernel, runs))]
        return [
            Call("gather", partial(depthwise_rows, view, kernel, scratch.reshape(h, w * c))),
            Call("gather", partial(np.copyto, out, scratch)),
        ]

    def product(self, left: Array, right: Array, out: Array) -> list[Call]:
        return [Call("product", partial(np.matmul, left, right, out=out))]

    def epilogue(self, y: Array, epilogue: Epilogue) -> list[Call]:
        calls: list[Call] = []
        runs = y.reshape(len(y), -1)  # (h, w·c): NumPy is faster with few long runs
        if epilogue.scale is not None:
            calls.append(Call("scale", partial(np.multiply, runs, epilogue.scale, out=runs)))
        if epilogue.bias is not None:
            calls.append(Call("bias", partial(np.add, runs, epilogue.bias, out=runs)))
        raw = epilogue.raw
        if epilogue.residual is not None:
            result = y
            if len(raw) == 1 and raw[0].array.shape == y.shape:
                result, raw = raw[0].array, ()
            residual, y, out = _matched(epilogue.residual, y, result)
            calls.append(Call("add", partial(np.add, residual, y, out=out)))
            y = result
        for target in raw:
            values, out = _matched(y[..., target.channels], target.array)
            calls.append(Call("copy", partial(np.copyto, out, values)))
        for target in epilogue.active:
            values, out = _matched(y[..., target.channels], target.array)
            # Against a row of zeros: against a single zero, NumPy takes three times as long.
            calls.append(Call("relu", partial(np.maximum, values, _zeros(values.shape[-1]), out=out)))
        return calls

    def max_pool(
        self, y: Array, window: Pair, rows: range, columns: range, out: Array, scratch: Array,
        epilogue: Epilogue,
    ) -> list[Call]:  # fmt: skip
        # Down the columns first, whole rows at a time, then along the rows.
        kh, kw = window
        steps = [
            *_max_pool_axis(y, kh, rows, scratch),
            *_max_pool_axis(scratch.swapaxes(0, 1), kw, columns, out.swapaxes(0, 1)),
        ]
        return [Call("pool", step) for step in steps] + self.epilogue(out, epilogue)

    def copy(self, x: Array, out: Array) -> list[Call]:
        return [Call("copy", partial(np.copyto, out, x))]


NUMPY: Backend = NumPyBackend()


def _as_runs(x: Array) -> Array | None:
    """Return x (h, w, c) as (h, w·c), without a copy; None if its rows are not contiguous."""
    return x.reshape(len(x), -1) if x[:1].flags.c_contiguous else None


def _matched(*arrays: Array) -> Sequence[Array]:
    """Return arrays (h, w, c) as (h, w·c), unless the rows of one of them are not contiguous."""
    runs = [run for run in map(_as_runs, arrays) if run is not None]
    return runs if len(runs) == len(arrays) else arrays


@lru_cache(maxsize=64)
def _zeros(size: int) -> Array:
    return np.zeros(size, np.float32)


def _max_pool_axis(y: Array, window: int, starts: range, out: Array) -> Iterator[Step]:
    """Yield the steps for out[i] = max(y[starts[i] : starts[i] + window]), along the first axis.

    Windows are cut off at the ends of `y`.
    """
    whole = [i for i, start in enumerate(starts) if start >= 0 and start + window <= len(y)]
    first, stop = (whole[0], whole[-1] + 1) if whole else (0, 0)
    if whole:  # these follow each other: one pass for each tap
        begin, reach = starts[first], (stop - first - 1) * starts.step + 1
        taps = [y[begin + tap : begin + tap + reach : starts.step] for tap in range(window)]
        yield from _maximum(taps, out[first:stop])
    for i, start in enumerate(starts):
        if not first <= i < stop:
            inside = range(max(0, start), min(len(y), start + window))
            yield from _maximum([y[position] for position in inside], out[i])


def _maximum(arrays: Sequence[Array], out: Array) -> Iterator[Step]:
    """Yield the steps for the elementwise maximum of one or more arrays."""
    if len(arrays) == 1:
        yield partial(np.copyto, out, arrays[0])
        return
    yield partial(np.maximum, arrays[0], arrays[1], out=out)
    for array in arrays[2:]:
        yield partial(np.maximum, out, array, out=out)
