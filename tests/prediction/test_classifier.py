"""Photographs to labels in one call, with models and labels of one's own."""

import json

import numpy as np
import pytest
import small_models

import xception
from xception.layers import (
    Activation,
    Arithmetic,
    Average,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Normalization,
    Rescaling,
    Softmax,
)
from xception.prediction import classifier as prediction

RED, GREEN, BLUE = (np.full((8, 8, 3), color, np.uint8) for color in np.eye(3) * 255)


def model(*head, scaling=(), weights=None, shape=(8, 8, 3)):
    """A model that looks at colours: its scores are the channels' means, unless given weights."""
    layers = [
        ("image", Input(shape)),
        *((f"scaling_{i}", layer) for i, layer in enumerate(scaling)),
        ("pool", GlobalAveragePooling2D()),
        *((f"head_{i}", layer) for i, layer in enumerate(head or [Dense(3)])),
    ]
    built = small_models.model(small_models.row("colours", *layers))
    dense = [layer for layer in built.layers if layer.name.startswith("head") and layer.count_params()]
    for layer in dense:
        kernel, bias = layer.get_weights()
        layer.set_weights([np.eye(*kernel.shape) if weights is None else weights, bias * 0])
    return built


def scores(built, image=RED, **settings):
    (found,) = xception.predict(image, built, **settings)
    return {answer.label: answer.score for answer in found}


def near(expected):
    return pytest.approx(expected, abs=1e-4)


def softmax(*logits):
    return np.exp(logits) / np.exp(logits).sum()


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, dict, str, "path"])
def test_labels_of_ones_own(tmp_path, form):
    labels = ["red", "green", "blue"]
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n")
    given = {list: labels, dict: {"green": 1, "red": 0, "blue": 2}, str: str(path), "path": path}[form]
    first, second, third = xception.predict([RED, GREEN, BLUE], model(), top=1, labels=given)
    assert [answer.label for (answer,) in (first, second, third)] == labels
    assert second[0].class_id == "1"


def test_labels_that_the_model_brings_along(tmp_path):
    built = model()
    assert set(scores(built)) == {"class_0", "class_1", "class_2"}
    built.labels = {"red": 0, "green": 1, "blue": 2}
    assert built.labels == (("0", "red"), ("1", "green"), ("2", "blue"))
    built.save(tmp_path / "colours.keras")
    loaded = xception.load_model(tmp_path / "colours.keras")
    assert set(scores(loaded)) == {"red", "green", "blue"}
    assert set(scores(loaded, labels=["rouge", "vert", "bleu"])) == {"rouge", "vert", "bleu"}
    built.labels = None
    assert "class_0" in scores(built)
    with pytest.raises(ValueError, match="class 1 should have a name"):
        built.labels = ["red", 2]


def test_imagenets_labels_are_for_a_thousand_classes():
    assert [answer.class_id for answer in xception.predict(RED, model(Dense(1000)), top=1)[0]] == [
        "n01440764"
    ]
    assert "class_0" in scores(model(Dense(999)), top=999)


@pytest.mark.parametrize("labels", [["red", "green"], ["red", "green", "blue", "black"]])
def test_labels_of_another_number_are_refused_before_a_photograph_is_read(labels):
    message = f"there are {len(labels)} labels, but colours tells 3 classes apart"
    with pytest.raises(ValueError, match=message):
        xception.predict("there/is/no/such.jpg", model(), labels=labels)
    own = model()
    own.labels = labels
    with pytest.raises(ValueError, match=message):
        xception.predict(RED, own)


def test_models_that_say_nothing_of_classes():
    with pytest.raises(ValueError, match="has it a classifier"):
        xception.predict(RED, small_models.model(small_models.base()))
    with pytest.raises(ValueError, match=r"takes .*where one photograph"):
        xception.predict(RED, small_models.model(small_models.two_ends()))
    two = small_models.wired(
        "two", ["image"], ["pool", "dense"],
        image=(Input((8, 8, 3)),), pool=(GlobalAveragePooling2D(), ["image"]), dense=(Dense(2), ["pool"]),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"two gives \[\(None, 3\), \(None, 2\)\]"):
        xception.predict(RED, small_models.model(two))


