"""The text of a report, and its JSON."""

import json

import pytest

import xception
from xception.console.text_layout import TextLayout
from xception.data.preprocessing import Preprocessing
from xception.inspection.backbones import Backbone
from xception.inspection.inspector import inspect
from xception.inspection.report import Inspection, LayerRow


def test_the_report_of_a_small_model(file):
    model = xception.load_model(file)
    model.preprocessing = Preprocessing("tf", "bilinear", False)
    model.save(file)
    report = str(inspect(file))
    for line in (
        "format      .keras archive",
        "model       nested (Functional)",
        "input       image (None, 12, 12, 3)",
        "output      classes (None, 5)",
        "classes     5: cup, fork, glass, knife, plate",
        "preprocess  scaling tf (−1…1), interpolation bilinear",
        "scores      probabilities",
        "Xception    contains no Xception backbone",
        "runs here   yes: xception.load_model(FILE)",
        "Layer (type)                     Output Shape       Param #",
        "classes (Dense)                  (None, 5)               45",
    ):
        assert line in report.splitlines()


@pytest.mark.parametrize(
    ("preprocessing", "lines"),
    [
        (None, []),
        (Preprocessing(scaling="unit"), ["preprocess  scaling unit (0…1)"]),
        (Preprocessing(interpolation="lanczos"), ["preprocess  interpolation lanczos"]),
        (
            Preprocessing("tf", "tf-bilinear", aspect="pad", exif="ignore"),
            ["preprocess  scaling tf (−1…1), interpolation tf-bilinear, aspect pad, exif ignore"],
        ),
        (Preprocessing(channel_order="bgr"), ["preprocess  channel order bgr"]),
        (Preprocessing(from_logits=True), ["scores      logits"]),
    ],
)
def test_preprocessing_is_reported_as_far_as_it_is_recorded(preprocessing, lines):
    report = str(Inspection("x.keras", 1, keras_version="3.1.0", preprocessing=preprocessing)).splitlines()
    assert [line for line in report if line.startswith(("preprocess", "scores"))] == lines


def test_a_narrow_terminal_wraps_sentences_and_keeps_names():
    rows = [
        LayerRow("global_average_pooling2d", "GlobalAveragePooling2D", [(None, 2048)], 0),
        LayerRow("head", "Dense", [(None, 6)], 12294),
    ]
    reason = "the layer lambda has bytecode of Python, which is never executed, so the model cannot be run"
    scaling = Preprocessing(scaling="tf")
    inspection = Inspection("x.keras", 1, layers=rows, preprocessing=scaling, runs=True, reasons=[reason])
    lines = inspection.to_text(TextLayout(width=60, unicode=False)).splitlines()
    assert max(map(len, lines)) <= 60
    assert "preprocess  scaling tf (-1...1)" in lines
    assert lines[-2].split() == ["global_average_pooling2d", "(None,", "2048)", "0"]
    assert lines[-1].split() == ["head", "(Dense)", "(None,", "6)", "12,294"]
    assert reason in str(inspection)


def test_long_lists_are_shortened():
    layers = [LayerRow(f"layer{i}", "Dense" if i % 3 else "Conv2D") for i in range(60)]
    names = [f"class{i}" for i in range(30)]
    report = str(Inspection("x.keras", 1, layers=layers, class_names=names)).splitlines()
    assert any(line.endswith("30: " + ", ".join(names[:10]) + ", …") for line in report)
    assert report[-2:] == ["40  Dense", "20  Conv2D"]


@pytest.mark.parametrize(
    ("backbone", "text"),
    [
        (Backbone("base", 234, 0), "base: its backbone equals the ImageNet weights shipped here"),
        (Backbone("", 234, 2), "its backbone differs from the ImageNet weights (fine-tuned: 2 of 234"),
        (Backbone("", 234, 234), "(trained anew, or every layer fine-tuned: 234 of 234 arrays differ)"),
    ],
)
def test_backbones_are_compared_with_imagenet(backbone, text):
    assert text in str(Inspection("x.keras", 1, bases=[backbone]))


def test_to_dict_is_json(file):
    model = xception.load_model(file)
    plain = json.loads(json.dumps(inspect(file).to_dict()))
    assert plain["preprocessing"] is None
    assert plain["class_names"] == ["cup", "fork", "glass", "knife", "plate"]
    assert plain["layers"][-1] == {
        "name": "classes", "kind": "Dense", "output_shapes": [[None, 5]], "parameters": 45,
    }  # fmt: skip
    model.preprocessing = Preprocessing("none", from_logits=True)
    model.save(file)
    assert inspect(file).to_dict()["preprocessing"] == {"scaling": "none", "from_logits": True}
    backbone = Inspection("x", 1, bases=[Backbone("base", 234, 0)]).to_dict()["bases"]
    assert backbone == [{"path": "base", "arrays": 234, "differing": 0}]


@pytest.mark.parametrize(
    ("name", "author"),
    [
        ("model.keras", f"xception {xception.__version__}, in the format of Keras 3.3.3, 20"),
        ("model.h5", f"xception {xception.__version__}, in the format of Keras 2.15.0\n"),
        ("weights.h5", f"xception {xception.__version__}, in the format of Keras 2.15.0\n"),
        ("model.weights.h5", f"xception {xception.__version__}\n"),
    ],
)
def test_files_of_this_library_say_who_wrote_them(file, tmp_path, name, author):
    model = xception.load_model(file)
    (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    assert f"\nwritten by  {author}" in str(inspect(tmp_path / name))
