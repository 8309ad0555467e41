"""Job: computes missing shards by any executor, and reports photographs that could not be read."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from ..console.progress import ProgressBar, Verbose
from ..console.text import count_of
from ..data import locations
from ..data.pipeline import batched
from ..errors import JobError
from .record import ERRORS_NAME, PART_NAME, JobRecord
from .runner import Mode, ShardRunner, Task
from .shard_files import read_errors
from .shards import Executor, Shard, ShardResult, Unreadable, is_final

#: Unreadable photographs that a report holds: of a billion photographs, all of them may not fit into memory.
MAX_FAILURES = 1000
READERS = 16  #: files of errors that are read at once: they are small, and may be far away


@dataclass(frozen=True, repr=False)
class JobReport:
    """What `Job.run` returns: how a job stands.

    Attributes:
        folder: The job's folder.
        shards: How many shards there are, all of which are done.
        done_before: How many of them an earlier run had done.
        photographs: How many photographs have results.
        unreadable: How many could not be read, whichever run tried.
        failures: The first 1,000 of these, in order; `Job.failures()` yields all.
    """

    folder: str
    shards: int
    done_before: int
    photographs: int
    unreadable: int
    failures: list[Unreadable] = field(repr=False)

    def __repr__(self) -> str:
        shards = count_of(self.shards, "shard")
        before = f", of which {self.done_before:,} were done before" if self.done_before else ""
        failures = f"; {self.unreadable:,} could not be read" if self.unreadable else ""
        photographs = count_of(self.photographs, "photograph")
        return f"<JobReport {self.folder}: {photographs} in {shards}{before}{failures}>"


class Job:
    """A list of photographs in shards, and a task that is computed for them; `prepare` makes one.

    Args:
        folder: The job's folder.
        record: What `job.json` in it holds.
        task: Computes photographs.
        each: The executor that `run` uses if it is given none.

    Attributes:
        folder: The job's folder.
        record: What `job.json` in it holds.
    """

    def __init__(self, folder: str, record: JobRecord, task: Task, each: Executor = map) -> None:
        self.folder, self.record = folder, record
        self._task, self._each = task, each

    def __repr__(self) -> str:
        photographs = count_of(self.record.photographs.count, "photograph")
        shards = count_of(self.record.shard_count, "shard")
        return f"<Job {self.folder}: {self.record.kind} of {photographs} in {shards}>"

    def missing(self) -> list[Shard]:
        """Return the shards that are not done. The folder is listed once."""
        done = self._indices(PART_NAME)
        return [self.record.shard(i) for i in range(self.record.shard_count) if i not in done]

    def _indices(self, pattern: re.Pattern[str]) -> set[int]:
        """Return the indices of the shards that have a file of a kind."""
        matches = map(pattern.fullmatch, locations.list_names(self.folder))
        indices = (int(match[1]) for match in matches if match)
        return {index for index in indices if index < self.record.shard_count}

    def failures(self) -> Iterator[Unreadable]:
        """Yield the photographs that could not be read, in order.

        Raises:
            JobError: A file of errors is damaged.
            OSError: One cannot be read.
        """
        indices = sorted(self._indices(ERRORS_NAME) & self._indices(PART_NAME))
        with ThreadPoolExecutor(READERS) as pool:
            for some in batched(indices, READERS):
                for unreadable in pool.map(read_errors, [self.folder] * len(some), some):
                    yield from unreadable

    def run(
        self, each: Executor | None = None, *, retry_bad: bool = False, verbose: Verbose = "auto"
    ) -> JobReport:
        """Compute the missing shards.

        Shards that are still missing afterwards are run once more, with photographs decoded in a child
        process. A photograph that kills this process is then reported as unreadable, and skipped.

        Args:
            each: The executor: `each(function, shards)` calls a function with each shard and yields the
                results in any order, as `map` does, which computes in this process. It may run a shard twice,
                and fail at some. By default `Processes()`.
            retry_bad: Whether to try again what could not be read, in shards that were done before.
            verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

        Returns:
            How the job stands.

        Raises:
            JobError: The folder holds another job by now, or a file in it is damaged; or a shard is still
                missing.
            ConnectionError: The executor cannot reach its workers, or has lost them.
            OSError: A file cannot be read or written, or a photograph's place cannot be reached.
        """
        each = each or self._each
        missing = self.missing()
        bad = self._indices(ERRORS_NAME) - {shard.index for shard in missing} if retry_bad else ()
        if missing:
            self._complete(each, missing, verbose)
        if bad:
            shards = [self.record.shard(index) for index in sorted(bad)]
            with _Progress(shards, verbose) as progress:
                if error := self._run(each, shards, "retry", progress):
                    raise error
        for names in (PART_NAME, ERRORS_NAME):
            locations.remove_abandoned(self.folder, names.pattern)
        return self._report(self.record.shard_count - len(missing))

    def _complete(self, each: Executor, missing: Sequence[Shard], verbose: Verbose) -> None:
        """Run the missing shards, then carefully those that are still missing."""
        with _Progress(missing, verbose) as progress:
            error = self._run(each, missing, "plain", progress)
            if remaining := self.missing():
                error = self._run(each, remaining, "careful", progress) or error
                remaining = self.missing()
        if remaining:
            raise error or JobError(
                f"{self.folder}: {count_of(len(remaining), 'shard')} of {self.record.shard_count:,} could "
                "not be computed; run the job again to try once more"
            )

    def _run(
        self, each: Executor, shards: Sequence[Shard], mode: Mode, progress: _Progress
    ) -> Exception | None:
        """Run shards; return the error that ended this, unless another attempt would meet it again."""
        runner = ShardRunner(_absolute(self.folder), self.record.identity, self._task, mode).listen(
            progress.show
        )
        by_index = {shard.index: shard for shard in shards}
        try:
            results = each(runner, shards)
            with closing(results) if isinstance(results, Generator) else nullcontext():
                for result in results:
                    if isinstance(result, ShardResult) and (shard := by_index.get(result.index)):
                        progress.show(shard, shard.count)
        except Exception as error:
            # Executors raise ConnectionError; a store that cannot be reached is a RemoteError.
            if is_final(error) or isinstance(error, ConnectionError):
                raise
            return error
        return None

    def _report(self, done_before: int) -> JobReport:
        failures = self.failures()
        first = list(islice(failures, MAX_FAILURES))
        unreadable = len(first) + sum(1 for _ in failures)
        listed = self.record.photographs.count
        return JobReport(
            self.folder, self.record.shard_count, done_before, listed - unreadable, unreadable, first
        )


def _absolute(folder: str) -> str:
    """Return a folder as an absolute path: workers may have another working folder."""
    return folder if locations.is_remote(folder) else os.path.abspath(folder)


class _Progress:
    """A progress bar of photographs, of which some may be computed twice. It is used from one thread."""

    def __init__(self, shards: Sequence[Shard], verbose: Verbose) -> None:
        self._bar = ProgressBar(sum(shard.count for shard in shards), "photo", verbose)
        self._done: dict[int, int] = {}  # by shard

    def __enter__(self) -> _Progress:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)  # type: ignore[arg-type]

    def show(self, shard: Shard, done: int) -> None:
        """Show that so many photographs of a shard are done."""
        before = self._done.get(shard.index, 0)
        if done > before:
            self._done[shard.index] = done
            self._bar.advance(done - before)
