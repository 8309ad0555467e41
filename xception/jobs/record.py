"""The record of a job, `job.json`: what is computed, of which photographs, in which shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .shards import Shard

JOB, LIST = "job.json", "photographs-{token}.jsonl"
PART, ERRORS = "part-{index:06}.parquet", "part-{index:06}.errors.jsonl"

Kind = Literal["features", "predictions"]


@dataclass(frozen=True)
class JobRecord:
    """What `job.json` holds.

    Attributes:
        kind: "features" or "predictions".
        settings: What computes them, by name: versions, model, layers, preprocessing.
        names: (d,) the names of the features; none for predictions.
        list_name: The name of the list of photographs.
        count: How many photographs there are.
        shard: How many of them are in a shard; the last has fewer.
        offsets: (shards + 1,) where the lines of each shard begin in the list, and where it ends.
    """

    kind: Kind
    settings: dict[str, Any]
    names: Sequence[str]
    list_name: str
    count: int
    shard: int
    offsets: Sequence[int]

    def shards(self) -> list[Shard]:
        """Return the shards, in order."""
        raise NotImplementedError


def read_record(folder: str) -> JobRecord | None:
    """Read a job's record; None if there is none."""
    raise NotImplementedError
