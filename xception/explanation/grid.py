"""Grid of a feature map: where on the image the centers of its cells' receptive fields are.

A cell of a map (h, w, c) sees a part of the image, its receptive field. Windows with more padding on
one side than on the other ("same" at stride 2) shift its center, layer by layer: in Xception at 150×150
the last of five cells along a row is centered at 145.5 pixels, not at 135, where an even grid has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, Node
from ..kernels import Array, Pair, same_padding, window_extent
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
    """Centers of a map's rows and columns, as fractions of the image's height and width.

    Attributes:
        rows: (h,) centers from the top, 0…1.
        columns: (w,) centers from the left, 0…1.
    """

    rows: Array
    columns: Array

    @classmethod
    def even(cls, rows: int, columns: int) -> Grid:
        """Return a grid whose cells divide the image evenly."""
        return cls((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns)

    def upsample(self, maps: Array, size: Pair) -> Array:
        """Interpolate maps to the pixels of an image, bilinearly between the centers of cells.

        Pixels beyond the outermost centers have the value of the outermost cell.

        Args:
            maps: (h, w, k).
            size: (height, width) of the image in pixels.

        Returns:
            (height, width, k) in the dtype of `maps`.
        """
        return self._weigh(_linear_weights, maps, size)

    def upsample_smoothly(self, maps: Array, size: Pair) -> Array:
        """Interpolate maps as they are shown: cubically, through the values of the cells.

        Bilinear maps have ridges between the cells, and are flat at the border. Here the outermost cells are
        repeated beyond the border, and what is below 0 or above a map's greatest value is clipped.

        Args:
            maps: (h, w, k), 0 and above.
            size: (height, width) of the image in pixels.

        Returns:
            (height, width, k) in the dtype of `maps`.
        """
        return self._weigh(_cubic_weights, maps, size).clip(0, maps.max(axis=(0, 1)))

    def _weigh(self, weights: Callable[[Array, int], Array], maps: Array, size: Pair) -> Array:
        by_row, by_column = (
            weights(centers, pixels).astype(maps.dtype)
            for centers, pixels in zip((self.rows, self.columns), size, strict=True)
        )
        wide = np.tensordot(by_column, maps, (1, 1))  # (width, h, k)
        return np.tensordot(by_row, wide, (1, 1))  # (height, width, k)


# --- weights of cells in pixels, along an axis: (pixels, cells) ------------------------------


def _linear_weights(centers: Array, pixels: int) -> Array:
    cells = np.arange(len(centers))
    position = np.interp((np.arange(pixels) + 0.5) / pixels, centers, cells)  # (pixels,), in cells
    return np.maximum(1 - np.abs(position[:, None] - cells), 0)


def _cubic_weights(centers: Array, pixels: int) -> Array:
    """Catmull-Rom splines; two cells beyond each border have the value of the outermost cell."""
    count = len(centers)
    if count == 1:
        return np.ones((pixels, 1))
    steps = centers[[1, -1]] - centers[[0, -2]]
    beyond = np.concatenate([
        centers[0] - steps[0] * np.array((2, 1)), centers, centers[-1] + steps[1] * np.array((1, 2))
    ])  # fmt: skip
    cells = np.arange(-2, count + 2)
    position = np.interp((np.arange(pixels) + 0.5) / pixels, beyond, cells)  # (pixels,), in cells
    x = np.abs(position[:, None] - cells)  # (pixels, cells + 4)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    weights[:, 2] += weights[:, :2].sum(axis=1)
    weights[:, -3] += weights[:, -2:].sum(axis=1)
    return weights[:, 2:-2]


def locate_cells(graph: Graph, shapes: Mapping[str, Shape], name: str, image: str | None = None) -> Grid:
    """Compute the grid of a node's maps.

    The cells are assumed to divide the image evenly if a layer before the node is not a window, a
    border, a resizing, or an elementwise operation.

    Args:
        graph: The network.
        shapes: Every node's output shape, for images of one size.
        name: The node.
        image: The input that the images enter. None for the first input.
    """
    image = graph.inputs[0] if image is None else image
    fields = [_receptive_field(graph, shapes, name, axis) for axis in (0, 1)]
    cells, pixels = (tuple(int(size or 0) for size in shapes[node][:2]) for node in (name, image))
    centers = [
        ((field.first + field.last) / 2 + field.step * np.arange(count) + 0.5) / size
        for field, count, size in zip(fields, cells, pixels, strict=True)
        if field is not None
    ]
    return Grid(*centers) if len(centers) == 2 else Grid.even(*cells)


# --- receptive fields -----------------------------------------------------------------------


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive fields of the cells along an axis, in pixels of the image.

    Attributes:
        first: The first pixel that the first cell sees; negative in the padding.
        last: The last pixel that the first cell sees.
        step: Pixels from each cell to the next.
    """

    first: float = 0
    last: float = 0
    step: float = 1

    def through_window(self, window: int, stride: int, before: int) -> ReceptiveField:
        """Return the fields of windows over these cells, with `before` cells of padding before them."""
        return ReceptiveField(
            self.first - before * self.step,
            self.last + (window - 1 - before) * self.step,
            self.step * stride,
        )


