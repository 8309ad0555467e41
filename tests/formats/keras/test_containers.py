"""Architecture in JSON with its weights, `.keras` folders, and sharded weights."""

import json
import zipfile

import h5py
import numpy as np
import pytest
from hostile import (
    BIAS,
    FILTER,
    KERNEL,
    archive,
    assert_same,
    fill_by_name,
    fill_by_position,
    hdf5_bytes,
    small,
)

import xception
from xception.data.preprocessing import Preprocessing

EXPECTED = [FILTER, KERNEL, BIAS]


@pytest.fixture
def parts(tmp_path):
    """`model.json`, and its weights in every form."""
    (tmp_path / "model.json").write_text(json.dumps(small()))
    (tmp_path / "x.h5").write_bytes(hdf5_bytes(fill_by_name))
    (tmp_path / "x.weights.h5").write_bytes(hdf5_bytes(fill_by_position))
    archive(tmp_path / "x.keras")
    write_shards(tmp_path)
    return tmp_path


def write_shards(folder):
    """Write the weights in three shards; the arrays of "dense" are in two of them."""
    shards = {
        "x_00000.weights.h5": {"layers/conv2d/vars/0": FILTER},
        "x_00001.weights.h5": {"layers/dense/vars/0": KERNEL},
        "x_00002.weights.h5": {"layers/dense/vars/1": BIAS},
    }
    for name, arrays in shards.items():
        with h5py.File(folder / name, "w") as file:
            for path, array in arrays.items():
                file[path] = array
    names = list(shards)
    index = {
        "metadata": {"total_size": 88},
        "weight_map": {"/layers/conv2d/vars": names[0], "/layers/dense/vars": names[1:]},
    }
    (folder / "x.weights.json").write_text(json.dumps(index))
    return folder / "x.weights.json"


def unpack(path, folder):
    with zipfile.ZipFile(path) as file:
        file.extractall(folder)
    return folder


# --- model.json -----------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["x.h5", "x.weights.h5", "x.keras", "x.weights.json"])
def test_an_architecture_with_its_weights(parts, weights):
    model = xception.load_model(parts / "model.json", weights=parts / weights)
    assert model.name == "small"
    assert_same(model.get_weights(), EXPECTED)


@pytest.mark.parametrize(
    "write",
    [lambda text: json.dumps(text), lambda text: "\n " + text, lambda text: "\ufeff" + text],
    ids=["as a string", "after blanks", "with a byte order mark"],
)
def test_ways_of_writing_json(parts, write):
    (parts / "model.json").write_text(write(json.dumps(small())), encoding="utf-8")
    assert_same(xception.load_model(parts / "model.json", parts / "x.h5").get_weights(), EXPECTED)


def test_the_missing_argument_is_named(parts):
    with pytest.raises(xception.ModelFileError, match=r"without weights.*\('model\.json', weights="):
        xception.load_model(parts / "model.json")
    with pytest.raises(xception.ModelFileError, match=r"load_model\('model\.json', weights='x\.h5'\)"):
        xception.load_model(parts / "x.h5")
    with pytest.raises(xception.ModelFileError, match=r"index of sharded weights, and holds no model"):
        xception.load_model(parts / "x.weights.json")
    model = xception.load_model(parts / "x.keras")
    with pytest.raises(xception.ModelFileError, match="is the architecture of a model, and holds no weights"):
        model.load_weights(parts / "model.json")
    with pytest.raises(xception.ModelFileError, match="give them the other way round"):
        xception.load_model(parts / "x.h5", parts / "model.json")


