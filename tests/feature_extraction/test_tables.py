"""Features as files that other programs read."""

import csv
import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from xception.data.photographs import Photograph
from xception.feature_extraction import tables
from xception.feature_extraction.tables import Table


@pytest.fixture
def table():
    rows = np.array([[number + column / 8 for column in range(3)] for number in range(7)], np.float32)
    paths = [f"folder/{number}.jpg" for number in (6, 0, 1, 2)]
    return Table(paths, ["even", "even", "odd", "even"], ("a", "b's", "c"), rows, [6, 0, 1, 2])


def expected(table):
    return table.rows[table.order]


def test_npz(tmp_path, table):
    tables.write_table(tmp_path / "f.npz", table)
    with np.load(tmp_path / "f.npz") as saved:
        np.testing.assert_array_equal(saved["values"], expected(table))
        assert saved["names"].tolist() == list(table.names)
        assert saved["paths"].tolist() == table.paths
        assert saved["labels"].tolist() == ["even", "even", "odd", "even"]


def test_npy(tmp_path, table):
    tables.write_table(tmp_path / "f.npy", table)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), expected(table))
    rows = list(csv.reader((tmp_path / "f.paths.csv").read_text().splitlines()))
    assert rows == [["path", "label"], *map(list, zip(table.paths, table.labels, strict=True))]


def test_npy_and_its_paths_are_written_together(tmp_path, table, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    tables.write_table(tmp_path / "f.npy", table)
    monkeypatch.setattr(tables, "path_cell", interrupted)
    other = replace(table, order=table.order[::-1])
    with pytest.raises(KeyboardInterrupt):
        tables.write_table(tmp_path / "f.npy", other)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), expected(table))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npy", "f.paths.csv"]


def test_csv(tmp_path, table):
    tables.write_table(tmp_path / "f.csv", table)
    header, *rows = csv.reader((tmp_path / "f.csv").read_text().splitlines())
    assert header == ["path", "label", *table.names]
    assert [row[:2] for row in rows] == [list(pair) for pair in zip(table.paths, table.labels, strict=True)]
    np.testing.assert_array_equal(np.array([row[2:] for row in rows], np.float32), expected(table))


def test_arff(tmp_path, table):
    tables.write_table(tmp_path / "f.arff", table)
    text = (tmp_path / "f.arff").read_text()
    assert "@attribute 'b\\'s' numeric" in text
    assert "@attribute class {even,odd}" in text
    from scipy.io import arff  # which knows neither texts nor quotes

    lines = (line for line in text.splitlines() if "path string" not in line)
    plain = "\n".join(line.partition("jpg',")[2] or line for line in lines)
    (tmp_path / "g.arff").write_text(plain.replace("'b\\'s'", "b"))
    rows, meta = arff.loadarff(tmp_path / "g.arff")
    assert meta.names() == ["a", "b", "c", "class"]
    np.testing.assert_allclose([list(row)[:3] for row in rows.tolist()], expected(table))


def test_parquet(tmp_path, table):
    parquet = pytest.importorskip("pyarrow.parquet")
    tables.write_table(tmp_path / "f.parquet", table)
    saved = parquet.read_table(tmp_path / "f.parquet")
    assert saved.column_names == ["path", "label", *table.names]
    assert saved["path"].to_pylist() == table.paths
    np.testing.assert_array_equal(np.stack([saved[name] for name in table.names], axis=1), expected(table))


def test_a_table_of_another_kind(tmp_path, table):
    with pytest.raises(ValueError, match=r"ends in \.npz, \.npy, \.csv, \.parquet, \.arff"):
        tables.write_table(tmp_path / "f.xlsx", table)


