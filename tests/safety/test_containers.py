"""Hostile `.keras` folders, indices of shards, and architectures in JSON."""

import json
import os
import time

import h5py
import pytest
from hostile import (
    BIAS,
    FILTER,
    KERNEL,
    SECONDS,
    assert_refused,
    fill_by_position,
    hdf5_bytes,
    layer,
    sequential,
    small,
    small_model,
)

import xception

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(small()))
    (path / "metadata.json").write_text('{"keras_version": "3.3.3"}')
    (path / "model.weights.h5").write_bytes(hdf5_bytes(fill_by_position))
    return path


def index(folder, *names):
    path = folder / "x.weights.json"
    path.write_text(json.dumps({"weight_map": {f"/layers/{i}/vars": name for i, name in enumerate(names)}}))
    return path


def assert_index_refused(path, message, error=xception.ModelFileError):
    start = time.process_time()
    with pytest.raises(error, match=message) as caught:
        small_model().load_weights(path)
    assert time.process_time() - start < SECONDS
    assert len(str(caught.value)) < 5000


# --- folders --------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5", "xception.json"])
def test_links_out_of_a_folder(folder, tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"{}")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    with pytest.raises(xception.ModelFileError, match=f"model/{name}: is a link out of the folder; refused"):
        xception.load_model(folder)


@posix
def test_links_within_a_folder_and_to_it_are_followed(folder, tmp_path):
    (folder / "model.weights.h5").rename(folder / "blob")
    (folder / "model.weights.h5").symlink_to("blob")
    (tmp_path / "link").symlink_to(folder)
    assert xception.load_model(tmp_path / "link").count_params() == 22


@posix
@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5", "xception.json"])
def test_pipes_and_devices_in_a_folder(folder, name):
    for put in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        (folder / name).unlink(missing_ok=True)
        put(folder / name)
        with pytest.raises(OSError, match="is not a regular file"):
            xception.load_model(folder)


def test_a_folder_in_the_place_of_a_member(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        xception.load_model(folder)


def test_texts_in_a_folder_have_the_limits_of_archives(folder, monkeypatch):
    monkeypatch.setattr("xception.formats.keras.json_files.MAX_TEXT_BYTES", 100)
    monkeypatch.setattr("xception.formats.keras.json_reader.MAX_TEXT_BYTES", 100)
    with pytest.raises(xception.ModelFileError, match=r"model/config\.json: has 101 bytes; at most 100"):
        xception.load_model(folder)


# --- shards ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../x.h5", "/etc/x.h5", "a/x.h5", "..\\x.h5", "C:x.h5", "\\\\host\\x.h5", "x\0.h5", "", "..", "x.json",
     "x" * 600 + ".h5", "\x1b[2J.h5", 3, None, {"a": 1}, [["x.h5"]]],
)  # fmt: skip
def test_names_of_shards_are_names_in_the_same_folder(tmp_path, name):
    assert_index_refused(
        index(tmp_path, name), "a shard should be the name of an .h5 file in the same folder"
    )


@pytest.mark.parametrize("listed", [[], "x.h5", None, 3])
def test_indices_of_another_form(tmp_path, listed):
    path = tmp_path / "x.weights.json"
    path.write_text(json.dumps({"weight_map": listed}))
    assert_index_refused(path, "'weight_map' should be an object")


def test_huge_and_empty_indices(tmp_path):
    assert_index_refused(index(tmp_path, *(f"{i}.h5" for i in range(100_000))), "lists more than 100 shards")
    assert_index_refused(index(tmp_path), "lists no shards")


def test_an_index_of_itself_and_of_one_file_many_times(tmp_path):
    os.link(index(tmp_path, "x.h5"), tmp_path / "x.h5")
    assert_index_refused(tmp_path / "x.weights.json", "is not an HDF5 file")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        fill_by_position(file)
    path = index(tmp_path, *["y.h5"] * 50_000)
    model = small_model()
    model.load_weights(path)
    assert model.count_params() == 22


@posix
def test_links_pipes_and_devices_among_shards(tmp_path):
    outside = tmp_path / "y.h5"
    outside.write_bytes(hdf5_bytes(fill_by_position))
    inside = tmp_path / "inside"
    inside.mkdir()
    path = index(inside, "y.h5")
    (inside / "y.h5").symlink_to(outside)
    assert_index_refused(path, "is a link out of the folder; refused")
    for put in (os.mkfifo, lambda link: os.symlink("/dev/zero", link)):
        (inside / "y.h5").unlink()
        put(inside / "y.h5")
        assert_index_refused(path, "is not a regular file", OSError)


def test_an_array_in_two_shards(tmp_path):
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_bytes(hdf5_bytes(fill_by_position))
    assert_index_refused(index(tmp_path, "a.h5", "b.h5"), "is in more than one shard; refused")


def test_an_external_link_in_a_shard(tmp_path):
    (tmp_path / "other.h5").write_bytes(hdf5_bytes(fill_by_position))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/conv2d/vars/0"] = FILTER
        file["layers/dense/vars/0"] = KERNEL
        file["layers/dense/vars/1"] = h5py.ExternalLink("other.h5", "/layers/dense/vars/1")
    assert_index_refused(index(tmp_path, "a.h5"), "is a soft or external link; refused")


def test_shards_share_the_limits_of_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr("xception.formats.hdf5.file.MAX_LINKS", 40)
    for i, arrays in enumerate(({"conv2d/vars/0": FILTER}, {"dense/vars/0": KERNEL, "dense/vars/1": BIAS})):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            for name, array in arrays.items():
                file[f"layers/{name}"] = array
    assert_index_refused(index(tmp_path, "0.h5", "1.h5"), "leads to more than 40 links")


def test_the_arrays_of_all_shards_fit_into_memory(tmp_path):
    (tmp_path / "a.h5").write_bytes(hdf5_bytes(fill_by_position))
    model, path, limits = small_model(), index(tmp_path, "a.h5"), xception.get_limits()
    xception.set_limits(max_memory_bytes=80)
    try:
        with pytest.raises(xception.ModelFileError, match="reading its weights takes"):
            model.load_weights(path)
    finally:
        xception.set_limits(max_memory_bytes=limits.max_memory_bytes)


# --- architectures --------------------------------------------------------------------------


def test_architectures_have_the_limits_of_configs(tmp_path):
    path, weights = tmp_path / "model.json", tmp_path / "x.weights.h5"
    weights.write_bytes(hdf5_bytes(fill_by_position))
    deep = sequential(layer("Dense", "x", units=1))
    for _ in range(40):
        deep = sequential(deep)
    for content, message in (
        (json.dumps(deep), "deep"),
        ('{"class_name": "Functional", "config": ' + "[" * 100_000, "is not valid JSON"),
        ('"' + '{"a":' * 10_000 + '"', "is not valid JSON"),
        (json.dumps(small(layer("Dense", "x" * 501, "dense", units=1))), "at most 500 characters"),
        (json.dumps(small(layer("Lambda", "x", "dense", function="os.system"))), "never run"),
        ('{"class_name": "Functional", "config": 3}', "damaged"),
        ("{", "is not valid JSON"),
    ):
        path.write_text(content)
        start = time.process_time()
        with pytest.raises(xception.ModelFileError, match=message):
            xception.load_model(path, weights)
        assert time.process_time() - start < SECONDS
        assert not xception.inspect(path).runs
    assert_refused(path, "is not valid JSON")
