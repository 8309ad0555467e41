"""Parquet columns of features: one list of fixed size, in row groups of bounded size.

A column for each feature makes a footer that describes each of them in each row group: 7.9 MB for 10,000
photographs of 2048 features in row groups of 256. One column of lists makes 0.9 kB, and is written in a
quarter of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import requires
from ..kernels import Array

FEATURES = "features"  #: name of the list column

#: Of features in a row group, which the writer and most readers hold in memory as a whole. Each group adds
#: 0.4 kB to the footer: 0.4 MB for a million photographs of 2048 features.
ROW_GROUP_BYTES = 8 << 20
#: The same, with a column for each feature: each group takes 1.7 kB of memory for each of them until the file
#: is complete, 0.4 GB for a million photographs of 2048 features.
WIDE_ROW_GROUP_BYTES = 64 << 20
MAX_ROW_GROUP_ROWS = 1 << 16  #: if there are few features: texts take memory, too

#: Of features that are read, or written as text, at a time: 256 rows of 2048 features.
CHUNK_BYTES = 2 << 20
MAX_CHUNK_ROWS = 4096  #: if there are few features


def import_pyarrow(activity: str) -> tuple[Any, Any]:
    """Return the modules `pyarrow` and `pyarrow.parquet`.

    Args:
        activity: What needs them, such as "writing .parquet".

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    with requires(activity, "pyarrow", "'xception[parquet]'"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet


def row_group_rows(columns: int, wide: bool = False) -> int:
    """Return how many rows of `columns` features a row group has.

    Args:
        columns: Features per row.
        wide: Whether each has a column of its own.
    """
    limit = WIDE_ROW_GROUP_BYTES if wide else ROW_GROUP_BYTES
    return max(1, min(limit // (4 * max(1, columns)), MAX_ROW_GROUP_ROWS))


def chunk_rows(columns: int) -> int:
    """Return how many rows of `columns` features are in memory at a time."""
    return max(1, min(CHUNK_BYTES // (4 * max(1, columns)), MAX_CHUNK_ROWS))


def text_field(name: str) -> Any:
    """Return the field of a column of texts without nulls."""
    arrow, _ = import_pyarrow("a Parquet file")
    return arrow.field(name, arrow.string(), nullable=False)


def features_field(columns: int) -> Any:
    """Return the field `features`: lists of `columns` float32, with nulls neither of nor in them."""
    arrow, _ = import_pyarrow("a Parquet file")
    element = arrow.field("element", arrow.float32(), nullable=False)
    return arrow.field(FEATURES, arrow.list_(element, columns), nullable=False)


def features_column(rows: Array) -> Any:
    """Return rows (n, d) as an array of lists, without a copy where they are contiguous."""
    arrow, _ = import_pyarrow("a Parquet file")
    numbers = arrow.array(np.ascontiguousarray(rows, np.float32).reshape(-1))
    return arrow.FixedSizeListArray.from_arrays(numbers, type=features_field(rows.shape[1]).type)


def features_array(column: Any, columns: int) -> Array:
    """Return an array of lists without nulls as rows (n, columns), without a copy."""
    rows: Array = column.flatten().to_numpy().reshape(-1, columns)
    return rows


def open_writer(stream: Any, schema: Any) -> Any:
    """Return a `ParquetWriter`. Dictionaries are built of labels only: other values hardly repeat."""
    _, parquet = import_pyarrow("writing .parquet")
    return parquet.ParquetWriter(stream, schema, compression="snappy", use_dictionary=["label"])
