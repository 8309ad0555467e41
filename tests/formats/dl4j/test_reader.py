"""Models of Deeplearning4j: they answer as the version that wrote them."""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dl4j_files import Part, Zip, activation, chains, conv, dense, global_pool, images, layer, pool, vertex

import xception
from xception import layers
from xception.formats.dl4j.order import computed_order

SHARED = Path(__file__).parents[4] / "shared" / "cases" / "dl4j"
ZIPS = sorted(SHARED.glob("*/*.zip"))
#: What Deeplearning4j 1.0.0-M2.1 answers to `chains()`: the shape, the first numbers, and a weighted sum.
ANSWERS = json.loads((Path(__file__).parent / "answers.json").read_text("utf-8"))

pytestmark = pytest.mark.filterwarnings("ignore:.*does not say how photographs were prepared:UserWarning")


def largest_difference(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.skipif(not ZIPS, reason="Deeplearning4j's own zips are not on this machine")
@pytest.mark.parametrize("path", ZIPS, ids=lambda path: path.stem)
def test_zips_of_all_versions_answer_as_these_did(path):
    name = path.stem.partition(".")[0]
    folder = path.parent
    if folder.name == "written":  # the network of another folder, whose answers are there
        folder, name, answer = folder.parent / "mini_xception", "mini_xception", "mini_xception.M2.1"
    else:
        answer = path.stem
    x, expected = np.load(folder / f"{name}.input.npy"), np.load(folder / f"{answer}.expected.npy")
    model = xception.load_model(path)
    if model.preprocessing.scaling == "tf":  # the zip has a normalizer, and the input is raw
        x = x / 127.5 - 1
    assert largest_difference(model.predict(x), expected) <= (2e-3 if "half" in path.stem else 1e-6)


@pytest.mark.parametrize("name", chains())
def test_every_kind_answers_as_deeplearning4j_does(name, tmp_path):
    model = xception.load_model(Zip(chains()[name]).write(tmp_path / "x.zip"))
    shape, first, weighted = ANSWERS[name]
    y = model.predict(images())
    np.testing.assert_allclose(y.ravel()[: len(first)], first, rtol=1e-5, atol=1e-6)
    assert list(y.shape) == shape
    assert np.sum(y.ravel() * np.cos(np.arange(y.size))) == pytest.approx(weighted, rel=1e-5, abs=1e-5)


def test_the_layers_have_the_names_of_the_vertices(tmp_path):
    parts = [
        conv(3, 4, name="Cube"),
        pool("AVG", (1, 1), avgPoolIncludePadInDivisor=False),
        global_pool("MAX"),
    ]
    model = xception.load_model(Zip(parts).write(tmp_path / "x.zip"))
    assert list(model.graph.nodes) == ["in", "v0_conv2d", "v0", "v1_average_pooling2d", "v1", "v2"]
    maps = model.activations(images(), ["v0", "v1"])
    assert {name: x.shape for name, x in maps.items()} == {"v0": (2, 6, 5, 4), "v1": (2, 3, 3, 4)}


# --- what the file does not say -------------------------------------------------------------


def test_the_size_of_images_is_found_where_layers_expect_one(tmp_path):
    flatten = {
        "@class": "org.deeplearning4j.nn.conf.preprocessor.CnnToFeedForwardPreProcessor", "inputHeight": 4,
        "inputWidth": 4, "numChannels": 6,
    }  # fmt: skip
    lenet = [
        conv(1, 6, (5, 5)), pool("MAX"), conv(6, 6, (3, 3)), pool("MAX"), dense(96, 3, flatten, "Softmax"),
    ]  # fmt: skip
    model = xception.load_model(Zip(lenet).write(tmp_path / "x.zip"))
    assert model.input_shape == (None, None, None, 1)
    assert model.preprocessing.size == (28, 28)  # of 27 to 30, the one that 2 divides most often
    for size in (27, 30):
        assert model.predict(np.zeros((1, size, size, 1), np.float32)).shape == (1, 3)
    with pytest.raises(ValueError, match=r"v4_reshape|does not fit"):
        model.predict(np.zeros((1, 26, 26, 1), np.float32))
    fixed = xception.load_model(tmp_path / "x.zip", input_shape=(27, 27, None))
    assert fixed.input_shape == (None, 27, 27, 1)


def test_a_size_that_is_certain_is_the_models(tmp_path):
    flatten = {
        "@class": "org.deeplearning4j.nn.conf.preprocessor.CnnToFeedForwardPreProcessor", "inputHeight": 6,
        "inputWidth": 5, "numChannels": 4, "format": "NCHW",
    }  # fmt: skip
    model = xception.load_model(Zip([conv(3, 4), dense(120, 2, flatten)]).write(tmp_path / "x.zip"))
    assert model.input_shape == (None, 8, 7, 3)


def test_vectors_are_an_input_too(tmp_path):
    model = xception.load_model(Zip([dense(5, 4), dense(4, 2)]).write(tmp_path / "x.zip"))
    assert model.input_shape == (None, 5)


def test_what_was_assumed_is_said_and_can_be_said_instead(tmp_path):
    path = Zip([conv(3, 4), global_pool("AVG")]).write(tmp_path / "x.zip")
    with pytest.warns(UserWarning, match=r"channels are RGB.*range.*299×299") as caught:
        xception.load_model(path)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = xception.load_model(path, channel_order="bgr", input_shape=(64, 64, 3))
    assert model.preprocessing.channel_order == "bgr"
    with pytest.warns(UserWarning, match="channels are RGB") as caught:
        xception.load_model(path, input_shape=(64, 64, 3))
    assert "size" not in str(caught[0].message)


def test_members_that_are_not_read_are_named(tmp_path):
    members = {"preprocessor.bin": b"\xac\xed\x00\x05", "updaterState.bin": b"anything"}
    path = Zip([conv(3, 4)], members=members).write(tmp_path / "x.zip")
    with pytest.warns(UserWarning, match="not read, and never run") as caught:
        xception.load_model(path)
    notes = [str(warning.message) for warning in caught]
    assert [note for note in notes if "not read" in note] == [
        "x.zip: not read, and never run: preprocessor.bin"
    ]


# --- normalizers ----------------------------------------------------------------------------


def normalizer(kind, *content):
    texts = [len(text).to_bytes(2, "big") + text.encode() for text in ("NORMALIZER", kind)]
    return texts[0] + (1).to_bytes(4, "big") + texts[1] + b"".join(content)


def doubles(*values):
    return np.array(values, ">f8").tobytes()


def read_with(tmp_path, content):
    parts = [conv(3, 4), global_pool("AVG")]
    return (
        xception.load_model(Zip(parts, members={"normalizer.bin": content}).write(tmp_path / "x.zip")),
        xception.load_model(Zip(parts).write(tmp_path / "y.zip")),
    )


@pytest.mark.parametrize(("low", "high", "scaling"), [(-1, 1, "tf"), (0, 1, "unit"), (0, 255, "none")])
def test_a_range_of_pixels_becomes_the_scaling(tmp_path, low, high, scaling):
    model, plain = read_with(tmp_path, normalizer("IMAGE_MIN_MAX", doubles(low, high, 255)))
    assert model.preprocessing.scaling == scaling
    np.testing.assert_array_equal(model.predict(images()), plain.predict(images()))


def test_another_range_becomes_a_layer(tmp_path):
    model, plain = read_with(tmp_path, normalizer("IMAGE_MIN_MAX", doubles(-2, 3, 255)))
    assert model.preprocessing.scaling == "none"
    pixels = (images() + 1) * 127
    np.testing.assert_allclose(model.predict(pixels), plain.predict(pixels / 51 - 2), rtol=1e-5, atol=1e-6)


def test_statistics_of_channels_become_a_layer(tmp_path):
    from xception.formats.dl4j.binary import write_array

    mean, deviation = np.float32([[10, 20, 30]]), np.float32([[2, 0, 5]])
    content = normalizer("STANDARDIZE", b"\0", write_array(mean), write_array(deviation))
    model, plain = read_with(tmp_path, content)
    pixels = (images() + 1) * 127
    scaled = (pixels - mean) / [2, 1, 5]  # a deviation of 0 counts as 1
    np.testing.assert_allclose(model.predict(pixels), plain.predict(scaled), rtol=1e-5, atol=1e-5)
    content = normalizer("MIN_MAX", b"\0", doubles(-1, 1), write_array(mean), write_array(mean + 100))
    model, _ = read_with(tmp_path, content)
    scaled = (pixels - mean) / 50 - 1
    np.testing.assert_allclose(model.predict(pixels), plain.predict(scaled), rtol=1e-5, atol=1e-5)


def test_a_normalizer_that_cannot_be_read_is_refused(tmp_path):
    for content, reason in (
        (normalizer("CUSTOM"), "'CUSTOM' is not supported"), (b"", "damaged"), (b"\0\1x" * 9, "damaged"),
        (normalizer("IMAGE_MIN_MAX", doubles(0, 1, 0)), "damaged"),
        (normalizer("IMAGE_MIN_MAX", doubles(np.nan, 1, 255)), "damaged"),
    ):  # fmt: skip
        with pytest.raises(xception.ModelFileError, match=reason):
            read_with(tmp_path, content)


# --- the order of parameters ----------------------------------------------------------------


def test_readers_of_a_vertex_are_taken_as_java_iterates_a_hash_set():
    names = [f"n{i}" for i in range(20)]
    sources = {name: ["in"] for name in names}
    order = computed_order(["in"], sources)
    # 20 numbers, 1 to 20, in a table of 32 places: in order. Of 11, in one of 16: 16 comes before 1.
    assert order == ["in", *names]
    sources = {name: ["in" if i in (0, 1, 2, 15, 16, 17) else "n0"] for i, name in enumerate(names)}
    assert computed_order(["in"], sources)[:7] == ["in", "n15", "n0", "n16", "n1", "n17", "n2"]


def test_the_stated_order_must_be_possible(tmp_path):
    parts = [conv(3, 4), conv(4, 2)]
    for order in (["in", "v1", "v0"], ["in", "v0"], ["in", "v0", "v0"], "in", [1, 2, 3]):
        path = Zip(parts, changes={"topologicalOrderStr": order}).write(tmp_path / "x.zip")
        with pytest.raises(xception.ModelFileError, match="topologicalOrderStr"):
            xception.load_model(path)
    path = Zip(parts, changes={"topologicalOrderStr": None}).write(tmp_path / "x.zip")
    assert xception.load_model(path).count_params() == 4 * 28 + 2 * 37


# --- saving ---------------------------------------------------------------------------------


def test_models_return_in_files_of_keras(tmp_path):
    model = xception.load_model(Zip(chains()["to vectors and back"]).write(tmp_path / "x.zip"))
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"x{suffix}")
        again = xception.load_model(tmp_path / f"x{suffix}")
        np.testing.assert_array_equal(again.predict(images()), model.predict(images()))


