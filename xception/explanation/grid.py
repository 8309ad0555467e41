"""Where on the image the cells of a map look.

A cell of a map (h, w, c) sees a part of the image, its receptive field. Windows with an even border
to one side only ('same' at stride 2) move its middle, step by step: in Xception at 150×150 the last
of five cells along a row stands at 145.5 pixels, not at 135, where an even grid would have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, Node
from ..kernels import Array, Pair, same_padding, spread
from ..layers import (
    AveragePooling2D,
    Conv2D,
    Cropping2D,
    DepthwiseConv2D,
    MaxPooling2D,
    Resizing,
    SeparableConv2D,
    Shape,
    UpSampling2D,
    ZeroPadding2D,
    pair,
)
from ..layers.reshaping import sides


@dataclass(frozen=True, eq=False)
class Grid:
    """The middles of a map's rows (h,) and columns (w,), as parts of the image's height and width."""

    rows: Array
    columns: Array

    @classmethod
    def even(cls, rows: int, columns: int) -> Grid:
        """Cells that share the image evenly."""
        return cls((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns)

    def enlarged(self, maps: Array, size: Pair) -> Array:
        """(h, w, k) -> (*size, k), bilinear between the middles of cells, even beyond the outermost."""
        down, along = (
            _weights(middles, count).astype(maps.dtype)
            for middles, count in zip((self.rows, self.columns), size, strict=True)
        )
        across = np.tensordot(along, maps, (1, 1))  # (W, h, k)
        return np.tensordot(down, across, (1, 1))  # (H, W, k)


def _weights(middles: Array, pixels: int) -> Array:
    """How much of each cell is in each pixel along an axis: (pixels, cells)."""
    position = (np.arange(pixels) + 0.5) / pixels
    cell = np.interp(position, middles, np.arange(len(middles)))  # (pixels,), a broken number
    return np.maximum(1 - np.abs(cell[:, None] - np.arange(len(middles))), 0)


def grid_of(graph: Graph, shapes: Mapping[str, Shape], name: str) -> Grid:
    """The grid of a node's maps. shapes: of every node, for the images at hand.

    Where a layer on the way does what is not known here, the cells share the image evenly.
    """
    node = graph.nodes[name]
    while node.inputs:
        node = graph.nodes[node.inputs[0]]
    fields = _field(graph, shapes, name, 0), _field(graph, shapes, name, 1)
    cells, pixels = (tuple(int(size or 0) for size in shapes[at][:2]) for at in (name, node.name))
    middles = [
        ((field.first + field.last) / 2 + field.step * np.arange(count) + 0.5) / size
        for field, count, size in zip(fields, cells, pixels, strict=True)
        if field is not None
    ]
    return Grid(*middles) if len(middles) == 2 else Grid.even(*cells)


# --- receptive fields -----------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """What the first cell along an axis sees, from pixel to pixel, and how far on the next one is."""

    first: float = 0
    last: float = 0
    step: float = 1

    def seen_by(self, window: int, stride: int, before: int) -> Field:
        """The field of windows over it, with so many cells of border before them."""
        return Field(
            self.first - before * self.step,
            self.last + (window - 1 - before) * self.step,
            self.step * stride,
        )


Windowed = Conv2D | SeparableConv2D | DepthwiseConv2D | MaxPooling2D | AveragePooling2D


def _field(graph: Graph, shapes: Mapping[str, Shape], name: str, axis: int) -> Field | None:
    found: dict[str, Field | None] = {}
    needed = graph.ancestors([name])
    for node in graph.nodes.values():
        if node.name in needed:
            sizes = {source: _size(shapes[source], axis) for source in node.inputs}
            found[node.name] = _next(node, found, sizes, _size(shapes[node.name], axis), axis)
    return found[name]


def _next(
    node: Node,
    found: Mapping[str, Field | None],
    sizes: Mapping[str, int | None],
    size: int | None,
    axis: int,
) -> Field | None:
    """A node's field along an axis, from those of its inputs."""
    layer = node.layer
    if not node.inputs:
        return Field()
    field, before = found[node.inputs[0]], sizes[node.inputs[0]]
    if field is None or before is None or size is None:
        return None
    if isinstance(layer, Windowed):
        if isinstance(layer, MaxPooling2D | AveragePooling2D):
            window, stride = (both[axis] for both in layer.geometry)
        else:
            window = spread(pair(layer.kernel_size), pair(layer.dilation_rate))[axis]
            stride = pair(layer.strides)[axis]
        border = same_padding(before, window, stride)[0] if layer.padding == "same" else 0
        return field.seen_by(window, stride, border)
    if isinstance(layer, ZeroPadding2D):
        return field.seen_by(1, 1, sides(layer.padding)[axis][0])
    if isinstance(layer, Cropping2D):
        return field.seen_by(1, 1, -sides(layer.cropping)[axis][0])
    if isinstance(layer, UpSampling2D | Resizing):
        ratio = before / size
        return Field(
            field.first + (ratio - 1) / 2 * field.step,
            field.last + (ratio - 1) / 2 * field.step,
            field.step * ratio,
        )
    # Number by number: what any of them sees. One of size 1, as in "squeeze and excitation", sees all.
    alike = [found[source] for source, its in sizes.items() if its == size]
    known = [one for one in alike if one is not None]
    if len(known) < len(alike) or len({one.step for one in known}) != 1:
        return None
    return Field(min(one.first for one in known), max(one.last for one in known), known[0].step)


def _size(shape: Shape, axis: int) -> int | None:
    """None for what is no map."""
    return shape[axis] if len(shape) == 3 else None
