"""ImageNet's classes and scaling."""

import numpy as np
import pytest

import xception
from xception.data.imagenet import imagenet_classes


def test_preprocess_input():
    pixels = np.array([[0, 51, 255]], np.uint8)
    scaled = xception.preprocess_input(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[-1, -0.6, 1]], rtol=1e-6)
    assert pixels[0, 2] == 255
    exact = np.array([0.0, 127.5, 255.0])
    np.testing.assert_array_equal(xception.preprocess_input(exact), [-1, 0, 1])
    assert xception.preprocess_input(exact).dtype == np.float64
    assert exact[0] == 0  # Keras would have changed it
    assert xception.preprocess_input([[0, 255]]).tolist() == [[-1, 1]]
    with pytest.raises(ValueError, match="real numbers"):
        xception.preprocess_input(["a"])


def test_classes():
    assert len(imagenet_classes()) == 1000
    assert len({class_id for class_id, _ in imagenet_classes()}) == 1000
    assert imagenet_classes()[0] == ("n01440764", "tench")
    assert imagenet_classes()[281] == ("n02123045", "tabby")
    assert imagenet_classes()[285] == ("n02124075", "Egyptian_cat")
    assert imagenet_classes()[999] == ("n15075141", "toilet_tissue")
    assert [name for _, name in imagenet_classes()].count("crane") == 2  # the bird and the machine


def test_decode_predictions():
    scores = np.zeros((2, 1000))
    scores[0, [281, 285, 7]] = [0.5, 0.3, 0.2]
    scores[1, 0] = 1
    first, second = xception.decode_predictions(scores, top=3)
    assert [p.class_name for p in first] == ["tabby", "Egyptian_cat", "cock"]
    assert first[0] == ("n02123045", "tabby", 0.5)
    assert second[0] == ("n01440764", "tench", 1.0)
    assert len(xception.decode_predictions(scores)[0]) == 5
    assert xception.decode_predictions(scores[:0]) == []


def test_of_equal_scores_the_first_class_comes_first():
    (entry,) = xception.decode_predictions(np.full((1, 1000), 0.001), top=2)
    assert [p.class_name for p in entry] == ["tench", "goldfish"]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((row for row in range(3)), "expected pixels 0…255, got a generator"),
        ("photo.jpg", "got 'photo.jpg'; xception.load_image reads a photograph"),
        (None, "got an object of type NoneType"),
    ],
)
def test_what_is_not_an_array_is_told_what_is_expected(x, message):
    with pytest.raises(TypeError, match=message):
        xception.preprocess_input(x)


@pytest.mark.parametrize("shape", [(1000,), (1, 999), (1, 1, 1000)])
def test_only_imagenet_scores_can_be_decoded(shape):
    with pytest.raises(ValueError, match=r"expected ImageNet scores of shape \(n, 1000\)"):
        xception.decode_predictions(np.zeros(shape))


def test_top_counts_from_one():
    with pytest.raises(ValueError, match="top must be at least 1"):
        xception.decode_predictions(np.zeros((1, 1000)), top=0)


def test_predict_takes_photographs_of_every_kind(full_model, examples):
    pixels = xception.load_image(examples / "chelsea.jpg", None)
    by_path, by_array = xception.predict([examples / "chelsea.jpg", pixels], full_model, top=2)
    assert by_path == by_array
    assert len(by_path) == 2
    assert isinstance(by_path[0], xception.Prediction)
    assert xception.predict(str(examples / "chelsea.jpg"), full_model, top=2) == [by_path]
    small = xception.load_image(pixels, (71, 71))
    assert xception.predict(small[np.newaxis], full_model, top=2) == [by_path]
    scores = full_model.predict(xception.preprocess_input(small[np.newaxis]))
    assert xception.decode_predictions(scores, top=2) == [by_path]
    assert xception.predict([], full_model) == []


def test_predict_with_classes_that_have_no_names(examples):
    model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=4, seed=0)
    (answer,) = xception.predict([examples / "chelsea.jpg"], model)
    assert sorted(p.class_name for p in answer) == ["class_0", "class_1", "class_2", "class_3"]
    assert sum(p.score for p in answer) == pytest.approx(1)


def test_predict_needs_a_classifier(base, examples):
    no_pool = xception.Xception(include_top=False, weights=None)
    with pytest.raises(ValueError, match="the model has no classifier"):
        xception.predict([examples / "chelsea.jpg"], no_pool)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, bool])
def test_scores_of_any_type(dtype):
    scores = np.zeros((1, 1000), dtype)
    scores[0, 281] = 1
    if np.issubdtype(dtype, np.signedinteger):
        scores[0, 7] = -128
    (entry,) = xception.decode_predictions(scores, top=1)
    assert entry[0].class_name == "tabby"