@pytest.mark.parametrize("name", ["neighbors", "PNORM same", "global p-norm", "activation Cube"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_that_keras_does_not_have_are_refused_by_name(tmp_path, name, suffix):
    model = xception.load_model(Zip(chains()[name]).write(tmp_path / "x.zip"))
    with pytest.raises(ValueError, match=r"Keras has no layers for v\d \(\w+\)"):
        model.save(tmp_path / f"x{suffix}")
    assert not (tmp_path / f"x{suffix}").exists()


# --- what is not supported ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (layer("LSTM"), r"v1 \(LSTM\): this layer is not supported"),
        (vertex("StackVertex"), r"v1 \(StackVertex\): this vertex is not supported"),
        (layer("ActivationLayer", activationFn=activation("GELU")), r"ActivationGELU\): this activation"),
        (conv(4, 4, mode="Causal"), "convolutionMode Causal"),
        (conv(7, 4), "takes 7 channels"),
        (pool("SUMS"), "poolingType SUMS"),
        (dense(8, 2), "takes vectors"),
        (layer("ZeroPaddingLayer", padding=[1, -1, 0, 0]), "padding must list"),
        (layer("BatchNormalization", nout="four"), "nout must be an integer"),
        (vertex("ElementWiseVertex", op="Dot"), "operation Dot"),
        (vertex("ScaleVertex", scaleFactor="NaN"), "scaleFactor must be a number"),
        (vertex("PreprocessorVertex", preProcessor={"@class": "a.b.Mine"}), r"Mine\): this preprocessor"),
        (Part({"@class": 3}), "expected an object with a class"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, part, message):
    path = Zip([conv(3, 4), part]).write(tmp_path / "x.zip")
    with pytest.raises(xception.ModelFileError, match=message) as caught:
        xception.load_model(path, input_shape=(8, 7, 3))
    assert str(caught.value).startswith("x.zip: ")


def test_layers_of_two_layouts_are_refused(tmp_path):
    second = conv(4, 2)
    second.vertex["layerConf"]["layer"]["cnn2dDataFormat"] = "NHWC"
    path = Zip([conv(3, 4), second]).write(tmp_path / "x.zip")
    with pytest.raises(xception.ModelFileError, match="v1 takes images as NHWC, v0 as NCHW"):
        xception.load_model(path)


def test_weights_alone_are_not_read_from_a_zip(tmp_path):
    path = Zip([conv(3, 4)]).write(tmp_path / "x.zip")
    model = xception.load_model(path)
    with pytest.raises(xception.ModelFileError, match=r"load it with xception\.load_model"):
        model.load_weights(path)


def test_inspect_says_what_it_is_and_what_is_assumed(tmp_path):
    report = xception.inspect(Zip([conv(3, 4), global_pool("AVG")]).write(tmp_path / "x.zip"))
    assert report.runs
    assert report.format == "ComputationGraph of Deeplearning4j, 1.0.0-beta2 and beta3, NCHW"
    assert any("channels are RGB" in remark for remark in report.remarks)
    assert not xception.inspect(Zip([layer("LSTM")]).write(tmp_path / "y.zip")).runs


def test_the_table_is_deeplearning4js(tmp_path, capsys):
    model = xception.load_model(Zip([conv(3, 4), pool("MAX"), global_pool("AVG")]).write(tmp_path / "x.zip"))
    model.summary(style="dl4j")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["v0", "(ConvolutionLayer)", "3,4", "112", "W:{4,3,3,3},", "b:{1,4}", "[in]"] in rows
    assert ["v1", "(SubsamplingLayer)", "-,-", "0", "-", "[v0]"] in rows


def test_zips_with_folders_are_not_taken_for_models(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("model/configuration.json", "{}")
        archive.writestr("model/coefficients.bin", "")
    with pytest.raises(xception.ModelFileError, match="without folders"):
        xception.load_model(tmp_path / "x.zip")


def test_layers_keep_the_meaning_of_their_settings(tmp_path):
    stored = {"@class": "org.deeplearning4j.nn.conf.dropout.Dropout", "p": 0.8}
    parts = [conv(3, 4), layer("DropoutLayer", idropout=stored, activationFn=activation("Sigmoid"))]
    model = xception.load_model(Zip(parts).write(tmp_path / "x.zip"))
    dropout = model.graph.nodes["v1"].layer
    assert isinstance(dropout, layers.Dropout)
    assert dropout.rate == pytest.approx(0.2)
