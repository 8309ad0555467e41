"""Features as NumPy's files."""

import csv
import tracemalloc

import numpy as np
from feature_tables import ODD_NAMES, small_table, values_of

from xception.feature_extraction import tables
from xception.feature_extraction.tables import Table


def test_npz(tmp_path, table):
    tables.write_table(tmp_path / "f.npz", table)
    with np.load(tmp_path / "f.npz") as saved:
        np.testing.assert_array_equal(saved["values"], values_of(table))
        assert saved["names"].tolist() == list(table.names)
        assert saved["paths"].tolist() == table.paths
        assert saved["labels"].tolist() == ["even", "even", "odd", "even"]


def test_npy(tmp_path, table):
    tables.write_table(tmp_path / "f.npy", table)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), values_of(table))
    rows = list(csv.reader((tmp_path / "f.paths.csv").read_text().splitlines()))
    assert rows == [["path", "label"], *map(list, zip(table.paths, table.labels, strict=True))]


def test_without_labels_there_is_no_array_of_them(tmp_path):
    tables.write_table(tmp_path / "f.npz", small_table(labels=[""] * 4))
    with np.load(tmp_path / "f.npz") as saved:
        assert saved.files == ["paths", "names", "values"]


def test_any_name_is_written_to_an_archive_of_arrays(tmp_path, odd):
    tables.write_table(tmp_path / "f.npz", odd)
    with np.load(tmp_path / "f.npz") as saved:
        expected = [name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in ODD_NAMES]
        expected[0] = ODD_NAMES["odd byte \udcff\udcfe.jpg"]
        assert saved["paths"].tolist() == saved["labels"].tolist() == expected
        assert saved["names"].tolist() == ["=a", r"b\xff"]


def test_memory_and_size_do_not_grow_with_the_longest_name(tmp_path):
    paths = ["a.jpg"] * 2000 + ["d/" * 1500 + "b.jpg"]  # 24 MB as an array
    rows, order = np.zeros((1, 1), np.float32), [0] * len(paths)
    table = Table.of_array(paths, [""] * len(paths), ["a"], rows, order)
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
