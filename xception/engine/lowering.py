"""One stage on its maps: the calls for some of its rows, or for some of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..kernels import Array, same_padding
from .buffers import Buffers, Map, Maps, channels, shares
from .fusion import Stage
from .team import Step

STRIP = 1024  #: pixels; with far fewer, BLAS packs the kernel too often; more take more memory

Labelled = Iterator[tuple[str, Step]]  #: what kind of work, and the call


class Work:
    """A stage, the maps that it reads and writes, and the memory that it takes meanwhile."""

    def __init__(
        self,
        stage: Stage,
        source: Maps,
        residual: Maps | None,
        raw: Maps | None,
        active: Maps | None,
        buffers: Buffers,
    ) -> None:
        self.stage, self.source, self.residual, self.raw, self.active = stage, source, residual, raw, active
        self._buffers = buffers
        self._taken: list[Array] = []
        self._tiled: dict[tuple[str, int, int], Array] = {}
        h, w, _ = source[0].interior.shape
        self.height, self.width = stage.product_size(h, w)
        self.pixels = self.height * self.width
        self.depth, self.filters = stage.matrix.shape
        target = raw or active
        assert target is not None
        self.out_height, self.out_width, _ = target[0].interior.shape
        (kh, kw), (sh, sw) = stage.window, stage.strides
        same = stage.padding == "same"
        self._before = (same_padding(h, kh, sh)[0], same_padding(w, kw, sw)[0]) if same else (0, 0)
        reach = (self.height - 1) * sh + kh, (self.width - 1) * sw + kw
        fits = map(int.__le__, reach, self._corner(source[0]).shape)
        assert all(fits), "a window would reach beyond its map"

    def done(self) -> None:
        """Give back the memory that only this stage needs."""
        for array in self._taken:
            self._buffers.give_back(array)

    def _scratch(self, *shape: int) -> Array:
        self._taken.append(self._buffers.take(*shape))
        return self._taken[-1]

    # --- gathering --------------------------------------------------------------------------

    def _corner(self, part: Map) -> Array:
        """A map from the first window's corner on."""
        above, left = self._before
        return part.array[part.border[0] - above :, part.border[2] - left :]

    def gather(self, part: Map, rows: slice, columns: Array) -> list[Step]:
        """Fill `columns` (rows·w, depth) with the product's left side for these rows of it, as far
        as it comes from this part of the source."""
        (kh, kw), (sh, sw) = self.stage.window, self.stage.strides
        h, w, c = rows.stop - rows.start, self.width, part.span.stop - part.span.start
        if h <= 0:
            return []
        whole = len(self.source) == 1
        corner = self._corner(part)[rows.start * sh :]
        in_row, in_pixel, in_number = corner.strides
        kernel = self.stage.repeated_depthwise(w, part.span)
        if kernel is not None:
            # Outputs along a row are one run, as in kernels.depthwise_conv2d.
            view = as_strided(corner, (kh, kw, h, w * c), (in_row, in_pixel, in_row, in_number))
            result = columns if whole else self._scratch(h * w, c)
            steps: list[Step] = [
                partial(np.einsum, "yxhl,yxl->hl", view, kernel, out=result.reshape(h, w * c))
            ]
            return steps if whole else [*steps, partial(np.copyto, columns[:, part.span], result)]
        if (kh, kw) == (1, 1):
            view = corner[: (h - 1) * sh + 1 : sh, : (w - 1) * sw + 1 : sw]
            return [partial(np.copyto, columns.reshape(h, w, -1)[..., part.span], view)]
        if not whole:
            view = as_strided(
                corner, (h, w, kh, kw, c), (in_row * sh, in_pixel * sw, in_row, in_pixel, in_number)
            )
            return [partial(np.copyto, columns.reshape(h, w, kh, kw, -1)[..., part.span], view)]
        # A row of a window is one run too. Copied as one item it takes a third of the time.
        item = np.dtype((np.void, kw * c * in_number))
        first = corner[0].reshape(-1)[: kw * c].view(item)
        view = as_strided(first, (h, w, kh), (in_row * sh, in_pixel * sw, in_row))
        return [partial(np.copyto, columns.reshape(-1).view(item).reshape(h, w, kh), view)]

    def _left_side(self, rows: slice, columns: Array) -> tuple[list[Step], Array]:
        """The steps that fill the product's left side, and where it is: a 1×1 convolution takes
        its source's rows as they are, where they have no border."""
        (part,) = self.source
        if self.stage.depthwise is None and self.stage.window == self.stage.strides == (1, 1):
            as_they_are = self._corner(part)[rows, : self.width]
            if as_they_are.flags.c_contiguous:
                return [], as_they_are.reshape(-1, self.depth)
        left = columns[: (rows.stop - rows.start) * self.width]
        return self.gather(part, rows, left), left

    # --- by columns -------------------------------------------------------------------------

    def reserve_columns(self) -> Array:
        """The whole product's left side (h·w, depth), to be gathered before any share is taken."""
        self._columns = self._scratch(self.pixels, self.depth)
        return self._columns

    def share_of_columns(self, span: slice) -> Labelled:
        """Product and what rides on it for the output channels `span`, over the whole map."""
        stage, filters = self.stage, span.stop - span.start
        if not filters:
            return
        y = self._scratch(self.height, self.width, filters)
        matrix = stage.matrix[:, span]
        yield "product", partial(np.matmul, self._columns, matrix, out=y.reshape(self.pixels, filters))
        yield from self._scale_and_bias(y, span)
        if stage.pool is not None:
            pooled = self._scratch(self.out_height, self.out_width, filters)
            halfway = self._scratch(self.out_height, self.width, filters)
            yield from labelled("pool", self._pool(y, 0, slice(0, self.out_height), pooled, halfway))
            y = pooled
        raw = None if self.raw is None else channels(self.raw, span)
        if self.residual is not None:
            target = y if raw is None else raw
            yield "add", partial(np.add, channels(self.residual, span), y, out=target)
            y = target
        elif raw is not None:
            yield "copy", partial(np.copyto, raw, y)
        if self.active is not None:
            yield "relu", _relu(y, channels(self.active, span))

    # --- by rows ----------------------------------------------------------------------------

    def share_of_rows(self, rows: slice) -> Labelled:
        """Everything for these output rows, strip by strip."""
        if rows.stop <= rows.start:
            return
        strips = self._strips(rows)
        needed = [self._rows_under(strip) for strip in strips]
        tallest = max(need.stop - need.start for need in needed)
        columns = self._scratch(tallest * self.width, self.depth)
        products = self._scratch(tallest, self.width, self.filters)
        tallest = max(strip.stop - strip.start for strip in strips)
        pooled = halfway = products[:0]
        if self.stage.pool is not None:
            pooled = self._scratch(tallest, self.out_width, self.filters)
            halfway = self._scratch(tallest, self.width, self.filters)

        before = slice(0, 0)
        for strip, need in zip(strips, needed, strict=True):
            # Rows that the strip before needed too are there already.
            known = max(0, min(before.stop, need.stop) - need.start)
            if known:
                there = need.start - before.start
                yield "carry", partial(np.copyto, products[:known], products[there : there + known])
            before = need
            product = products[: need.stop - need.start]
            yield from self._product_of(slice(need.start + known, need.stop), columns, product[known:])
            y = product
            if self.stage.pool is not None:
                h = strip.stop - strip.start
                yield from labelled("pool", self._pool(product, need.start, strip, pooled[:h], halfway[:h]))
                y = pooled[:h]
            yield from self._finish(strip, y.reshape(len(y), -1))

    def _product_of(self, rows: slice, columns: Array, y: Array) -> Labelled:
        """The product's rows `rows`, with scale and bias, into `y` (rows, w, f)."""
        if not len(y):
            return
        steps, left = self._left_side(rows, columns)
        yield from labelled("gather", steps)
        yield "product", partial(np.matmul, left, self.stage.matrix, out=y.reshape(-1, self.filters))
        yield from self._scale_and_bias(y, slice(None))

    def _scale_and_bias(self, y: Array, span: slice) -> Labelled:
        """For a product y (h, w, f) of the output channels `span`."""
        runs = y.reshape(len(y), -1)  # (h, w·f): NumPy is quicker with few long runs
        if self.stage.scale is not None:
            yield "scale", partial(np.multiply, runs, self._along("scale", span), out=runs)
        yield "bias", partial(np.add, runs, self._along("bias", span), out=runs)

    def _along(self, name: str, span: slice) -> Array:
        """The stage's scale or bias, once for every pixel of a row: (w·f,)."""
        key = name, span.start, span.stop
        if key not in self._tiled:
            self._tiled[key] = np.tile(getattr(self.stage, name)[span], self.width)
        return self._tiled[key]

    def _finish(self, rows: slice, y: Array) -> Labelled:
        """Residual, raw map and ReLU for the output rows `rows`; y (rows, ow·f)."""
        if self.residual is not None:
            (residual,) = self.residual
            target = self.raw[0].rows[rows] if self.raw is not None and len(self.raw) == 1 else y
            yield "add", partial(np.add, residual.rows[rows], y, out=target)
            y = target
        for part in self.raw or ():
            inside, values = self._side_by_side(part, rows, y)
            if inside.ctypes.data != values.ctypes.data:  # not where the sum went
                yield "copy", partial(np.copyto, inside, values)
        for part in self.active or ():
            inside, values = self._side_by_side(part, rows, y)
            yield "relu", _relu(values, inside)

    def _side_by_side(self, part: Map, rows: slice, y: Array) -> tuple[Array, Array]:
        """Rows of a part of the output, and the numbers of y (rows, ow·f) that belong there."""
        if part.span.stop - part.span.start == self.filters:
            return part.rows[rows], y
        return part.interior[rows], y.reshape(len(y), self.out_width, self.filters)[..., part.span]

    def _strips(self, rows: slice) -> list[slice]:
        height = max(1, round(STRIP / self.width))
        if self.stage.pool is not None:
            _, (stride, _) = self.stage.pool.geometry
            height = max(1, height // stride)
        size = rows.stop - rows.start
        parts = shares(size, -(-size // height))
        return [slice(rows.start + part.start, rows.start + part.stop) for part in parts]

    # --- pooling ----------------------------------------------------------------------------

    def _rows_under(self, rows: slice) -> slice:
        """The product's rows that these output rows are made of."""
        pool = self.stage.pool
        if pool is None:
            return rows
        (window, _), (stride, _) = pool.geometry
        above = same_padding(self.height, window, stride)[0] if pool.padding == "same" else 0
        first, last = rows.start * stride - above, (rows.stop - 1) * stride - above + window
        return slice(max(0, first), min(self.height, last))

    def _pool(self, y: Array, first: int, rows: slice, target: Array, halfway: Array) -> Iterator[Step]:
        """Max pooling to the output rows `rows`; `y` holds the product from row `first` on.

        Down the columns first, whole rows at a time, then along the rows.
        """
        pool = self.stage.pool
        assert pool is not None
        sizes, same = (self.height, self.width), pool.padding == "same"
        down, along = (
            (size, window, stride, same_padding(size, window, stride)[0] if same else 0)
            for size, window, stride in zip(sizes, *pool.geometry, strict=True)
        )
        yield from _pool_axis(y, first, rows, halfway, *down)
        every = slice(0, self.out_width)
        yield from _pool_axis(halfway.swapaxes(0, 1), 0, every, target.swapaxes(0, 1), *along)


def labelled(kind: str, steps: Iterator[Step] | Sequence[Step]) -> Labelled:
    for step in steps:
        yield kind, step


def _relu(y: Array, target: Array) -> Step:
    # Against a row of zeros: NumPy takes thrice as long against a single one.
    return partial(np.maximum, y, _zeros(y.shape[-1]), out=target)


@lru_cache(maxsize=64)
def _zeros(size: int) -> Array:
    return np.zeros(size, np.float32)


def _pool_axis(
    y: Array, first: int, outputs: slice, target: Array, size: int, window: int, stride: int, before: int
) -> Iterator[Step]:
    """target[i] = the greatest of output i's window along the first axis.

    `y` holds the positions from `first` on, of `size`. Windows are cut off at the map's edge.
    """
    starts = [output * stride - before for output in range(outputs.start, outputs.stop)]
    whole = [i for i, start in enumerate(starts) if start >= 0 and start + window <= size]
    if whole:
        a, b = whole[0], whole[-1] + 1
        begin, reach = starts[a] - first, (b - a - 1) * stride + 1
        parts = [y[begin + step : begin + step + reach : stride] for step in range(window)]
        yield from _greatest(parts, target[a:b])
    for i, start in enumerate(starts):
        if i not in whole:
            inside = range(max(0, start), min(size, start + window))
            yield from _greatest([y[position - first] for position in inside], target[i])


def _greatest(parts: Sequence[Array], target: Array) -> Iterator[Step]:
    if len(parts) == 1:
        yield partial(np.copyto, target, parts[0])
        return
    yield partial(np.maximum, parts[0], parts[1], out=target)
    for part in parts[2:]:
        yield partial(np.maximum, target, part, out=target)
