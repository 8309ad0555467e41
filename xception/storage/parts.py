"""Part files of a job: the features, or the predictions, of one shard of photographs.

A part is a Parquet file. It has a row for each photograph of its shard that could be read, in order: `path`,
`label`, and `features`, a list of fixed size; or `class_ids`, `class_names` and `scores`, the best first.
There are no nulls. The same rows make the same bytes, with the same version of pyarrow.

A part that is read is a file from a stranger: its columns, their types, and the number of rows are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ..console.csv_text import as_utf8
from ..data.imagenet import Prediction
from ..data.photographs import Photograph
from ..data.pipeline import batched
from ..errors import JobError
from ..kernels import Array
from .parquet import (
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

#: The classes of a photograph, the best first: (class id, class name, score).
Classes = Sequence[tuple[str, str, float]]

#: Photographs with their predictions that are read at a time.
PREDICTION_ROWS = 1024
#: Classes of all photographs in a row group of predictions: some 5 MB in memory. Each group takes 0.5 kB of
#: the footer.
MAX_GROUP_CLASSES = 50_000

#: Of texts that are read at a time. A column can have a dictionary of one long text that every row repeats.
MAX_TEXT_BYTES = 256 << 20

_ADVICE = "delete it, and run the job again"


@dataclass(frozen=True)
class Rows:
    """Results of some photographs.

    Attributes:
        paths: (n,) the path of each, as text that UTF-8 can hold.
        labels: (n,) the label of each; "" for none.
        results: (n, d) float32 features; or for each photograph its classes, the best first.
    """

    paths: Sequence[str]
    labels: Sequence[str]
    results: Any


def write_features(stream: IO[bytes], results: Iterable[tuple[Photograph, Array]], columns: int) -> None:
    """Write the part of a shard of features.

    Args:
        stream: An open binary file.
        results: The photographs that could be read, in order, with their features (columns,). There may be
            none.
        columns: Features per row.
    """
    arrow, _ = import_pyarrow("writing .parquet")
    schema = _features_schema(columns)
    with open_writer(stream, schema) as writer:
        for group in batched(results, row_group_rows(columns)):
            arrays = [*_texts(group), features_column(np.stack([row for _, row in group]))]
            writer.write_table(arrow.table(arrays, schema=schema), len(group))


def write_predictions(stream: IO[bytes], results: Iterable[tuple[Photograph, Classes]]) -> None:
    """Write the part of a shard of predictions.

    Args:
        stream: An open binary file.
        results: The photographs that could be read, in order, with their classes, the best first. There may
            be none.
    """
    arrow, _ = import_pyarrow("writing .parquet")
    schema = _predictions_schema()
    with open_writer(stream, schema) as writer:
        for group in _prediction_groups(results):
            ids = [[as_utf8(class_id) for class_id, _, _ in classes] for _, classes in group]
            names = [[as_utf8(name) for _, name, _ in classes] for _, classes in group]
            scores = [[score for _, _, score in classes] for _, classes in group]
            writer.write_table(arrow.table([*_texts(group), ids, names, scores], schema=schema), len(group))


def _prediction_groups(
    results: Iterable[tuple[Photograph, Classes]],
) -> Iterator[list[tuple[Photograph, Classes]]]:
    """Yield lists of photographs that together have about MAX_GROUP_CLASSES classes."""
    group, classes = [], 0
    for result in results:
        group.append(result)
        classes += len(result[1])
        if classes >= MAX_GROUP_CLASSES:
            yield group
            group, classes = [], 0
    if group:
        yield group


def _texts(group: Sequence[tuple[Photograph, Any]]) -> list[list[str]]:
    """Return the columns `path` and `label`."""
    return [
        [as_utf8(photograph.path or "") for photograph, _ in group],
        [as_utf8(photograph.label) for photograph, _ in group],
    ]


def read_features(stream: IO[bytes], name: str, columns: int, max_rows: int) -> Iterator[Rows]:
    """Read the part of a shard of features, some rows at a time.

    Args:
        stream: An open binary file that can seek.
        name: The name of the part, for messages.
        columns: Features per row, as the job says.
        max_rows: Photographs in the shard.

    Yields:
        Its rows, in order. Values are read-only.

    Raises:
        JobError: The file is damaged, or no part of such a job.
    """
    for batch in _read(stream, name, _features_schema(columns), max_rows, chunk_rows(columns)):
        with _damage_reported(name):
            texts = batch.column("path").to_pylist(), batch.column("label").to_pylist()
            rows = Rows(*texts, features_array(batch.column(FEATURES), columns))
        yield rows


def read_predictions(stream: IO[bytes], name: str, max_rows: int) -> Iterator[Rows]:
    """Read the part of a shard of predictions, some rows at a time.

    Args:
        stream: An open binary file that can seek.
        name: The name of the part, for messages.
        max_rows: Photographs in the shard.

    Yields:
        Its rows, in order.

    Raises:
        JobError: The file is damaged, or no part of such a job.
    """
    for batch in _read(stream, name, _predictions_schema(), max_rows, PREDICTION_ROWS):
        with _damage_reported(name):
            paths, labels, *lists = (column.to_pylist() for column in batch.columns)
            predictions = [
                [Prediction(*values) for values in zip(*row, strict=True)] for row in zip(*lists, strict=True)
            ]
        yield Rows(paths, labels, predictions)


def count_rows(stream: IO[bytes], name: str) -> int:
    """Return the number of rows of a part, as it says.

    Args:
        stream: An open binary file that can seek.
        name: The name of the part, for messages.

    Raises:
        JobError: The file is damaged.
    """
    _, parquet = import_pyarrow("reading .parquet")
    with _damage_reported(name):
        return int(parquet.ParquetFile(stream).metadata.num_rows)


def _features_schema(columns: int) -> Any:
    arrow, _ = import_pyarrow("a Parquet file")
    return arrow.schema([text_field("path"), text_field("label"), features_field(columns)])


def _predictions_schema() -> Any:
    arrow, _ = import_pyarrow("a Parquet file")
    lists = {"class_ids": arrow.string(), "class_names": arrow.string(), "scores": arrow.float32()}
    fields = [
        arrow.field(name, arrow.list_(arrow.field("element", kind, nullable=False)), nullable=False)
        for name, kind in lists.items()
    ]
    return arrow.schema([text_field("path"), text_field("label"), *fields])


def _read(stream: IO[bytes], name: str, schema: Any, max_rows: int, batch_rows: int) -> Iterator[Any]:
    """Yield the record batches of a part, checked against a schema."""
    _, parquet = import_pyarrow("reading .parquet")
    with _damage_reported(name):
        file = parquet.ParquetFile(stream)
        stored = file.schema_arrow
    _check(stored, file.metadata.num_rows, name, schema, max_rows)
    with _damage_reported(name):
        batch_rows = min(batch_rows, _rows_that_fit(file.metadata))
        batches = file.iter_batches(batch_rows, use_threads=False)
    while True:
        with _damage_reported(name):
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        _check_nulls(batch, name)
        yield batch


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    """Turn what pyarrow raises into a JobError that says what to do."""
    arrow, _ = import_pyarrow("reading .parquet")
    try:
        yield
    except (arrow.ArrowException, OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk or the network
            raise
        raise JobError(f"{name}: is damaged ({str(error).splitlines()[0]:.200}); {_ADVICE}") from None


def _check(stored: Any, rows: int, name: str, schema: Any, max_rows: int) -> None:
    """Raise JobError unless a file has the columns of a schema, and at most as many rows as the shard."""
    expected = got = ""
    if not stored.equals(schema):
        expected, got = (", ".join(f"{field.name} {field.type}" for field in s) for s in (schema, stored))
        expected, got = (f"{text:.300}" for text in (f"columns {expected}", got))
        if expected == f"columns {got}":
            got = "columns that may hold nulls"
    elif rows > max_rows:
        expected, got = f"at most {max_rows:,} rows", f"{rows:,}"
    if expected:
        raise JobError(f"{name}: is no part of this job: expected {expected}, got {got}; {_ADVICE}")


def _rows_that_fit(metadata: Any) -> int:
    """Return how many rows take less than MAX_TEXT_BYTES, even if each has all the text of its row group."""
    longest = 1
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.physical_type == "BYTE_ARRAY":
                longest = max(longest, column.total_uncompressed_size)
    return max(1, MAX_TEXT_BYTES // longest)


def _check_nulls(batch: Any, name: str) -> None:
    for column in batch.columns:
        values = column.flatten() if hasattr(column, "flatten") else column
        if column.null_count or values.null_count:
            raise JobError(f"{name}: is no part of this job: it has nulls; {_ADVICE}")