Windowed = Conv2D | SeparableConv2D | DepthwiseConv2D | MaxPooling2D | AveragePooling2D


def _receptive_field(
    graph: Graph, shapes: Mapping[str, Shape], name: str, axis: int
) -> ReceptiveField | None:
    """Return the receptive fields of a node's cells along an axis; None if they are not known."""
    fields: dict[str, ReceptiveField | None] = {}
    needed = graph.ancestors([name])
    for node in graph.nodes.values():
        if node.name in needed:
            sizes = {source: _size(shapes[source], axis) for source in node.inputs}
            fields[node.name] = _propagate(node, fields, sizes, _size(shapes[node.name], axis), axis)
    return fields[name]


def _propagate(
    node: Node,
    fields: Mapping[str, ReceptiveField | None],
    input_sizes: Mapping[str, int | None],
    size: int | None,
    axis: int,
) -> ReceptiveField | None:
    """Compute a node's receptive fields along an axis from those of its inputs."""
    layer = node.layer
    if not node.inputs:
        return ReceptiveField()
    field, input_size = fields[node.inputs[0]], input_sizes[node.inputs[0]]
    if field is None or input_size is None or size is None:
        return None
    if isinstance(layer, Windowed):
        if isinstance(layer, MaxPooling2D | AveragePooling2D):
            window, stride = (both[axis] for both in layer.geometry)
        else:
            window = window_extent(pair(layer.kernel_size), pair(layer.dilation_rate))[axis]
            stride = pair(layer.strides)[axis]
        before = same_padding(input_size, window, stride)[0] if layer.padding == "same" else 0
        return field.through_window(window, stride, before)
    if isinstance(layer, ZeroPadding2D):
        return field.through_window(1, 1, sides(layer.padding)[axis][0])
    if isinstance(layer, Cropping2D):
        return field.through_window(1, 1, -sides(layer.cropping)[axis][0])
    if isinstance(layer, UpSampling2D | Resizing):
        ratio = input_size / size
        shift = (ratio - 1) / 2 * field.step
        return ReceptiveField(field.first + shift, field.last + shift, field.step * ratio)
    # Element by element: the union of the inputs' fields. An input of size 1 is broadcast, as in
    # squeeze-and-excitation; it depends on the whole image and moves no center.
    aligned = [fields[source] for source, input_size in input_sizes.items() if input_size == size]
    known = [field for field in aligned if field is not None]
    if len(known) < len(aligned) or len({field.step for field in known}) != 1:
        return None
    return ReceptiveField(
        min(field.first for field in known), max(field.last for field in known), known[0].step
    )


def _size(shape: Shape, axis: int) -> int | None:
    """Return the size of maps along an axis; None for other shapes."""
    return shape[axis] if len(shape) == 3 else None
