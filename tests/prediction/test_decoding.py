"""Class names, and probabilities from what a model gives."""

import numpy as np
import pytest
import small_models
from color_models import BLUE, GREEN, RED, model, near, scores, softmax

import xception
from xception.layers import (
    Activation,
    Arithmetic,
    Average,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Softmax,
)

# --- class names ------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, dict, str, "path"])
def test_class_names_as_an_argument(tmp_path, form):
    labels = ["red", "green", "blue"]
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n")
    given = {list: labels, dict: {"green": 1, "red": 0, "blue": 2}, str: str(path), "path": path}[form]
    first, second, third = xception.predict([RED, GREEN, BLUE], model(), top=1, class_names=given)
    assert [answer.class_name for (answer,) in (first, second, third)] == labels
    assert second[0].class_id == "1"


def test_class_names_that_the_model_carries(tmp_path):
    built = model()
    assert set(scores(built)) == {"class_0", "class_1", "class_2"}
    built.class_names = {"red": 0, "green": 1, "blue": 2}
    assert built.class_names == (("0", "red"), ("1", "green"), ("2", "blue"))
    built.save(tmp_path / "colours.keras")
    loaded = xception.load_model(tmp_path / "colours.keras")
    assert set(scores(loaded)) == {"red", "green", "blue"}
    assert set(scores(loaded, class_names=["rouge", "vert", "bleu"])) == {"rouge", "vert", "bleu"}
    built.class_names = None
    assert "class_0" in scores(built)
    with pytest.raises(ValueError, match="class 1 should have a name"):
        built.class_names = ["red", 2]


def test_imagenet_names_are_for_a_thousand_classes():
    assert [answer.class_id for answer in xception.predict(RED, model(Dense(1000)), top=1)[0]] == [
        "n01440764"
    ]
    assert "class_0" in scores(model(Dense(999)), top=999)


@pytest.mark.parametrize("names", [["red", "green"], ["red", "green", "blue", "black"]])
def test_a_wrong_number_of_class_names_is_refused_before_a_photograph_is_read(names):
    message = f"there are {len(names)} class names, but colours has 3 classes"
    with pytest.raises(ValueError, match=message):
        xception.predict("there/is/no/such.jpg", model(), class_names=names)
    own = model()
    own.class_names = names
    with pytest.raises(ValueError, match=message):
        xception.predict(RED, own)


def test_models_without_a_classifier():
    with pytest.raises(ValueError, match="the model has no classifier"):
        xception.predict(RED, small_models.model(small_models.base()))
    with pytest.raises(ValueError, match=r"takes .*expected one photograph"):
        xception.predict(
            RED, small_models.model(small_models.row("row", ("x", Input((4,))), ("y", Dense(2))))
        )
    two = small_models.wired(
        "two", ["image"], ["pool", "dense"],
        image=(Input((8, 8, 3)),), pool=(GlobalAveragePooling2D(), ["image"]), dense=(Dense(2), ["pool"]),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"two has 2 outputs: pool \(None, 3\), dense \(None, 2\)"):
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


def test_from_logits_overrides_what_is_found_out():
    red, other, _ = softmax(1, -1, -1)
    assert scores(model(), from_logits=False) == near({"class_0": 1, "class_1": -1, "class_2": -1})
    again = softmax(red, other, other)
    twice = {"class_0": again[0], "class_1": again[1], "class_2": again[1]}
    assert scores(model(Dense(3, "softmax")), from_logits=True) == near(twice)
    with pytest.raises(ValueError, match="from_logits must be True, False or None, got 'maybe'"):
        scores(model(), from_logits="maybe")


WHITE_TO_ONE = np.full((3, 1), 1.0)
P = 1 / (1 + np.e)  # a sigmoid's answer to red: 1 − 1 − 1


@pytest.mark.parametrize(
    ("activation", "settings", "expected"),
    [
        ("sigmoid", {}, {"class_0": 1 - P, "class_1": P}),
        ("sigmoid", {"class_names": ["cat", "dog"]}, {"cat": 1 - P, "dog": P}),
        ("sigmoid", {"class_names": ["dog"]}, {"dog": P}),
        ("sigmoid", {"from_logits": False}, {"class_0": 1 - P, "class_1": P}),
        ("linear", {}, {"class_0": -1}),
        ("linear", {"class_names": ["age"]}, {"age": -1}),
        ("linear", {"class_names": ["cat", "dog"]}, {"cat": 1 - P, "dog": P}),
        ("linear", {"from_logits": True}, {"class_0": 1 - P, "class_1": P}),
        ("linear", {"from_logits": True, "class_names": ["dog"]}, {"dog": P}),
        ("linear", {"from_logits": False}, {"class_0": -1}),
    ],
)
def test_a_single_score(activation, settings, expected):
    built = model(Dense(1, activation), weights=WHITE_TO_ONE)
    assert scores(built, **settings) == near(expected)


@pytest.mark.parametrize(
    ("activation", "settings", "found"),
    [
        ("sigmoid", {"class_names": ["a", "b", "c"]}, 2),
        ("linear", {"class_names": ["a", "b", "c"]}, 1),
        ("linear", {"class_names": ["a", "b"], "from_logits": False}, 1),
    ],
)
def test_class_names_that_do_not_fit_a_single_score(activation, settings, found):
    with pytest.raises(ValueError, match=f"class names, but colours has {found} classes"):
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


def test_logits_are_recognized_where_there_are_other_inputs_of_any_size():
    def built(head):
        return small_models.model(small_models.wired(
            "two", ["photo", "other"], ["scores"],
            photo=(Input((8, 8, 3)),), other=(Input((None, None, 3)),),
            maps=(Conv2D(4, 5), ["other"]), pool=(GlobalAveragePooling2D(), ["maps"]),
            flat=(GlobalAveragePooling2D(), ["photo"]), both=(Concatenate(), ["flat", "pool"]),
            dense=(Dense(3), ["both"]), scores=(head, ["dense"]),
        ))  # fmt: skip

    assert xception.Classifier(built(Arithmetic("multiply", 2.0))).decoder.activation == "softmax"
    assert xception.Classifier(built(Activation("softmax"))).decoder.activation == "none"
