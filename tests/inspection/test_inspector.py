"""What is said of files: of those that run here, those that do not, and those that are no small_models."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import small_models
from keras1 import write as write_2016_layout

import xception
from xception.graph.network import flatten, of_graph
from xception.inspection import backbones as bases
from xception.inspection.inspector import inspect
from xception.inspection.refusals import refusals
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
from xception.models import pretrained, summary


@pytest.fixture
def file(tmp_path):
    """A small model in a file."""
    built = small_models.model(small_models.nested(frozen=("block1_conv1",)))
    built.class_names = ["cup", "fork", "glass", "knife", "plate"]
    built.save(tmp_path / "small.keras")
    return tmp_path / "small.keras"


def changed(path, change, name="changed.keras"):
    """The same file with another description."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(path.with_name(name), "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            target.writestr(member, content)
    return path.with_name(name)


def layer(config, name):
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)


def as_hdf5(path):
    """The same model as Keras writes it into HDF5."""
    built, target = xception.load_model(path), path.with_suffix(".h5")
    built.save_weights(path.with_name("weights.h5"))
    with zipfile.ZipFile(path) as archive, h5py.File(target, "w") as file:
        config = json.loads(archive.read("config.json"))
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "3.1.0"
        file.attrs["training_config"] = json.dumps({"optimizer_config": {"class_name": "Custom>Adam"}})
        file["optimizer_weights/adam/iteration"] = np.int64(7)
        file["optimizer_weights/adam/momentum"] = np.zeros(3)
        with h5py.File(path.with_name("weights.h5")) as source:
            file.copy(source, "model_weights")
    return target


# --- models ---------------------------------------------------------------------------------


def test_a_model_that_runs(file):
    found = inspect(file)
    built = xception.load_model(file)
    assert (found.file, found.size, found.format) == ("small.keras", file.stat().st_size, ".keras archive")
    assert (found.keras_version, found.kind, found.name) == ("3.3.3", "Functional", "nested")
    assert found.saved[:2] == "20"
    assert found.inputs == {"image": (None, 12, 12, 3)}
    assert found.outputs == {"classes": (None, 5)}
    assert found.parameters == built.count_params()
    assert found.trainable == built.graph.count_params(trainable=True) < found.parameters - 162
    assert found.arrays == {"float32": len(built.get_weights())}
    assert found.class_names == ["cup", "fork", "glass", "knife", "plate"]
    assert (found.optimizer, found.optimizer_arrays) == (None, 0)
    assert [(row.name, row.kind) for row in found.layers][:3] == [
        ("image", "InputLayer"), ("scaled", "Rescaling"), ("base", "Functional"),
    ]  # fmt: skip
    assert found.layers[2].output_shapes == [(None, 6, 6, 8)]
    assert found.layers[2].parameters == built.get_layer("base").count_params()
    assert (found.runs, found.loads_as, found.reasons) == (True, "xception.load_model(FILE)", [])
    assert (found.bases, found.damage) == ([], None)


def test_a_whole_model_in_hdf5(file):
    found = inspect(as_hdf5(file))
    assert (found.format, found.keras_version, found.saved) == ("whole model in HDF5", "3.1.0", None)
    assert (found.optimizer, found.optimizer_arrays) == ("Adam", 2)
    assert found.arrays == {"float32": len(xception.load_model(file).get_weights())}
    assert found.outputs == {"classes": (None, 5)}
    assert found.runs


@pytest.mark.parametrize("name", small_models.EVERY)
def test_models_of_every_kind(tmp_path, name):
    built = small_models.model(small_models.EVERY[name]())
    built.save(tmp_path / "x.keras")
    found = inspect(tmp_path / "x.keras")
    assert found.runs
    assert found.parameters == built.count_params()
    assert list(found.inputs) == list(built.input_names)
    assert [row.name for row in found.layers] == [layer.name for layer in built.layers]
    assert built.name in summary.inspected(found)


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
    found = inspect(file.with_name("half.keras"))
    assert found.arrays == {"float16": 3, "float32": len(xception.load_model(file).get_weights()) - 3}
    assert found.optimizer_arrays == 1
    assert (found.keras_version, found.saved) == (None, None)
    assert found.runs


# --- models that do not run -----------------------------------------------------------------


def lambda_layer(config, name="scaled"):
    layer(config, name).update(class_name="Lambda", registered_name=None)
    layer(config, name)["config"] = {"name": name, "function": {"class_name": "__lambda__", "config": {}}}


def test_a_model_that_is_refused(file):
    found = inspect(changed(file, lambda_layer))
    assert not found.runs
    assert found.loads_as is None
    (reason,) = found.reasons
    assert reason.startswith("nested: scaled (Lambda): a Lambda layer holds Python code")
    assert found.inputs == {"image": (None, 12, 12, 3)}
    assert found.outputs == {"classes": None}
    assert [(row.name, row.kind) for row in found.layers][1:3] == [
        ("scaled", "Lambda"), ("base", "Functional"),
    ]  # fmt: skip
    assert found.parameters == xception.load_model(file).count_params()
    assert found.trainable is None


