"""Features as Parquet: a column of lists, or a column for each feature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...console.csv_text import as_utf8
from ...kernels import Array
from ...storage.parquet import (
    FEATURES,
    chunk_rows,
    features_array,
    features_column,
    features_field,
    import_pyarrow,
    open_writer,
    row_group_rows,
    text_field,
)
from .table import Table

#: Key of the names of the features in the schema's metadata, as a JSON list.
NAMES_KEY = b"feature_names"


def write_parquet(path: Path, table: Table, wide: bool = False) -> None:
    """Write the columns `path`, `label` if there are any, and the features.

    Args:
        path: The file.
        table: The features.
        wide: Whether each feature gets a column; otherwise they are a list in the column `features`, and
            names other than feature_0, feature_1, … are in the schema's metadata.
    """
    arrow, _ = import_pyarrow("writing .parquet")
    names = list(map(as_utf8, table.names))
    texts = ["path", "label"] if table.is_labeled else ["path"]
    fields = [text_field(name) for name in texts]
    if wide:
        schema = arrow.schema([*fields, *(arrow.field(name, arrow.float32()) for name in names)])
    else:
        is_plain = names == plain_names(len(names))
        metadata = None if is_plain else {NAMES_KEY: json.dumps(names, ensure_ascii=False)}
        schema = arrow.schema([*fields, features_field(len(names))], metadata)
    with path.open("wb") as stream, open_writer(stream, schema) as writer:
        for paths, labels, rows in table.groups(row_group_rows(len(names), wide)):
            columns = [list(map(as_utf8, column)) for column in (paths, labels)][: len(texts)]
            values = list(rows.T) if wide else [features_column(rows)]
            writer.write_table(arrow.table([*columns, *values], schema=schema), len(rows))


def read_parquet(path: Path, columns: int, is_labeled: bool) -> Array:
    """Return the features of either layout."""
    _, parquet = import_pyarrow("reading .parquet")
    first = 1 + is_labeled
    with path.open("rb") as stream:
        file = parquet.ParquetFile(stream)
        is_wide = file.schema_arrow.field(first).name != FEATURES
        values = np.empty((file.metadata.num_rows, columns), np.float32)
        start = 0
        for batch in file.iter_batches(chunk_rows(columns)):
            part = values[start : start + len(batch)]
            if is_wide:
                for column in range(columns):
                    part[:, column] = batch.column(first + column).to_numpy()
            else:
                part[:] = features_array(batch.column(first), columns)
            start += len(batch)
    return values


def plain_names(count: int) -> list[str]:
    """Return the names of features of no layer in particular: feature_0, feature_1, …"""
    return [f"feature_{i}" for i in range(count)]
