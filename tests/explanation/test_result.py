"""Where the cells of a map look, and how an explanation is shown."""

import importlib.util
import io

import numpy as np
import pytest
import small_models
from PIL import Image

import xception
from xception.explanation.grid import Grid, grid_of
from xception.gradients import gradients
from xception.graph import Graph
from xception.layers import (
    Add,
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
    Multiply,
    Resizing,
    SeparableConv2D,
    UpSampling2D,
    ZeroPadding2D,
)

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def classifier():
    return small_models.model(
        small_models.row(
            "small", ("image", Input((12, 12, 3))), ("maps", Conv2D(8, 3, 3, activation="relu")),
            ("pooled", GlobalAveragePooling2D()), ("classes", Dense(5, "softmax")),
        )
    )  # fmt: skip


# --- where cells look -------------------------------------------------------------------------


def branching():
    """Windows of many kinds, and a way around some of them."""
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


def test_cells_look_at_the_middle_of_what_they_see():
    """What a cell sees is where the image has a gradient, if no weight is 0."""
    graph = branching()
    parameters = {
        node.name: {name: np.ones(parameter.shape) for name, parameter in node.parameters.items()}
        for node in graph.nodes.values()
    }
    h, w, c = graph.nodes["cells"].output_shape
    grid = grid_of(graph, shapes_of(graph), "cells")
    values = graph.evaluate(parameters, np.ones((1, 91, 100, 2)), graph.nodes)
    inside = 0
    for row, column in [(h // 2, w // 2), (h // 2 + 1, w // 2 + 1), (0, 0), (h - 1, w - 1)]:
        seed = np.zeros((1, h, w, c))
        seed[0, row, column] = 1
        dx = gradients(graph, parameters, values, {"cells": seed}, ["image"])["image"]
        down, along = (np.flatnonzero(dx.any(axis=axes)) for axes in ((0, 2, 3), (0, 1, 3)))
        for seen, middle, size in ((down, grid.rows[row], 91), (along, grid.columns[column], 100)):
            if seen[0] > 0 and seen[-1] < size - 1:  # else the image's border cuts it off
                np.testing.assert_allclose(middle * size, (seen[0] + seen[-1] + 1) / 2)
                inside += 1
    assert inside >= 4


def test_what_weighs_channels_moves_no_cell():
    """Squeeze and excitation: what comes from a map of 1×1 is everywhere."""
    graph = branching()
    pooled = graph.add(GlobalAveragePooling2D(keepdims=True), "cells")
    weighed = graph.add(Multiply(), "cells", pooled)
    grids = [grid_of(graph, shapes_of(graph), name) for name in ("cells", weighed)]
    np.testing.assert_array_equal(grids[0].rows, grids[1].rows)
    np.testing.assert_array_equal(grids[0].columns, grids[1].columns)


def test_xceptions_cells():
    """By hand: block 1 begins at pixel 3, each pooling doubles the step; the middle of pixel 7 is 7.5."""
    graph = xception.Xception(weights=None, input_shape=(299, 299, 3), seed=0).graph
    shapes = shapes_of(graph)
    grid = grid_of(graph, shapes, "block14_sepconv2_act")
    np.testing.assert_allclose(grid.rows * 299, 7.5 + 32 * np.arange(10))


def test_resized_maps_and_unknown_ones():
    graph = Graph("sizes")
    x = graph.add(Input((8, 8, 3)))
    resized = graph.add(Resizing(16, 4), x)
    upsampled = graph.add(UpSampling2D(2), resized)
    even = graph.add(Conv2DTranspose(3, 2, strides=2), x)
    shapes = shapes_of(graph)
    for name in (resized, upsampled, even):
        rows, columns, _ = shapes[name]
        grid = grid_of(graph, shapes, name)
        np.testing.assert_allclose(grid.rows, Grid.even(rows, columns).rows)
        np.testing.assert_allclose(grid.columns, Grid.even(rows, columns).columns)


def test_maps_are_enlarged_between_the_middles_of_cells():
    maps = RNG.normal(size=(4, 6, 2))
    even = Grid.even(4, 6).enlarged(maps, (13, 40))
    np.testing.assert_allclose(even, xception.kernels.resize(maps[None], (13, 40))[0], atol=1e-5)
    moved = Grid(np.array([0.25, 0.75]), np.array([0.5])).enlarged(np.array([[[0.0]], [[1.0]]]), (8, 2))
    np.testing.assert_allclose(moved[:, 0, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


# --- pictures ---------------------------------------------------------------------------------


@pytest.fixture
def explanation(classifier):
    photos = [Image.fromarray(RNG.integers(0, 256, (60, 90, 3), np.uint8)) for _ in range(2)]
    return xception.explain(classifier, photos, top=3)


def test_an_explanation_is_a_sequence_of_explanations(explanation):
    assert repr(explanation) == "<Explanation by grad-cam at maps: 2 photographs, maps (2, 3, 4, 4)>"
    assert len(list(explanation)) == len(explanation) == 2
    last = explanation[-1]
    assert last.maps.shape == (1, 3, 4, 4)
    np.testing.assert_array_equal(last.maps[0], explanation.maps[1])
    np.testing.assert_array_equal(last.images[0], explanation.images[1])
    assert last.names == explanation.names[1:]
    with pytest.raises(IndexError):
        explanation[2]


def test_the_overlay_hides_nothing_where_the_map_is_0(explanation):
    explanation.maps[1, 2] = 0
    explanation.maps[1, 2, 3, 3] = 5
    photo, overlay = explanation.images[1], np.asarray(explanation.overlay(1, 2))
    assert overlay.shape == (60, 90, 3)
    np.testing.assert_array_equal(overlay[:30], photo[:30])
    np.testing.assert_allclose(np.asarray(explanation.overlay(1, 2, alpha=1))[-1, -1], (252, 255, 164))
    explanation.maps[1, 2] = 0
    np.testing.assert_array_equal(np.asarray(explanation.overlay(1, 2)), photo)


def test_a_picture_has_a_row_for_each_photograph(explanation):
    assert explanation.picture().size == (3 * 90, 2 * (60 + 24))
    assert explanation[0].picture().size == (3 * 90, 60 + 24)
    shown = Image.open(io.BytesIO(explanation._repr_png_()))
    assert (shown.format, shown.size) == ("PNG", (270, 168))


def test_a_picture_is_written_whole_or_not_at_all(explanation, tmp_path):
    for name, kind in (("out.png", "PNG"), ("out.JPG", "JPEG"), ("out.webp", "WEBP")):
        explanation.save(tmp_path / name)
        with Image.open(tmp_path / name) as written:
            assert (written.format, written.size) == (kind, (270, 168))
    with pytest.raises(ValueError, match=r"out.npz: expected a name that ends in .png"):
        explanation.save(tmp_path / "out.npz")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        explanation.save(tmp_path / "nowhere" / "out.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_explained_is_an_empty_picture(classifier):
    assert xception.explain(classifier, []).picture().size == (1, 1)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_figure_has_axes_and_a_scale_for_each_map(explanation):
    figure = explanation.figure()
    assert len(figure.axes) == 2 * 2 * 3
    figure.savefig(io.BytesIO(), format="png")
