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
    assert_refused,
    assert_same,
    changed,
    entry_offset,
    fill_by_position,
    hdf5_bytes,
    load_all,
    set_field,
    small,
)

import xception


def assert_refused_or_right(path):
    """Assert that a file is refused, or loads rightly: some wrong fields are not used."""
    try:
        models = load_all(path)
    except xception.ModelFileError as error:
        assert "x.keras" in str(error)  # noqa: PT017
    else:
        for model in models:
            assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


# --- members --------------------------------------------------------------------------------


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
def test_paths_out_of_the_archive(tmp_path, name):
    path = archive(tmp_path / "x.keras", more={name: b"evil"})
    assert_refused(path, "which leads out of the archive; refused")
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


def test_symbolic_links(tmp_path):
    path = archive(tmp_path / "x.keras")
    for name in ("assets", "labels.json", "xception.json"):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(archive(path), "a") as file:
            file.writestr(info, "/etc/passwd")
        assert_refused(path, "a symbolic link; refused")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "name", ["config.json", "model.weights.h5", "metadata.json", "xception.json", "config.json\0.txt"]
)
def test_two_members_with_the_same_name(tmp_path, name):
    path = archive(tmp_path / "x.keras", more={"xception.json": "{}"})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json_.txt" if "\0" in name else name, json.dumps(small(name="other")))
    if "\0" in name:
        changed(path, lambda content: content.replace(b"config.json_.txt", name.encode()))
    assert_refused(path, "holds two files of one name; refused")


def test_members_missing(tmp_path):
    for kept in (["config.json"], ["model.weights.h5"], ["other.txt"], []):
        with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
            for name in kept:
                file.writestr(name, json.dumps(small()))
        assert_refused(tmp_path / "x.keras", r"no \.keras file: there is no (config|model)|not an HDF5 file")
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        file.writestr("config.json/", b"")
        file.writestr("model.weights.h5/", b"")
    assert_refused(tmp_path / "x.keras", r"there is no config\.json")


def test_too_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as file:
        for i in range(10_001):
            file.writestr(f"assets/{i}", b"")
    assert_refused(tmp_path / "x.keras", "holds 10,001 files")


# --- sizes and offsets ----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "packed"])
@pytest.mark.parametrize(
    "change",
    [
        set_field(24, 4, 1), set_field(24, 4, 2**32 - 2), set_field(20, 4, 1),
        set_field(20, 4, 2**32 - 2), set_field(42, 4, 0), set_field(42, 4, 2**31), set_field(42, 4, 7),
        set_field(28, 2, 2**16 - 1), set_field(30, 2, 2**16 - 1), set_field(10, 2, 99),
        set_field(10, 2, 14), set_field(10, 2, 12), set_field(8, 2, 1), set_field(8, 2, 1 << 5),
        set_field(24, 4, 1, "config.json"), set_field(20, 4, 2**31, "config.json"),
        set_field(10, 2, 99, "config.json"), set_field(16, 4, 1, "config.json"), set_field(0, 4, 0),
        set_field(28, 2, 3), set_field(26, 2, 3, signature=LOCAL),
        set_field(26, 2, 2**16 - 1, signature=LOCAL), set_field(0, 4, 0, signature=LOCAL),
        set_field(30, 1, ord("M"), signature=LOCAL), set_field(6, 2, 1, signature=LOCAL),
        set_field(30, 1, 0, "config.json", LOCAL),
    ],
    ids=range(26),
)  # fmt: skip
def test_wrong_fields_in_the_directory(tmp_path, change, packed):
    """Wrong sizes, offsets, methods and flags of the weights and of the config."""
    assert_refused_or_right(changed(archive(tmp_path / "x.keras", packed=packed), change))


def test_a_size_smaller_than_the_content(tmp_path):
    """HDF5 states the size of its file; the directory states less."""
    weights = hdf5_bytes(fill_by_position)
    path = archive(tmp_path / "x.keras")
    for field in (20, 24):
        changed(path, set_field(field, 4, len(weights) - 100))
    assert_refused(path, "damaged")


