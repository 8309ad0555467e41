"""Hostile zip archives: `.keras` files."""

import io
import json
import os
import stat
import struct
import zipfile

import h5py
import pytest
from hostile import (
    BIAS,
    CENTRAL,
    END,
    FILTER,
    KERNEL,
    LOCAL,
    archive,
    assert_same,
    changed,
    entry_of,
    fill_numbered,
    hdf5_bytes,
    loads,
    put,
    refused,
    small,
)

import xception


def refused_or_right(path):
    """Some lies are about what nobody goes by."""
    try:
        models = loads(path)
    except xception.ModelFileError as error:
        assert "x.keras" in str(error)  # noqa: PT017
    else:
        for model in models:
            assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "assets/../../evil",
        "/etc/evil",
        "..\\evil",
        "C:\\evil",
        "C:evil",
        "\\\\host\\evil",
        "assets/..",
        "//x",
    ],
)
def test_paths_that_climb_out(tmp_path, name):
    path = archive(tmp_path / "x.keras", more={name: b"evil"})
    refused(path, "which leads out of the archive; refused")
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


def test_links(tmp_path):
    path = archive(tmp_path / "x.keras")
    for name in ("assets", "labels.json"):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(archive(path), "a") as file:
            file.writestr(info, "/etc/passwd")
        refused(path, "a symbolic link; refused")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json", "config.json\0.txt"])
def test_two_members_of_one_name(tmp_path, name):
    path = archive(tmp_path / "x.keras")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json_.txt" if "\0" in name else name, json.dumps(small(name="other")))
    if "\0" in name:
        changed(path, lambda content: content.replace(b"config.json_.txt", name.encode()))
    refused(path, "holds two files of one name; refused")


def test_members_missing(tmp_path):
    for kept in (["config.json"], ["model.weights.h5"], ["other.txt"], []):
        with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
            for name in kept:
                file.writestr(name, json.dumps(small()))
        refused(tmp_path / "x.keras", r"no \.keras file: there is no (config|model)|not an HDF5 file")
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        file.writestr("config.json/", b"")
        file.writestr("model.weights.h5/", b"")
    refused(tmp_path / "x.keras", r"there is no config\.json")


def test_members_without_end(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        for i in range(10_001):
            file.writestr(f"assets/{i}", b"")
    refused(tmp_path / "x.keras", "holds 10,001 files")


# --- sizes and places -----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "packed"])
@pytest.mark.parametrize(
    "change",
    [
        put(24, 4, 1), put(24, 4, 2**32 - 2), put(20, 4, 1), put(20, 4, 2**32 - 2), put(42, 4, 0),
        put(42, 4, 2**31), put(42, 4, 7), put(28, 2, 2**16 - 1), put(30, 2, 2**16 - 1), put(10, 2, 99),
        put(10, 2, 14), put(10, 2, 12), put(8, 2, 1), put(8, 2, 1 << 5), put(24, 4, 1, "config.json"),
        put(20, 4, 2**31, "config.json"), put(10, 2, 99, "config.json"), put(16, 4, 1, "config.json"),
        put(0, 4, 0), put(28, 2, 3), put(26, 2, 3, signature=LOCAL), put(26, 2, 2**16 - 1, signature=LOCAL),
        put(0, 4, 0, signature=LOCAL), put(30, 1, ord("M"), signature=LOCAL), put(6, 2, 1, signature=LOCAL),
        put(30, 1, 0, "config.json", LOCAL),
    ],
    ids=range(26),
)  # fmt: skip
def test_a_directory_that_lies(tmp_path, change, packed):
    """Sizes, places, methods and flags that are not so, of the weights and of the description."""
    refused_or_right(changed(archive(tmp_path / "x.keras", packed=packed), change))


def test_a_size_that_is_less_than_there_is(tmp_path):
    """HDF5 itself says how long the file is; the archive says less."""
    weights = hdf5_bytes(fill_numbered)
    path = archive(tmp_path / "x.keras")
    for field in (20, 24):
        changed(path, put(field, 4, len(weights) - 100))
    refused(path, "damaged")


def test_an_end_that_lies(tmp_path):
    good = archive(tmp_path / "x.keras").read_bytes()
    end = good.rindex(END)
    lies = ((8, 2, 0), (10, 2, 2**16 - 1), (12, 4, 0), (12, 4, 2**31), (12, 4, 2**32 - 1), (16, 4, 0),
            (16, 4, 2**32 - 1), (20, 2, 999))  # fmt: skip
    for field, size, value in lies:
        broken = bytearray(good)
        broken[end + field : end + field + size] = value.to_bytes(size, "little")
        (tmp_path / "x.keras").write_bytes(broken)
        refused_or_right(tmp_path / "x.keras")


def test_members_that_overlap(tmp_path):
    """The description and the weights in the same place."""
    path = archive(tmp_path / "x.keras")
    content = path.read_bytes()
    place = entry_of(content, "config.json", LOCAL)
    refused(changed(path, put(42, 4, place)), "damaged|disagree")


def test_sizes_of_64_bits(tmp_path):
    """An extra field that moves the weights past the end of the file, or makes them endless."""
    for size, offset in ((2**63, 0), (100, 2**63 - 1), (2**64 - 1, 2**64 - 1), (2**40, 0)):
        path = archive(tmp_path / "x.keras")
        extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)

        def change(content, extra=extra):
            start = entry_of(content, "model.weights.h5")
            for field in (20, 24, 42):
                content[start + field : start + field + 4] = b"\xff" * 4
            content[start + 30 : start + 32] = len(extra).to_bytes(2, "little")
            at = start + 46 + len("model.weights.h5")
            end = content.rindex(END)
            length = int.from_bytes(content[end + 12 : end + 16], "little") + len(extra)
            content[end + 12 : end + 16] = length.to_bytes(4, "little")
            return content[:at] + extra + content[at:]

        refused(changed(path, change), r"x\.keras")


