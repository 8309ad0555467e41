"""How files are written: by their suffix, and whole or not at all."""

import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import small_models
from saved_models import assert_same_outputs, with_other_weights

import xception


def test_a_saved_model_is_loaded_again(built, tmp_path):
    built.save(tmp_path / "model.keras")
    loaded = xception.load_model(tmp_path / "model.keras")
    assert_same_outputs(loaded, built)
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in built.layers]
    assert loaded.output_shape == built.output_shape
    assert loaded.class_names is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("name", ["x.weights.h5", "x.h5"])
def test_saved_weights_are_loaded_again(built, tmp_path, name):
    built.save_weights(tmp_path / name)
    loaded = with_other_weights(built.network)
    loaded.load_weights(tmp_path / name)
    for a, b in zip(loaded.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["x.keras", "x.npz", "x"])
def test_weights_are_not_written_with_another_suffix(distinct_base, tmp_path, name):
    with pytest.raises(ValueError, match=r"written as \.weights\.h5 .* \.h5 .* or \.safetensors"):
        distinct_base.save_weights(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.weights.h5", "x", "x.zip"])
def test_a_model_is_not_written_with_another_suffix(tmp_path, name):
    with pytest.raises(ValueError, match=r"written as \.keras"):
        small_models.model(small_models.nested()).save(tmp_path / name)


def test_interrupted_weights_leave_the_old_file(distinct_base, base_file, monkeypatch):
    before = base_file.read_bytes()
    monkeypatch.setattr(
        h5py.Group, "create_dataset", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        distinct_base.save_weights(base_file)
    assert base_file.read_bytes() == before
    assert [path.name for path in base_file.parent.iterdir()] == [base_file.name]


def test_an_interrupted_model_leaves_the_old_file(tmp_path, monkeypatch):
    built = small_models.model(small_models.nested())
    built.save(tmp_path / "x.keras")
    before = (tmp_path / "x.keras").read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        small_models.model(small_models.nested(), seed=4).save(tmp_path / "x.keras")
    assert (tmp_path / "x.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


def test_paths_that_cannot_be_written(distinct_base, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        distinct_base.save_weights(tmp_path / "nowhere" / "x.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        distinct_base.save_weights(tmp_path / "folder.h5")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("size", [0, 100, 4096, 8192, 20_000])
@pytest.mark.parametrize("name", ["x.keras", "x.weights.h5", "x.h5"])
def test_a_disk_that_is_full(tmp_path, name, size):
    """HDF5 itself crashes the process then."""
    program = """
import resource, sys, xception, small_models
model = small_models.model(small_models.nested())
path = sys.argv[1]
save = model.save if path.endswith("keras") else model.save_weights
save(path)
before = open(path, "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    save(path)
    print("saved")
except OSError as error:
    print("File too large" in str(error))
assert open(path, "rb").read()[:100] == before[:100]
"""
    folders = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / name), str(size)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": folders}, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip() in ("True", "saved")
    assert [path.name for path in tmp_path.iterdir()] == [name]
