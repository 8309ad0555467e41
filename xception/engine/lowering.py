"""Lowering of a fused stage: from its maps to the backend's prepared calls, for each thread."""

from __future__ import annotations

from dataclasses import replace

from ..kernels import Array, Backend, Call, Epilogue, Padding, Pair, Target, same_padding
from .buffers import Buffers, Map, Maps, select_channels, split_evenly
from .fusion import FusedStage

#: Pixels of a strip. Far fewer make BLAS repack the kernel too often; more take more memory.
STRIP_PIXELS = 1024

#: Strips of a thread's share. Bounds the calls of very large maps, whose rows are strips of their own.
MAX_STRIPS = 4096

#: Prepared calls of a strip, about ten, as Python objects. Bounds memory, and the time that preparing takes.
BYTES_PER_STRIP = 10_000


class StageLowering:
    """A fused stage with the maps it reads and writes, and the scratch memory it needs.

    A stage is split among threads by rows, by `row_shares`; or by output channels, by `gather_shares`
    and then, once all threads have met, `channel_shares`.

    Args:
        stage: The stage.
        source: The maps of its source. There may be several only if the stage is split by channels.
        residual: The maps of its residual, likewise, or None.
        raw: The maps that receive y, or None.
        active: The maps that receive max(y, 0), or None. At least one of `raw` and `active` is given.
        buffers: The source of scratch memory.
        backend: Prepares the calls.
    """

    def __init__(
        self, stage: FusedStage, source: Maps, residual: Maps | None, raw: Maps | None, active: Maps | None,
        buffers: Buffers, backend: Backend,
    ) -> None:  # fmt: skip
        self._stage, self._source, self._residual, self._raw, self._active = (
            stage, source, residual, raw, active,
        )  # fmt: skip
        self._buffers, self._backend = buffers, backend
        self._scratch: list[Array] = []
        h, w, _ = source[0].interior.shape
        self._height, self._width = stage.product_size(h, w)  # of the product, before pooling
        self._depth, self._filters = stage.matrix.shape
        self._all_channels = slice(0, self._filters)
        target = raw or active
        assert target is not None
        self._out_height, self._out_width, _ = target[0].interior.shape
        (kh, kw), (sh, sw) = stage.window, stage.strides
        self._padding = _padding_before((h, w), (kh, kw), (sh, sw), stage.padding)
        reach = (self._height - 1) * sh + kh, (self._width - 1) * sw + kw
        fits = map(int.__le__, reach, self._corner(source[0]).shape)
        assert all(fits), "internal error: a window extends beyond its map"

    def release(self) -> None:
        """Give back the scratch memory."""
        for array in self._scratch:
            self._buffers.give_back(array)

    def _take(self, *shape: int) -> Array:
        self._scratch.append(self._buffers.take(*shape))
        return self._scratch[-1]

    # --- split by output channels -------------------------------------------------------------

    def gather_shares(self, threads: int) -> list[list[Call]]:
        """Prepare the left side of the whole product.

        If the source is one map for each thread, each thread gathers from its own.

        Args:
            threads: Number of threads.

        Returns:
            The calls of each thread.
        """
        self._columns = self._take(self._height * self._width, self._depth)
        if len(self._source) > 1:
            return [self._gather(part, slice(0, self._height), self._columns) for part in self._source]
        (part,) = self._source
        return [
            self._gather(part, rows, self._columns[rows.start * self._width : rows.stop * self._width])
            for rows in split_evenly(self._height, threads)
        ]

    def channel_shares(self, threads: int) -> list[list[Call]]:
        """Prepare the product and its epilogue, for some output channels of the whole map.

        Args:
            threads: Number of threads.

        Returns:
            The calls of each thread.
        """
        return [self._channel_share(channels) for channels in split_evenly(self._filters, threads)]

    def _channel_share(self, channels: slice) -> list[Call]:
        filters = channels.stop - channels.start
        if not filters:
            return []
        y = self._take(self._height, self._width, filters)
        right = self._stage.matrix[:, channels]
        calls = self._backend.product(self._columns, right, y.reshape(-1, filters))
        pooled = scratch = None
        if self._stage.pool is not None:
            pooled = self._take(self._out_height, self._out_width, filters)
            scratch = self._take(self._out_height, self._width, filters)
        return calls + self._finish(y, 0, 0, slice(0, self._out_height), channels, pooled, scratch)

    # --- split by rows ------------------------------------------------------------------------

    def row_shares(self, threads: int) -> list[list[Call]]:
        """Prepare the whole stage for some output rows, strip by strip.

        Args:
            threads: Number of threads.

        Returns:
            The calls of each thread.
        """
        return [self._row_share(rows) for rows in split_evenly(self._out_height, threads)]

    def _row_share(self, rows: slice) -> list[Call]:
        if rows.stop <= rows.start:
            return []
        strips = self._strips(rows)
        self._buffers.count(len(strips) * BYTES_PER_STRIP)
        sources = [self._product_rows(strip) for strip in strips]
        tallest = max(source.stop - source.start for source in sources)
        columns = self._take(tallest * self._width, self._depth)
        products = self._take(tallest, self._width, self._filters)
        pooled = scratch = None
        if self._stage.pool is not None:
            tallest = max(strip.stop - strip.start for strip in strips)
            pooled = self._take(tallest, self._out_width, self._filters)
            scratch = self._take(tallest, self._width, self._filters)

        calls: list[Call] = []
        previous = slice(0, 0)
        for strip, source in zip(strips, sources, strict=True):
            # Pooling windows may overlap: rows that the previous strip has computed are carried over.
            kept = max(0, min(previous.stop, source.stop) - source.start)
            if kept:
                first = source.start - previous.start
                carry = self._backend.copy(products[first : first + kept], products[:kept])
                calls += [Call("carry", step) for _, step in carry]
            y = products[: source.stop - source.start]
            calls += self._product(slice(source.start + kept, source.stop), columns, y[kept:])
            calls += self._finish(y, source.start, kept, strip, self._all_channels, pooled, scratch)
            previous = source
        return calls

    def _strips(self, rows: slice) -> list[slice]:
        height = max(1, round(STRIP_PIXELS / self._width), -(-(rows.stop - rows.start) // MAX_STRIPS))
        if self._stage.pool is not None:
            stride, _ = self._stage.pool.strides
            height = max(1, height // stride)
        size = rows.stop - rows.start
        strips = split_evenly(size, -(-size // height))
        return [slice(rows.start + strip.start, rows.start + strip.stop) for strip in strips]

    def _product(self, rows: slice, columns: Array, y: Array) -> list[Call]:
        """Compute some rows of the product into y (rows, w, f)."""
        if not len(y):
            return []
        (part,) = self._source
        if self._stage.depthwise is None and self._stage.window == self._stage.strides == (1, 1):
            source = self._corner(part)[rows, : self._width]
            if source.flags.c_contiguous:  # a map without padding is the left side as it is
                left, right = source.reshape(-1, self._depth), self._stage.matrix
                return self._backend.product(left, right, y.reshape(-1, self._filters))
        left = columns[: len(y) * self._width]
        gather = self._gather(part, rows, left)
        return gather + self._backend.product(left, self._stage.matrix, y.reshape(-1, self._filters))

    # --- in both cases ------------------------------------------------------------------------

    def _corner(self, part: Map) -> Array:
        """Return the part of a map that begins at the corner of the first window."""
        above, left = self._padding
        return part.array[part.border[0] - above :, part.border[2] - left :]

    def _gather(self, part: Map, rows: slice, left: Array) -> list[Call]:
        """Fill `left` (rows·w, depth), the left side of some product rows, from a map of the source.

        The map may hold only some of the channels.
        """
        stage, h, w = self._stage, rows.stop - rows.start, self._width
        if h <= 0:
            return []
        x = self._corner(part)[rows.start * stage.strides[0] :]
        if stage.depthwise is None:
            out = left.reshape(h, w, *stage.window, -1)[..., part.channels]  # (h, w, kh, kw, c)
            return self._backend.gather(x, stage.window, stage.strides, out)
        kernel = self._packed("depthwise", stage.depthwise, part.channels)
        out = left.reshape(h, w, -1)[..., part.channels]  # (h, w, c)
        scratch = out if len(self._source) == 1 else self._take(*out.shape)
        return self._backend.depthwise(x, kernel, stage.window, out, scratch)

    def _finish(
        self, y: Array, first: int, kept: int, rows: slice, channels: slice,
        pooled: Array | None, scratch: Array | None,
    ) -> list[Call]:  # fmt: skip
        """Turn the product into output rows.

        `y` holds the product rows from `first` on. The first `kept` of them have their scale and bias
        already. `pooled` and `scratch` have at least as many rows as `rows`.
        """
        stage = self._stage
        affine = Epilogue(
            scale=None if stage.scale is None else self._packed("scale", stage.scale, channels),
            bias=self._packed("bias", stage.bias, channels),
        )
        targets = Epilogue(
            residual=None if self._residual is None else select_channels(self._residual, channels)[rows],
            raw=self._targets(self._raw, rows, channels),
            active=self._targets(self._active, rows, channels),
        )
        if stage.pool is None:
            return self._backend.epilogue(y, replace(targets, scale=affine.scale, bias=affine.bias))
        assert pooled is not None
        assert scratch is not None
        calls = self._backend.epilogue(y[kept:], affine) if len(y) > kept else []
        (above, left), h = stage.pool.padding_before((self._height, self._width)), rows.stop - rows.start
        window, (sh, sw) = stage.pool.window, stage.pool.strides
        top = rows.start * sh - above - first
        pooling = self._backend.max_pool(
            y, window, range(top, top + h * sh, sh), range(-left, self._out_width * sw - left, sw),
            pooled[:h], scratch[:h], targets,
        )  # fmt: skip
        return calls + pooling

    def _targets(self, maps: Maps | None, rows: slice, channels: slice) -> tuple[Target, ...]:
        if maps is None:
            return ()
        if channels == self._all_channels:
            return tuple(Target(part.interior[rows], part.channels) for part in maps)
        return (Target(select_channels(maps, channels)[rows], slice(None)),)

    def _packed(self, attribute: str, weights: Array, channels: slice) -> Array:
        """Return some channels of a stage's weights, packed for rows of the product."""
        key = attribute, self._width, channels.start, channels.stop
        packed = self._stage.packed.get(key)
        if packed is None:
            self._buffers.count(weights[..., channels].nbytes * self._width)
            packed = self._backend.pack(weights[..., channels], self._width)
            self._stage.packed[key] = packed
        return packed

    def _product_rows(self, rows: slice) -> slice:
        """Return the product rows that some output rows are computed from."""
        pool = self._stage.pool
        if pool is None:
            return rows
        (window, _), (stride, _) = pool.window, pool.strides
        above, _ = pool.padding_before((self._height, self._width))
        first, last = rows.start * stride - above, (rows.stop - 1) * stride - above + window
        return slice(max(0, first), min(self._height, last))


def _padding_before(size: Pair, window: Pair, strides: Pair, padding: Padding) -> Pair:
    """Return the padding above and to the left of a map."""
    if padding != "same":
        return 0, 0
    above, left = (same_padding(*axis)[0] for axis in zip(size, window, strides, strict=True))
    return above, left
