"""Files of other programs are told by name, by content or suffix, and none of them is read."""

import json
import pickle
import zipfile

import pytest
import small_models

import xception
from xception.formats.foreign import identify


class Marker:
    """Unpickling it would raise."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


FILES = {
    "model.h5": (pickle.dumps(Marker()), "is a pickle"),
    "model.pkl": (pickle.dumps(Marker(), protocol=0), "is a pickle"),
    "model.joblib": (b"x\x9c compressed", "is a pickle"),
    "old.pt": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a PyTorch file"),
    "model.pth": (b"anything", "is a PyTorch file"),
    "x.tflite": (b"anything", "is a TensorFlow Lite model"),
    "y": (b"\x1c\0\0\0TFL3" + bytes(8), "is a TensorFlow Lite model"),
    "x.onnx": (b"anything", "is an ONNX model"),
    "z": (b"\x08\x08\x12\x07pytorch\x1a\x031.1", "is an ONNX model"),
    "frozen.pb": (b"\n\x10\n\x05image", "is a TensorFlow graph"),
    "saved_model.pb": (b"\x08\x01\x12\xff\x01", r"is a TensorFlow SavedModel\."),
    "x.data-00000-of-00001": (b"\0\1\2\3", "is a part of a TensorFlow checkpoint"),
    "x.index": (bytes(40), "is a part of a TensorFlow checkpoint"),
    "other": (bytes(40) + bytes.fromhex("57fb808b247547db"), "is a part of a TensorFlow checkpoint"),
    "checkpoint": (b'model_checkpoint_path: "x"', "is a part of a TensorFlow checkpoint"),
    "group1-shard1of2.bin": (bytes(40), "a part of the weights of a TensorFlow.js model"),
    "x.mlmodel": (b"\x08\x07", "is a Core ML model"),
    "model.yaml": (b"backend: tensorflow\n", r"is a YAML file\. YAML is not read"),
    "x.npy": (b"\x93NUMPY\x01\0", "is a file of NumPy arrays"),
    "x.keras": (b"\xff\xd8\xff\xe0", "is a photograph"),
    "x.h5.gz": (b"\x1f\x8b\x08", "is a compressed file"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs(tmp_path, name):
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content)
    model = small_models.model(small_models.base())
    for act in (xception.load_model, model.load_weights):
        with pytest.raises(xception.ModelFileError, match=message) as caught:
            act(tmp_path / name)
        assert str(caught.value).startswith(f"{name}: ")
    inspection = xception.inspect(tmp_path / name)
    assert (inspection.runs, inspection.damage) == (False, None)
    assert inspection.reasons[0].startswith("is ")


def test_the_content_counts_and_not_the_suffix(tmp_path):
    built = small_models.model(small_models.nested())
    built.save(tmp_path / "x.keras")
    for name in ("x.pt", "x.onnx", "x.pb", "x.yaml"):
        (tmp_path / "x.keras").rename(tmp_path / name)
        assert identify(tmp_path / name) is None
        assert xception.load_model(tmp_path / name).count_params() == built.count_params()
        (tmp_path / name).rename(tmp_path / "x.keras")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("coefficients.bin", "is a packed model of Deeplearning4j"),
        ("model/saved_model.pb", "is a packed TensorFlow SavedModel"),
        ("arr_0.npy", "is a file of NumPy arrays"),
        ("readme.txt", r"a zip archive, but no \.keras file"),
    ],
)
def test_archives_of_other_programs(tmp_path, member, message):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, b"")
    with pytest.raises(xception.ModelFileError, match=message):
        xception.load_model(tmp_path / "x.zip")


def test_folders_of_other_programs(tmp_path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file"):
        xception.load_model(folder)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(IsADirectoryError, match="SavedModel without a Keras model"):
        xception.load_model(folder)
    (folder / "keras_metadata.pb").write_bytes(b"")
    for act in (xception.load_model, small_models.model(small_models.base()).load_weights):
        with pytest.raises(IsADirectoryError, match=r"is a TensorFlow SavedModel\. .*save\('model\.h5'\)"):
            act(folder)
    assert "SavedModel" in xception.inspect(folder).reasons[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"format": "layers-model", "modelTopology": {}, "weightsManifest": []}, "tensorflowjs_converter"),
        (
            {"format": "graph-model", "modelTopology": {}, "weightsManifest": []},
            "a TensorFlow.js graph model",
        ),
        ({"a": 1}, "is JSON, but not the architecture of a Keras model"),
        ([1], "should hold a JSON object"),
    ],
)
def test_json_of_other_programs(tmp_path, content, message):
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(xception.ModelFileError, match=message):
        xception.load_model(tmp_path / "model.json")
    assert not xception.inspect(tmp_path / "model.json").runs
