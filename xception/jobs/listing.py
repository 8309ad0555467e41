"""The list of a job's photographs: a line of JSON each, of which a worker reads only its shard's."""

from __future__ import annotations

import json
import os
import uuid
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from ..data import locations
from ..data.photographs import Photograph
from ..errors import JobError
from .record import LIST_NAME, MAX_LINE_BYTES, MAX_SHARD_BYTES, JobRecord, PhotographList
from .shards import Shard

DEFAULT_SHARD = 5000  #: photographs: some minutes of work, and 41 MB of 2048 features
#: Shards of a smaller job, so that all workers have some until the end; but none of fewer photographs.
MIN_SHARDS, MIN_SHARD = 32, 16


def write_list(folder: str, photographs: Iterable[Photograph], shard: int | None) -> PhotographList:
    """Write the list of photographs, as they come, in bounded memory.

    Args:
        folder: The job's folder.
        photographs: The photographs, which are files.
        shard: How many of them are in a shard. None: DEFAULT_SHARD, or fewer, so that there are MIN_SHARDS.

    Returns:
        What is recorded of the list.

    Raises:
        ValueError: There are none, or a path is too long.
        OSError: The list cannot be written.
    """
    name = f"photographs-{uuid.uuid4().hex[:8]}.jsonl"  # two runs at one output write a list each
    fine = shard or 1  # offsets are kept of so many lines, until there are enough of them
    offsets = array("q", [0])
    position = count = 0
    with locations.replace(locations.join(folder, name)) as temporary:
        with temporary.open("wb") as stream:
            for photograph in photographs:
                line = to_line(path=photograph.path, label=photograph.label)
                if len(line) > MAX_LINE_BYTES:
                    raise ValueError(f"{photograph.path!r:.100}…: the path is too long")
                position += stream.write(line)
                count += 1
                if count % fine == 0:
                    offsets.append(position)
                if shard is None and fine == 1 and count == MIN_SHARDS * DEFAULT_SHARD:
                    fine, offsets = DEFAULT_SHARD, offsets[::DEFAULT_SHARD]
        if not count:
            raise ValueError("there are no photographs to compute")
        size = shard or min(DEFAULT_SHARD, max(MIN_SHARD, -(-count // MIN_SHARDS)))
        kept = offsets[:: size // fine].tolist()
        kept = kept if kept[-1] == position else [*kept, position]
        if max(end - begin for begin, end in pairwise(kept)) > MAX_SHARD_BYTES:
            raise ValueError(
                f"shard: the paths of {size:,} photographs take more than {MAX_SHARD_BYTES >> 20} MiB; "
                "expected fewer photographs in a shard"
            )
    return PhotographList(name, count, size, kept)


def remove_other_lists(folder: str, record: JobRecord) -> None:
    """Remove the lists of calls that were killed, or came second, from the folder of a job.

    Args:
        folder: The job's folder.
        record: The job's record, which names the list that counts.
    """
    for name in locations.list_names(folder):
        if LIST_NAME.fullmatch(name) and name != record.photographs.name:
            locations.remove_file(locations.join(folder, name))
    locations.remove_abandoned(folder, LIST_NAME.pattern)


def to_line(**values: Any) -> bytes:
    """Return a line of JSON, in ASCII: a path may hold bytes that are no text."""
    return json.dumps(values).encode() + b"\n"


def read_shard(folder: str, record: JobRecord, shard: Shard) -> list[Photograph]:
    """Read the photographs of a shard.

    Args:
        folder: The job's folder.
        record: The job's record.
        shard: The shard.

    Returns:
        The photographs. Relative paths are relative to the folder where the job was prepared.

    Raises:
        JobError: The list does not fit the record.
        OSError: It cannot be read.
    """
    path = locations.join(folder, record.photographs.name)
    data = locations.read_bytes(path, shard.offset, shard.offset + shard.length)
    lines = data.split(b"\n")
    if len(data) != shard.length or len(lines) != shard.count + 1 or lines.pop():
        raise JobError(f"{path}: does not fit the job's record; it was changed, or is damaged")
    base = record.source.base
    is_elsewhere = bool(base) and os.getcwd() != base
    photographs = []
    for index, line in enumerate(lines, start=shard.start):
        name, label = parse_photograph(path, line)
        source = name
        if is_elsewhere and not locations.is_remote(name):
            source = os.path.join(base, name)  # an absolute path stays
        photographs.append(Photograph(index, source, name, label))
    return photographs


def parse_photograph(file: str, line: bytes) -> tuple[str, str]:
    """Return the path and label of a line of a file, or raise JobError."""
    try:
        match json.loads(line):
            case {"path": str() as path, "label": str() as label}:
                return path, label
    except (ValueError, RecursionError):
        pass
    raise JobError(f"{file}: expected a photograph's path and label in each line, got {line!r:.80}")