def test_weights_replace_those_of_a_whole_model(parts):
    """All of them: what does not fit is refused."""

    def write_others(file):
        file["layers/conv2d/vars/0"] = FILTER * 2
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = KERNEL + 1, BIAS

    (parts / "y.weights.h5").write_bytes(hdf5_bytes(write_others))
    model = xception.load_model(parts / "x.keras", parts / "y.weights.h5")
    assert_same(model.get_weights(), [FILTER * 2, KERNEL + 1, BIAS])
    with h5py.File(parts / "y.weights.h5", "a") as file:
        del file["layers/dense"]
    with pytest.raises(xception.ModelFileError, match="the file has no weights for dense"):
        xception.load_model(parts / "x.keras", parts / "y.weights.h5")


def test_an_architecture_is_inspected(parts):
    inspection = xception.inspect(parts / "model.json")
    assert inspection.format == "architecture of a model in JSON, without weights"
    assert [row.name for row in inspection.layers] == ["pixels", "conv", "pool", "dense"]
    assert (inspection.runs, inspection.damage) == (False, None)
    assert "load_model(FILE, weights=WEIGHTS)" in inspection.reasons[0]
    inspection = xception.inspect(parts / "model.json", parts / "x.h5")
    assert (inspection.runs, inspection.parameters) == (True, 22)
    assert inspection.loads_as == "xception.load_model(FILE, weights=WEIGHTS)"


def test_a_bad_layer_of_an_architecture_is_named(parts):
    from hostile import layer

    (parts / "model.json").write_text(json.dumps(small(layer("Mystery", "odd", "dense"))))
    with pytest.raises(xception.ModelFileError, match=r"model\.json: small: odd \(Mystery\)"):
        xception.load_model(parts / "model.json", parts / "x.h5")
    assert "odd (Mystery)" in xception.inspect(parts / "model.json").reasons[0]


# --- folders --------------------------------------------------------------------------------


def test_a_folder_is_read_like_an_archive(tmp_path):
    names = [["n1", "cat"], ["n2", "dog"]]
    record = {"version": 1, "class_names": names, "preprocessing": {"scaling": "unit"}}
    archive(tmp_path / "x.keras", more={"xception.json": json.dumps(record), "assets/a.txt": ""})
    folder = unpack(tmp_path / "x.keras", tmp_path / "folder")
    model = xception.load_model(folder)
    assert_same(model.get_weights(), EXPECTED)
    assert model.class_names == (("n1", "cat"), ("n2", "dog"))
    assert model.preprocessing == Preprocessing(scaling="unit")
    model.set_weights([np.zeros_like(array) for array in EXPECTED])
    model.load_weights(folder)
    assert_same(model.get_weights(), EXPECTED)
    inspection = xception.inspect(folder)
    assert (inspection.format, inspection.runs, inspection.class_names) == (
        ".keras folder",
        True,
        ["cat", "dog"],
    )


# --- shards ---------------------------------------------------------------------------------


def test_sharded_weights(parts):
    model = xception.load_model(parts / "x.keras")
    model.set_weights([np.zeros_like(array) for array in EXPECTED])
    model.load_weights(parts / "x.weights.json")
    assert_same(model.get_weights(), EXPECTED)
    inspection = xception.inspect(parts / "x.weights.json")
    assert inspection.format == "index of weights in 3 shards, as in Keras 3"
    assert (inspection.parameters, inspection.arrays) == (22, {"float32": 3})


def test_a_missing_shard_is_named(parts):
    (parts / "x_00001.weights.h5").unlink()
    model = xception.load_model(parts / "x.keras")
    with pytest.raises(xception.ModelFileError, match=r"1 of its 3 shards .*x_00001\.weights\.h5 is missing"):
        model.load_weights(parts / "x.weights.json")
    assert "x_00001" in xception.inspect(parts / "x.weights.json").damage


def test_numbers_that_are_not_finite_are_found_in_every_shard(parts):
    with h5py.File(parts / "x_00002.weights.h5", "a") as file:
        file["layers/dense/vars/1"][0] = np.nan
    with pytest.warns(UserWarning, match="1 array holds NaN or infinity \\(dense/bias\\)") as caught:
        xception.load_model(parts / "model.json", parts / "x.weights.json")
    assert caught[0].filename == __file__
