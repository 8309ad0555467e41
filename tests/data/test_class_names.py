"""Class names, from files and from Python."""

import io
import json
import pickle

import numpy as np
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
        "0 cat\n1 dog\n2 Meerkatze, große\n",
        "\ufeff0\tcat\r\n1  dog \r\n2 Meerkatze, große\r\n",
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
    "lines",
    [
        ["0 cat", "2 dog"],
        ["1 cat", "2 dog"],
        ["0 cat", "dog"],
        ["0 cat", "1"],
        ["0", "1"],
        ["0cat", "1dog"],
        ["00 cat", "01 dog"],
    ],
)
def test_numbers_are_part_of_names_unless_every_line_has_its_own(tmp_path, lines):
    names = xception.read_class_names(file(tmp_path, "\n".join(lines)))
    assert [name for _, name in names] == lines


def npy(array, **changes):
    """The `.npy` file of an array, with another header where `changes` says so."""
    stream = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **changes}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + array.tobytes()


TEXTS = np.array(["cat", "dog", "Meerkatze, große"])


@pytest.mark.parametrize("array", [TEXTS, TEXTS.astype(">U20"), np.char.encode(TEXTS)])
def test_arrays_of_class_names(tmp_path, array):
    np.save(tmp_path / "classes.npy", array)
    assert xception.read_class_names(tmp_path / "classes.npy") == ANIMALS
    assert xception.read_class_names(file(tmp_path, npy(array))) == ANIMALS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(TEXTS, descr="|O"), r"is a pickle and not read; .*np\.save\(path, classes\.astype\(str\)\)"),
        (npy(np.arange(3)), r"expected an array of texts \(n,\), got int64 \(3,\)"),
        (npy(TEXTS[None]), r"expected an array of texts \(n,\), got str\d+ \(1, 3\)"),
        (npy(TEXTS, shape=(10**12,)), "is a damaged .npy file"),
        (npy(TEXTS, shape=(-3,)), "is a damaged .npy file"),
        (npy(TEXTS, descr="<U0"), "is a damaged .npy file"),
        (npy(TEXTS)[:-4], "is a damaged .npy file"),
        (npy(TEXTS)[:40], "is a damaged .npy file"),
        (npy(TEXTS[:0]), "is a damaged .npy file"),
        (npy(np.array([0x7FFFFFFF], np.uint32), descr="<U1"), "not UTF-8 text"),
        (npy(np.array([b"\xff"])), "not UTF-8 text"),
        (npy(np.array(["cat", ""])), "class 1 should have a name"),
        (pickle.dumps({"classes_": TEXTS}), "is a pickle of Python objects.*np\\.save"),
        (b"PK\x03\x04" + bytes(30), "is an archive; save the names as text"),
    ],
)
def test_arrays_and_pickles_that_hold_no_class_names(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"^class_names.txt: .*{message}"):
        xception.read_class_names(file(tmp_path, content))


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
