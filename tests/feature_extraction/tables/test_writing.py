"""Features as files that other programs read, whole or not at all."""

import os

import numpy as np
import pytest
from feature_tables import ORDER, small_table, values_of

from xception.feature_extraction import tables
from xception.feature_extraction.tables import Table, texts


def test_npy_and_its_paths_are_written_together(tmp_path, table, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    tables.write_table(tmp_path / "f.npy", table)
    monkeypatch.setattr(texts, "path_cell", interrupted)
    other = small_table(order=ORDER[::-1])
    with pytest.raises(KeyboardInterrupt):
        tables.write_table(tmp_path / "f.npy", other)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), values_of(table))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npy", "f.paths.csv"]


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
    odd = Table.of_array(paths, labels, table.names, rows.astype(np.float32), ORDER)
    tables.write_table(tmp_path / f"f{suffix}", odd)
    values = tables.read_values(tmp_path / f"f{suffix}", 3, odd.is_labeled)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, values_of(odd))


def test_more_rows_than_a_chunk(tmp_path):
    rows = np.arange(30_000, dtype=np.float32).reshape(10_000, 3)
    order = np.random.default_rng(0).permutation(10_000).tolist()
    table = Table.of_array([f"{i}.jpg" for i in range(10_000)], [""] * 10_000, ("a", "b", "c"), rows, order)
    tables.write_table(tmp_path / "f.npz", table)
    np.testing.assert_array_equal(tables.read_values(tmp_path / "f.npz", 3, False), rows[order])


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


def test_wide_is_refused_where_there_is_one_layout(tmp_path, table):
    with pytest.raises(ValueError, match=r"f\.csv: 'wide' is a layout of \.parquet files"):
        tables.check_target(tmp_path / "f.csv", wide=True)
    with pytest.raises(ValueError, match="'wide' is a layout"):
        tables.write_table(tmp_path / "f.npz", table, wide=True)
    assert not list(tmp_path.iterdir())
