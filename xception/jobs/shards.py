"""Shards of a job, their results, and the interface of executors."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import XceptionError

#: Errors of the system that each shard would meet: full disks, used-up quotas, places that cannot be written.
FINAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Shard:
    """Consecutive photographs of a job's list, whose results become one file.

    Attributes:
        index: Its position among the shards, from 0.
        start: The index of its first photograph.
        count: How many photographs it has.
        offset: Where its lines begin in the list, in bytes.
        length: How many bytes its lines take.
    """

    index: int
    start: int
    count: int
    offset: int
    length: int


@dataclass(frozen=True)
class Unreadable:
    """A photograph of a job that could not be read.

    Attributes:
        index: Its index in the job's list.
        path: Its path.
        label: The name of its folder, or "".
        error: Why it could not be read.
    """

    index: int
    path: str
    label: str
    error: str

    def __str__(self) -> str:
        return self.error


@dataclass(frozen=True)
class ShardResult:
    """What running a shard returns. It is small, and can be pickled.

    Attributes:
        index: The shard's index.
        photographs: How many photographs have a row in its file.
        unreadable: How many could not be read.
    """

    index: int
    photographs: int
    unreadable: int


def is_final(error: object) -> bool:
    """Whether an error of a shard ends a job, since another attempt, and other shards, would meet it again.

    Others may be those of files and networks, which come and go.
    """
    if isinstance(error, OSError):
        return error.errno in FINAL_ERRORS
    return isinstance(error, XceptionError)


class Executor(Protocol):
    """A function that runs shards: `map`, or an object that runs them in other processes or machines.

    It may run a shard twice, return results in any order, and fail at some: only the files that a shard
    writes count.
    """

    def __call__(
        self, function: Callable[[Shard], ShardResult], shards: Sequence[Shard], /
    ) -> Iterable[ShardResult]:
        """Call a function with each shard, and yield what it returns.

        Args:
            function: A `ShardRunner`. It can be pickled. Its method `progress(shard, done)` moves the bar in
                the process that runs the job, and need not be called.
            shards: The shards.
        """
