"""Which files are read, and as what."""

import h5py
import numpy as np
import pytest
import small_models
from saved_models import assert_refused, assert_same_outputs, with_other_weights

import xception


def test_files_without_weights_are_refused(base_file, tmp_path):
    assert_refused(tmp_path / "missing.h5", r"missing\.h5: there is no such file", FileNotFoundError)
    assert_refused(tmp_path, "is a folder, expected a file", IsADirectoryError)

    def content(data):
        path = tmp_path / "x.h5"
        path.write_bytes(data)
        return path

    assert_refused(content(b"<!DOCTYPE html><html>Not found"), "a web page, probably")
    assert_refused(content(b"\n<html>"), "a web page")
    assert_refused(content(b""), "an empty one")
    assert_refused(content(b"PK\x03\x04rest"), r"a damaged archive")
    assert_refused(content(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull")
    assert_refused(content(b"\x00\x01\x02" * 40), "something else; it begins with")
    whole = base_file.read_bytes()
    assert_refused(content(whole[: len(whole) // 2]), r"x\.h5: a damaged or incomplete HDF5 file")
    assert_refused(content(whole[:600]), "damaged or incomplete")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = np.zeros(3)
    assert_refused(tmp_path / "other.h5", "holds no Keras weights: .* found data")


def test_weights_alone_are_not_a_model(tmp_path):
    small_models.model(small_models.nested()).save_weights(tmp_path / "x.h5")
    with pytest.raises(xception.ModelFileError, match="holds weights alone, no model; build the model"):
        xception.load_model(tmp_path / "x.h5")


def test_weights_are_read_from_a_whole_model(built, tmp_path):
    built.save(tmp_path / "x.keras")
    loaded = with_other_weights(built.network)
    loaded.load_weights(tmp_path / "x.keras")
    assert_same_outputs(loaded, built)


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5", "x.keras"])
def test_a_base_is_read_from_a_larger_model(tmp_path, name):
    built = small_models.model(small_models.nested())
    (built.save if name == "x.keras" else built.save_weights)(tmp_path / name)
    alone = with_other_weights(small_models.base())
    with pytest.warns(UserWarning, match=r"base was loaded from .* not loaded: (classes|dense)") as caught:
        alone.load_weights(tmp_path / name)
    assert caught[0].filename == __file__  # the line that asked for it
    for a, b in zip(alone.get_weights(), built.get_layer("base").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
