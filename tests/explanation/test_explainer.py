"""Explanations of photographs, which agree with predictions."""

import numpy as np
import pytest
import small_models
from explanations import METHODS, explain_inputs, maps_then_classes
from PIL import Image

import xception
from xception import Classifier, Preprocessing
from xception.data.failures import FailureLog
from xception.engine.plan import Plan
from xception.explanation.explainer import Explainer
from xception.layers import (
    Arithmetic,
    Concatenate,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    Normalization,
    Rescaling,
)

RNG = np.random.default_rng(4)


@pytest.fixture
def photos(tmp_path):
    """The paths of two photographs, and their pixels."""
    pixels = RNG.integers(0, 256, (2, 12, 12, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, photo in zip(paths, pixels, strict=True):
        Image.fromarray(photo).save(path)
    return paths, pixels


# --- agreement with predict -------------------------------------------------------------------

SCALING_LAYERS = {
    "none": [],
    "to -1…1": [Rescaling(1 / 127.5, -1.0)],
    "to 0…1": [Rescaling(1 / 255)],
    "from 0…1": [Rescaling(5.0, -2.5)],
    "normalized pixels": [Normalization(mean=(127.0,) * 3, variance=(3600.0,) * 3)],
    "normalized 0…1": [Normalization(mean=(0.5,) * 3, variance=(0.04,) * 3)],
    "divided": [Arithmetic("divide", 127.5), Arithmetic("subtract", 1.0)],
    "mean subtracted": [Arithmetic("subtract", (104.0, 117.0, 124.0))],
}

OPTIONS = {
    "defaults": ({}, {}),
    "scaling unit": ({"scaling": "unit"}, {}),
    "scaling none": ({"scaling": "none"}, {}),
    "logits": ({"from_logits": True}, {}),
    "no logits": ({"from_logits": False}, {}),
    "class names": ({"class_names": ["a", "b", "c", "d", "e"]}, {}),
    "recorded scaling": ({}, {"scaling": "unit"}),
    "recorded filter": ({}, {"interpolation": "nearest", "from_logits": True}),
}


def record_runs(monkeypatch):
    """Return a list to which the input of each forward pass is added."""
    recorded = []
    run = Plan.run

    def recording_run(self, x, *arguments):
        recorded.append(next(iter(x.values())) if isinstance(x, dict) else x)
        return run(self, x, *arguments)

    monkeypatch.setattr(Plan, "run", recording_run)
    return recorded


@pytest.fixture(scope="module")
def mixed_images(examples):
    """Photographs, and arrays of pixels in several types and shapes."""
    return [
        *sorted(examples.glob("c*.jpg")),
        RNG.uniform(0, 255, (20, 9, 3)),
        RNG.integers(0, 256, (12, 12), np.uint8),
    ]


def check_agreement(monkeypatch, images, model, **options):
    """Check that the network is fed the same numbers, bit for bit, and that the best classes are the same."""
    runs = record_runs(monkeypatch)
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "1")  # so that photographs are computed in order
    predictions = xception.predict(images, model, top=5, **options)
    predicted = np.concatenate(runs)[-len(images) :]  # a grey image may have been predicted before
    runs.clear()
    explanation = xception.explain(images, model, top=5, **options)
    explained = np.concatenate(runs)[-len(images) :]
    np.testing.assert_array_equal(explained, predicted, strict=True)
    assert explanation.names == [[p.class_name for p in entry] for entry in predictions]
    assert (explanation.paths, explanation.indices) == (predictions.paths, predictions.indices)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("layers", SCALING_LAYERS)
def test_predict_and_explain_agree(monkeypatch, mixed_images, layers, options):
    options, recorded = OPTIONS[options]
    scaling = [(f"scaling_{i}", layer) for i, layer in enumerate(SCALING_LAYERS[layers])]
    model = maps_then_classes(("classes", Dense(5, "softmax")), scaling=scaling)
    model.preprocessing = Preprocessing(**recorded)
    check_agreement(monkeypatch, mixed_images, model, **options)
    check_agreement(monkeypatch, mixed_images, Classifier(model, **options))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layers", SCALING_LAYERS)
def test_every_method_explains_what_predict_finds_best(mixed_images, layers, method):
    scaling = [(f"scaling_{i}", layer) for i, layer in enumerate(SCALING_LAYERS[layers])]
    model = maps_then_classes(("classes", Dense(5)), scaling=scaling)
    explanation = xception.explain(mixed_images, model, method=method, channels=2)
    predictions = xception.predict(mixed_images, model, top=1)
    assert explanation.names == [entry[0].class_name for entry in predictions]


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
@pytest.mark.parametrize("class_names", [None, ["cat", "dog"], ["dog"]])
@pytest.mark.parametrize("from_logits", [None, True, False])
def test_predict_and_explain_agree_on_what_a_single_score_is(examples, activation, class_names, from_logits):
    model = maps_then_classes(("classes", Dense(1, activation)))
    options = {"class_names": class_names, "from_logits": from_logits}
    try:
        predictions = xception.predict(examples, model, top=1, **options)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            xception.explain(examples, model, **options)
    else:
        assert xception.explain(examples, model, top=1, **options).names == [
            [entry[0].class_name] for entry in predictions
        ]


def test_saturated_scores_do_not_part_predict_and_explain(inputs):
    """Several probabilities of exactly 1: the first class is the best, as `predict` has it."""
    model = maps_then_classes(("classes", Dense(5, "sigmoid")))
    weights = model.get_weights()
    model.set_weights([*weights[:-1], np.array([-99, 99, 199, 99, 0], np.float32)])
    pixels = (inputs * 127.5 + 127.5).round().astype(np.uint8)
    predictions = xception.predict(pixels, model, top=1)
    assert xception.explain(pixels, model).names == [entry[0].class_name for entry in predictions]


def test_a_classifier_has_decided_the_options(model):
    with pytest.raises(ValueError, match="has decided"):
        xception.explain([], Classifier(model), scaling="unit")


def test_the_model_comes_after_the_photographs(model, photos):
    for swapped in (model, Classifier(model)):
        with pytest.raises(TypeError, match=r"explain\(images, model\): expected photographs for images"):
            xception.explain(swapped, photos[0])


# --- photographs and arrays -------------------------------------------------------------------


def test_photographs_are_given_as_to_predict_and_inputs_as_to_the_models_own(model, photos):
    paths, pixels = photos
    expected = explain_inputs(model, xception.preprocess_input(pixels)).maps
    for images in (
        pixels, list(pixels), paths, [paths[0], str(paths[1])], str(paths[0].parent / "?.png"),
        paths[0].parent, [Image.fromarray(photo) for photo in pixels], [p.read_bytes() for p in paths],
        (path for path in paths), pixels.astype(np.float64),
    ):  # fmt: skip
        explanation = xception.explain(images, model)
        np.testing.assert_array_equal(explanation.maps, expected)
        np.testing.assert_array_equal(explanation.images, pixels)
    np.testing.assert_array_equal(xception.explain(paths[0], model).maps, expected[:1])
    np.testing.assert_array_equal(xception.explain(pixels[0], model).maps, expected[:1])
    unit = explain_inputs(model, (pixels / 255).astype(np.float32), scaling="unit")
    np.testing.assert_array_equal(unit.images, pixels)
    with pytest.raises(ValueError, match=r"needs a batch axis"):
        explain_inputs(model, np.zeros((12, 12, 3), np.float32))
    with pytest.raises(ValueError, match=r"pixels must lie in 0…255, got -1\.0"):
        xception.explain(xception.preprocess_input(np.zeros((2, 12, 12, 3))), model)


def test_a_model_can_be_given_by_its_path(model, photos, tmp_path):
    model.save(tmp_path / "small.keras")
    explanation = xception.explain(photos[0], tmp_path / "small.keras")
    np.testing.assert_array_equal(explanation.maps, xception.explain(photos[0], model).maps)


def test_a_photograph_keeps_its_own_shape_and_is_reduced(model, tmp_path):
    Image.new("RGB", (1280, 400), "teal").save(tmp_path / "wide.png")
    explanation = xception.explain(tmp_path / "wide.png", model)
    assert explanation.images[0].shape == (200, 640, 3)
    assert explanation.overlay().size == (640, 200)


def test_photographs_that_cannot_be_read_are_skipped_on_demand(model, photos, tmp_path):
    paths, _ = photos
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    images = [tmp_path / "broken.jpg", paths[0], tmp_path / "missing.png", paths[1]]
    with pytest.raises(OSError, match="broken"):
        xception.explain(images, model)
    explanation = xception.explain(images, model, on_error="skip")
    assert explanation.paths == list(map(str, paths))
    assert explanation.indices == [1, 3]
    assert [(f.index, f.path) for f in explanation.failures] == [(0, str(images[0])), (2, str(images[2]))]
    np.testing.assert_array_equal(explanation.maps, xception.explain(paths, model).maps)
    failures = []
    xception.explain(images, model, method="score-cam", on_error=failures.append)
    assert [failure.index for failure in failures] == [0, 2]


@pytest.mark.parametrize("method", METHODS)
def test_photographs_are_streamed_as_they_are_read(model, photos, method):
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield photos[1][0]

    explainer = Explainer(Classifier(model), method=method, channels=2)
    stream = explainer.stream(endless(), FailureLog("raise"), verbose=0)
    first, second = next(stream), next(stream)
    assert second.indices[0] == first.indices[-1] + 1
    assert len(first.images) == len(first) <= 16
    assert len(second.images) == len(second) <= 16
    assert read <= 32


# --- which classes ----------------------------------------------------------------------------


def test_several_classes_have_an_axis_one_class_has_none(model, inputs):
    one = explain_inputs(model, inputs, target=3)
    assert (one.maps.shape, one.targets.shape, one.scores.shape) == ((3, 4, 4), (3,), (3,))
    assert one.names == ["class_3"] * 3
    for several in ({"target": [3]}, {"target": "*_3"}, {"top": 1}):
        assert explain_inputs(model, inputs, **several).maps.shape == (3, 1, 4, 4)
    top = explain_inputs(model, inputs, top=2)
    order = np.argsort(-model.predict(inputs), axis=1)[:, :2]
    np.testing.assert_array_equal(top.targets, order)
    assert top.names == [[f"class_{index}" for index in row] for row in order]
    for i, k in np.ndindex(3, 2):
        alone = explain_inputs(model, inputs[i : i + 1], target=order[i, k])
        np.testing.assert_allclose(top.maps[i, k], alone.maps[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gradcam"}, "method must be one of grad-cam, score-cam, occlusion"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"channels": 2.5}, "channels must be a positive integer"),
        ({"patch": 1.5}, "patch must be above 0 and at most 1"),
        ({"patch": "half"}, "patch must be a number, got 'half'"),
        ({"top": 1.5}, r"top must be a positive integer, got 1\.5"),
        ({"scaling": None}, "scaling must be one of auto, tf, unit, none, got None"),
        ({"top": 6}, "top must be from 1 to 5"),
        ({"top": 2, "target": 1}, "either a target"),
        ({"class_names": ["one", "two"]}, "2 class names, but small has 5 classes"),
        ({"layer": "pooled"}, r"pooled gives \(None, 8\), expected feature maps"),
        ({"layer": "image"}, "image is not between the input"),
        ({"layer": "map"}, "no layer 'map'; did you mean maps"),
        ({"verbose": 3}, "verbose must be"),
        ({"on_error": "ignore"}, "on_error must be"),
    ],
)
def test_wrong_options_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        xception.explain(RNG.integers(0, 256, (3, 12, 12, 3), np.uint8), model, **options)


def test_one_layer_is_explained(model):
    with pytest.raises(TypeError, match="layer must be the name of one layer, got list"):
        xception.explain([], model, layer=["maps"])


def two_outputs():
    return small_models.wired(
        "two", ["image"], ["pool", "dense"],
        image=(Input((12, 12, 3)),), conv=(Conv2D(3, 3), ["image"]),
        pool=(GlobalAveragePooling2D(), ["conv"]), dense=(Dense(2), ["pool"]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (small_models.siamese, "expected a list of 2 arrays, for the inputs left, right"),
        (small_models.two_ends, r"2 outputs: age \(None, 1\), kind \(None, 3\); name one of them"),
        (small_models.base, "has no classifier"),
        (two_outputs, r"two has 2 outputs: pool \(None, 3\), dense \(None, 2\); name one of them"),
    ],
)
def test_a_model_of_several_inputs_or_outputs_says_what_is_missing(build, message):
    with pytest.raises(ValueError, match=message):
        xception.explain(np.zeros((1, 12, 12, 3), np.uint8), small_models.model(build()))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_several_inputs_takes_arrays_and_its_photograph_is_explained(method, tmp_path):
    model = small_models.model(small_models.two_ends())
    x, numbers = small_models.entering(model, count=3)
    options = {"method": method, "output_name": "kind", "target": 1}
    explanation = xception.explain({"image": x, "numbers": numbers}, model, **options, output=tmp_path)
    listed = xception.explain([x, numbers], model, **options)
    np.testing.assert_array_equal(listed.maps, explanation.maps)
    assert explanation.maps.shape == (3, 6, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"image_{i}.why.png" for i in range(3)]
    # The same by a model of one input, which has the numbers of the second example as a bias.
    kernel, bias = model.parameters["kind"].values()
    graph = small_models.flatten(small_models.wired(
        "alone", ["image"], ["kind"],
        image=(Input((12, 12, 3)),), shifted=(Arithmetic("subtract", (0.1, 0.2, 0.3)), ["image"]),
        base=(small_models.base(), ["shifted"]), average=(GlobalAveragePooling2D(), ["base"]),
        greatest=(GlobalMaxPooling2D(), ["base"]), all=(Concatenate(), ["average", "greatest"]),
        kind=(Dense(3, "softmax"), ["all"]),
    ))  # fmt: skip
    parameters = {name: model.parameters[name] for name in graph.nodes if name in model.parameters}
    parameters["kind"] = {"kernel": kernel[:-2], "bias": bias + numbers[1] @ kernel[-2:]}
    alone = explain_inputs(xception.Model(graph, parameters), x[1:2], method=method, target=1)
    np.testing.assert_allclose(explanation.maps[1:2], alone.maps, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(explanation.scores[1], alone.scores[0], rtol=1e-4)


def test_of_two_photographs_the_one_that_the_layer_depends_on_is_explained():
    model = small_models.model(small_models.siamese())
    left, right = small_models.entering(model)
    explainer = Explainer(Classifier(model), layer="base", target=1)
    assert (explainer.layer, explainer.image) == ("base/add", "left")
    pictures = explainer.explain_inputs([left, right]).images
    np.testing.assert_array_equal(pictures[0], (left[0] * 127.5 + 127.5).round().astype(np.uint8))
    assert Explainer(model, layer="base:1/add").image == "right"


def test_each_output_is_explained_by_its_name(inputs):
    model = small_models.model(two_outputs())
    for index, name in enumerate(("pool", "dense")):
        explainer = Explainer(Classifier(model, output_name=name), target=1, layer="conv")
        explanation = explainer.explain_inputs(inputs)
        scores = model.predict(inputs, verbose=0)[index][:, 1]
        np.testing.assert_allclose(explanation.scores, scores, rtol=1e-4, atol=1e-6)


# --- which layer ------------------------------------------------------------------------------


def test_the_last_maps_are_explained_and_any_others_by_name(inputs):
    nested = small_models.model(small_models.nested())
    x = inputs * 127.5 + 127.5
    assert explain_inputs(nested, x).layer == "base/add"
    for name, node in [
        ("base", "base/add"), ("base/add", "base/add"), ("block2_pool", "base/block2_pool"),
        ("block1_conv1", "base/block1_conv1"),
    ]:  # fmt: skip
        explanation = explain_inputs(nested, x, layer=name)
        assert explanation.layer == node
        assert explanation.maps.shape == (3, *nested.graph.nodes[node].output_shape[:2])
    assert explain_inputs(small_models.model(small_models.in_a_row()), inputs).layer == "base/add"
    assert explain_inputs(small_models.model(small_models.nested_twice()), x).layer == "inner/base/add"


def test_xceptions_last_maps_and_its_first(full_model):
    x = RNG.uniform(-1, 1, (2, 71, 71, 3)).astype(np.float32)
    explanation = explain_inputs(full_model, x, target="tabby")
    assert (explanation.layer, explanation.maps.shape) == ("block14_sepconv2_act", (2, 3, 3))
    assert explanation.names == ["tabby", "tabby"]
    early = explain_inputs(full_model, x, layer="block1_conv1", target="n02123045")
    assert early.maps.shape == (2, 35, 35)
    assert early.maps.max() > 0


def test_a_model_without_maps_is_refused():
    model = small_models.model(
        small_models.row("flat", ("image", Input((12, 12, 3))), ("flat", Flatten()), ("classes", Dense(3)))
    )
    with pytest.raises(ValueError, match=r"flat has no .*maps"):
        xception.explain(np.zeros((1, 12, 12, 3), np.uint8), model)


# --- progress ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "total"),
    [("grad-cam", "3 photos"), ("score-cam", "15 predictions"), ("occlusion", "48 predictions")],
)
def test_the_bar_counts_forward_passes_and_comes_to_its_end(model, photos, tmp_path, capsys, method, total):
    (tmp_path / "broken.jpg").write_bytes(b"no photograph")
    images = [photos[0][0], tmp_path / "broken.jpg", np.full((12, 12, 3), 127, np.uint8)]
    xception.explain(images, model, method=method, channels=5, on_error="skip", verbose=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first == f"xception: 0 of {total}"
    assert last.startswith(f"xception: {total} in 0:")
    explain_inputs(model, np.zeros((1, 12, 12, 3)), method=method)
    assert capsys.readouterr().err == ""
