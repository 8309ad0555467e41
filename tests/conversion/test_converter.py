"""Conversion of model files, and the comparison of both sides."""

import zipfile

import numpy as np
import pytest
import small_models
from dl4j_files import Zip, chains, conv, global_pool, images
from PIL import Image
from pytorch_files import safetensors_bytes, state_dict

import xception
from xception.conversion import comparison
from xception.graph import Network, flatten
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input


@pytest.fixture(autouse=True)
def without_keras(monkeypatch):
    """Keras answers itself where it is installed, which takes seconds; see tests/conformance."""
    monkeypatch.setattr(comparison, "has_keras", lambda: False)
    monkeypatch.setattr(comparison, "has_timm", lambda: False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def small(activation="linear", names=None):
    graph = xception.Graph("small")
    x = graph.add(Input((12, 10, 3)), name="in")
    x = graph.add(Conv2D(4, 3, activation="relu"), x, name="conv")
    x = graph.add(GlobalAveragePooling2D(), x, name="pool")
    graph.add(Dense(3, activation), x, name="logits")
    return xception.Model(graph, seed=0, class_names=names)


@pytest.fixture
def source(tmp_path):
    small(names=["a", "b", "c"]).save(tmp_path / "x.keras")
    return tmp_path / "x.keras"


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".zip", ".weights.h5"])
def test_both_sides_answer_alike(source, tmp_path, photo, suffix):
    report = xception.convert(source, tmp_path / f"y{suffix}", check=photo)
    assert report.first_difference is None
    assert list(report.comparisons[0].differences) == ["conv", "pool", "logits"]
    assert max(report.comparisons[0].differences.values()) < 1e-6
    assert str(report).startswith(f"x.keras -> y{suffix}\n")
    assert "3 layers answer as in" in str(report)


def test_a_checkpoint_becomes_a_model_of_keras(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(safetensors_bytes(state_dict()))
    report = xception.convert(
        tmp_path / "x.safetensors", tmp_path / "y.keras", input_shape=(96, 96, 3),
        class_names=list("abcdefg"),
    )  # fmt: skip
    assert report.notes[0].startswith("a checkpoint does not say how photographs were prepared")
    model = xception.load_model(tmp_path / "y.keras")
    assert model.input_shape == (None, 96, 96, 3)
    assert [name for _, name in model.class_names] == list("abcdefg")
    assert model.preprocessing.from_logits


def test_weights_for_pytorch_need_force_where_its_answers_differ(tmp_path):
    xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0).save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match="epsilon"):
        xception.convert(tmp_path / "x.keras", tmp_path / "y.safetensors")
    assert not (tmp_path / "y.safetensors").exists()
    report = xception.convert(tmp_path / "x.keras", tmp_path / "y.safetensors", force=True)
    assert report.notes == (
        "PyTorch will give other answers: block1_conv1_bn has the epsilon 0.001, expected 1e-05",
    )
    assert xception.load_model(tmp_path / "y.safetensors", aspect="crop").count_params()


def test_a_nested_xception_is_no_network_of_pytorch(base, tmp_path):
    network = small_models.wired(
        "outer", ["image"], ["base"], image=(Input((75, 75, 3)),),
        base=(Network.from_graph(base.graph), ["image"]),
    )  # fmt: skip
    parameters = {f"base/{name}": arrays for name, arrays in base.parameters.items()}
    xception.Model(flatten(network), parameters, network).save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match=r"nested in it, as .*/block1_conv1.*; \.onnx holds"):
        xception.convert(tmp_path / "x.keras", tmp_path / "y.safetensors")


def test_force_does_not_write_another_network(source, tmp_path):
    with pytest.raises(ValueError, match="Xception with PyTorch's pooling"):
        xception.convert(source, tmp_path / "y.safetensors", force=True)


def test_a_part_and_a_softmax(source, tmp_path):
    xception.convert(source, tmp_path / "y.keras", layers="conv")
    assert xception.load_model(tmp_path / "y.keras").output_shape == (None, 10, 8, 4)
    xception.convert(source, tmp_path / "y.keras", softmax=True)
    model = xception.load_model(tmp_path / "y.keras")
    assert model.preprocessing.from_logits is False
    x = np.zeros((1, 12, 10, 3), np.float32)
    assert model.predict(x).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="probabilities ends with softmax"):
        xception.convert(tmp_path / "y.keras", tmp_path / "z.keras", softmax=True)