@pytest.mark.parametrize("labels", [["", "", "", ""], ["it's", 'a "b", c', "new\nline", "\\"]])
@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_values_are_read_again_to_the_last_bit(tmp_path, table, suffix, labels):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(7, 3)).astype(np.float32) * np.float32(10) ** rng.integers(-30, 30, (7, 3))
    paths = ["it's.jpg", "a, b.jpg", 'c "d"\n\r\\.jpg', "odd byte \udcff.jpg"]
    odd = Table(paths, labels, table.names, rows.astype(np.float32), table.order)
    tables.write_table(tmp_path / f"f{suffix}", odd)
    values = tables.read_values(tmp_path / f"f{suffix}", 3, odd.is_labeled)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected(odd))


def test_more_rows_than_a_chunk(tmp_path):
    rows = np.arange(3 * 600, dtype=np.float32).reshape(600, 3)
    order = np.random.default_rng(0).permutation(600).tolist()
    table = Table([f"{i}.jpg" for i in range(600)], [""] * 600, ("a", "b", "c"), rows, order)
    tables.write_table(tmp_path / "f.npz", table)
    np.testing.assert_array_equal(tables.read_values(tmp_path / "f.npz", 3, False), rows[order])


def test_without_labels_there_is_no_column_for_them(tmp_path, table):
    plain = Table(table.paths, [""] * 4, table.names, table.rows, table.order)
    tables.write_table(tmp_path / "f.csv", plain)
    assert (tmp_path / "f.csv").read_text().startswith("path,a,")
    tables.write_table(tmp_path / "f.npz", plain)
    with np.load(tmp_path / "f.npz") as saved:
        assert saved.files == ["paths", "names", "values"]


# --- names from strangers -------------------------------------------------------------------

ODD_NAMES = {
    "odd byte \udcff\udcfe.jpg": r"odd byte \xff\xfe.jpg",
    "\x1b[2J.jpg": r"\x1b[2J.jpg",
    "new\nline.jpg": "new\nline.jpg",
    "re\rturn.jpg": "re\rturn.jpg",
    "=1+1.jpg": "=1+1.jpg",
    "-1.jpg": "-1.jpg",
    'it\'s, "odd".jpg': 'it\'s, "odd".jpg',
}


@pytest.fixture
def odd():
    names = list(ODD_NAMES)
    rows = np.arange(len(names), dtype=np.float32)[:, None] - 3
    return Table(names, names, ["=a", "b\udcff"], np.hstack([rows, rows]), range(len(names)))