def test_cut_short(tmp_path):
    good = archive(tmp_path / "x.keras").read_bytes()
    for length in (0, 3, 4, 30, 200, len(good) // 2, len(good) - 1):
        (tmp_path / "x.keras").write_bytes(good[:length])
        refused(tmp_path / "x.keras", r"x\.keras.*(damaged|an empty one|something else|a zip archive)")


@pytest.mark.parametrize("packed", [False, True])
def test_a_weight_that_was_changed_on_the_way(tmp_path, packed):
    """The archive's checksum tells, as it does to Keras."""
    path = archive(tmp_path / "x.keras", packed=packed)
    with zipfile.ZipFile(path) as file:
        info = file.getinfo("model.weights.h5")
        content = bytearray(path.read_bytes())
    content[info.header_offset + info.compress_size // 2] ^= 1
    path.write_bytes(content)
    refused(path, r"x\.keras.*damaged")


def test_something_before_the_archive(tmp_path):
    """Which zip allows: everything then lies further back."""
    path = archive(tmp_path / "x.keras")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    for model in loads(path):
        assert (model.get_weights()[1] == KERNEL).all()


# --- bombs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "labels.json", "model.weights.h5"])
def test_members_that_unpack_without_end(tmp_path, name):
    parts = {
        "config.json": json.dumps(small()),
        "metadata.json": "{}",
        "model.weights.h5": hdf5_bytes(fill_numbered),
    }
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as file:
        for part, content in parts.items():
            if part != name:
                file.writestr(part, content)
        with file.open(name, "w") as stream:
            stream.write(b"\x89HDF\r\n\x1a\n" if name.endswith("h5") else b"{")
            for _ in range(300):
                stream.write(bytes(1 << 20) if name.endswith("h5") else b" " * (1 << 20))
    assert os.path.getsize(tmp_path / "x.keras") < 1 << 20
    message = refused(tmp_path / "x.keras", "unpacks to .* are read")
    assert name in message
    # and if the directory says that it is little
    changed(tmp_path / "x.keras", put(24, 4, 1000, name))
    refused(tmp_path / "x.keras", "damaged|unpacks to")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_keras_does_not_use(tmp_path, method):
    """What LZMA takes to unpack, the file itself decides: up to 4 GiB."""
    with zipfile.ZipFile(tmp_path / "x.keras", "w", method) as file:
        file.writestr("config.json", json.dumps(small()))
        file.writestr("model.weights.h5", hdf5_bytes(fill_numbered))
    refused(tmp_path / "x.keras", r"config\.json is compressed by a method")


def test_an_archive_in_the_place_of_weights(tmp_path):
    inner = archive(tmp_path / "inner.keras").read_bytes()
    refused(archive(tmp_path / "x.keras", weights=inner), "is not an HDF5 file but a zip archive")
    refused(archive(tmp_path / "x.keras", inner), "is not valid JSON")


def test_encrypted(tmp_path):
    path = archive(tmp_path / "x.keras")
    for signature, field in ((CENTRAL, 8), (LOCAL, 6)):
        changed(path, put(field, 2, 1, "config.json", signature))
    refused(path, "is encrypted; refused")


def test_weights_that_are_a_whole_model(tmp_path):
    """Then the archive's own description counts."""

    def evil(file: h5py.File) -> None:
        file.attrs["model_config"] = "{}"

    path = archive(tmp_path / "x.keras", weights=hdf5_bytes(fill_numbered, evil))
    for model in loads(path):
        assert (model.get_weights()[0] == FILTER).all()


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        "", "{", "[]", "{}", "null", '{"labels": null}', '{"labels": []}', '{"labels": "ab"}',
        '{"labels": 3}', '{"labels": {"a": 0, "b": 1}}', '{"labels": [1, 2]}', '{"labels": ["a", ""]}',
        '{"labels": [["a", "b", "c"], ["d", "e"]]}', '{"labels": [null, "b"]}', '{"labels": NaN}',
        '{"labels": [["a", 1], ["b", 2]]}', '{"labels": [["a", {}], "b"]}', '{"labels": ["\\u001b[2J", "b"]}',
        '{"labels": ["a\\u0000", "b"]}', '{"labels": ["\\ud800", "b"]}', '{"labels": [["\\u202e", "b"]]}',
        '{"labels": ' + "[" * 10_000 + "]" * 10_000 + "}",
    ],
)  # fmt: skip
def test_labels_of_wrong_forms(tmp_path, labels):
    path = archive(tmp_path / "x.keras", more={"labels.json": labels})
    with pytest.raises(xception.ModelFileError, match=r"labels"):
        xception.load_model(path)


def test_labels(tmp_path):
    for text, expected in (
        ('["a", "β c"]', (("0", "a"), ("1", "β c"))),
        ('[["n1", "a"], ["n2", "b"]]', (("n1", "a"), ("n2", "b"))),
    ):
        path = archive(tmp_path / "x.keras", more={"labels.json": f'{{"labels": {text}}}'})
        assert xception.load_model(path).class_names == expected


def test_metadata_of_wrong_forms(tmp_path):
    for text in (
        '{"keras_version": []}',
        '{"keras_version": {"a": NaN}}',
        '{"keras_version": "9e999"}',
        "{}",
    ):
        content = archive(tmp_path / "x.keras").read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, text if info.filename == "metadata.json" else old.read(info))
        loads(tmp_path / "x.keras")
    for text in ("[]", "", '"3"', "{"):
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, text if info.filename == "metadata.json" else old.read(info))
        refused(tmp_path / "x.keras", r"metadata\.json")
