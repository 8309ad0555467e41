"""How photographs are read, in everything that takes photographs: resampling, aspect, EXIF, channels."""

import inspect

import numpy as np
import pytest
import small_models
from PIL import Image

import xception
from xception import Preprocessing
from xception.feature_extraction.extraction import Extractor
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input, Rescaling
from xception.prediction.preprocessing import Preprocessor, infer_scaling

pytestmark = pytest.mark.usefixtures("cache")

OPTIONS = ("interpolation", "aspect", "exif")
READING = {"interpolation": "tf-bilinear", "aspect": "crop", "exif": "ignore"}
PHOTO = np.random.default_rng(8).integers(0, 256, (60, 90, 3), np.uint8)


def classifier(channels=3, *, scaling=()):
    return small_models.model(
        small_models.row(
            "channels", ("image", Input((16, 16, channels))), *scaling,
            ("maps", Conv2D(4, 3, 3, activation="relu")), ("pooled", GlobalAveragePooling2D()),
            ("classes", Dense(3, "softmax")),
        )
    )  # fmt: skip


@pytest.fixture
def photo(tmp_path):
    """A photograph that was taken with the camera on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PHOTO).save(tmp_path / "photo.png", exif=exif)
    return tmp_path / "photo.png"


@pytest.mark.parametrize(
    "function",
    [
        xception.predict, xception.features, xception.similar, xception.explain, xception.evaluate,
        xception.fit, xception.fit_with_report, xception.Classifier, Extractor, Preprocessor,
    ],
)  # fmt: skip
def test_everything_that_reads_photographs_takes_the_same_options(function):
    parameters = inspect.signature(function).parameters
    assert [name for name in parameters if name in OPTIONS] == list(OPTIONS)
    assert all(parameters[name].default is None for name in OPTIONS)
    assert parameters["decode"].default == "exact"


def expected_scores(model, channels=3, **options):
    pixels = xception.load_image(PHOTO, (16, 16), options.get("interpolation", "bilinear"),
                                 aspect=options.get("aspect", "stretch"), channels=channels)  # fmt: skip
    return model.predict(pixels[None].astype(np.float32) / 127.5 - 1)[0]


def test_predict_features_and_similar(photo):
    model = classifier()
    (entry,) = xception.predict(photo, model, **READING)
    scores = {prediction.class_id: prediction.score for prediction in entry}
    expected = expected_scores(model, interpolation="tf-bilinear", aspect="crop")
    np.testing.assert_allclose([scores[str(i)] for i in range(3)], expected, rtol=1e-6)
    pixels = xception.load_image(PHOTO, (16, 16), "tf-bilinear", aspect="crop")
    features = model.features(pixels[None] / np.float32(127.5) - 1)
    np.testing.assert_allclose(xception.features(photo, model, **READING), features, rtol=1e-6)
    assert (np.asarray(xception.features(photo, model)) != features).any()
    ((neighbor,),) = xception.similar(photo, PHOTO, model, **READING)  # the array has no EXIF
    assert neighbor.cosine == pytest.approx(1, abs=1e-6)
    ((neighbor,),) = xception.similar(photo, PHOTO, model)
    assert neighbor.cosine < 1 - 1e-6


@pytest.mark.parametrize("options", [READING, {"interpolation": "nearest"}, {"aspect": "pad"}, {}])
def test_explain_and_evaluate_agree_with_predict(photo, options):
    model = classifier()
    best = xception.predict(photo, model, top=1, **options)[0][0]
    assert xception.explain(photo, model, **options).names == [best.class_name]
    assert xception.evaluate([photo], [best.class_name], model, **options).scores[0] == pytest.approx(
        best.score, rel=1e-6
    )


def test_the_models_record_is_used_and_options_come_before_it(photo):
    model = classifier()
    model.preprocessing = Preprocessing(**READING)
    assert Preprocessor(model).record == Preprocessing("tf", **READING)
    assert Preprocessor(model, aspect="pad").record == Preprocessing("tf", **READING | {"aspect": "pad"})
    (entry,) = xception.predict(photo, model, top=1)
    expected = expected_scores(model, interpolation="tf-bilinear", aspect="crop")
    assert entry[0].score == pytest.approx(expected.max(), rel=1e-6)


@pytest.mark.parametrize(
    "option", [{"interpolation": "area"}, {"aspect": "fill"}, {"exif": True}, {"decode": "quick"}]
)
def test_unknown_options(photo, option):
    (name,) = option
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        xception.predict(photo, classifier(), **option)
    with pytest.raises(ValueError, match=f"a Classifier has decided {name}"):
        xception.features(photo, xception.Classifier(classifier()), **option)


def test_everything_decodes_fast_alike(examples, tmp_path):
    model = classifier()
    with Image.open(examples / "coffee.jpg") as image:
        image.resize((1400, 1400)).save(tmp_path / "photo.jpg")
    photo = str(tmp_path / "photo.jpg")
    pixels = xception.load_image(photo, (16, 16), decode="fast")
    expected = model.predict(pixels[None].astype(np.float32) / 127.5 - 1)[0]
    exact = xception.predict(photo, model, top=1)[0][0].score
    best = xception.predict(photo, model, top=1, decode="fast")[0][0]
    assert best.score == pytest.approx(expected.max(), rel=1e-6) != exact
    for options in ({"decode": "fast"}, {}):
        model_or_classifier = model if options else xception.Classifier(model, decode="fast")
        evaluation = xception.evaluate([photo], [best.class_name], model_or_classifier, **options)
        assert evaluation.scores[0] == pytest.approx(best.score, rel=1e-6)
        explanation = xception.explain(photo, model_or_classifier, **options)
        np.testing.assert_allclose(explanation.scores, xception.explain(pixels, model).scores, rtol=1e-5)
        ((neighbor,),) = xception.similar(photo, pixels, model_or_classifier, **options)
        assert neighbor.cosine == pytest.approx(1, abs=1e-6)
    # What is shown of a photograph is not reduced to what a small model needs.
    assert explanation.images[0].shape == (640, 640, 3)
    np.testing.assert_array_equal(explanation.images[0], xception.explain(photo, model).images[0])


def test_features_by_other_options_are_not_mixed(tmp_path, photo):
    model = classifier()
    prints = {Extractor(model, **{name: value}).fingerprint for name, value in READING.items()}
    assert len(prints | {Extractor(model).fingerprint}) == 4
    assert Extractor(model, decode="fast").fingerprint not in {*prints, Extractor(model).fingerprint}
    assert Extractor(model, interpolation="bilinear").fingerprint == Extractor(model).fingerprint


def test_fit_records_how_it_read(two_folders, tmp_path):
    model = xception.fit(two_folders, **READING)
    assert model.preprocessing == Preprocessing("none", from_logits=False, **READING)
    model.save(tmp_path / "mine.keras")
    assert xception.load_model(tmp_path / "mine.keras").preprocessing == model.preprocessing
    report = str(xception.inspect(tmp_path / "mine.keras"))
    assert "scaling none (0…255), interpolation tf-bilinear, aspect crop, exif ignore" in report
    default = xception.fit(two_folders).preprocessing
    assert default == Preprocessing("none", "bilinear", False, "stretch", "upright")


def test_pixels_of_tensorflow_are_scaled_without_rounding():
    model = classifier()
    for scaling, scaled in (("tf", 9.25 / 127.5 - 1), ("unit", 9.25 / 255), ("none", 9.25)):
        pixels = Preprocessor(model, scaling, "tf-bilinear").load(np.full((4, 4, 3), 9.25))
        x = Preprocessor(model, scaling).scale(pixels)
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, scaled, rtol=1e-6)


def test_float_pixels_take_more_memory(monkeypatch):
    model = classifier()
    xception.set_limits(max_memory_bytes=4 * 16 * 16 * 3 * 52 * 2)
    assert Preprocessor(model, interpolation="tf-bilinear").at_once == 2
    assert Preprocessor(model).at_once == 7


# --- channels -------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("method", ["grad-cam", "score-cam", "occlusion"])
def test_models_of_grey_and_rgba_photographs(tmp_path, channels, method):
    model = classifier(channels)
    photo = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(photo)
    expected = expected_scores(model, channels)
    (entry,) = xception.predict(photo, model, top=3)
    assert [prediction.score for prediction in entry] == pytest.approx(sorted(expected)[::-1], rel=1e-5)
    assert np.asarray(xception.features(photo, model)).shape == (1, 4)
    assert xception.evaluate([photo], [int(expected.argmax())], model).accuracy == 1
    explanation = xception.explain(photo, model, method=method)
    assert explanation.targets.tolist() == [expected.argmax()]
    assert explanation.overlay().size == (90, 60)
    np.testing.assert_array_equal(explanation.images[0], PHOTO)  # in color


@pytest.mark.parametrize("channels", [2, 5])
def test_models_of_other_channels_take_arrays_as_they_are(tmp_path, channels):
    model = classifier(channels)
    x = np.random.default_rng(1).normal(size=(2, 16, 16, channels)).astype(np.float32)
    expected = model.predict(x)
    predictions = xception.predict(x, model, top=3)
    for entry, scores in zip(predictions, expected, strict=True):
        assert [prediction.score for prediction in entry] == pytest.approx(sorted(scores)[::-1], rel=1e-5)
    np.testing.assert_allclose(xception.features(x[0], model), model.features(x[:1]), rtol=1e-6)
    assert xception.evaluate(x, expected.argmax(axis=1).tolist(), model).accuracy == 1
    explanation = xception.explain(x, model)
    assert explanation.targets.tolist() == expected.argmax(axis=1).tolist()
    assert explanation.images[0].shape == (16, 16, 3)
    assert explanation.images[0].min() == 0
    assert explanation.images[0].max() == 255
    photo = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(photo)
    with pytest.raises(ValueError, match=rf"expected arrays of shape \(n, h, w, {channels}\)"):
        xception.predict(photo, model)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_scaling_is_inferred_for_any_channels(channels):
    assert infer_scaling(classifier(channels)) == "tf"
    assert infer_scaling(classifier(channels, scaling=[("scale", Rescaling(1 / 127.5, -1.0))])) == "none"
    assert infer_scaling(classifier(channels, scaling=[("scale", Rescaling(2.0, -1.0))])) == "unit"


def test_an_xception_for_grey_photographs(tmp_path):
    model = xception.Xception(weights=None, input_shape=(71, 71, 1), classes=3, seed=0)
    model.save(tmp_path / "grey.keras")
    report = xception.inspect(tmp_path / "grey.keras")
    assert report.runs
    assert list(report.inputs.values()) == [(None, 71, 71, 1)]
    (entry,) = xception.predict(PHOTO, tmp_path / "grey.keras")
    assert len(entry) == 3


# --- pictures of explanations ---------------------------------------------------------------


def test_a_map_covers_what_the_model_sees():
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200  # the middle
    model = classifier()
    cropped = xception.explain(wide, model, aspect="crop").images[0]
    assert cropped.shape == (40, 40, 3)
    assert (cropped == 200).all()
    padded = xception.explain(wide, model, aspect="pad").images[0]
    assert padded.shape == (80, 80, 3)
    assert not padded[:20].any()
    assert not padded[60:].any()
    np.testing.assert_array_equal(padded[20:60], wide)
    assert xception.explain(wide, model).images[0].shape == (40, 80, 3)
    large = xception.explain(np.zeros((100, 2000, 3), np.uint8), model, aspect="pad").images[0]
    assert large.shape == (640, 640, 3)


def test_a_photograph_is_explained_as_it_is_stored_where_exif_is_ignored(photo):
    assert xception.explain(photo, classifier()).images[0].shape == (90, 60, 3)
    np.testing.assert_array_equal(xception.explain(photo, classifier(), exif="ignore").images[0], PHOTO)
