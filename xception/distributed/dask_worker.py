"""Worker process: `python -m xception.distributed.dask_worker`, started by `DaskExecutor` on this machine.

It gets the address of a scheduler and a folder for Dask's files, and runs a worker of Dask with one thread.
It ends when the parent does, or closes the pipe.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from typing import IO, Any

from ..jobs.children import PATIENCE_SECONDS, READY, open_pipes, read_message, write_message
from .dask_cluster import LOOPBACK
from .dask_task import stop

#: Dask samples a worker many times a second: its stack, for a profile that is not used here, and its memory,
#: which a job bounds. That took 5 % of the CPU time of photographs at 150×150, and 10 % on a busy machine.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "logging": dict.fromkeys(("distributed", "distributed.client", "distributed.worker"), "critical"),
}


def work() -> None:
    """Serve a scheduler until the parent closes the pipe, or the scheduler ends."""
    import asyncio

    import dask

    source, target = open_pipes()
    address, folder = read_message(source)
    threading.Thread(target=_await_end, args=(source, folder), daemon=True).start()
    dask.config.set(QUIET)  # before distributed is imported, which reads the levels of its log then
    asyncio.run(_serve(address, folder, target))


async def _serve(address: str, folder: str, target: IO[bytes]) -> None:
    from distributed import Worker

    settings: dict[str, Any] = {"nthreads": 1, "memory_limit": None, "local_directory": folder}
    async with Worker(address, host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0", **settings) as worker:
        write_message(target, READY)
        await worker.finished()


def _await_end(source: IO[bytes], folder: str) -> None:
    """Wait until the parent closes the pipe. Then end: shards remove their half-written files first."""
    source.read()
    stop(PATIENCE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)  # which the parent does too, unless it was killed
    os._exit(0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, EOFError):  # the parent was killed
        work()
