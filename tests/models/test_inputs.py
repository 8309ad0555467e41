"""Validation of input arrays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Input, Rescaling
from xception.models.inputs import check_inputs, image_inputs, own_scaling, scales_pixels


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((71, 71, 3)),
            r"expected images of shape \(n, 71, 71, 3\), got shape \(71, 71, 3\); .*newaxis",
        ),
        (np.zeros((1, 71, 71)), "got shape"),
        (np.zeros((1, 71, 71, 1)), r"got shape \(1, 71, 71, 1\)"),
        (np.zeros((1, 3, 71, 71)), "got shape"),
        (np.zeros((1, 71, 80, 3)), "got shape"),
        (np.full((1, 71, 71, 3), "a"), "real numbers, got an array of <U1"),
        (np.zeros((1, 71, 71, 3), complex), "real numbers, got an array of complex128"),
        (np.zeros((1, 71, 71, 3), object), "real numbers, got an array of object"),
        ([np.zeros((71, 71, 3)), np.zeros((70, 71, 3))], "a list of arrays that differ in shape"),
        (np.full((1, 71, 71, 3), np.nan), "not finite"),
        (np.full((1, 71, 71, 3), np.inf), "not finite"),
    ],
)
def test_arrays_that_are_not_images_are_refused(full_model, x, message):
    with pytest.raises(ValueError, match=message):
        full_model.predict(x)


def test_one_element_that_is_not_finite_is_found(full_model, images):
    images[1, 70, 70, 2] = -np.inf
    with pytest.raises(ValueError, match="not finite"):
        full_model.predict(images)
    with pytest.raises(ValueError, match="not finite"):  # beyond float32
        full_model.predict(np.full((1, 71, 71, 3), -1e300))


def test_an_open_size_has_a_minimum(base):
    assert base.predict(np.zeros((1, 71, 90, 3))).shape == (1, 2048)
    with pytest.raises(ValueError, match=r"at least 71 each way, got \(70, 71, 3\)"):
        base.predict(np.zeros((1, 70, 71, 3)))


@pytest.mark.parametrize(
    "x",
    [
        np.full((1, 71, 71, 3), 200, np.uint8),
        np.zeros((1, 71, 71, 3), np.uint8),
        np.full((1, 71, 71, 3), 9.0),
    ],
)
def test_unscaled_pixels_raise_a_warning(full_model, x):
    with pytest.warns(UserWarning, match="did you forget xception.preprocess_input"):
        full_model.predict(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, r"expected images of shape \(n, 71, 71, 3\), got an object of type NoneType"),
        ((image for image in [np.zeros((71, 71, 3))]), "got a generator; collect it"),
        ("photo.jpg", "got 'photo.jpg'; xception.load_image reads a photograph"),
        (Path("photo.jpg"), "photo.jpg.*; xception.load_image reads a photograph"),
    ],
)
def test_a_generator_or_a_path_is_not_an_array(full_model, x, message):
    with pytest.raises(TypeError, match=message):
        full_model.predict(x)


def test_of_several_inputs_the_wrong_one_is_named():
    model = small_models.model(small_models.two_ends())
    image, _ = small_models.entering(model)
    with pytest.raises(TypeError, match=r"numbers: expected numbers of shape \(n, 2\), got an object"):
        model.predict([image, None])
    with pytest.raises(ValueError, match="numbers: the numbers hold numbers that are not finite"):
        model.predict([image, np.full((2, 2), np.nan)])
    with pytest.raises(ValueError, match="expected a list of 2 arrays, for the inputs image, numbers"):
        model.predict("ab")


@pytest.mark.parametrize("method", ["predict", "features"])
def test_the_warning_points_to_the_callers_line(base, method):
    with pytest.warns(UserWarning, match="did you forget") as caught:
        getattr(base, method)(np.full((1, 71, 71, 3), 200, np.uint8))
    assert caught[0].filename == __file__


def test_layers_that_scale_are_found():
    nested = small_models.model(small_models.nested()).graph
    assert (own_scaling(nested), scales_pixels(nested)) == (["scaled"], True)
    row = small_models.model(small_models.in_a_row()).graph
    assert (own_scaling(row), scales_pixels(row)) == ([], False)
    two = small_models.model(small_models.two_ends()).graph
    assert own_scaling(two, "image") == ["shifted"]
    assert own_scaling(two, "numbers") == []


def test_the_input_for_photographs_is_found():
    assert image_inputs(small_models.model(small_models.two_ends()).graph) == ["image"]
    assert image_inputs(small_models.model(small_models.siamese()).graph) == ["left", "right"]
    for channels in (1, 2, 4):
        graph = xception.Graph("other channels")
        graph.add(Input((8, 8, channels)), name="grey")
        assert image_inputs(graph) == ["grey"]
        graph.add(Input((8, 8, 3)), name="color")
        assert image_inputs(graph) == ["color"]


def test_a_model_for_videos_says_what_it_takes():
    each = replace(small_models.base(), frame_axes=1)
    scaled = small_models.row("scaled", ("scaled_input", Input((12, 12, 3))), ("scale", Rescaling(1 / 127.5)))
    frames = (Input((None, 12, 12, 3)),)
    built = small_models.model(small_models.wired("video", ["x"], ["each"], x=frames, each=(each, ["x"])))
    with pytest.raises(
        ValueError, match=r"expected videos of shape \(n, any, 12, 12, 3\), got shape \(2, 12"
    ):
        check_inputs(built.graph, np.zeros((2, 12, 12, 3)))
    with pytest.raises(ValueError, match=r"a single video needs a batch axis: x\[np.newaxis\]"):
        check_inputs(built.graph, np.zeros((2, 12, 12, 3)))
    with pytest.warns(UserWarning, match="the videos hold uint8 from 9 to 9"):
        check_inputs(built.graph, np.full((1, 2, 12, 12, 3), 9, np.uint8))
    scales = small_models.wired(
        "video",
        ["x"],
        ["each"],
        x=frames,
        scale=(replace(scaled, frame_axes=1), ["x"]),
        each=(each, ["scale"]),
    )
    assert own_scaling(small_models.model(scales).graph) == ["scale/scale"]
