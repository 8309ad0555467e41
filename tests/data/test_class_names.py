"""Class names, from files and from Python."""

import json

import pytest

import xception
from xception.data.class_names import as_class_names, find_by_name

ANIMALS = (("0", "cat"), ("1", "dog"), ("2", "Meerkatze, große"))


def file(tmp_path, content, name="class_names.txt"):
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
def test_files_of_class_names(tmp_path, content):
    assert xception.read_class_names(file(tmp_path, content)) == ANIMALS
    assert xception.read_class_names(str(file(tmp_path, content))) == ANIMALS


def test_keras_class_index(tmp_path):
    content = json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]})
    names = xception.read_class_names(file(tmp_path, content, "imagenet_class_index.json"))
    assert names == (("n01440764", "tench"), ("n01443537", "goldfish"))


def test_many_classes_are_ordered_by_number(tmp_path):
    content = json.dumps({str(number): f"class {number}" for number in sorted(range(120), key=str)})
    assert [name for _, name in xception.read_class_names(file(tmp_path, content))] == [
        f"class {number}" for number in range(120)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no class names"),
        ("\n \n", "no class names"),
        ("[]", "no class names"),
        ("{}", "no class names"),
        ("cat\n\ndog", "class 1 should have a name, got ''"),
        ('["cat", 7]', "class 1 should have a name, got 7"),
        ('["cat", ["n1", "dog", "x"]]', "class 1 should have a name"),
        ('["cat", null]', "class 1 should have a name, got None"),
        ('["cat", ', "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"cat": 0, "dog": 2}', "numbered from 0 to 1, each once"),
        ('{"cat": 0, "dog": 0}', "numbered from 0 to 1, each once"),
        ('{"1": "cat", "2": "dog"}', "numbered from 0 to 1, each once"),
        ('{"cat": 0.5}', "numbered from 0 to 0, each once"),
        ('{"cat": true}', "numbered from 0 to 0, each once"),
        ("cat\n".encode("utf-16"), "is not UTF-8 text"),
        (b"\x89HDF\r\n\x1a\n", "is not UTF-8 text"),
    ],
)
def test_files_that_hold_no_class_names(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"^class_names.txt: .*{message}"):
        xception.read_class_names(file(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no such file of class names"):
        xception.read_class_names(tmp_path / "class_names.txt")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        xception.read_class_names(tmp_path)
    monkeypatch.setattr("xception.data.class_names.MAX_FILE_BYTES", 10)
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
def test_class_names_as_python_objects(names):
    assert as_class_names(names) == (("0", "cat"), ("1", "dog"))


@pytest.mark.parametrize("names", ["cat", b"cat", 3, None, {"cat", "dog"}, [], [""], [["cat"]], [("n1", 2)]])
def test_objects_that_are_not_class_names(names):
    with pytest.raises(ValueError, match=r"class names|should have a name"):
        as_class_names(names)


def test_a_class_is_found_by_its_name_before_its_id_and_in_any_spelling_last():
    names = (("n1", "Crane"), ("n2", "crane"), ("n3", "n1"), ("3", "red_fox"))
    assert find_by_name("crane", names) == [1]
    assert find_by_name("CRANE", names) == [0, 1]
    assert find_by_name("n1", names) == [2]
    assert find_by_name("n2", names) == [1]
    assert find_by_name("Red  Fox", names) == [3]
    assert find_by_name("3", names) == []  # only an index
