"""How an explanation is indexed and shown."""

import importlib.util
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import xception
from xception.explanation.explainer import Explainer
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
    explanation = xception.explain([photo] * 18, model)
    assert explanation.picture().size == explanation[:16].picture().size


def test_the_overlay_hides_nothing_where_the_map_is_0(explanation):
    explanation.maps[1, 2] = 0
    explanation.maps[1, 2, 3, 3] = 5
    photo, overlay = explanation.images[1], np.asarray(explanation.overlay(1, 2))
    assert overlay.shape == (60, 90, 3)
    np.testing.assert_array_equal(overlay[:20], photo[:20])
    np.testing.assert_allclose(
        np.asarray(explanation.overlay(1, 2, alpha=1, scale="each"))[-1, -1], (252, 255, 164)
    )
    explanation.maps[1, 2] = 0
    np.testing.assert_array_equal(np.asarray(explanation.overlay(1, 2)), photo)
    np.testing.assert_array_equal(np.asarray(explanation.overlay(1, 2, scale="each")), photo)


def test_the_maps_of_a_photograph_have_one_scale(explanation):
    explanation.maps[0, :2] = [np.full((4, 4), 8.0), np.full((4, 4), 2.0)]
    explanation.maps[1] = 100  # of another photograph
    strong, weak = (np.asarray(explanation.overlay(0, k, alpha=1)) for k in (0, 1))
    np.testing.assert_array_equal(strong, np.full((60, 90, 3), (252, 255, 164)))
    assert weak.mean() < strong.mean() / 1.5
    np.testing.assert_array_equal(np.asarray(explanation.overlay(0, 1, alpha=1, scale="each")), strong)
    with pytest.raises(ValueError, match=r"scale must be .*, got 'all'"):
        explanation.overlay(scale="all")


def test_captions_have_the_probabilities_that_predict_gives(model, inputs):
    explanation = Explainer(model, top=2).explain_inputs(inputs)
    expected = np.sort(model.predict(inputs, verbose=0))[:, :-3:-1]
    np.testing.assert_allclose(explanation.probabilities, expected, rtol=1e-5)
    explanation.maps[1] = [np.zeros((4, 4)), np.ones((4, 4))]
    first, second = explanation.captions(1)
    best, next_best = explanation.names[1]
    assert first == f"{best}, {100 * expected[1, 0]:.1f} % (nothing speaks for it)"
    assert second == f"{next_best}, {100 * expected[1, 1]:.1f} %"
    assert f"photograph 2: {first}; {second}. " in explanation.alt_text
    assert explanation.alt_text.endswith("Grad-CAM at maps, 4×4 cells")


def test_a_picture_has_a_row_for_each_photograph_which_comes_first(explanation):
    two, one = explanation.picture(), explanation[0].picture()
    tile = 320 + 8, round(320 * 60 / 90) + 8
    assert two.width == 4 * tile[0] + 8
    assert one.width == 2 * tile[0] + 8  # on its own, it takes two rows
    assert min(one.height, two.height) > 2 * tile[1]
    tile = np.asarray(one.crop((8, 8, 8 + 320, 8 + 213)).resize((90, 60)), float)
    photo = np.asarray(Image.fromarray(explanation.images[0]), float)
    assert np.corrcoef(tile.ravel(), photo.ravel())[0, 1] > 0.9


def test_a_notebook_gets_the_picture_and_its_text(explanation):
    bundle, metadata = explanation._repr_mimebundle_()
    assert Image.open(io.BytesIO(bundle["image/png"])).size == explanation.picture().size
    assert metadata == {"image/png": {"alt": explanation.alt_text}}


def test_a_picture_is_written_whole_or_not_at_all(explanation, tmp_path):
    size = explanation.picture().size
    for name, kind in (("out.png", "PNG"), ("out.JPG", "JPEG"), ("out.webp", "WEBP")):
        explanation.save(tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.size) == (kind, size)
    with pytest.raises(ValueError, match=r"out.npz: expected a picture's name, which ends in .png"):
        explanation.save(tmp_path / "out.npz")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        explanation.save(tmp_path / "nowhere" / "out.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_nothing_explained_is_an_empty_picture(model):
    assert xception.explain([], model).picture().size == (1, 1)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_figure_has_axes_and_scales(explanation):
    from matplotlib.figure import Figure

    assert len(explanation.figure().axes) == 2 * (1 + 3 + 1)  # a scale for each photograph
    assert len(explanation.figure("each").axes) == 2 * (1 + 3 + 3)
    whole = Figure(figsize=(12, 4))
    assert explanation.figure(fig=whole.subfigures(1, 2)[0]).axes
    whole.savefig(io.BytesIO(), format="png")
    assert explanation[:0].figure().axes == []
    with pytest.raises(TypeError, match="fig must be a matplotlib figure, got int"):
        explanation.figure(fig=3)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_names_in_a_figure_are_no_formulas(explanation):
    names = tuple((id_, rf"${name}\frac$\x1b") for id_, name in explanation.class_names)
    figure = replace(explanation, class_names=names).figure()
    assert figure._repr_png_()  # a notebook shows it
    title = figure.axes[1].get_title()
    assert title.replace("\n", " ").startswith(rf"${explanation.names[0][0]}\frac$\x1b, ")


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_the_share_of_a_color_is_checked(explanation, alpha):
    with pytest.raises(ValueError, match="alpha must be from 0 to 1, got"):
        explanation.overlay(alpha=alpha)


def test_answers_that_are_not_finite_are_not_explained(model, inputs):
    broken = xception.Model(model.graph, {**model.parameters, "maps": {
        name: np.full_like(array, np.nan) for name, array in model.parameters["maps"].items()
    }})  # fmt: skip
    with pytest.raises(ValueError, match="photograph 0: what the model computes is not finite"):
        Explainer(broken).explain_inputs(inputs)