def test_the_order_of_channels_is_recorded(tmp_path):
    path = Zip([conv(3, 4), global_pool("AVG")]).write(tmp_path / "x.zip")
    report = xception.convert(path, tmp_path / "y.keras")
    assert "channels are RGB" in report.notes[0]
    report = xception.convert(path, tmp_path / "y.keras", channel_order="bgr", input_shape=(20, 20, None))
    assert not report.notes
    model = xception.load_model(tmp_path / "y.keras")
    assert model.preprocessing.channel_order == "bgr"
    assert model.input_shape == (None, 20, 20, 3)


def test_what_keras_does_not_have_is_refused_by_name(tmp_path):
    path = Zip(chains()["neighbors"]).write(tmp_path / "x.zip")
    with pytest.raises(ValueError, match=r"v1 \(LocalResponseNormalization\)"):
        xception.convert(path, tmp_path / "y.keras")
    assert not (tmp_path / "y.keras").exists()


def test_unknown_suffixes_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match=r"y.pb: expected a file with one of the suffixes .weights.h5"):
        xception.convert(tmp_path / "nothing.keras", tmp_path / "y.pb")


# --- references -----------------------------------------------------------------------------


def write_reference(path, changed=None, channels_first=False, **more):
    model, x = small(), images((2, 12, 10, 3))
    arrays = model.activations(x, ["conv", "pool", "logits"]) | {"input": x}
    if changed is not None:
        arrays[changed] = arrays[changed] * 1.01
    if channels_first:
        arrays = {name: a.transpose(0, 3, 1, 2) if a.ndim == 4 else a for name, a in arrays.items()}
    np.savez(path, **(arrays | more))
    return path


@pytest.mark.parametrize("channels_first", [False, True])
def test_the_first_layer_that_differs_is_named(source, tmp_path, channels_first):
    path = write_reference(tmp_path / "a.npz", channels_first=channels_first)
    report = xception.convert(source, tmp_path / "y.keras", reference=path)
    assert report.first_difference is None
    path = write_reference(tmp_path / "b.npz", "pool", channels_first, elsewhere=np.zeros(3))
    report = xception.convert(source, tmp_path / "y.keras", reference=path)
    assert report.first_difference == "pool"
    assert report.comparisons[0].differences["pool"] == pytest.approx(0.01, rel=1e-3)
    assert report.comparisons[0].missing == ("elsewhere",)
    assert "pool is the first of 3 layers that differs from b.npz: by 1.0e-02" in str(report)


def test_a_reference_without_input_needs_the_photograph(source, tmp_path, photo):
    np.savez(tmp_path / "a.npz", logits=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="has no array 'input'"):
        xception.convert(source, tmp_path / "y.keras", reference=tmp_path / "a.npz")
    report = xception.convert(source, tmp_path / "y.keras", reference=tmp_path / "a.npz", check=photo)
    assert report.first_difference == "logits"


def test_arrays_of_another_shape_differ(source, tmp_path):
    path = write_reference(tmp_path / "a.npz", conv=np.zeros((3, 3)), logits=np.full((2, 3), np.nan))
    report = xception.convert(source, tmp_path / "y.keras", reference=path)
    assert report.first_difference == "conv"
    assert report.comparisons[0].differences["logits"] == np.inf


def test_hostile_references_are_refused(source, tmp_path):
    path = tmp_path / "a.npz"
    for arrays, message in (({"a": np.array([None])}, "holds object"), ({}, "holds no arrays")):
        np.savez(path, **arrays)
        with pytest.raises(xception.ModelFileError, match=message):
            xception.convert(source, tmp_path / "y.keras", reference=path)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}".ljust(117) + b"\n"
    for content in (
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header,
        b"\x93NUMPY\x07\x00",
        b"",
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(xception.ModelFileError):
            xception.convert(source, tmp_path / "y.keras", reference=path)
    path.write_bytes(b"no zip")
    with pytest.raises(xception.ModelFileError):
        xception.convert(source, tmp_path / "y.keras", reference=path)


def test_the_model_itself_is_not_written_over(source, tmp_path):
    before = source.read_bytes()
    with pytest.raises(ValueError, match="is the model that is converted; name another file"):
        xception.convert(source, source)
    assert source.read_bytes() == before
