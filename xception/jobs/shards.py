"""Shards of a job, and the interface of what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..data.photographs import Photograph

if TYPE_CHECKING:
    from .record import JobRecord

#: How a shard is run: "plain"; "careful", with photographs decoded in a process of their own, so that one
#: that kills it is passed over; "retry", which computes the unreadable photographs of a finished shard again.
Mode = Literal["plain", "careful", "retry"]


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
        label: Its label, or "".
        error: Why it could not be read.
    """

    index: int
    path: str
    label: str
    error: str


@dataclass(frozen=True)
class ShardResult:
    """What running a shard returns; it is small, and can be pickled.

    Attributes:
        index: The shard's index.
        photographs: How many photographs have a row in its part.
        unreadable: How many could not be read.
    """

    index: int
    photographs: int
    unreadable: int


class Task(Protocol):
    """What a job computes. It is pickled: a function of a module, or an object with little in it."""

    def __call__(
        self, folder: str, record: JobRecord, photographs: Iterable[Photograph], careful: bool
    ) -> Iterator[tuple[Photograph, Any]]:
        """Compute photographs, one after the other, in order.

        Args:
            folder: The job's folder.
            record: What the job computes.
            photographs: The photographs.
            careful: Whether to decode them in a process of their own.

        Yields:
            Each photograph with its result: its features (d,), its predictions, or the exception that says
            why it cannot be read.
        """


class Executor(Protocol):
    """What runs a job's shards: `map`, or an object that runs them elsewhere.

    It may run a shard twice, return results in any order, and fail at some: what matters is the files that
    running a shard writes.
    """

    def __call__(
        self, function: Callable[[Shard], ShardResult], shards: Sequence[Shard], /
    ) -> Iterable[ShardResult]:
        """Call a function with each shard, and yield what it returns.

        Args:
            function: It can be pickled. Its method `progress(shard, done)`, called in the process that runs
                the job, moves the progress bar; an executor need not call it.
            shards: The shards.
        """
