"""Features as Parquet, in both layouts."""

import json

import numpy as np
import pytest
from feature_tables import ODD_NAMES, small_table, values_of

from xception.feature_extraction import tables
from xception.feature_extraction.tables import Table
from xception.storage import parquet as columns

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_features_are_one_column_of_lists(tmp_path, table):
    tables.write_table(tmp_path / "f.parquet", table)
    saved = parquet.read_table(tmp_path / "f.parquet")
    assert saved.column_names == ["path", "label", "features"]
    assert saved["path"].to_pylist() == table.paths
    assert saved["label"].to_pylist() == table.labels
    kind = saved.schema.field("features").type
    assert (kind.list_size, kind.value_type) == (3, arrow.float32())
    assert not saved.schema.field("features").nullable
    np.testing.assert_array_equal(np.stack(saved["features"].to_pylist()), values_of(table))


def test_lists_are_an_array_without_a_copy(tmp_path, table):
    tables.write_table(tmp_path / "f.parquet", table)
    column = parquet.read_table(tmp_path / "f.parquet", columns=["features"])["features"].chunk(0)
    values = column.flatten().to_numpy(zero_copy_only=True).reshape(len(column), -1)
    np.testing.assert_array_equal(values, values_of(table))


def test_wide(tmp_path, table):
    tables.write_table(tmp_path / "f.parquet", table, wide=True)
    saved = parquet.read_table(tmp_path / "f.parquet")
    assert saved.column_names == ["path", "label", *table.names]
    assert saved["path"].to_pylist() == table.paths
    np.testing.assert_array_equal(np.stack([saved[name] for name in table.names], axis=1), values_of(table))
    values = tables.read_values(tmp_path / "f.parquet", 3, True)
    np.testing.assert_array_equal(values, values_of(table))


def test_names_of_features_are_in_the_metadata_unless_they_are_numbers(tmp_path, odd):
    tables.write_table(tmp_path / "f.parquet", odd)
    metadata = parquet.read_schema(tmp_path / "f.parquet").metadata
    assert json.loads(metadata[b"feature_names"]) == ["=a", r"b\xff"]
    tables.write_table(tmp_path / "f.parquet", small_table(["feature_0", "feature_1", "feature_2"]))
    assert parquet.read_schema(tmp_path / "f.parquet").metadata is None


def test_the_footer_does_not_grow_with_the_number_of_features(tmp_path):
    sizes = []
    for count in (3, 2048):
        names = [f"feature_{i}" for i in range(count)]
        table = Table.of_array(["a.jpg"], ["a"], names, np.zeros((1, count), np.float32), [0])
        tables.write_table(tmp_path / "f.parquet", table)
        sizes.append(parquet.read_metadata(tmp_path / "f.parquet").serialized_size)
    assert abs(sizes[1] - sizes[0]) < 50
    assert sizes[1] < 1500


@pytest.mark.parametrize("wide", [False, True])
def test_row_groups_are_of_bounded_size(tmp_path, monkeypatch, wide):
    monkeypatch.setattr(columns, "WIDE_ROW_GROUP_BYTES" if wide else "ROW_GROUP_BYTES", 4 * 3 * 256)
    rows = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(600).tolist()
    paths = [f"{i}.jpg" for i in range(600)]
    tables.write_table(
        tmp_path / "f.parquet", Table.of_array(paths, [""] * 600, ("a", "b", "c"), rows, order), wide
    )
    metadata = parquet.read_metadata(tmp_path / "f.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [256, 256, 88]
    np.testing.assert_array_equal(tables.read_values(tmp_path / "f.parquet", 3, False), rows[order])
    assert parquet.read_table(tmp_path / "f.parquet")["path"].to_pylist() == paths


@pytest.mark.parametrize("wide", [False, True])
def test_any_name_is_written_as_parquet(tmp_path, odd, wide):
    tables.write_table(tmp_path / "f.parquet", odd, wide)
    saved = parquet.read_table(tmp_path / "f.parquet")
    assert saved["path"].to_pylist()[::2] == list(ODD_NAMES.values())[::2]
    names = ["=a", r"b\xff"] if wide else ["features"]
    assert saved.column_names == ["path", "label", *names]