def test_wrong_fields_in_the_end_record(tmp_path):
    good = archive(tmp_path / "x.keras").read_bytes()
    end = good.rindex(END)
    lies = ((8, 2, 0), (10, 2, 2**16 - 1), (12, 4, 0), (12, 4, 2**31), (12, 4, 2**32 - 1), (16, 4, 0),
            (16, 4, 2**32 - 1), (20, 2, 999))  # fmt: skip
    for field, size, value in lies:
        broken = bytearray(good)
        broken[end + field : end + field + size] = value.to_bytes(size, "little")
        (tmp_path / "x.keras").write_bytes(broken)
        assert_refused_or_right(tmp_path / "x.keras")


def test_overlapping_members(tmp_path):
    """The config and the weights at the same offset."""
    path = archive(tmp_path / "x.keras")
    content = path.read_bytes()
    place = entry_offset(content, "config.json", LOCAL)
    assert_refused(changed(path, set_field(42, 4, place)), "damaged|disagree")


def test_sizes_and_offsets_of_64_bits(tmp_path):
    """An extra field that moves the weights behind the end of the file, or makes them endless."""
    for size, offset in ((2**63, 0), (100, 2**63 - 1), (2**64 - 1, 2**64 - 1), (2**40, 0)):
        path = archive(tmp_path / "x.keras")
        extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)

        def change(content, extra=extra):
            start = entry_offset(content, "model.weights.h5")
            for field in (20, 24, 42):
                content[start + field : start + field + 4] = b"\xff" * 4
            content[start + 30 : start + 32] = len(extra).to_bytes(2, "little")
            at = start + 46 + len("model.weights.h5")
            end = content.rindex(END)
            length = int.from_bytes(content[end + 12 : end + 16], "little") + len(extra)
            content[end + 12 : end + 16] = length.to_bytes(4, "little")
            return content[:at] + extra + content[at:]

        assert_refused(changed(path, change), r"x\.keras")


