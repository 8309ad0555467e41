"""What is found out about files: models that run, models that do not, weights, and other files."""

import io
import zipfile

import h5py
import numpy as np
import pytest
import small_models
from inspected_files import as_hdf5, find_layer, make_lambda, with_config
from keras1 import write as write_2016_layout

import xception
from xception.inspection.backbones import Backbone
from xception.inspection.inspector import inspect
from xception.models import pretrained


def test_a_model_that_runs(file):
    inspection = inspect(file)
    built = xception.load_model(file)
    assert (inspection.file, inspection.size, inspection.format) == (
        "small.keras",
        file.stat().st_size,
        ".keras archive",
    )
    assert (inspection.keras_version, inspection.kind, inspection.name) == ("3.3.3", "Functional", "nested")
    assert inspection.saved[:2] == "20"
    assert inspection.inputs == {"image": (None, 12, 12, 3)}
    assert inspection.outputs == {"classes": (None, 5)}
    assert inspection.parameters == built.count_params()
    assert inspection.trainable == built.graph.count_params(trainable=True) < inspection.parameters - 162
    assert inspection.arrays == {"float32": len(built.get_weights())}
    assert inspection.class_names == ["cup", "fork", "glass", "knife", "plate"]
    assert (inspection.optimizer, inspection.optimizer_arrays) == (None, 0)
    assert [(row.name, row.kind) for row in inspection.layers][:3] == [
        ("image", "InputLayer"), ("scaled", "Rescaling"), ("base", "Functional"),
    ]  # fmt: skip
    assert inspection.layers[2].output_shapes == [(None, 6, 6, 8)]
    assert inspection.layers[2].parameters == built.get_layer("base").count_params()
    assert (inspection.runs, inspection.loads_as, inspection.reasons) == (
        True,
        "xception.load_model(FILE)",
        [],
    )
    assert (inspection.bases, inspection.damage) == ([], None)


def test_a_whole_model_in_hdf5(file):
    inspection = inspect(as_hdf5(file))
    assert (inspection.format, inspection.keras_version, inspection.saved) == (
        "whole model in HDF5",
        "3.1.0",
        None,
    )
    assert (inspection.optimizer, inspection.optimizer_arrays) == ("Adam", 2)
    assert inspection.arrays == {"float32": len(xception.load_model(file).get_weights())}
    assert inspection.outputs == {"classes": (None, 5)}
    assert inspection.runs


@pytest.mark.parametrize("name", small_models.EVERY)
def test_models_of_every_kind(tmp_path, name):
    built = small_models.model(small_models.EVERY[name]())
    built.save(tmp_path / "x.keras")
    inspection = inspect(tmp_path / "x.keras")
    assert inspection.runs
    assert inspection.parameters == built.count_params()
    assert list(inspection.inputs) == list(built.input_names)
    assert [row.name for row in inspection.layers] == [layer.name for layer in built.layers]
    assert built.name in str(inspection)


