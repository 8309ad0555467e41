"""Files of a shard: its rows as Parquet, and the photographs that could not be read as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..data import locations
from ..data.photographs import Photograph
from ..errors import JobError, printable
from ..storage import parquet, parts
from ..storage.parts import Rows
from .listing import to_line
from .record import JobRecord, errors_name, part_name
from .shards import Shard, ShardResult, Unreadable

MAX_ERRORS_BYTES = 1 << 30  #: of a file of errors, which is read at once


def import_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet, or raise MissingPackageError."""
    return parquet.import_pyarrow("a folder of results in shards")


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
    import_pyarrow()  # before anything is computed
    errors: list[bytes] = []
    count = 0

    def readable() -> Iterator[tuple[Photograph, Any]]:
        nonlocal count
        for photograph, result in results:
            count += 1
            if isinstance(result, Exception):
                errors.append(_error_line(photograph, result))
            else:
                yield photograph, result

    with locations.replace(locations.join(folder, part_name(shard.index))) as temporary:
        with temporary.open("wb") as stream:
            if record.kind == "features":
                parts.write_features(stream, readable(), len(record.names))
            else:
                parts.write_predictions(stream, readable())
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


# --- reading --------------------------------------------------------------------------------


def read_part(folder: str, record: JobRecord, index: int) -> Iterator[Rows]:
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
    path = locations.join(folder, part_name(index))
    count, columns = record.shard(index).count, len(record.names)
    with locations.open_file(path) as stream:
        if record.kind == "features":
            yield from parts.read_features(stream, path, columns, count)
        else:
            yield from parts.read_predictions(stream, path, count)


def count_rows(folder: str, index: int) -> int:
    """Return the number of rows of a shard that is done."""
    path = locations.join(folder, part_name(index))
    with locations.open_file(path) as stream:
        return parts.count_rows(stream, path)


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
