"""Where on an image the cells of a map are."""

import numpy as np
from scipy.interpolate import CubicHermiteSpline

import xception
from xception.explanation.grid import Grid, locate_cells
from xception.gradients import gradients
from xception.graph import Graph
from xception.layers import (
    Add,
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    GlobalAveragePooling2D,
    Input,
    Multiply,
    Resizing,
    SeparableConv2D,
    UpSampling2D,
    ZeroPadding2D,
)

RNG = np.random.default_rng(5)


def branching():
    """A graph with windows of many kinds, and a shortcut around some of them."""
    graph = Graph("branching")
    x = graph.add(Input((91, 100, 2)), name="image")
    x = graph.add(ZeroPadding2D(((2, 0), (1, 3))), x)
    x = graph.add(Conv2D(2, 3, strides=2), x)
    around = graph.add(Conv2D(2, 1, strides=2, padding="same"), x)
    x = graph.add(SeparableConv2D(2, 3, padding="same"), x)
    x = graph.add(AveragePooling2D(3, strides=2, padding="same"), x)
    x = graph.add(Add(), x, around)
    x = graph.add(Cropping2D(((1, 0), (0, 2))), x)
    graph.add(Conv2D(2, 3, dilation_rate=2), x, name="cells")
    return graph


def shapes_of(graph):
    return {name: node.output_shape for name, node in graph.nodes.items()}


def test_a_cell_is_at_the_center_of_its_receptive_field():
    """A cell sees the pixels where the image has a gradient, if no weight is 0."""
    graph = branching()
    parameters = {
        node.name: {name: np.ones(parameter.shape) for name, parameter in node.parameters.items()}
        for node in graph.nodes.values()
    }
    h, w, c = graph.nodes["cells"].output_shape
    grid = locate_cells(graph, shapes_of(graph), "cells")
    values = graph.evaluate(parameters, np.ones((1, 91, 100, 2)), graph.nodes)
    inside = 0
    for row, column in [(h // 2, w // 2), (h // 2 + 1, w // 2 + 1), (0, 0), (h - 1, w - 1)]:
        seed = np.zeros((1, h, w, c))
        seed[0, row, column] = 1
        dx = gradients(graph, parameters, values, {"cells": seed}, ["image"])["image"]
        down, along = (np.flatnonzero(dx.any(axis=axes)) for axes in ((0, 2, 3), (0, 1, 3)))
        for seen, center, size in ((down, grid.rows[row], 91), (along, grid.columns[column], 100)):
            if seen[0] > 0 and seen[-1] < size - 1:  # otherwise the image's border cuts it off
                np.testing.assert_allclose(center * size, (seen[0] + seen[-1] + 1) / 2)
                inside += 1
    assert inside >= 4


def test_weighting_channels_moves_no_cell():
    """Squeeze-and-excitation: a map of 1×1 is broadcast."""
    graph = branching()
    pooled = graph.add(GlobalAveragePooling2D(keepdims=True), "cells")
    weighted = graph.add(Multiply(), "cells", pooled)
    grids = [locate_cells(graph, shapes_of(graph), name) for name in ("cells", weighted)]
    np.testing.assert_array_equal(grids[0].rows, grids[1].rows)
    np.testing.assert_array_equal(grids[0].columns, grids[1].columns)


def test_xceptions_cells():
    """By hand: the first cell is centered on pixel 7, the middle of which is 7.5; the strides make 32."""
    graph = xception.Xception(weights=None, input_shape=(299, 299, 3), seed=0).graph
    shapes = shapes_of(graph)
    grid = locate_cells(graph, shapes, "block14_sepconv2_act")
    np.testing.assert_allclose(grid.rows * 299, 7.5 + 32 * np.arange(10))


def test_cells_of_resized_maps_and_behind_unknown_layers():
    graph = Graph("sizes")
    x = graph.add(Input((8, 8, 3)))
    resized = graph.add(Resizing(16, 4), x)
    upsampled = graph.add(UpSampling2D(2), resized)
    even = graph.add(Conv2DTranspose(3, 2, strides=2), x)
    shapes = shapes_of(graph)
    for name in (resized, upsampled, even):
        rows, columns, _ = shapes[name]
        grid = locate_cells(graph, shapes, name)
        np.testing.assert_allclose(grid.rows, Grid.even(rows, columns).rows)
        np.testing.assert_allclose(grid.columns, Grid.even(rows, columns).columns)


def test_maps_are_interpolated_between_the_centers_of_cells():
    maps = RNG.normal(size=(4, 6, 2))
    even = Grid.even(4, 6).upsample(maps, (13, 40))
    np.testing.assert_allclose(even, xception.kernels.resize(maps[None], (13, 40))[0], atol=1e-5)
    uneven = Grid(np.array([0.25, 0.75]), np.array([0.5])).upsample(np.array([[[0.0]], [[1.0]]]), (8, 2))
    np.testing.assert_allclose(uneven[:, 0, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_shown_maps_pass_through_their_cells_and_are_smooth():
    """Against SciPy's Catmull-Rom, as cubic Hermite splines with the slopes of the neighbors."""
    values = np.array([0.0, 3, 1, 1, 0, 2])
    shown = Grid.even(6, 1).upsample_smoothly(values[:, None, None], (600, 1))[:, 0, 0]
    padded = np.concatenate([[0, 0], values, [2, 2]])
    slopes = (padded[2:] - padded[:-2]) / 2
    centers = (np.arange(-1, 7) + 0.5) / 6
    expected = CubicHermiteSpline(centers, padded[1:-1], slopes * 6)((np.arange(600) + 0.5) / 600)
    np.testing.assert_allclose(shown, expected.clip(0, 3), atol=1e-12)
    assert (expected < 0).any()
    assert (expected > 3).any()
    assert np.abs(np.diff(shown[-40:])).min() >= 0


def test_a_map_of_one_cell_is_flat():
    shown = Grid.even(1, 2).upsample_smoothly(np.array([[[2.0], [2.0]]]), (3, 5))
    np.testing.assert_allclose(shown, np.full((3, 5, 1), 2.0))