def test_any_name_is_written_as_csv_and_is_no_formula(tmp_path, odd):
    tables.write_table(tmp_path / "f.csv", odd)
    tables.write_table(tmp_path / "f.npy", odd)
    with open(tmp_path / "f.csv", newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    with open(tmp_path / "f.paths.csv", newline="", encoding="utf-8") as stream:
        assert [row[:2] for row in [["path", "label"], *rows]] == list(csv.reader(stream))
    assert header == ["path", "label", "'=a", r"b\xff"]
    for number, (name, row) in enumerate(zip(ODD_NAMES.values(), rows, strict=True)):
        is_formula = name[0] in "=-"
        assert row[0] == ("./" if is_formula else "") + name
        assert row[1] == ("'" if is_formula else "") + name
        assert row[2:] == [str(np.float32(number - 3))] * 2
    assert "\x1b" not in (tmp_path / "f.csv").read_text("utf-8")


def test_any_name_is_written_to_an_archive_of_arrays(tmp_path, odd):
    tables.write_table(tmp_path / "f.npz", odd)
    with np.load(tmp_path / "f.npz") as saved:
        expected = [name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in ODD_NAMES]
        expected[0] = ODD_NAMES["odd byte \udcff\udcfe.jpg"]
        assert saved["paths"].tolist() == saved["labels"].tolist() == expected
        assert saved["names"].tolist() == ["=a", r"b\xff"]


def test_any_name_is_written_as_arff(tmp_path, odd):
    tables.write_table(tmp_path / "f.arff", odd)
    text = (tmp_path / "f.arff").read_text("utf-8")
    rows = text.partition("@data\n")[2].splitlines()
    assert len(rows) == len(ODD_NAMES)
    assert rows[0] == r"'odd byte \\xff\\xfe.jpg',-3.0,-3.0,'odd byte \\xff\\xfe.jpg'"
    assert rows[1].startswith(r"'\\x1b[2J.jpg'")
    assert rows[2].startswith(r"'new\nline.jpg'")


def test_any_name_is_written_as_parquet(tmp_path, odd):
    parquet = pytest.importorskip("pyarrow.parquet")
    tables.write_table(tmp_path / "f.parquet", odd)
    saved = parquet.read_table(tmp_path / "f.parquet")
    assert saved["path"].to_pylist()[::2] == list(ODD_NAMES.values())[::2]
    assert saved.column_names == ["path", "label", "=a", r"b\xff"]


# --- names that are long --------------------------------------------------------------------


def photographs(count, *others):
    return [Photograph(i, path, path) for i, path in enumerate([*["folder/a.jpg"] * count, *others])]


@pytest.fixture
def low_limit(monkeypatch):
    monkeypatch.setattr(tables, "MAX_TEXT_ARRAY_BYTES", 1 << 20)


@pytest.mark.usefixtures("low_limit")
def test_one_long_name_among_many_is_refused_before_the_work(tmp_path):
    many = photographs(1000, "d/" * 1500 + "b.jpg")
    with pytest.raises(
        ValueError, match=r"f\.npz: the names .* take 11 MiB.*3,005 characters: d/d/.*; write \.csv"
    ):
        tables.checked_texts(tmp_path / "f.npz", many)
    taken = []
    with pytest.raises(ValueError, match="3,005 characters"):
        taken.extend(tables.checked_texts(tmp_path / "f.npz", iter(many[::-1])))
    assert len(taken) < 100  # as soon as it is known
    assert tables.checked_texts(tmp_path / "f.csv", many) is many
    labelled = [replace(photo, label="ab"[i % 2]) for i, photo in enumerate(photographs(2000))]
    labelled[7] = replace(labelled[7], label="c" * 255)
    with pytest.raises(ValueError, match="255 characters: ccc"):
        tables.checked_texts(tmp_path / "f.npz", labelled)


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("count", [0, 80, 1000])
def test_many_names_of_ordinary_lengths_and_few_long_ones_are_accepted(tmp_path, count):
    path = tmp_path / "f.npz"
    fine = photographs(count, "d/" * (1500 if count < 100 else 30))
    assert tables.checked_texts(path, fine) is fine
    assert list(tables.checked_texts(path, iter(fine))) == fine


def test_memory_and_size_do_not_grow_with_the_longest_name(tmp_path):
    paths = ["a.jpg"] * 2000 + ["d/" * 1500 + "b.jpg"]  # 24 MB as an array
    table = Table(paths, [""] * len(paths), ["a"], np.zeros((1, 1), np.float32), [0] * len(paths))
    tracemalloc.start()
    try:
        tables.write_table(tmp_path / "f.npz", table)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20
    assert (tmp_path / "f.npz").stat().st_size < 1 << 20
    with np.load(tmp_path / "f.npz") as saved:
        assert saved["paths"][[0, -1]].tolist() == [paths[0], paths[-1]]


# --- before the work ------------------------------------------------------------------------


def test_the_target_is_checked_with_the_file_beside_it(tmp_path):
    tables.check_target(tmp_path / "f.npy")
    (tmp_path / "f.paths.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=r"f\.paths\.csv: is a folder"):
        tables.check_target(tmp_path / "f.npy")
    tables.check_target(tmp_path / "f.csv")
    with pytest.raises(OSError, match="the name is too long"):
        tables.check_target(tmp_path / f"{'n' * 250}.csv")
    if os.name != "nt" and os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError, match="no permission to write"):
            tables.check_target(tmp_path / "f.csv")
