"""Jobs: what is missing is computed, by any executor, and what could not be read is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..console.progress import Verbose
from .record import JobRecord
from .shards import Executor, Shard, ShardResult, Task, Unreadable


@dataclass(frozen=True)
class ShardRunner:
    """Runs a shard: an executor calls it in any process, any number of times."""

    folder: str
    identity: str
    task: Task

    def __call__(self, shard: Shard) -> ShardResult:
        raise NotImplementedError

    def progress(self, shard: Shard, done: int) -> None:
        """Say how many photographs of a shard have been computed so far."""


@dataclass(frozen=True)
class JobReport:
    """What a job has done."""

    folder: str
    shards: int
    done_before: int
    photographs: int
    failures: list[Unreadable]


class Job:
    """A job: a list of photographs, in shards, and what is computed of them."""

    def __init__(self, folder: str, record: JobRecord, task: Task) -> None:
        self.folder, self.record, self.task = folder, record, task

    def missing(self) -> list[Shard]:
        """Return the shards that have no file yet."""
        raise NotImplementedError

    def failures(self) -> Iterator[Unreadable]:
        """Yield the photographs that could not be read, in order."""
        raise NotImplementedError

    def run(
        self, each: Executor | None = None, *, retry_bad: bool = False, verbose: Verbose = "auto"
    ) -> JobReport:
        """Compute what is missing."""
        raise NotImplementedError
