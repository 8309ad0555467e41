"""What a model is fed: scaling, size, interpolation."""

import numpy as np
import pytest
import small_models
from color_models import model, near, scores

import xception
from xception import Preprocessing
from xception.layers import (
    Activation,
    Arithmetic,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Normalization,
    Rescaling,
    TimeDistributed,
)
from xception.prediction.preprocessing import Preprocessor, infer_scaling


@pytest.mark.parametrize(
    ("scaling", "red", "other"), [("auto", 1, -1), ("tf", 1, -1), ("unit", 1, 0), ("none", 255, 0)]
)
def test_scaling(scaling, red, other):
    found = scores(model(), from_logits=False, scaling=scaling)
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
    assert infer_scaling(model(scaling=layers)) == expected
    assert infer_scaling(model(scaling=layers, shape=(None, None, 3))) == expected


def test_what_stands_behind_a_layer_that_has_learnt_scales_no_pixels():
    net = small_models.row(
        "late", ("image", Input((8, 8, 3))), ("maps", Conv2D(2, 3)), ("half", Rescaling(0.5)),
        ("pool", GlobalAveragePooling2D()), ("classes", Dense(2)),
    )  # fmt: skip
    assert infer_scaling(small_models.model(net)) == "tf"


def test_a_model_with_its_own_scaling_takes_pixels():
    built = model(Dense(3), scaling=[Rescaling(1 / 127.5, -1.0)])
    assert scores(built) == near(scores(model()))
    assert scores(built, scaling="tf") != near(scores(model()))
    with pytest.raises(ValueError, match="scaling must be one of auto, tf, unit, none"):
        scores(built, scaling="caffe")


# --- what the model's record says -----------------------------------------------------------


def test_the_record_decides_where_no_option_is_given():
    built = model()
    built.preprocessing = Preprocessing(scaling="unit", interpolation="nearest")
    preprocessor = Preprocessor(built)
    assert (preprocessor.scaling, preprocessor.interpolation) == ("unit", "nearest")
    preprocessor = Preprocessor(built, "none", "box")
    assert (preprocessor.scaling, preprocessor.interpolation) == ("none", "box")
    assert Preprocessor(model()).interpolation == "bilinear"


def test_the_record_travels_with_the_file(tmp_path):
    built = model()
    built.preprocessing = Preprocessing(scaling="unit", from_logits=False)
    built.class_names = ["red", "green", "blue"]
    built.save(tmp_path / "colors.keras")
    loaded = xception.load_model(tmp_path / "colors.keras")
    assert loaded.preprocessing == built.preprocessing
    assert scores(loaded) == near({"red": 1, "green": 0, "blue": 0})


def test_photographs_are_resized_with_the_models_filter(examples):
    built = model()
    built.preprocessing = Preprocessing(interpolation="nearest")
    photograph = examples / "coffee.jpg"
    np.testing.assert_array_equal(
        Preprocessor(built).load(photograph), xception.load_image(photograph, (8, 8), "nearest")
    )


def test_a_model_that_takes_blue_first(tmp_path):
    built = model()
    built.preprocessing = Preprocessing(scaling="unit", channel_order="bgr", from_logits=False)
    built.save(tmp_path / "bgr.keras")  # from which the order is known, too
    for taken in (built, xception.load_model(tmp_path / "bgr.keras")):
        assert scores(taken) == near({"class_0": 0, "class_1": 0, "class_2": 1})  # of a red photograph
    assert Preprocessor(built).record == Preprocessing("unit", "bilinear", None, "stretch", "upright", "bgr")
    built.preprocessing = Preprocessing(scaling="unit")
    assert "bgr" not in Preprocessor(built).settings


def test_only_colors_change_their_order():
    built = model(Dense(4), shape=(8, 8, 4))
    built.preprocessing = Preprocessing(scaling="none", channel_order="bgr")
    assert Preprocessor(built).scale(np.arange(4)[None, None, None]).ravel().tolist() == [2, 1, 0, 3]


def test_pixels_as_they_are_draw_no_warning_where_they_are_asked_for(recwarn):
    scores(model(), scaling="none")
    assert not recwarn.list


def test_a_model_for_videos_says_how_it_is_called():
    net = xception.Graph("video")
    x = net.add(Input((4, 8, 8, 3)))
    net.add(Dense(2, "softmax"), net.add(Flatten(), net.add(TimeDistributed(Conv2D(2, 3)), x)))
    message = r"video takes videos \(None, 4, 8, 8, 3\), not photographs: call model.predict\(frames\)"
    with pytest.raises(ValueError, match=message):
        xception.predict("photo.jpg", model=xception.Model(net))
    with pytest.raises(ValueError, match=message):
        xception.explain("photo.jpg", xception.Model(net))


def test_frames_are_scaled_as_images_are():
    pixels = np.arange(2 * 3 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 3, 4, 5, 3)
    x = xception.preprocess_input(pixels)
    np.testing.assert_array_equal(x[1, 2], xception.preprocess_input(pixels[1, 2]))
