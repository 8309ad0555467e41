"""Files of a shard: its rows as Parquet, and the photographs that could not be read as lines of JSON.

Rows of features are one column of fixed-size lists: a column for each feature would make the footer of a
file larger than its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..console.csv_text import as_utf8
from ..data import locations
from ..data.photographs import Photograph
from ..errors import JobError, printable, requires
from .listing import to_line
from .record import JobRecord, errors_name, part_name
from .shards import Shard, ShardResult, Unreadable

#: Of rows that are written at once: few for wide rows, whose shard would not fit into memory.
ROW_GROUP_BYTES = 8 << 20
MAX_ROW_GROUP = 1024  #: rows
BYTES_PER_PREDICTION = 128  #: about
MAX_ERRORS_BYTES = 1 << 30  #: of a file of errors, which is read at once


class Batch(NamedTuple):
    """Rows of a shard: the paths and labels of n photographs, and what was computed of each.

    Attributes:
        paths: (n,) texts.
        labels: (n,) texts.
        results: (n, d) float32 features; or for each photograph its best classes, as a list of
            (class id, class name, score).
    """

    paths: list[str]
    labels: list[str]
    results: Any


def import_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet, or raise MissingPackageError."""
    with requires("a folder of results in shards", "pyarrow", "'xception[parquet]'"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet


def write_part(
    folder: str,
    record: JobRecord,
    shard: Shard,
    results: Iterable[tuple[Photograph, Any]],
    is_done: bool = False,
) -> ShardResult:
    """Write the files of a shard, as its results come.

    The file of rows appears whole or not at all, and means that the shard is done. So the file of errors is
    written before it. Of a shard that was done already it is written after it: if the process is killed
    between the two, the errors that remain tell that the shard has to be looked at again.

    Args:
        folder: The job's folder.
        record: The job's record.
        shard: The shard.
        results: Each photograph of the shard with its result, or the exception that says why it could not be
            read. See `Task`.
        is_done: Whether the files replace those of a shard that was done.

    Returns:
        How many there were of each.
    """
    _, parquet = import_pyarrow()
    schema = _schema(record)
    errors: list[bytes] = []
    count = 0
    with locations.replace(locations.join(folder, part_name(shard.index))) as temporary:
        with parquet.ParquetWriter(temporary, schema, use_dictionary=["label"]) as writer:
            rows: list[tuple[Photograph, Any]] = []
            for photograph, result in results:
                count += 1
                if isinstance(result, Exception):
                    errors.append(_error_line(photograph, result))
                else:
                    rows.append((photograph, result))
                if len(rows) >= _group_rows(record):
                    writer.write_table(_to_table(record, schema, rows))
                    rows = []
            if rows:
                writer.write_table(_to_table(record, schema, rows))
        if count != shard.count:
            raise RuntimeError(f"shard {shard.index}: got {count} results of {shard.count} photographs")
        if not is_done:
            _write_errors(folder, shard.index, errors)
    if is_done:
        _write_errors(folder, shard.index, errors)
    return ShardResult(shard.index, count - len(errors), len(errors))


def _write_errors(folder: str, index: int, errors: Sequence[bytes]) -> None:
    path = locations.join(folder, errors_name(index))
    if errors:
        locations.write_bytes(path, b"".join(errors))
    elif locations.exists(path):  # of a run that was interrupted before it wrote the rows
        locations.remove_file(path)


def _error_line(photograph: Photograph, error: Exception) -> bytes:
    reason = printable(str(error) or type(error).__name__)
    return to_line(index=photograph.index, path=photograph.path, label=photograph.label, error=reason)


def _schema(record: JobRecord) -> Any:
    arrow, _ = import_pyarrow()
    columns = [("path", arrow.string()), ("label", arrow.string())]
    if record.kind == "features":
        columns.append(("features", arrow.list_(arrow.float32(), len(record.names))))
    else:
        texts, scores = arrow.list_(arrow.string()), arrow.list_(arrow.float32())
        columns += [("class_ids", texts), ("class_names", texts), ("scores", scores)]
    return arrow.schema(columns)


def _group_rows(record: JobRecord) -> int:
    row_bytes = 4 * len(record.names) or BYTES_PER_PREDICTION
    return max(1, min(MAX_ROW_GROUP, ROW_GROUP_BYTES // row_bytes))


def _to_table(record: JobRecord, schema: Any, rows: Sequence[tuple[Photograph, Any]]) -> Any:
    arrow, _ = import_pyarrow()
    columns: list[Any] = [
        [as_utf8(photograph.path or "") for photograph, _ in rows],
        [as_utf8(photograph.label) for photograph, _ in rows],
    ]
    if record.kind == "features":
        values = np.stack([result for _, result in rows]).astype(np.float32, copy=False)  # (n, d)
        flat = arrow.array(values.reshape(-1))
        columns.append(arrow.FixedSizeListArray.from_arrays(flat, len(record.names)))
    else:
        columns += [  # ids, names, scores
            [[prediction[column] for prediction in result] for _, result in rows] for column in range(3)
        ]
    return arrow.table(columns, schema=schema)


# --- reading --------------------------------------------------------------------------------


def read_part(folder: str, record: JobRecord, index: int) -> Iterator[Batch]:
    """Read the rows of a shard that is done, some at a time.

    Args:
        folder: The job's folder.
        record: The job's record.
        index: The shard's index.

    Yields:
        Rows, in order.

    Raises:
        JobError: The file is damaged, or was written by something else.
        FileNotFoundError: The shard is not done.
        OSError: The file cannot be read.
    """
    arrow, _ = import_pyarrow()
    path = locations.join(folder, part_name(index))
    with _open_part(path) as part:
        if part.schema_arrow.names != _schema(record).names:
            raise JobError(f"{path}: has other columns than this job's; it was written by something else")
        try:
            for batch in part.iter_batches(_group_rows(record)):
                yield _to_batch(record, batch)
        except (arrow.ArrowException, TypeError, ValueError) as error:
            raise JobError(f"{path}: is damaged ({error})") from None


@contextmanager
def _open_part(path: str) -> Iterator[Any]:
    arrow, parquet = import_pyarrow()
    with locations.open_file(path) as stream:
        try:
            part = parquet.ParquetFile(stream)
        except arrow.ArrowException as error:
            raise JobError(f"{path}: is no Parquet file, or damaged ({error})") from None
        yield part


def _to_batch(record: JobRecord, batch: Any) -> Batch:
    paths, labels = batch.column(0).to_pylist(), batch.column(1).to_pylist()
    if record.kind == "features":
        # `flatten` respects the offset of a slice, which `values` does not.
        values = batch.column(2).flatten().to_numpy()
        return Batch(paths, labels, values.reshape(len(paths), len(record.names)))
    columns = [batch.column(column).to_pylist() for column in (2, 3, 4)]
    return Batch(paths, labels, [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)])


def count_rows(folder: str, index: int) -> int:
    """Return the number of rows of a shard that is done."""
    with _open_part(locations.join(folder, part_name(index))) as part:
        return int(part.metadata.num_rows)


def read_errors(folder: str, index: int) -> list[Unreadable]:
    """Read which photographs of a shard could not be read.

    Args:
        folder: The job's folder.
        index: The shard's index.

    Returns:
        The photographs, in order; none if there is no such file.

    Raises:
        JobError: The file is damaged.
        OSError: It cannot be read.
    """
    path = locations.join(folder, errors_name(index))
    try:
        content = locations.read_bytes(path, 0, MAX_ERRORS_BYTES)
    except FileNotFoundError:
        return []
    return [_parse_error(path, line) for line in content.splitlines()]


def _parse_error(path: str, line: bytes) -> Unreadable:
    try:
        match json.loads(line):
            case {
                "index": int() as i,
                "path": str() as name,
                "label": str() as label,
                "error": str() as text,
            }:
                return Unreadable(i, name, label, printable(text))
    except (ValueError, RecursionError):
        pass
    raise JobError(f"{path}: expected an unreadable photograph in each line, got {line!r:.80}")