def test_types_of_weights(file):
    def halve(path):
        with zipfile.ZipFile(path) as archive:
            content = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(content, "a") as weights:
            places = []
            weights.visititems(lambda n, o: places.append(n) if isinstance(o, h5py.Dataset) else None)
            for place in places[:3]:
                value = weights[place][()].astype(np.float16)
                del weights[place]
                weights[place] = value
            weights["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
            weights["optimizer/vars/0"] = np.int64(3)
        return content.getvalue()

    with zipfile.ZipFile(file) as source, zipfile.ZipFile(file.with_name("half.keras"), "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.writestr("model.weights.h5", halve(file))
    inspection = inspect(file.with_name("half.keras"))
    assert inspection.arrays == {"float16": 3, "float32": len(xception.load_model(file).get_weights()) - 3}
    assert inspection.optimizer_arrays == 1
    assert (inspection.keras_version, inspection.saved) == (None, None)
    assert inspection.runs


def test_a_model_that_is_refused(file):
    inspection = inspect(with_config(file, make_lambda))
    assert not inspection.runs
    assert inspection.loads_as is None
    (reason,) = inspection.reasons
    assert reason.startswith("nested: scaled (Lambda): a Lambda layer holds Python code")
    assert inspection.inputs == {"image": (None, 12, 12, 3)}
    assert inspection.outputs == {"classes": None}
    assert [(row.name, row.kind) for row in inspection.layers][1:3] == [
        ("scaled", "Lambda"), ("base", "Functional"),
    ]  # fmt: skip
    assert inspection.parameters == xception.load_model(file).count_params()
    assert inspection.trainable is None


def test_models_that_are_refused_for_another_reason(file):
    def disconnect(config):
        find_layer(config, "classes")["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "nobody"

    (reason,) = inspect(with_config(file, disconnect)).reasons
    assert "there is no layer 'nobody'" in reason

    def replace(config):
        config.update(class_name="MyModel", module="mine", config={"name": "mine"})

    inspection = inspect(with_config(file, replace))
    assert (inspection.kind, inspection.name, inspection.layers) == ("MyModel", "mine", [])
    assert "the model is of the class 'MyModel'" in inspection.reasons[0]
    assert inspection.arrays

    def enlarge(config):
        find_layer(config, "classes")["config"]["units"] = 6

    (reason,) = inspect(with_config(file, enlarge)).reasons
    assert "kernel should have shape (8, 6), found (8, 5)" in reason


def test_links_are_not_followed_and_circles_end(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.zeros(5, np.float64)
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 3), np.float32)
        file["layers/again"] = file["layers"]
        file["layers/dense/elsewhere"] = h5py.ExternalLink("other.h5", "secret")
        file["layers/dense/soft"] = h5py.SoftLink("/layers/dense/vars/0")
    inspection = inspect(tmp_path / "x.weights.h5")
    assert (inspection.arrays, inspection.parameters) == ({"float32": 1}, 6)


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5"])
def test_weights_of_another_model(tmp_path, name):
    small_models.model(small_models.nested()).save_weights(tmp_path / name)
    inspection = inspect(tmp_path / name)
    assert inspection.format.startswith("weights in HDF5, by ")
    assert (inspection.runs, inspection.bases, inspection.kind) == (False, [], None)
    assert "holds weights alone" in inspection.reasons[0]
    assert inspection.parameters == small_models.model(small_models.nested()).count_params()


def test_the_shipped_base():
    inspection = inspect(pretrained.shipped_base())
    assert (inspection.arrays, inspection.parameters) == ({"float16": 74, "float32": 160}, 20_861_480)
    assert inspection.bases == [Backbone("", 234, 0)]
    assert (inspection.runs, inspection.loads_as) == (
        True,
        "xception.Xception(include_top=False, weights=FILE)",
    )


@pytest.mark.parametrize("layout", ["Keras 1", "Keras 2", "Keras 3"])
def test_weights_of_an_xception_with_classifier(full_model, weights_file, tmp_path, layout):
    path = {"Keras 2": weights_file, "Keras 3": tmp_path / "x.weights.h5"}.get(layout, tmp_path / "old.h5")
    if layout == "Keras 1":
        write_2016_layout(path, full_model)
    elif layout == "Keras 3":
        full_model.save_weights(path)
    inspection = inspect(path)
    assert ("as in Keras 1" in inspection.format) == (layout == "Keras 1")
    assert ("by class and number" in inspection.format) == (layout == "Keras 3")
    assert (inspection.runs, inspection.loads_as) == (True, "xception.Xception(weights=FILE, classes=1000)")
    assert [backbone.path for backbone in inspection.bases] == [""]
    assert 34 <= inspection.bases[0].differing <= 234  # fresh batch normalisations are not all unlike
    assert inspection.parameters == 22_910_480


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty one"),
        (b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\x80\x04\x95 a pickle", "is a pickle"),
    ],
)
@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
def test_files_that_are_no_models(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    inspection = inspect(tmp_path / name)
    assert inspection.format == "no model file that is read here"
    assert (inspection.runs, inspection.damage) == (False, None)
    assert said in inspection.reasons[0]
    assert str(inspection).splitlines()[-1].startswith("because    it is ")


def test_archives_and_hdf5_of_other_programs(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("coefficients.bin", b"")
    inspection = inspect(tmp_path / "x.keras")
    assert (inspection.format, inspection.damage) == ("zip archive", None)
    (reason,) = inspection.reasons
    assert reason.startswith("is a packed model of Deeplearning4j. ")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    inspection = inspect(tmp_path / "x.h5")
    assert (inspection.format, inspection.damage) == ("HDF5", None)
    assert "it holds measurements" in inspection.reasons[0]


def test_damaged_files(file):
    half = file.with_name("half.keras")
    half.write_bytes(file.read_bytes()[:5000])
    inspection = inspect(half)
    assert (inspection.format, inspection.runs) == ("zip archive", False)
    assert "a damaged archive" in inspection.damage
    whole = as_hdf5(file)
    whole.write_bytes(whole.read_bytes()[:5000])
    assert "a damaged or incomplete HDF5 file" in inspect(whole).damage
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(half, "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.writestr("model.weights.h5", source.read("model.weights.h5")[:3000])
    inspection = inspect(half)
    assert "damaged or incomplete" in inspection.damage
    assert (inspection.name, len(inspection.layers)) == ("nested", 6)  # what could be read is reported
    assert "damage" in str(inspection)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        inspect(tmp_path / "no.keras")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        inspect(tmp_path)


def test_weights_in_another_file_that_are_not_finite(tmp_path):
    built = small_models.model(small_models.nested())
    name, arrays = next((name, arrays) for name, arrays in built.parameters.items() if arrays)
    key = next(iter(arrays))
    changed = {**built.parameters, name: {**arrays, key: np.full_like(arrays[key], np.nan)}}
    broken = xception.Model(built.graph, changed, built.network)
    broken.save_weights(tmp_path / "x.weights.h5")
    broken.save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        (tmp_path / "model.json").write_bytes(archive.read("config.json"))
    assert inspect(tmp_path / "model.json", tmp_path / "x.weights.h5").not_finite == [f"{name}/{key}"]
    assert len(inspect(tmp_path / "x.keras").not_finite) == 1
