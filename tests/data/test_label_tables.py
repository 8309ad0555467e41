"""Label tables: CSV files with the labels or targets of photographs."""

import numpy as np
import pytest

from xception.data.label_tables import read_label_table


@pytest.fixture
def table(tmp_path):
    """Write a table, and return what reading it gives."""

    def read(content, task="labels", **options):
        path = tmp_path / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_label_table(path, task, **options)

    return read


def test_labels_and_their_photographs_are_read(table, tmp_path):
    read = table('\ufeffphoto,beach,big dog\r\na.jpg,1,0\r\n\r\n"b, c.jpg",1.0, 0\r\n', root=tmp_path)
    assert read.paths == (str(tmp_path / "a.jpg"), str(tmp_path / "b, c.jpg"))
    assert read.names == ("beach", "big dog")
    np.testing.assert_array_equal(read.values, [[1, 0], [1, 0]])


def test_targets_are_any_numbers(table):
    read = table("photo,age\n/x/a.jpg,-1.5e1\nb.jpg,7\n", "regression", root="photos")
    assert read.paths == ("/x/a.jpg", "photos/b.jpg")
    np.testing.assert_array_equal(read.values, [[-15], [7]])


def test_without_a_root_paths_are_those_of_the_working_directory(table):
    assert table("photo,age\na.jpg,1\n", "regression").paths == ("a.jpg",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected a header with a column of photographs"),
        ("photo\na.jpg\n", "one for each label or target; got 'photo'"),
        ("photo;beach\na.jpg;1\n", "columns are separated by commas"),
        ("a.jpg,1\nb.jpg,0\n", "line 1: expected a header with the names of the columns, got 'a.jpg', '1'"),
        ("photo,beach,beach\n", "'beach' twice"),
        ("photo,beach,\n", "a column without a name"),
        ("photo,beach\n", "lists no photographs"),
        ("photo,beach\na.jpg,2\n", "line 2: expected 0 or 1 in the column 'beach', got '2'"),
        ("photo,beach\na.jpg,yes\n", "got 'yes'"),
        ("photo,beach\na.jpg,\n", "got an empty cell"),
        ("photo,beach\na.jpg,nan\n", "got 'nan'"),
        ("photo,beach\na.jpg,1,0\n", "line 2: has 3 columns, and the header 2"),
        ("photo,beach\n,1\n", "line 2: names no photograph"),
        ("photo,beach\na.jpg,1\nb.jpg,0\na.jpg,1\n", "line 4: lists a.jpg again; it was in line 2"),
        (b"photo,beach\n\xff.jpg,1\n", "line 2: is not UTF-8"),
        ('photo,beach\n"a.jpg,1\n', "is not CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(table, content, message):
    with pytest.raises(ValueError, match=message):
        table(content)


@pytest.mark.parametrize("cell", ["inf", "1_000", "1,5", "abc"])
def test_a_target_is_a_finite_number(table, cell):
    with pytest.raises(ValueError, match="line 2: expected a finite number in the column 'age'"):
        table(f'photo,age\na.jpg,"{cell}"\n', "regression")
