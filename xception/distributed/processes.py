"""Executor: worker processes on this machine, each with one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..jobs.shards import Shard, ShardResult


class Processes:
    """Runs shards in worker processes of this machine.

    Args:
        workers: How many; None for `get_num_threads()`.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def __call__(
        self, function: Callable[[Shard], ShardResult], shards: Sequence[Shard]
    ) -> Iterator[ShardResult]:
        """Call a function with each shard; yield the results as they come."""
        raise NotImplementedError
