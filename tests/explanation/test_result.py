"""How an explanation is indexed and shown."""

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

import xception
from xception.explanation.result import concatenate

RNG = np.random.default_rng(5)


@pytest.fixture
def explanation(model):
    photos = [Image.fromarray(RNG.integers(0, 256, (60, 90, 3), np.uint8)) for _ in range(2)]
    return xception.explain(photos, model, top=3)


def test_an_explanation_is_a_sequence_of_explanations(explanation):
    assert repr(explanation) == "<Explanation by grad-cam at maps: 2 photographs, maps (2, 3, 4, 4)>"
    assert len(list(explanation)) == len(explanation) == 2
    last = explanation[-1]
    assert last.maps.shape == (1, 3, 4, 4)
    np.testing.assert_array_equal(last.maps[0], explanation.maps[1])
    np.testing.assert_array_equal(last.images[0], explanation.images[1])
    assert last.names == explanation.names[1:]
    assert (last.paths, last.indices) == ([None], [1])
    assert explanation[:1].maps.shape == (1, 3, 4, 4)
    with pytest.raises(IndexError):
        explanation[2]


def test_parts_can_be_joined_again(explanation):
    joined = concatenate(list(explanation))
    np.testing.assert_array_equal(joined.maps, explanation.maps)
    np.testing.assert_array_equal(joined.scores, explanation.scores)
    assert (joined.names, joined.indices) == (explanation.names, explanation.indices)
    assert len(joined.images) == 2


def test_of_many_photographs_the_first_16_are_shown(model):
    photo = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    assert xception.explain([photo] * 18, model).picture().size == (30, 16 * (20 + 24))


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
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.size) == (kind, (270, 168))
    with pytest.raises(ValueError, match=r"out.npz: expected a picture's name, which ends in .png"):
        explanation.save(tmp_path / "out.npz")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        explanation.save(tmp_path / "nowhere" / "out.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_explained_is_an_empty_picture(model):
    assert xception.explain([], model).picture().size == (1, 1)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_figure_has_axes_and_a_scale_for_each_map(explanation):
    figure = explanation.figure()
    assert len(figure.axes) == 2 * 2 * 3
    figure.savefig(io.BytesIO(), format="png")
    assert explanation[:0].figure().axes == []
