"""Running of shards: the function that a job hands to its executor, and the interface of its task."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from ..console.csv_text import as_utf8
from ..data import locations
from ..data.photographs import Photograph
from ..errors import JobError
from ..limits import Limits, get_limits, set_limits
from .listing import read_shard
from .record import JobRecord, part_name, read_record
from .shard_files import count_rows, read_errors, read_part, write_part
from .shards import Shard, ShardResult

#: How a shard is run. "plain": unless it is done. "careful": the same, but photographs are decoded in a child
#: process, and one that kills it is skipped. "retry": the unreadable photographs of a finished shard are
#: computed again, carefully.
Mode = Literal["plain", "careful", "retry"]


class Task(Protocol):
    """What a job computes. It is pickled: a function of a module, or an object that holds little."""

    def __call__(
        self, folder: str, record: JobRecord, photographs: Iterable[Photograph], careful: bool, /
    ) -> Iterator[tuple[Photograph, Any]]:
        """Compute photographs, one after the other, in order.

        Args:
            folder: The job's folder.
            record: The job's record.
            photographs: The photographs.
            careful: Whether to decode them in a child process.

        Yields:
            Each photograph with its result: features (d,), or the best classes as a list of (class id, class
            name, score); or the exception that says why it cannot be read.

        Raises:
            OSError: A photograph's place cannot be reached. An executor tries the shard again.
        """


@dataclass(frozen=True)
class ShardRunner:
    """Runs a shard. An executor calls it in any process, with any shard, any number of times.

    Args:
        folder: The job's folder.
        identity: The digest of the job's record.
        task: Computes photographs.
        mode: See `Mode`.
        limits: Those of the process that runs the job.
        listener: Called by `progress`. It is left out when this object is pickled.
    """

    folder: str
    identity: str
    task: Task
    mode: Mode
    limits: Limits = field(default_factory=get_limits)
    listener: Callable[[Shard, int], None] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardRunner, (self.folder, self.identity, self.task, self.mode, self.limits)

    def listen(self, listener: Callable[[Shard, int], None]) -> ShardRunner:
        """Return a runner that calls a function with a shard, and how many of its photographs are done."""
        return replace(self, listener=listener)

    def progress(self, shard: Shard, done: int) -> None:
        """Report how many photographs of a shard are done, in the process that runs the job."""
        if self.listener is not None:
            self.listener(shard, done)

    def __call__(self, shard: Shard) -> ShardResult:
        """Run a shard: write its files.

        Args:
            shard: The shard.

        Returns:
            How many photographs it has.

        Raises:
            JobError: The job's folder holds another job by now, or a file in it is damaged.
            OSError: A file cannot be read or written, or a photograph's place cannot be reached.
        """
        if get_limits() != self.limits:
            set_limits(**asdict(self.limits))
        record = load_record(self.folder, self.identity)
        photographs = read_shard(self.folder, record, shard)
        is_done = locations.exists(locations.join(self.folder, part_name(shard.index)))
        if self.mode == "retry" and is_done:
            return self._retry(record, shard, photographs)
        if is_done:  # by another run at the same output
            unreadable = len(read_errors(self.folder, shard.index))
            return ShardResult(shard.index, shard.count - unreadable, unreadable)
        return write_part(self.folder, record, shard, self._compute(record, shard, photographs))

    def _compute(
        self, record: JobRecord, shard: Shard, photographs: Iterable[Photograph]
    ) -> Iterator[tuple[Photograph, Any]]:
        results = self.task(self.folder, record, photographs, self.mode != "plain")
        for done, (photograph, result) in enumerate(results, start=1):
            yield photograph, result
            self.progress(shard, done)

    def _retry(self, record: JobRecord, shard: Shard, photographs: list[Photograph]) -> ShardResult:
        """Compute the unreadable photographs of a shard again, and write its files whole, in order."""
        bad = {unreadable.index for unreadable in read_errors(self.folder, shard.index)}
        if count_rows(self.folder, shard.index) + len(bad) != shard.count:
            # A retry was killed between its two files.
            return write_part(self.folder, record, shard, self._compute(record, shard, photographs), True)
        again = [photograph for photograph in photographs if photograph.index in bad]
        computed = {photograph.index: result for photograph, result in self._compute(record, shard, again)}
        if all(isinstance(result, Exception) for result in computed.values()):
            return ShardResult(shard.index, shard.count - len(bad), len(bad))
        merged = self._merge(record, shard, photographs, computed)
        return write_part(self.folder, record, shard, merged, is_done=True)

    def _merge(
        self, record: JobRecord, shard: Shard, photographs: Iterable[Photograph], computed: dict[int, Any]
    ) -> Iterator[tuple[Photograph, Any]]:
        """Yield each photograph with what was computed now, or else with its row in the part."""
        batches = read_part(self.folder, record, shard.index)
        rows = (row for batch in batches for row in zip(batch.paths, batch.results, strict=True))
        for photograph in photographs:
            if photograph.index in computed:
                yield photograph, computed[photograph.index]
                continue
            path, row = next(rows, (None, None))
            if path != as_utf8(photograph.path or ""):
                name = locations.join(self.folder, part_name(shard.index))
                raise JobError(
                    f"{name}: does not hold the photographs of its shard in the job's list; delete it, and "
                    "run the job again"
                )
            yield photograph, row


@functools.lru_cache(maxsize=4)
def load_record(folder: str, identity: str) -> JobRecord:
    """Return the record of a job, read once in a process.

    Args:
        folder: The job's folder.
        identity: The digest of the record.

    Raises:
        JobError: The folder holds another job, or none that this machine can see.
    """
    record = read_record(folder)
    if record is None:
        raise JobError(
            f"{folder}: holds no job that {platform.node() or 'this machine'} can see. Either it was removed "
            "while the job ran, or it is on another machine: every worker needs this folder, under the same "
            "name, as on a shared file system or in an object store"
        )
    if record.identity != identity:
        raise JobError(f"{folder}: holds another job by now; it was replaced while this one ran")
    return record
