"""How many threads a prediction may use: affinity, cgroup quota, and what the user says."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

MOST_THREADS = 256

_chosen: int | None = None


def get_num_threads() -> int:
    """How many threads a prediction may use.

    What `set_num_threads` said last; else the environment variable XCEPTION_NUM_THREADS; else
    what this process may really use: its CPU affinity and cgroup quota, not the machine's cores.
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get("XCEPTION_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
            raise ValueError(
                f"XCEPTION_NUM_THREADS must be a whole number from 1 to {MOST_THREADS}, got {text!r}"
            )
        return int(text)
    return usable_cpus()


def set_num_threads(n: int | None) -> None:
    """Use `n` threads from the next prediction on; None: as many as the process may use."""
    global _chosen
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST_THREADS):
        raise ValueError(f"the number of threads must be a whole number from 1 to {MOST_THREADS}, got {n!r}")
    _chosen = n


def usable_cpus() -> int:
    """CPUs that this process may use: the lesser of its affinity and its cgroup's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    quota = cgroup_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


@cache
def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPUs that the control group grants (Linux, versions 1 and 2), or None where it sets no limit.

    A group is bound by the limits of those above it too.
    """
    try:
        lines = own.read_text().splitlines()
        paths = [(controllers, path) for _, controllers, path in (line.split(":", 2) for line in lines)]
    except (OSError, ValueError):
        return None
    limits = []
    for controllers, path in paths:
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        if not base.is_dir():
            base = root / "cpu"
        # Inside a container the group's path may be the host's; then only the root is there.
        places = [base.joinpath(*Path(path).parts[1:end]) for end in range(1, len(Path(path).parts) + 1)]
        limits += [limit for place in places if (limit := _limit(place)) is not None]
    return min(limits, default=None)


def _limit(group: Path) -> float | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        return float(quota) / float(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
