"""The methods, against what can be computed by hand."""

import numpy as np
import pytest
from explanations import METHODS, activations, explain_inputs, maps_then_classes

import xception
from xception import Classifier
from xception.explanation import methods
from xception.explanation.grid import locate_cells
from xception.explanation.methods import GradCam
from xception.explanation.scores import Scores
from xception.layers import Dense, Rescaling


def test_grad_cam_of_a_dense_head_is_known_in_closed_form(model, inputs):
    """y = mean(A) · W, so each channel counts with its weight, divided by the number of cells."""
    explanation = explain_inputs(model, inputs)
    maps, kernel = activations(model, inputs), model.parameters["classes"]["kernel"]
    best = model.predict(inputs).argmax(axis=1)
    expected = [np.maximum(a @ kernel[:, best[i]], 0) / 16 for i, a in enumerate(maps)]
    assert explanation.maps.dtype == np.float32
    np.testing.assert_allclose(explanation.maps, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(explanation.targets, best)
    logits = maps.mean(axis=(1, 2)) @ kernel + model.parameters["classes"]["bias"]
    np.testing.assert_allclose(explanation.scores, logits.max(axis=1), rtol=1e-5)
    assert (explanation.method, explanation.layer) == ("grad-cam", "maps")


def test_score_cam_step_by_step(model, inputs):
    explanation = explain_inputs(model, inputs, method="score-cam", target=2, channels=5)
    kernel, bias = model.parameters["classes"].values()
    grid = locate_cells(model.graph, model.plan.shapes((12, 12, 3)), "maps")
    for x, maps, result in zip(inputs, activations(model, inputs), explanation.maps, strict=True):
        chosen = np.argsort(-maps.std(axis=(0, 1)))[:5]
        logits = []
        for k in chosen:
            mask = grid.upsample(maps[..., k, None], (12, 12))
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            logits.append(activations(model, (x * mask)[None], "pooled")[0] @ kernel[:, 2] + bias[2])
        weights = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(result, np.maximum(maps[..., chosen] @ weights, 0), rtol=1e-4)


def test_occlusion_cell_by_cell(model, inputs):
    explanation = explain_inputs(model, inputs[:1], method="occlusion", target=1, patch=1 / 3)
    kernel = model.parameters["classes"]["kernel"][:, 1]
    before = activations(model, inputs[:1], "pooled") @ kernel
    for row, column in np.ndindex(4, 4):
        covered = inputs[:1].copy()
        top, left = (round(3 * (cell + 0.5) - 2) for cell in (row, column))
        covered[:, max(top, 0) : top + 4, max(left, 0) : left + 4] = 0
        after = activations(model, covered, "pooled") @ kernel
        np.testing.assert_allclose(explanation.maps[0, row, column], max(before - after, 0), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scales", [False, True])
def test_every_method_finds_what_the_class_is_about(method, scales):
    """A detector of red, and a picture that is red in one corner and otherwise grey."""
    scaling = [("scaled", Rescaling(1 / 127.5, -1))] if scales else []
    model = maps_then_classes(("classes", Dense(2, "softmax")), scaling=scaling)
    kernel, bias = np.zeros((3, 3, 3, 8), np.float32), np.zeros(8, np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0], kernel[..., 2, 1] = 1, -1, 1
    head = np.zeros((8, 2), np.float32)
    head[:2] = np.eye(2)
    model.set_weights([kernel, bias, head, np.zeros(2, np.float32)])
    photo = np.full((12, 12, 3), 127, np.uint8)
    photo[6:9, 9:] = 255, 0, 0  # cell (2, 3)
    photo[:3, :3] = 0, 0, 255  # what the other class is about
    explanation = xception.explain(photo, model, method=method, target=0, patch=0.25)
    assert np.unravel_index(explanation.maps[0].argmax(), (4, 4)) == (2, 3)
    assert (explanation.maps[0] > 0.2 * explanation.maps[0].max()).sum() == 1


@pytest.mark.parametrize(
    ("layers", "grey"), [([], 0), ([Rescaling(5.0, -2.5)], 0.5), ([Rescaling(1 / 127.5, -1.0)], 127.5)]
)
def test_covering_a_grey_image_with_grey_changes_nothing(layers, grey):
    scaling = [("scaled", layer) for layer in layers]
    model = maps_then_classes(("classes", Dense(5, "softmax")), scaling=scaling)
    x = np.full((1, 12, 12, 3), grey, np.float32)
    np.testing.assert_allclose(explain_inputs(model, x, method="occlusion", top=5).maps, 0, atol=1e-5)


def test_what_speaks_against_a_class_is_left_out(model, inputs):
    for method in METHODS:
        assert explain_inputs(model, inputs, method=method, target="class_*").maps.min() >= 0


@pytest.mark.parametrize("method", METHODS)
def test_each_image_is_explained_by_itself(model, inputs, method):
    together = explain_inputs(model, inputs, method=method, top=2)
    for i, image in enumerate(inputs):
        alone = explain_inputs(model, image[None], method=method, top=2)
        np.testing.assert_allclose(together.maps[i], alone.maps[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(together.targets[i], alone.targets[0])
    assert explain_inputs(model, inputs[:0], method=method).maps.shape == (0, 4, 4)
    assert len(xception.explain([], model, method=method)) == 0


def test_score_cam_shows_nothing_where_no_channel_varies(model):
    explanation = explain_inputs(model, np.zeros((1, 12, 12, 3), np.float32), method="score-cam")
    np.testing.assert_array_equal(explanation.maps, 0)


def test_grad_cam_computes_fewer_images_at_once_where_maps_are_large(model, inputs, monkeypatch):
    together = explain_inputs(model, inputs)
    method = GradCam(Scores(Classifier(model)), "maps")
    assert method.batch_size(((12, 12, 3),)) == methods.BATCH_SIZE
    elements = 4 * 4 * 8 + 8  # of the maps and of their mean
    monkeypatch.setattr(methods, "MAX_BATCH_ELEMENTS", 2 * elements + 1)
    assert method.batch_size(((12, 12, 3),)) == 2
    np.testing.assert_allclose(explain_inputs(model, inputs).maps, together.maps, rtol=1e-6)
    monkeypatch.setattr(methods, "MAX_BATCH_ELEMENTS", 1)
    assert method.batch_size(((12, 12, 3),)) == 1
