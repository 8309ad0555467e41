"""Features as files that other programs read."""

import csv
from dataclasses import replace

import numpy as np
import pytest

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
    values = tables.read_values(tmp_path / f"f{suffix}", 3, odd.is_labelled)
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
