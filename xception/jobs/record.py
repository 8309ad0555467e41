"""The record of a job, `job.json`: its settings, its list of photographs, and its shards.

The file may come from a stranger. Nothing in it is trusted: types, sizes and names are checked, and a name in
it never leads out of the folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

from ..data import locations
from ..errors import JobError
from .shards import Shard

JOB = "job.json"
FORMAT = 1  #: of the folder

#: What is computed: rows of numbers, or the best classes.
Kind = Literal["features", "predictions"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: A billion photographs in shards of 5,000 take 3 MB, a name for each of 200,000 features 4 MB.
MAX_JOB_BYTES = 64 << 20
MAX_SHARD_PHOTOGRAPHS = 1_000_000  #: a shard's list of paths is held in memory
MAX_LINE_BYTES = 64 << 10  #: of a photograph in the list: a path of 4,096 characters takes 25 kB at most

MAX_SHARD_BYTES = 1 << 30  #: of a shard's lines, which are read at once

LIST_NAME = re.compile(r"photographs-[0-9a-f]{8}\.jsonl", re.ASCII)
PART_NAME = re.compile(r"part-([0-9]{6,9})\.parquet", re.ASCII)
ERRORS_NAME = re.compile(r"part-([0-9]{6,9})\.errors\.jsonl", re.ASCII)


def part_name(index: int) -> str:
    """Return the name of a shard's file."""
    return f"part-{index:06}.parquet"


def errors_name(index: int) -> str:
    """Return the name of the file with the photographs of a shard that could not be read."""
    return f"part-{index:06}.errors.jsonl"


@dataclass(frozen=True)
class Source:
    """What a job's photographs were listed from.

    Attributes:
        description: Such as "photos" or "photos and 3 more", for messages.
        digest: Of all paths, folders and patterns that were given.
        base: The folder that relative paths are relative to: where the job was prepared.
    """

    description: str
    digest: str
    base: str


@dataclass(frozen=True)
class PhotographList:
    """Where a job's photographs are written down, a line each.

    Attributes:
        name: The name of the file.
        count: How many photographs there are.
        shard: How many of them are in a shard. The last one may have fewer.
        offsets: (shards + 1,) where the lines of each shard begin, in bytes, and where the last ones end.
    """

    name: str
    count: int
    shard: int
    offsets: Sequence[int]


@dataclass(frozen=True)
class JobRecord:
    """What `job.json` holds.

    Attributes:
        kind: "features" or "predictions".
        settings: How they are computed: a dict that JSON can hold, which only the task interprets.
        names: (d,) the names of the features; none of predictions.
        source: The paths and folders that the photographs were listed from.
        photographs: The list of the photographs.
    """

    kind: Kind
    settings: dict[str, Any]
    names: Sequence[str]
    source: Source
    photographs: PhotographList

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return len(self.photographs.offsets) - 1

    def shard(self, index: int) -> Shard:
        """Return a shard by its index."""
        listed = self.photographs
        begin, end = listed.offsets[index : index + 2]
        start = index * listed.shard
        return Shard(index, start, min(listed.shard, listed.count - start), begin, end - begin)

    def to_bytes(self) -> bytes:
        """Return the content of `job.json`."""
        values = {
            "format": FORMAT, "kind": self.kind, "settings": self.settings, "names": list(self.names),
            "source": vars(self.source),
            "photographs": {**vars(self.photographs), "offsets": list(self.photographs.offsets)},
        }  # fmt: skip
        return json.dumps(values).encode()

    @functools.cached_property
    def identity(self) -> str:
        """A digest that tells this job from others."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()


def read_record(folder: str) -> JobRecord | None:
    """Read the record of a job.

    Args:
        folder: The job's folder.

    Returns:
        The record; None if the folder holds none.

    Raises:
        JobError: It is damaged, or of a later version.
        OSError: It cannot be read.
    """
    path = locations.join(folder, JOB)
    try:
        content = locations.read_bytes(path, 0, MAX_JOB_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_JOB_BYTES:
        raise JobError(f"{path}: has more than {MAX_JOB_BYTES >> 20} MiB, too much for the record of a job")
    try:
        return _parse(json.loads(content))
    except RecursionError:
        raise JobError(f"{path}: is not the record of a job (it is nested too deeply)") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise JobError(f"{path}: is not the record of a job, or damaged ({reason})") from None


def _parse(values: Any) -> JobRecord:
    _check(isinstance(values, dict), "expected a dict")
    version = values["format"]
    if _is_int(version, FORMAT + 1):
        raise ValueError(f"its format is {version}, of a later version of xception; expected {FORMAT}")
    _check(_is_int(version, FORMAT), f"its format is {version!r:.20}, expected {FORMAT}")
    kind, settings, names = values["kind"], values["settings"], values["names"]
    _check(isinstance(kind, str) and kind in KINDS, f"kind must be one of {', '.join(KINDS)}")
    _check(isinstance(settings, dict), "settings must be a dict")
    _check(isinstance(names, list) and all(isinstance(name, str) for name in names), "names must be texts")
    _check(bool(names) == (kind == "features"), "features have names, and predictions none")
    source = {name: values["source"][name] for name in ("description", "digest", "base")}
    _check(all(isinstance(text, str) for text in source.values()), "source must hold texts")
    return JobRecord(kind, settings, names, Source(**source), _parse_list(values["photographs"]))


def _parse_list(values: Any) -> PhotographList:
    _check(isinstance(values, dict), "photographs must be a dict")
    name, count, shard, offsets = (values[key] for key in ("name", "count", "shard", "offsets"))
    _check(isinstance(name, str) and bool(LIST_NAME.fullmatch(name)), "the list has an unknown name")
    _check(_is_int(shard, 1) and shard <= MAX_SHARD_PHOTOGRAPHS, "the size of a shard is out of range")
    _check(_is_int(count, 1), "the number of photographs is out of range")
    _check(isinstance(offsets, list) and all(_is_int(offset, 0) for offset in offsets), "bad offsets")
    _check(len(offsets) == math.ceil(count / shard) + 1 and offsets[0] == 0, "the offsets do not fit")
    largest = max((end - begin for begin, end in pairwise(offsets)), default=0)
    is_ascending = all(begin < end for begin, end in pairwise(offsets))
    most = min(shard * MAX_LINE_BYTES, MAX_SHARD_BYTES)
    _check(is_ascending and largest <= most, "the offsets are out of range")
    return PhotographList(name, count, shard, offsets)


def _is_int(value: object, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value < 1 << 62


def _check(is_valid: bool, message: str) -> None:
    if not is_valid:
        raise ValueError(message)
