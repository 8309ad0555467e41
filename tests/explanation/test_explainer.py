"""Explanations of small models, against what can be computed by hand."""

import numpy as np
import pytest
import small_models
from PIL import Image

import xception
from xception.data.imagenet import classes
from xception.explanation.grid import grid_of
from xception.explanation.targets import Targets, numbers
from xception.layers import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Rescaling,
    Reshape,
    Softmax,
)

RNG = np.random.default_rng(4)
METHODS = ("grad-cam", "score-cam", "occlusion")


def image(name="image", shape=(12, 12, 3)):
    return name, Input(shape)


def maps_then_classes(*head, scale=()):
    """Eight maps of 4×4, then a head."""
    return small_models.model(
        small_models.row(
            "small", image(), *scale, ("maps", Conv2D(8, 3, 3, activation="relu")),
            ("pooled", GlobalAveragePooling2D()), *head,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def classifier():
    return maps_then_classes(("classes", Dense(5, "softmax")))


@pytest.fixture(scope="module")
def images():
    return RNG.uniform(-1, 1, (3, 12, 12, 3)).astype(np.float32)


def activations(model, x, name="maps"):
    return model.graph.evaluate(model.parameters, x, [name])[name]


# --- the methods ------------------------------------------------------------------------------


def test_grad_cam_of_a_dense_head_is_known_in_closed_form(classifier, images):
    """y = mean(A) · W, so that each channel counts with its weight, divided by the pixels."""
    found = xception.explain(classifier, images)
    maps, kernel = activations(classifier, images), classifier.parameters["classes"]["kernel"]
    best = classifier.predict(images).argmax(axis=1)
    expected = [np.maximum(a @ kernel[:, best[i]], 0) / 16 for i, a in enumerate(maps)]
    assert found.maps.dtype == np.float32
    np.testing.assert_allclose(found.maps, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found.targets, best)
    logits = maps.mean(axis=(1, 2)) @ kernel + classifier.parameters["classes"]["bias"]
    np.testing.assert_allclose(found.scores, logits.max(axis=1), rtol=1e-5)
    assert (found.method, found.layer) == ("grad-cam", "maps")


def test_score_cam_step_by_step(classifier, images):
    found = xception.explain(classifier, images, "score-cam", target=2, channels=5)
    kernel, bias = classifier.parameters["classes"].values()
    grid = grid_of(classifier.graph, classifier.plan.shapes((12, 12, 3)), "maps")
    for x, maps, result in zip(images, activations(classifier, images), found.maps, strict=True):
        chosen = np.argsort(-maps.std(axis=(0, 1)))[:5]
        logits = []
        for k in chosen:
            mask = grid.enlarged(maps[..., k, None], (12, 12))
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            logits.append(activations(classifier, (x * mask)[None], "pooled")[0] @ kernel[:, 2] + bias[2])
        weights = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(result, np.maximum(maps[..., chosen] @ weights, 0), rtol=1e-4)


def test_occlusion_place_by_place(classifier, images):
    found = xception.explain(classifier, images[:1], "occlusion", target=1, patch=1 / 3)
    kernel = classifier.parameters["classes"]["kernel"][:, 1]
    before = activations(classifier, images[:1], "pooled") @ kernel
    for row, column in np.ndindex(4, 4):
        covered = images[:1].copy()
        top, left = (round(3 * (cell + 0.5) - 2) for cell in (row, column))
        covered[:, max(top, 0) : top + 4, max(left, 0) : left + 4] = 0
        after = activations(classifier, covered, "pooled") @ kernel
        np.testing.assert_allclose(found.maps[0, row, column], max(before - after, 0), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scales", [False, True])
def test_every_method_finds_what_the_class_is_about(method, scales):
    """A detector of red, and a picture that is red in one corner and else grey."""
    scale = [("scaled", Rescaling(1 / 127.5, -1))] if scales else []
    model = maps_then_classes(("classes", Dense(2, "softmax")), scale=scale)
    kernel, bias = np.zeros((3, 3, 3, 8), np.float32), np.zeros(8, np.float32)
    kernel[..., 0, 0], kernel[..., 1:, 0], kernel[..., 2, 1] = 1, -1, 1
    head = np.zeros((8, 2), np.float32)
    head[:2] = np.eye(2)
    model.set_weights([kernel, bias, head, np.zeros(2, np.float32)])
    photo = np.full((12, 12, 3), 127, np.uint8)
    photo[6:9, 9:] = 255, 0, 0  # cell (2, 3)
    photo[:3, :3] = 0, 0, 255  # another class's
    found = xception.explain(model, photo, method, target=0, patch=0.25)
    assert np.unravel_index(found.maps[0].argmax(), (4, 4)) == (2, 3)
    assert (found.maps[0] > 0.2 * found.maps[0].max()).sum() == 1


def test_what_speaks_against_a_class_is_left_out(classifier, images):
    for method in METHODS:
        assert xception.explain(classifier, images, method, target="class_*").maps.min() >= 0


@pytest.mark.parametrize("method", METHODS)
def test_each_image_is_explained_by_itself(classifier, images, method):
    together = xception.explain(classifier, images, method, top=2)
    for i, one in enumerate(images):
        alone = xception.explain(classifier, one[None], method, top=2)
        np.testing.assert_allclose(together.maps[i], alone.maps[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(together.targets[i], alone.targets[0])
    assert xception.explain(classifier, images[:0], method).maps.shape == (0, 4, 4)
    assert len(xception.explain(classifier, [], method)) == 0


def test_where_no_channel_varies_score_cam_has_nothing_to_show(classifier):
    found = xception.explain(classifier, np.zeros((1, 12, 12, 3), np.float32), "score-cam")
    np.testing.assert_array_equal(found.maps, 0)


# --- what a score is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        [("classes", Dense(5, "softmax"))],
        [("classes", Dense(5)), ("softmax", Activation("softmax"))],
        [("classes", Dense(5)), ("softmax", Softmax())],
        [("classes", Dense(5, "sigmoid"))],
        [
            ("shaped", Reshape((1, 1, 8))),
            ("classes", Conv2D(5, 1, activation="softmax")),
            ("flat", Flatten()),
        ],
    ],
    ids=["within", "activation", "layer", "sigmoid", "then flattened"],
)  # fmt: skip
def test_scores_are_logits_however_the_model_ends(classifier, images, head):
    model = maps_then_classes(*head)
    kernel, *rest = classifier.get_weights()[2:]
    shape = model.get_weights()[2].shape
    model.set_weights([*classifier.get_weights()[:2], kernel.reshape(shape), *rest])
    for method in METHODS:
        found, expected = (xception.explain(m, images, method, target=3) for m in (model, classifier))
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
        np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-6)


def test_a_sure_answer_has_a_gradient_too(classifier, images):
    sure = xception.Model(classifier.graph, dict(classifier.parameters))
    weights = sure.get_weights()
    sure.set_weights([*weights[:-2], weights[-2] * 1000, weights[-1]])
    assert sure.predict(images).max() == 1
    found, expected = xception.explain(sure, images, target=1), xception.explain(classifier, images, target=1)
    np.testing.assert_allclose(found.maps, 1000 * expected.maps, rtol=1e-4)


def test_a_single_score_speaks_for_the_second_of_two_classes(images):
    model = maps_then_classes(("classes", Dense(1, "sigmoid")))
    model.labels = ["cat", "dog"]
    both = xception.explain(model, images, target=["cat", "dog"])
    kernel = model.parameters["classes"]["kernel"][:, 0]
    dog = activations(model, images) @ kernel / 16
    np.testing.assert_allclose(both.maps[:, 1], np.maximum(dog, 0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(both.maps[:, 0], np.maximum(-dog, 0), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(both.scores[:, 0], -both.scores[:, 1])
    probability = model.predict(images)[:, 0]
    np.testing.assert_array_equal(xception.explain(model, images).targets, probability > 0.5)


# --- which classes ----------------------------------------------------------------------------

LABELS = (("n1", "tabby"), ("n2", "Egyptian_cat"), ("n3", "crane"), ("n4", "crane"), ("n5", "lynx_cat"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0, [0]), (np.int64(2), [2]), ("tabby", [0]), ("egyptian cat", [1]), ("n4", [3]), ("*cat*", [1, 4]),
        ("4", [4]), (["tabby", 4, "*cat"], [0, 4, 1]), (range(2), [0, 1]),
    ],
)  # fmt: skip
def test_classes_are_named_in_many_ways(target, expected):
    assert numbers(target, LABELS) == expected


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (5, "from 0 to 4, got 5"), (-1, "from 0 to 4"), ("5", "from 0 to 4"), (True, "a class is a number"),
        ("tabbi", "no class 'tabbi' among the 5; did you mean tabby"), ("*dog*", "no class"),
        ("crane", "several classes are called 'crane': give the id of one, of n3, n4"), ([], "empty"),
        ([1.5], "a class is a number"),
    ],
)  # fmt: skip
def test_classes_that_are_not_there_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        numbers(target, LABELS)


def test_names_come_before_patterns_and_numbers():
    labels = (("0", "a*"), ("1", "ab"), ("2", "1"))
    assert numbers("a*", labels) == [0]
    assert Targets("a*", None, labels).single
    assert numbers("1", labels) == [2]


def test_imagenet_has_all_of_its_cats():
    names = [classes()[number][1] for number in numbers("*cat", classes())]
    assert {"tiger_cat", "Persian_cat", "Siamese_cat", "Egyptian_cat"} <= set(names)


def test_several_classes_have_an_axis_one_class_has_none(classifier, images):
    one = xception.explain(classifier, images, target=3)
    assert (one.maps.shape, one.targets.shape, one.scores.shape) == ((3, 4, 4), (3,), (3,))
    assert one.names == ["class_3"] * 3
    for several in ({"target": [3]}, {"target": "*_3"}, {"top": 1}):
        assert xception.explain(classifier, images, **several).maps.shape == (3, 1, 4, 4)
    top = xception.explain(classifier, images, top=2)
    order = np.argsort(-classifier.predict(images), axis=1)[:, :2]
    np.testing.assert_array_equal(top.targets, order)
    assert top.names == [[f"class_{number}" for number in row] for row in order]
    for i, k in np.ndindex(3, 2):
        alone = xception.explain(classifier, images[i : i + 1], target=order[i, k])
        np.testing.assert_allclose(top.maps[i, k], alone.maps[0], rtol=1e-5)


# --- what enters ------------------------------------------------------------------------------


def test_photographs_enter_as_in_predict_and_arrays_as_in_the_models_own(classifier, tmp_path):
    photos = RNG.integers(0, 256, (2, 12, 12, 3), np.uint8)
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    expected = xception.explain(classifier, xception.preprocess_input(photos)).maps
    paths = [tmp_path / "0.png", str(tmp_path / "1.png")]
    for x in (photos, list(photos), paths, [Image.fromarray(photo) for photo in photos]):
        found = xception.explain(classifier, x)
        np.testing.assert_array_equal(found.maps, expected)
        np.testing.assert_array_equal(found.images, photos)
    np.testing.assert_array_equal(xception.explain(classifier, paths[0]).maps, expected[:1])
    np.testing.assert_array_equal(xception.explain(classifier, photos[0]).maps, expected[:1])
    unit = xception.explain(classifier, (photos / 255).astype(np.float32), scaling="unit")
    np.testing.assert_array_equal(unit.images, photos)
    with pytest.raises(ValueError, match=r"needs a batch axis"):
        xception.explain(classifier, np.zeros((12, 12, 3), np.float32))


def test_a_photograph_keeps_its_own_shape_and_is_reduced(classifier, tmp_path):
    Image.new("RGB", (1280, 400), "teal").save(tmp_path / "wide.png")
    found = xception.explain(classifier, tmp_path / "wide.png")
    assert found.images[0].shape == (200, 640, 3)
    assert found.overlay().size == (640, 200)


def test_what_is_wrong_is_said(classifier, images):
    for settings, message in [
        ({"method": "gradcam"}, "method must be one of grad-cam, score-cam, occlusion"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"patch": 1.5}, "patch from 0 to 1"),
        ({"top": 6}, "top must be from 1 to 5"),
        ({"top": 2, "target": 1}, "either a target or top"),
        ({"labels": ["one", "two"]}, "2 labels, but small tells 5 classes apart"),
        ({"layer": "pooled"}, r"pooled gives \(None, 8\), where maps"),
        ({"layer": "image"}, "image does not stand between the input"),
        ({"layer": "map"}, "no layer 'map'; did you mean maps"),
    ]:
        with pytest.raises(ValueError, match=message):
            xception.explain(classifier, images, **settings)


def test_models_of_several_inputs_or_outputs_are_refused():
    for build, message in [
        (small_models.siamese, "one photograph"),
        (small_models.two_ends, "scores"),
        (small_models.base, "has it a classifier"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            xception.explain(small_models.model(build()), np.zeros((1, 12, 12, 3), np.float32))


# --- which layer ------------------------------------------------------------------------------


def test_the_last_maps_are_looked_at_and_any_others_by_name(images):
    nested = small_models.model(small_models.nested())
    x = images * 127.5 + 127.5
    assert xception.explain(nested, x).layer == "base/add"
    for name, node in [
        ("base", "base/add"), ("base/add", "base/add"), ("block2_pool", "base/block2_pool"),
        ("block1_conv1", "base/block1_conv1"),
    ]:  # fmt: skip
        found = xception.explain(nested, x, layer=name)
        assert found.layer == node
        assert found.maps.shape == (3, *nested.graph.nodes[node].output_shape[:2])
    assert xception.explain(small_models.model(small_models.in_a_row()), images).layer == "base/add"
    assert xception.explain(small_models.model(small_models.nested_twice()), x).layer == "inner/base/add"


def test_xceptions_last_maps_and_its_first(full_model):
    x = RNG.uniform(-1, 1, (2, 71, 71, 3)).astype(np.float32)
    found = xception.explain(full_model, x, target="tabby")
    assert (found.layer, found.maps.shape) == ("block14_sepconv2_act", (2, 3, 3))
    assert found.names == ["tabby", "tabby"]
    early = xception.explain(full_model, x, layer="block1_conv1", target="n02123045")
    assert early.maps.shape == (2, 35, 35)
    assert early.maps.max() > 0


def test_without_maps_there_is_nothing_to_look_at():
    model = small_models.model(small_models.row("flat", image(), ("flat", Flatten()), ("classes", Dense(3))))
    with pytest.raises(ValueError, match="flat has no maps"):
        xception.explain(model, np.zeros((1, 12, 12, 3), np.float32))