# --- scores and probabilities ---------------------------------------------------------------


@pytest.mark.parametrize("head", [[Dense(3)], [Dense(3), Dropout(0.5)], [Dense(3, "log_softmax")]])
def test_logits_become_probabilities(head):
    red, other, _ = softmax(1, -1, -1)
    assert scores(model(*head)) == near({"class_0": red, "class_1": other, "class_2": other})


@pytest.mark.parametrize(
    "head",
    [
        [Dense(3, "softmax")],
        [Dense(3), Activation("softmax")],
        [Dense(3), Softmax()],
        [Dense(3), Activation(Softmax()), Dropout(0.1), Flatten()],
        [Dense(3, "softmax"), Arithmetic("multiply", 1.0)],  # told by their sum
    ],
)
def test_probabilities_stay_what_they_are(head):
    red, other, _ = softmax(1, -1, -1)
    assert scores(model(*head)) == near({"class_0": red, "class_1": other, "class_2": other})


def test_several_classes_may_be_there_at_once():
    expected = {"class_0": 1 / (1 + np.exp(-1)), "class_1": 1 / (1 + np.e), "class_2": 1 / (1 + np.e)}
    assert scores(model(Dense(3, "sigmoid"))) == near(expected)


def test_an_average_of_several_classifiers():
    net = small_models.wired(
        "ensemble", ["image"], ["mean"],
        image=(Input((8, 8, 3)),), pool=(GlobalAveragePooling2D(), ["image"]),
        one=(Dense(3, "sigmoid"), ["pool"]), two=(Dense(3, "sigmoid"), ["pool"]),
        mean=(Average(), ["one", "two"]),
    )  # fmt: skip
    built = small_models.model(net)
    (expected,) = built.predict(xception.preprocess_input(RED[None]))
    assert scores(built) == near({f"class_{i}": float(score) for i, score in enumerate(expected)})


def test_softmax_on_demand():
    red, other, _ = softmax(1, -1, -1)
    assert scores(model(), softmax="no") == near({"class_0": 1, "class_1": -1, "class_2": -1})
    again = softmax(red, other, other)
    twice = {"class_0": again[0], "class_1": again[1], "class_2": again[1]}
    assert scores(model(Dense(3, "softmax")), softmax="yes") == near(twice)
    with pytest.raises(ValueError, match="softmax must be one of auto, yes, no"):
        scores(model(), softmax="maybe")


WHITE_TO_ONE = np.full((3, 1), 1.0)
P = 1 / (1 + np.e)  # a sigmoid's answer to red: 1 − 1 − 1


@pytest.mark.parametrize(
    ("activation", "settings", "expected"),
    [
        ("sigmoid", {}, {"class_0": 1 - P, "class_1": P}),
        ("sigmoid", {"labels": ["cat", "dog"]}, {"cat": 1 - P, "dog": P}),
        ("sigmoid", {"labels": ["dog"]}, {"dog": P}),
        ("sigmoid", {"softmax": "no"}, {"class_0": 1 - P, "class_1": P}),
        ("linear", {}, {"class_0": -1}),
        ("linear", {"labels": ["age"]}, {"age": -1}),
        ("linear", {"labels": ["cat", "dog"]}, {"cat": 1 - P, "dog": P}),
        ("linear", {"softmax": "yes"}, {"class_0": 1 - P, "class_1": P}),
        ("linear", {"softmax": "yes", "labels": ["dog"]}, {"dog": P}),
        ("linear", {"softmax": "no"}, {"class_0": -1}),
    ],
)
def test_a_single_score(activation, settings, expected):
    built = model(Dense(1, activation), weights=WHITE_TO_ONE)
    assert scores(built, **settings) == near(expected)