def test_truncated_archives(tmp_path):
    good = archive(tmp_path / "x.keras").read_bytes()
    for length in (0, 3, 4, 30, 200, len(good) // 2, len(good) - 1):
        (tmp_path / "x.keras").write_bytes(good[:length])
        assert_refused(tmp_path / "x.keras", r"x\.keras.*(damaged|an empty one|something else|a zip archive)")


@pytest.mark.parametrize("packed", [False, True])
def test_a_changed_bit_in_the_weights(tmp_path, packed):
    """The checksum differs. Keras checks it too."""
    path = archive(tmp_path / "x.keras", packed=packed)
    with zipfile.ZipFile(path) as file:
        info = file.getinfo("model.weights.h5")
        content = bytearray(path.read_bytes())
    content[info.header_offset + info.compress_size // 2] ^= 1
    path.write_bytes(content)
    assert_refused(path, r"x\.keras.*damaged")


def test_data_before_the_archive(tmp_path):
    """The format allows it: all offsets count from the archive."""
    path = archive(tmp_path / "x.keras")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    for model in load_all(path):
        assert (model.get_weights()[1] == KERNEL).all()


# --- bombs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["config.json", "metadata.json", "xception.json", "labels.json", "model.weights.h5"]
)
def test_zip_bombs(tmp_path, name):
    parts = {
        "config.json": json.dumps(small()),
        "metadata.json": "{}",
        "model.weights.h5": hdf5_bytes(fill_by_position),
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
    message = assert_refused(tmp_path / "x.keras", "unpacks to .* are read")
    assert name in message
    # Also if the directory states a small size.
    changed(tmp_path / "x.keras", set_field(24, 4, 1000, name))
    assert_refused(tmp_path / "x.keras", "damaged|unpacks to")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_methods_that_keras_does_not_use(tmp_path, method):
    """With LZMA the file decides how much memory unpacking takes: up to 4 GiB."""
    with zipfile.ZipFile(tmp_path / "x.keras", "w", method) as file:
        file.writestr("config.json", json.dumps(small()))
        file.writestr("model.weights.h5", hdf5_bytes(fill_by_position))
    assert_refused(tmp_path / "x.keras", r"config\.json is compressed by a method")


def test_an_archive_instead_of_weights(tmp_path):
    inner = archive(tmp_path / "inner.keras").read_bytes()
    assert_refused(archive(tmp_path / "x.keras", weights=inner), "is not an HDF5 file but a zip archive")
    assert_refused(archive(tmp_path / "x.keras", inner), "is not valid JSON")


def test_encrypted_archives(tmp_path):
    path = archive(tmp_path / "x.keras")
    for signature, field in ((CENTRAL, 8), (LOCAL, 6)):
        changed(path, set_field(field, 2, 1, "config.json", signature))
    assert_refused(path, "is encrypted; refused")


def test_a_whole_model_instead_of_weights(tmp_path):
    """The config of the archive counts."""

    def evil(file: h5py.File) -> None:
        file.attrs["model_config"] = "{}"

    path = archive(tmp_path / "x.keras", weights=hdf5_bytes(fill_by_position, evil))
    for model in load_all(path):
        assert (model.get_weights()[0] == FILTER).all()


# --- class names and preprocessing ----------------------------------------------------------

#: Lists of class names as JSON, and what is wrong with them.
ODD_NAMES = [
    "null", "[]", '"ab"', "3", '{"a": 0, "b": 1}', "[1, 2]", '["a", ""]', '[["a", "b", "c"], ["d", "e"]]',
    '[null, "b"]', "NaN", '[["a", 1], ["b", 2]]', '[["a", {}], "b"]', '["\\u001b[2J", "b"]',
    '["a\\u0000", "b"]', '["\\ud800", "b"]', '[["\\u202e", "b"]]', "[" * 10_000 + "]" * 10_000,
]  # fmt: skip
ODD_TEXTS = ["", "{", "[]", "null", "[" * 500_000]


def assert_record_refused(folder, name, text):
    path = archive(folder / "x.keras", more={name: text})
    with pytest.raises(xception.ModelFileError, match=rf"^x\.keras:{name}: ") as caught:
        xception.load_model(path)
    assert len(str(caught.value)) < 5000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("names", ODD_NAMES, ids=lambda text: text[:20])
def test_class_names_of_the_wrong_form(tmp_path, names):
    assert_record_refused(tmp_path, "labels.json", f'{{"labels": {names}}}')
    assert_record_refused(tmp_path, "xception.json", f'{{"version": 1, "class_names": {names}}}')


@pytest.mark.parametrize("name", ["xception.json", "labels.json"])
@pytest.mark.parametrize("text", [*ODD_TEXTS, "{}"], ids=lambda text: text[:20])
def test_records_that_are_no_json_objects(tmp_path, name, text):
    assert_record_refused(tmp_path, name, text)


@pytest.mark.parametrize(
    "version",
    ["0", "-1", "2", "1.0", "1.5", "true", "null", '"1"', "[]", "[1]", "{}", "NaN", "1e400", "9" * 4000],
    ids=lambda text: text[:20],
)
def test_versions_of_the_record_that_are_not_known(tmp_path, version):
    assert_record_refused(tmp_path, "xception.json", f'{{"version": {version}, "class_names": ["a", "b"]}}')


@pytest.mark.parametrize(
    "preprocessing",
    [
        "null", "[]", "3", '"tf"', "true", '[["scaling", "tf"]]',
        '{"scaling": "TF"}', '{"scaling": 1}', '{"scaling": ["tf"]}', '{"scaling": {"tf": 1}}',
        '{"scaling": "\\u001b[2J"}', '{"scaling": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"interpolation": "cubic"}', '{"interpolation": 2}', '{"interpolation": true}',
        '{"interpolation": ["nearest", "bilinear"]}', '{"interpolation": NaN}',
        '{"from_logits": 1}', '{"from_logits": 0}', '{"from_logits": 1.0}', '{"from_logits": "true"}',
        '{"from_logits": []}', '{"from_logits": {}}', '{"from_logits": NaN}',
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_preprocessing_of_the_wrong_form(tmp_path, preprocessing):
    text = f'{{"version": 1, "class_names": ["a", "b"], "preprocessing": {preprocessing}}}'
    assert_record_refused(tmp_path, "xception.json", text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("labels.json", '{{"labels": {}}}'), ("xception.json", '{{"version": 1, "class_names": {}}}')],
)
def test_class_names(tmp_path, name, text):
    for names, expected in (
        ('["a", "β c"]', (("0", "a"), ("1", "β c"))),
        ('[["n1", "a"], ["n2", "b"]]', (("n1", "a"), ("n2", "b"))),
    ):
        path = archive(tmp_path / "x.keras", more={name: text.format(names)})
        assert xception.load_model(path).class_names == expected


def test_metadata_of_the_wrong_form(tmp_path):
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
        load_all(tmp_path / "x.keras")
    for text in ("[]", "", '"3"', "{"):
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, text if info.filename == "metadata.json" else old.read(info))
        assert_refused(tmp_path / "x.keras", r"metadata\.json")
