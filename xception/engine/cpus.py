"""Number of threads: CPU affinity, cgroup quota, environment variables, user setting."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

#: Bounds the cost of a typing error: every thread is started.
MAX_THREADS = 256

_requested: int | None = None
_maximum: ContextVar[int | None] = ContextVar("xception_maximum_threads", default=None)


def get_num_threads() -> int:
    """Return how many threads a prediction may use.

    This is the number from `set_num_threads`; else that of the environment variable
    XCEPTION_NUM_THREADS; else the number of CPUs that this process may use by its affinity and
    cgroup quota, which may be fewer than the machine has, but at most OMP_NUM_THREADS. joblib sets that
    variable in each of its worker processes to the worker's share of the CPUs.

    Returns:
        A positive integer.

    Raises:
        ValueError: XCEPTION_NUM_THREADS is not an integer from 1 to 256.
    """
    maxima = [process_threads(), _maximum.get(), None if _configured_threads() else _openmp_threads()]
    return min(threads for threads in maxima if threads)


def process_threads() -> int:
    """Return how many threads may compute in this process at once, for all of its callers together.

    OMP_NUM_THREADS does not lower it: that is the number of threads of each computation. Dask sets it to 1
    for workers of several threads.

    Raises:
        ValueError: XCEPTION_NUM_THREADS is not an integer from 1 to 256.
    """
    return _configured_threads() or usable_cpus()


def _configured_threads() -> int | None:
    """Return the number that the user has set; None if there is none."""
    if _requested is not None:
        return _requested
    text = os.environ.get("XCEPTION_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or not 1 <= int(text) <= MAX_THREADS:
            raise ValueError(f"XCEPTION_NUM_THREADS must be an integer from 1 to {MAX_THREADS}, got {text!r}")
        return int(text)
    return None


def set_num_threads(n: int | None) -> None:
    """Set how many threads predictions use, from the next one on.

    Args:
        n: An integer from 1 to 256. None: as many as this process may use.

    Raises:
        ValueError: `n` is something else.
    """
    global _requested
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_THREADS):
        raise ValueError(f"the number of threads must be an integer from 1 to {MAX_THREADS}, got {n!r}")
    _requested = n


@contextmanager
def limit_threads(maximum: int | None) -> Iterator[None]:
    """Use at most `maximum` threads for what this thread computes within a `with` block.

    Other Python threads are not affected.

    Args:
        maximum: A positive integer; None for no limit.
    """
    token = _maximum.set(maximum)
    try:
        yield
    finally:
        _maximum.reset(token)


def _openmp_threads() -> int | None:
    """Return OMP_NUM_THREADS, the first number of a list such as "4,2"; None if it is no positive integer.

    OpenMP, too, passes over values of another form.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isdecimal() and int(text) else None


def usable_cpus() -> int:
    """Return how many CPUs this process may use: the smaller of affinity and cgroup quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    quota = cgroup_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


@cache
def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return the CPU quota of this process's control group (Linux, versions 1 and 2).

    The limits of all parent groups apply too.

    Args:
        root: Where the control group file systems are mounted.
        own: The file that lists this process's groups.

    Returns:
        The quota in CPUs, or None if there is no limit.
    """
    try:
        lines = own.read_text().splitlines()
        groups = [(controllers, path) for _, controllers, path in (line.split(":", 2) for line in lines)]
    except (OSError, ValueError):
        return None
    limits = []
    for controllers, path in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        if not base.is_dir():
            base = root / "cpu"
        # In a container, the path may be the host's. Then only the root exists.
        parts = Path(path).parts
        directories = [base.joinpath(*parts[1:end]) for end in range(1, len(parts) + 1)]
        limits += [limit for directory in directories if (limit := _limit(directory)) is not None]
    return min(limits, default=None)


def _limit(directory: Path) -> float | None:
    try:
        if (directory / "cpu.max").exists():
            quota, period = (directory / "cpu.max").read_text().split()
        else:
            quota = (directory / "cpu.cfs_quota_us").read_text().strip()
            period = (directory / "cpu.cfs_period_us").read_text().strip()
        return float(quota) / float(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
