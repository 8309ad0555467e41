"""Photographs to class names in one call."""

import json

import numpy as np
import pytest
import small_models
from color_models import BLUE, GREEN, RED, model, near, scores
from PIL import Image

import xception
from xception import Classifier
from xception.layers import Dense, Rescaling
from xception.prediction import classifier as classifiers

NAMES = ["red", "green", "blue"]


def names(predictions):
    return [entry[0].class_name for entry in predictions]


def test_images_of_any_size():
    images = [RED, np.full((20, 9, 3), 3, np.uint8), BLUE]
    predictions = xception.predict(images, model(), top=1)
    assert names(predictions)[::2] == ["class_0", "class_2"]
    json.dumps(predictions.to_dicts())  # plain numbers


def test_a_classifier_decides_once_and_is_used_again():
    classifier = Classifier(model(), class_names=NAMES, scaling="unit", from_logits=False)
    assert classifier.size == (8, 8)
    assert classifier.scaling == "unit"
    assert [name for _, name in classifier.class_names] == NAMES
    assert "3 classes, photographs 8×8, scaling 'unit'" in repr(classifier)
    assert scores(classifier) == near({"red": 1, "green": 0, "blue": 0})
    np.testing.assert_allclose(classifier.probabilities(np.stack([RED, BLUE])), [[1, 0, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="a Classifier has decided class_names: pass it to Classifier"):
        xception.predict(RED, classifier, top=1, class_names=NAMES)
    with pytest.raises(ValueError, match="a Classifier has decided scaling and aspect and exif"):
        xception.predict(RED, classifier, scaling="tf", aspect="crop", exif="ignore")


def test_a_model_may_be_the_path_of_its_file(tmp_path):
    path = tmp_path / "colors.keras"
    model().save(path)
    assert names(xception.predict([RED, GREEN], path)) == ["class_0", "class_1"]
    assert names(xception.predict([RED, GREEN], str(path))) == ["class_0", "class_1"]
    changed = model(weights=np.eye(3)[::-1])
    changed.save(path)  # loaded anew at each call
    assert names(xception.predict([RED], path)) == ["class_2"]


def test_folders_patterns_and_every_kind_of_image(tmp_path):
    (tmp_path / "a").mkdir()
    for name, pixels in (("a/red.png", RED), ("blue.png", BLUE)):
        Image.fromarray(pixels).save(tmp_path / name)
    built = model()
    predictions = xception.predict(tmp_path, built, class_names=NAMES)
    assert names(predictions) == ["red", "blue"]
    assert predictions.paths == [str(tmp_path / "a" / "red.png"), str(tmp_path / "blue.png")]
    assert names(xception.predict(str(tmp_path / "*.png"), built, class_names=NAMES)) == ["blue"]
    content = (tmp_path / "blue.png").read_bytes()
    with (tmp_path / "blue.png").open("rb") as stream:
        images = [content, stream, Image.fromarray(RED), GREEN, tmp_path / "a"]
        found = xception.predict(images, built, class_names=NAMES)
    assert names(found) == ["blue", "blue", "red", "green", "red"]
    assert found.indices == [0, 1, 2, 3, 4]
    assert names(xception.predict(content, built, class_names=NAMES)) == ["blue"]
    generated = xception.predict((image for image in (RED, GREEN)), built, class_names=NAMES)
    assert names(generated) == ["red", "green"]
    assert generated.paths == [None, None]


def test_indices_and_paths_say_which_photograph_an_entry_belongs_to(tmp_path):
    Image.fromarray(RED).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [tmp_path / "missing.png", RED, tmp_path / "broken.png", tmp_path / "red.png"]
    predictions = xception.predict(images, model(), on_error="skip")
    assert len(predictions) == 2
    assert predictions.indices == [1, 3]
    assert predictions.paths == [None, str(tmp_path / "red.png")]
    assert [failure.index for failure in predictions.failures] == [0, 2]
    assert isinstance(predictions.failures[0].error, FileNotFoundError)
    assert "is not an image" in str(predictions.failures[1])
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        xception.predict(images, model())


def test_swapped_and_wrong_arguments_are_told_what_is_expected():
    with pytest.raises(TypeError, match=r"predict\(images, model\): expected photographs .* got a Model"):
        xception.predict(model(), RED)
    with pytest.raises(TypeError, match=r"model must be a Model, a Classifier, or the path .* got ndarray"):
        xception.predict(RED, RED)
    with pytest.raises(TypeError, match="images must be a path"):
        xception.predict(None, model())
    with pytest.raises(ValueError, match="top must be at least 1, got 0"):
        xception.predict(RED, model(), top=0)
    with pytest.raises(ValueError, match=r"top must be a positive integer, got 1\.5"):
        xception.predict(RED, model(), top=1.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": None}, "scaling must be one of auto, tf, unit, none, got None"),
        ({"interpolation": "cubic"}, "interpolation must be one of nearest, bilinear"),
        ({"from_logits": "yes"}, "from_logits must be True, False or None, got 'yes'"),
    ],
)
def test_an_option_that_is_unknown_is_refused_before_a_photograph_is_read(options, message):
    with pytest.raises(ValueError, match=message):
        Classifier(model(), **options)


def test_a_classifier_may_be_built_from_a_file(tmp_path):
    model().save(tmp_path / "colors.keras")
    assert names(xception.predict(GREEN, Classifier(tmp_path / "colors.keras", class_names=NAMES))) == [
        "green"
    ]


@pytest.mark.parametrize("wrong", [5, RED])
def test_a_classifier_of_something_else(wrong):
    with pytest.raises(TypeError, match=f"model must be a Model.* got {type(wrong).__name__}"):
        Classifier(wrong)


def test_a_classifier_is_not_made_of_another():
    with pytest.raises(
        TypeError, match="model must be a Model or the path of a model file, got a Classifier"
    ):
        Classifier(Classifier(model()))


def test_pixels_that_are_no_array():
    classifier = Classifier(model())
    np.testing.assert_allclose(
        classifier.probabilities([RED.tolist()]), classifier.probabilities(np.stack([RED])), rtol=1e-6
    )
    with pytest.raises(TypeError, match=r"expected pixels of shape \(n, 8, 8, 3\), got a generator"):
        classifier.probabilities(image for image in [RED])
    with pytest.raises(TypeError, match=r"expected pixels of shape \(n, 8, 8, 3\), got 'a\.jpg'"):
        classifier.probabilities("a.jpg")


def test_the_imagenet_classifier_is_loaded_once(monkeypatch):
    built = []

    def build():
        built.append(model(Dense(1000)))
        return built[-1]

    monkeypatch.setattr(classifiers, "Xception", build)
    classifiers.imagenet_model.cache_clear()
    assert xception.predict(RED, top=1)[0][0].class_id == xception.predict(RED, top=1)[0][0].class_id
    assert len(built) == 1
    classifiers.imagenet_model.cache_clear()


def test_one_of_several_outputs_is_chosen_by_its_name(tmp_path):
    built = small_models.heads(species=3, young=2)
    pixels = np.stack([RED, GREEN, BLUE])
    expected = dict(zip(built.output_names, built.predict(pixels / 127.5 - 1), strict=True))
    for name, names in (("species", ["deer", "boar", "fox"]), ("young", ["no", "yes"])):
        classifier = Classifier(built, class_names=names, output_name=name)
        np.testing.assert_allclose(classifier.probabilities(pixels), expected[name], rtol=1e-6)
        predictions = xception.predict(RED, built, class_names=names, output_name=name)
        assert {entry.class_name for entry in predictions[0]} == set(names)
        right = [names[best] for best in expected[name].argmax(1)]
        assert xception.evaluate(pixels, right, classifier).accuracy == 1
        evaluation = xception.evaluate(pixels, right, built, class_names=names, output_name=name)
        assert evaluation.accuracy == 1
    built.save(tmp_path / "heads.keras")
    (loaded,) = xception.predict(RED, tmp_path / "heads.keras", output_name="species")
    assert [entry.score for entry in loaded] == pytest.approx(np.sort(expected["species"][0])[::-1])
    with pytest.raises(ValueError, match=r"heads has 2 outputs: species \(None, 3\), young \(None, 2\)"):
        xception.predict(RED, built)
    with pytest.raises(ValueError, match="there is none called 'age'"):
        Classifier(built, output_name="age")
    with pytest.raises(TypeError, match="name of an output, got int"):
        Classifier(built, output_name=0)
    with pytest.raises(ValueError, match="has decided output_name: pass it"):
        xception.predict(RED, Classifier(built, output_name="young"), output_name="species")


def test_the_class_names_of_a_model_are_those_of_the_output_that_has_as_many():
    built = small_models.heads(species=3, young=2, old=2)
    built.class_names = NAMES
    assert [name for _, name in Classifier(built, output_name="species").class_names] == NAMES
    assert [name for _, name in Classifier(built, output_name="old").class_names] == ["class_0", "class_1"]
    built.class_names = ["no", "yes"]  # of which of the two?
    assert [name for _, name in Classifier(built, output_name="old").class_names] == ["class_0", "class_1"]


def test_other_inputs_than_the_photograph_are_left_out_where_the_output_does_not_need_them():
    built = small_models.model(small_models.two_ends())
    classifier = Classifier(built, output_name="age", class_names=["years"])
    assert classifier.model.input_names == ("image",)
    images, numbers = small_models.entering(built)
    np.testing.assert_allclose(
        classifier.model.predict(images), built.predict([images, numbers])[0], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match=r"takes 2 inputs, image, numbers, expected one photograph"):
        xception.predict(RED, built, output_name="kind")


def test_predictions_of_a_model_that_scales_pixels_itself():
    built = model(Dense(3), scaling=[Rescaling(5.0, -2.5)])
    assert Classifier(built).scaling == "unit"