@pytest.mark.parametrize(
    ("activation", "settings", "found"),
    [
        ("sigmoid", {"labels": ["a", "b", "c"]}, 2),
        ("linear", {"labels": ["a", "b", "c"]}, 1),
        ("linear", {"labels": ["a", "b"], "softmax": "no"}, 1),
    ],
)
def test_labels_that_do_not_fit_a_single_score(activation, settings, found):
    with pytest.raises(ValueError, match=f"labels, but colours tells {found} classes apart"):
        scores(model(Dense(1, activation)), **settings)


def test_a_classifier_without_a_dense_layer():
    convolutional = small_models.wired(
        "convolutional", ["image"], ["flat"],
        image=(Input((8, 8, 3)),), maps=(Conv2D(2, 8, activation="sigmoid"), ["image"]),
        flat=(Flatten(), ["maps"]),
    )  # fmt: skip
    built = small_models.model(convolutional)
    (expected,) = built.predict(xception.preprocess_input(RED[None]))
    assert scores(built) == near({"class_0": float(expected[0]), "class_1": float(expected[1])})


# --- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaling", "red", "other"), [("auto", 1, -1), ("tf", 1, -1), ("unit", 1, 0), ("none", 255, 0)]
)
def test_scaling(scaling, red, other):
    found = scores(model(), softmax="no", scaling=scaling)
    assert found == near({"class_0": red, "class_1": other, "class_2": other})


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([Rescaling(1 / 127.5, -1.0)], "none"),
        ([Rescaling(1 / 255), Rescaling(2.0, -1.0)], "none"),
        ([Arithmetic("divide", 127.5), Arithmetic("subtract", 1.0)], "none"),
        ([Arithmetic("subtract", (104.0, 117.0, 124.0))], "none"),
        ([Normalization(mean=(127.0,) * 3, variance=(3600.0,) * 3)], "none"),
        ([Normalization(mean=(0.5,) * 3, variance=(0.04,) * 3)], "unit"),
        (
            [Arithmetic("subtract", (0.485, 0.456, 0.406)), Arithmetic("divide", (0.229, 0.224, 0.225))],
            "unit",
        ),
        ([Rescaling(2.0, -1.0)], "unit"),
        ([Activation("relu")], "tf"),
        ([], "tf"),
    ],
)
def test_models_that_scale_pixels_themselves(layers, expected):
    assert prediction.wanted_scaling(model(scaling=layers)) == expected
    assert prediction.wanted_scaling(model(scaling=layers, shape=(None, None, 3))) == expected


def test_what_stands_behind_a_layer_that_has_learnt_scales_no_pixels():
    net = small_models.row(
        "late", ("image", Input((8, 8, 3))), ("maps", Conv2D(2, 3)), ("half", Rescaling(0.5)),
        ("pool", GlobalAveragePooling2D()), ("classes", Dense(2)),
    )  # fmt: skip
    assert prediction.wanted_scaling(small_models.model(net)) == "tf"


def test_a_model_with_its_own_scaling_takes_pixels():
    built = model(Dense(3), scaling=[Rescaling(1 / 127.5, -1.0)])
    assert scores(built) == near(scores(model()))
    assert scores(built, scaling="tf") != near(scores(model()))
    with pytest.raises(ValueError, match="scaling must be one of auto, tf, unit, none"):
        scores(built, scaling="caffe")


def test_images_of_any_size_and_several_batches(monkeypatch):
    monkeypatch.setattr(prediction, "BATCH", 2)
    images = [RED, np.full((20, 9, 3), 3, np.uint8), BLUE]
    found = xception.predict(images, model(), top=1)
    assert [answer.label for (answer,) in found][::2] == ["class_0", "class_2"]
    json.dumps([[answer._asdict() for answer in answers] for answers in found])  # plain numbers