def test_every_layer_that_is_refused_is_named(file):
    def spoil(config):
        lambda_layer(config)
        inner = layer(layer(config, "base"), "block1_conv1")
        inner["config"]["data_format"] = "channels_first"
        layer(config, "dropout")["class_name"] = "Drop"
        layer(config, "classes")["registered_name"] = "my_package>Dense"

    found = inspect(changed(file, spoil))
    assert [reason.partition(")")[0] for reason in found.reasons] == [
        "nested: scaled (Lambda",
        "nested: base: block1_conv1 (Conv2D",
        "nested: dropout (Drop",
        "nested: classes (Dense",
    ]
    assert found.reasons[2].endswith("'Drop' is not a supported layer here")  # without a list of them
    assert "because     nested: dropout (Drop)" in summary.inspected(found)


def test_reasons_that_are_no_layers(file):
    def disconnect(config):
        layer(config, "classes")["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "nobody"

    (reason,) = inspect(changed(file, disconnect)).reasons
    assert "there is no layer 'nobody'" in reason

    def replace(config):
        config.update(class_name="MyModel", module="mine", config={"name": "mine"})

    found = inspect(changed(file, replace))
    assert (found.kind, found.name, found.layers) == ("MyModel", "mine", [])
    assert "the model is of the class 'MyModel'" in found.reasons[0]
    assert found.arrays

    def enlarge(config):
        layer(config, "classes")["config"]["units"] = 6

    (reason,) = inspect(changed(file, enlarge)).reasons
    assert "kernel should have shape (8, 6), found (8, 5)" in reason


@pytest.mark.parametrize(
    "described",
    [
        {}, {"class_name": "Functional"}, {"class_name": "Functional", "config": None},
        {"class_name": "Functional", "config": {"layers": [None, 3, "x"]}},
        {"class_name": "Sequential", "config": [{"class_name": ["Dense"], "config": {}}]},
        {"class_name": "Functional", "config": {"layers": {"a": 1}, "output_layers": 7, "name": {}}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": "InputLayer", "config": 1}]}},
    ],
)  # fmt: skip
def test_descriptions_that_make_no_sense(file, described):
    assert refusals(described, 3) == []

    def replace(config):
        config.clear()
        config.update(described)

    found = inspect(changed(file, replace))
    assert not found.runs
    assert len(found.reasons) == 1
    assert found.arrays
    summary.inspected(found)


def test_links_are_not_followed_and_circles_end(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.zeros(5, np.float64)
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 3), np.float32)
        file["layers/again"] = file["layers"]
        file["layers/dense/elsewhere"] = h5py.ExternalLink("other.h5", "secret")
        file["layers/dense/soft"] = h5py.SoftLink("/layers/dense/vars/0")
    found = inspect(tmp_path / "x.weights.h5")
    assert (found.arrays, found.parameters) == ({"float32": 1}, 6)


# --- weights alone --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5"])
def test_weights_of_something_else(tmp_path, name):
    small_models.model(small_models.nested()).save_weights(tmp_path / name)
    found = inspect(tmp_path / name)
    assert found.format.startswith("weights in HDF5, by ")
    assert (found.runs, found.bases, found.kind) == (False, [], None)
    assert "holds weights alone" in found.reasons[0]
    assert found.parameters == small_models.model(small_models.nested()).count_params()


def test_the_shipped_base():
    found = inspect(pretrained.shipped_base())
    assert (found.arrays, found.parameters) == ({"float16": 74, "float32": 160}, 20_861_480)
    assert found.bases == [bases.Base("", 234, 0)]
    assert (found.runs, found.loads_as) == (True, "xception.Xception(include_top=False, weights=FILE)")


@pytest.mark.parametrize("layout", ["Keras 1", "Keras 2", "Keras 3"])
def test_weights_of_an_xception_with_classifier(full_model, weights_file, tmp_path, layout):
    path = {"Keras 2": weights_file, "Keras 3": tmp_path / "x.weights.h5"}.get(layout, tmp_path / "old.h5")
    if layout == "Keras 1":
        write_2016_layout(path, full_model)
    elif layout == "Keras 3":
        full_model.save_weights(path)
    found = inspect(path)
    assert ("as Keras 1 gave them" in found.format) == (layout == "Keras 1")
    assert ("by class and number" in found.format) == (layout == "Keras 3")
    assert (found.runs, found.loads_as) == (True, "xception.Xception(weights=FILE, classes=1000)")
    assert [base.place for base in found.bases] == [""]
    assert 34 <= found.bases[0].differing <= 234  # fresh batch normalisations are not all unlike
    assert found.parameters == 22_910_480


# --- Xception in a model --------------------------------------------------------------------


@pytest.fixture(scope="module")
def greater(base):
    """The shipped base as a layer of a classifier."""
    network = small_models.wired(
        "greater", ["image"], ["classes"],
        image=(Input((75, 75, 3)),), base=(of_graph(base.graph), ["image"]), classes=(Dense(2), ["base"]),
    )  # fmt: skip
    parameters = {f"base/{name}": arrays for name, arrays in base.parameters.items()}
    head = {"classes": {"kernel": np.ones((2048, 2), np.float32), "bias": np.ones(2, np.float32)}}
    return xception.Model(flatten(network), parameters | head, network)


def with_other(parameters, *places):
    changed = {name: dict(arrays) for name, arrays in parameters.items()}
    for name, key in places:
        changed[name][key] = changed[name][key] * np.float32(1.01)
    return changed


def test_imagenets_base_as_a_layer(greater):
    assert bases.in_model(greater.graph, greater.parameters) == [bases.Base("base", 234, 0)]


def test_kernels_may_be_exact_where_the_shipped_ones_are_rounded(greater):
    kernel = greater.parameters["base/block14_sepconv2"]["pointwise_kernel"]
    exact = with_other(greater.parameters)
    exact["base/block14_sepconv2"]["pointwise_kernel"] = kernel * np.float32(1 + 1e-5)
    assert not np.array_equal(exact["base/block14_sepconv2"]["pointwise_kernel"], kernel)
    assert bases.in_model(greater.graph, exact) == [bases.Base("base", 234, 0)]


def test_a_base_that_was_fine_tuned(greater):
    tuned = with_other(
        greater.parameters,
        ("base/block14_sepconv2", "pointwise_kernel"),
        ("base/block14_sepconv2_bn", "moving_mean"),
    )
    assert bases.in_model(greater.graph, tuned) == [bases.Base("base", 234, 2)]


def test_a_base_whose_layers_are_the_models_own(full_model):
    (found,) = bases.in_model(full_model.graph, full_model.parameters)
    assert (found.place, found.arrays) == ("", 234)


def test_a_base_that_is_used_twice_is_found_once(base):
    network = small_models.wired(
        "siamese", ["one", "two"], ["one_pooled", "two_pooled"],
        one=(Input((75, 75, 3)),), two=(Input((75, 75, 3)),), base=(of_graph(base.graph), ["one"], ["two"]),
        one_pooled=(Dense(1), ["base"]), two_pooled=(Dense(1), ["base:1"]),
    )  # fmt: skip
    parameters = {f"base/{name}": arrays for name, arrays in base.parameters.items()}
    assert bases.in_model(flatten(network), parameters) == [bases.Base("base", 234, 0)]


def test_what_only_begins_like_xception_has_no_base():
    network = small_models.row(
        "short", ("image", Input((75, 75, 3))), ("block1_conv1", Conv2D(32, 3, 2, use_bias=False)),
        ("pool", GlobalAveragePooling2D()), ("classes", Dense(2)),
    )  # fmt: skip
    built = small_models.model(network)
    assert bases.in_model(built.graph, built.parameters) == []


def test_the_base_of_a_model_that_is_refused(greater, tmp_path):
    greater.save(tmp_path / "greater.keras")

    def refuse(config):
        layer(config, "classes")["class_name"] = "Mystery"

    found = inspect(changed(tmp_path / "greater.keras", refuse))
    assert not found.runs
    assert found.bases == [bases.Base("functional", 234, 0)]
    assert found.loads_as == "xception.Xception(include_top=False, weights=FILE)"
    with pytest.warns(UserWarning, match="not loaded: dense"):
        xception.Xception(include_top=False, weights=tmp_path / "changed.keras")
    text = summary.inspected(found)
    assert "Xception    functional: its base equals the ImageNet weights shipped here" in text
    assert "but         its base does: xception.Xception(include_top=False, weights=FILE)" in text


# --- other files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty one"),
        (b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\x80\x04\x95 a pickle", "something else"),
    ],
)
@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
def test_files_that_are_no_models(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    found = inspect(tmp_path / name)
    assert (found.format, found.runs, found.damage) == ("no model file", False, None)
    assert said in found.reasons[0]
    assert summary.inspected(found).splitlines()[-1].startswith("because     ")


def test_archives_and_hdf5_that_are_not_kerass(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("data.pkl", b"")
    found = inspect(tmp_path / "x.keras")
    assert (found.format, found.damage) == ("zip archive", None)
    (reason,) = found.reasons
    assert reason == "a zip archive, but no .keras file: there is no config.json; found data.pkl"
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    found = inspect(tmp_path / "x.h5")
    assert (found.format, found.damage) == ("HDF5", None)
    assert "it holds measurements" in found.reasons[0]


def test_files_that_are_damaged(file):
    half = file.with_name("half.keras")
    half.write_bytes(file.read_bytes()[:5000])
    found = inspect(half)
    assert (found.format, found.runs) == ("zip archive", False)
    assert "a damaged .keras archive" in found.damage
    whole = as_hdf5(file)
    whole.write_bytes(whole.read_bytes()[:5000])
    assert "a damaged or incomplete HDF5 file" in inspect(whole).damage
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(half, "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.writestr("model.weights.h5", source.read("model.weights.h5")[:3000])
    found = inspect(half)
    assert "damaged or incomplete" in found.damage
    assert (found.name, len(found.layers)) == ("nested", 6)  # what could be read is told
    assert "damage" in summary.inspected(found)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        inspect(tmp_path / "no.keras")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        inspect(tmp_path)
