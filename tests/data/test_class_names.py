"""The names of classes, from files and from Python."""

import json

import pytest

import xception
from xception.data.class_names import as_class_names

ANIMALS = (("0", "cat"), ("1", "dog"), ("2", "Meerkatze, große"))


def file(tmp_path, content, name="labels.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "cat\ndog\nMeerkatze, große",
        "\ufeffcat\r\n dog\t\r\nMeerkatze, große\r\n\r\n",
        '["cat", "dog", "Meerkatze, gro\\u00dfe"]',
        ' {"dog": 1, "cat": 0, "Meerkatze, große": 2}',
        '{"0": "cat", "2": "Meerkatze, große", "1": "dog"}',
        '[["0", "cat"], ["1", "dog"], ["2", "Meerkatze, große"]]',
    ],
)
def test_files_of_labels(tmp_path, content):
    assert xception.read_class_names(file(tmp_path, content)) == ANIMALS
    assert xception.read_class_names(str(file(tmp_path, content))) == ANIMALS


def test_kerass_own_index(tmp_path):
    content = json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]})
    labels = xception.read_class_names(file(tmp_path, content, "imagenet_class_index.json"))
    assert labels == (("n01440764", "tench"), ("n01443537", "goldfish"))


def test_many_classes_stand_in_the_order_of_their_numbers(tmp_path):
    content = json.dumps({str(number): f"class {number}" for number in sorted(range(120), key=str)})
    assert [name for _, name in xception.read_class_names(file(tmp_path, content))] == [
        f"class {number}" for number in range(120)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no names of classes"),
        ("\n \n", "no names of classes"),
        ("[]", "no names of classes"),
        ("{}", "no names of classes"),
        ("cat\n\ndog", "class 1 should have a name, got ''"),
        ('["cat", 7]', "class 1 should have a name, got 7"),
        ('["cat", ["n1", "dog", "x"]]', "class 1 should have a name"),
        ('["cat", null]', "class 1 should have a name, got None"),
        ('["cat", ', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"cat": 0, "dog": 2}', "numbered from 0 to 1, each once"),
        ('{"cat": 0, "dog": 0}', "numbered from 0 to 1, each once"),
        ('{"1": "cat", "2": "dog"}', "numbered from 0 to 1, each once"),
        ('{"cat": 0.5}', "numbered from 0 to 0, each once"),
        ('{"cat": true}', "numbered from 0 to 0, each once"),
        ("cat\n".encode("utf-16"), "is not text in UTF-8"),
        (b"\x89HDF\r\n\x1a\n", "is not text in UTF-8"),
    ],
)
def test_files_that_hold_no_labels(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"^labels.txt: .*{message}"):
        xception.read_class_names(file(tmp_path, content))


def test_files_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no such file of labels"):
        xception.read_class_names(tmp_path / "labels.txt")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        xception.read_class_names(tmp_path)
    monkeypatch.setattr("xception.data.class_names.LONGEST", 10)
    with pytest.raises(ValueError, match="has more than 10 bytes"):
        xception.read_class_names(file(tmp_path, "cat\ndog\nbird"))


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog"],
        ("cat", "dog"),
        iter(["cat", "dog"]),
        {"dog": 1, "cat": 0},
        {0: "cat", 1: "dog"},
        (("0", "cat"), ("1", "dog")),
    ],
)
def test_labels_in_python(names):
    assert as_class_names(names) == (("0", "cat"), ("1", "dog"))


@pytest.mark.parametrize("names", ["cat", b"cat", 3, None, [], [""], [["cat"]], [("n1", 2)]])
def test_what_is_no_labels_in_python(names):
    with pytest.raises(ValueError, match=r"names of classes|should have a name"):
        as_class_names(names)
