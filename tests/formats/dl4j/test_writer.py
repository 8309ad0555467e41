"""Models exported for Deeplearning4j. What it answers to them is tested in tests/external."""

import json
import zipfile

import numpy as np
import pytest
from dl4j_files import Zip, chains, images
from exported_models import EXPORTED, model_of

import xception
from xception.layers import (
    Activation,
    Add,
    Concatenate,
    Conv2D,
    GlobalAveragePooling2D,
    Input,
    LayerNormalization,
    TrainingOnly,
    UpSampling2D,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*does not say how photographs were prepared:UserWarning")


def configuration(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("configuration.json"))


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_written_answers_as_the_model(name, tmp_path):
    layers, version, layout = EXPORTED[name]
    model = model_of(layers)
    notes = model.export(tmp_path / "x.zip")
    assert f"is restored by 1.0.0-{version} and later" in notes
    assert any(f"images as {layout}" in note for note in notes)
    again = xception.load_model(tmp_path / "x.zip", input_shape=(11, 9, 3))
    x = images((2, 11, 9, 3))
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", chains())
def test_what_was_read_can_be_written_again(name, tmp_path):
    model = xception.load_model(Zip(chains()[name]).write(tmp_path / "x.zip"))
    try:
        model.export(tmp_path / "y.zip")
    except ValueError as error:
        assert "Deeplearning4j cannot express v" in str(error)  # noqa: PT017
        assert name in (
            "layer Softmax", "activation Softmax", "length of everything", "length of channels", "permuted",
            "subset of channels", "reshaped", "reshaped to a vector", "to vectors and back",
            "deconvolution (2, 2) (3, 3) Truncate",
        )  # fmt: skip
        return
    again = xception.load_model(tmp_path / "y.zip", input_shape=model.input_shape[1:])
    np.testing.assert_allclose(again.predict(images()), model.predict(images()), rtol=1e-5, atol=1e-6)


def test_xception_is_written_in_the_form_that_all_versions_read(tmp_path):
    model = xception.Xception(weights=None, seed=0, classes=3, input_shape=(71, 71, 3))
    model = xception.Model(model.graph, model.parameters, class_names=["red fox", "cat", "dog"])
    notes = model.export(tmp_path / "x.zip")
    assert notes[0] == "takes images as NCHW, channels RGB, pixels −1…1, as normalizer.bin scales them"
    assert notes[2] == (
        "the zip does not record the images' size: read it with input_shape=(71, 71, 3), or --size 71"
    )
    assert notes[3:] == (
        "is restored by 1.0.0-beta2 and later",
        "class names are in x.classes.txt: read the zip with class_names='x.classes.txt' or --class-names",
    )
    assert (tmp_path / "x.classes.txt").read_text("utf-8") == "red fox\ncat\ndog\n"
    written = configuration(tmp_path / "x.zip")
    assert len(written["vertices"]) == 133
    assert "NHWC" not in json.dumps(written)
    again = xception.load_model(tmp_path / "x.zip", class_names=tmp_path / "x.classes.txt")
    assert again.preprocessing.scaling == "tf"
    assert again.class_names == model.class_names
    assert again.count_params() == model.count_params()
    x = images((1, 71, 71, 3))
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5)


def test_the_same_model_gives_the_same_file(tmp_path):
    model = model_of([Conv2D(4, 3)])
    for name in ("a", "b"):
        model.export(tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_layers_that_act_in_training_alone_are_left_out_and_named(tmp_path):
    model = model_of([TrainingOnly("RandomFlip"), Conv2D(2, 3)])
    notes = model.export(tmp_path / "x.zip")
    assert notes[-1] == "left out, since they act in training alone: random_flip (RandomFlip)"
    assert list(configuration(tmp_path / "x.zip")["vertices"]) == ["conv2d"]


def test_nested_names_are_joined(tmp_path):
    graph = xception.Graph("outer")
    graph.add(Input((11, 9, 3)), name="in")
    graph.add(Conv2D(2, 3), "in", name="a/b")
    graph.add(Conv2D(2, 3), "a/b", name="a_b")
    xception.Model(graph, seed=0).export(tmp_path / "x.zip")
    assert list(configuration(tmp_path / "x.zip")["vertices"]) == ["a_b", "a_b_2"]


def test_a_feature_extractor_is_written(tmp_path):
    base = xception.Xception(include_top=False, input_shape=(71, 71, 3))
    base.export(tmp_path / "x.zip", layers="block4_pool")
    again = xception.load_model(tmp_path / "x.zip")
    x = images((1, 71, 71, 3))
    np.testing.assert_allclose(again.predict(x), base.activations(x, "block4_pool")["block4_pool"], atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (LayerNormalization(), r"layer_normalization: LayerNormalization \(there is no such layer\)"),
        (Conv2D(6, 3, groups=3), "3 groups"),
        (Activation("gelu"), "the activation 'gelu'"),
        (UpSampling2D(2, "bilinear"), "interpolation bilinear"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(tmp_path, layer, message):
    with pytest.raises(ValueError, match=message):
        model_of([layer]).export(tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())


def test_only_what_no_form_can_express_is_named(tmp_path):
    layers = [GlobalAveragePooling2D(keepdims=True), LayerNormalization()]
    with pytest.raises(ValueError, match=r"express layer_normalization: LayerNormalization \([a-z ]*\)$"):
        model_of(layers).export(tmp_path / "x.zip")


def test_softmax_of_images_is_refused_where_no_layer_states_the_layout(tmp_path):
    with pytest.raises(ValueError, match="no layer of it states that channels come last"):
        model_of([Activation("softmax")]).export(tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())


def test_a_vertex_reads_another_only_once(tmp_path):
    graph = xception.Graph("twice")
    graph.add(Input((11, 9, 3)), name="in")
    graph.add(Conv2D(2, 3), "in", name="a")
    graph.add(Add(), "a", "a", "a", name="sum")
    graph.add(Concatenate(), "sum", "a", "sum", name="all")
    model = xception.Model(graph, seed=0)
    model.export(tmp_path / "x.zip")
    for sources in configuration(tmp_path / "x.zip")["vertexInputs"].values():
        assert len(set(sources)) == len(sources)
    x = images((2, 11, 9, 3))
    again = xception.load_model(tmp_path / "x.zip", input_shape=(11, 9, 3))
    np.testing.assert_allclose(again.predict(x), model.predict(x), atol=1e-6)


def test_a_model_without_parameters_has_an_empty_array_and_its_marker(tmp_path):
    path = tmp_path / "x.zip"
    model = model_of([Activation("relu")])
    model.export(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("coefficients.bin") == archive.read("noParams.marker") == b""
    x = images((2, 11, 9, 3))
    again = xception.load_model(path, input_shape=(11, 9, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_formats_are_chosen_by_suffix_or_name(tmp_path):
    model = model_of([Conv2D(2, 3)])
    model.export(tmp_path / "model.dl4j", format="dl4j")
    assert xception.load_model(tmp_path / "model.dl4j").count_params() == model.count_params()
    for arguments, message in (
        ({"filepath": "x.keras"}, r"save\(\) writes .keras"), ({"filepath": "x"}, "is exported as"),
        ({"filepath": "x", "format": "tf_saved_model"}, r"call its export\(\)"),
        ({"filepath": "x", "format": "caffe"}, "format must be"),
        ({"filepath": "x.zip", "layout": "chw"}, "layout must be"),
        ({"filepath": "x.zip", "layers": "nothing"}, "nothing"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.export(**(arguments | {"filepath": tmp_path / arguments["filepath"]}))
