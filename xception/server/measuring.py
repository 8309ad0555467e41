"""Figures for Prometheus, of all workers, in memory that they share.

prometheus-client keeps the figures of several processes in files, which a read-only root does not allow. It
writes the text here; the numbers are in an anonymous map of memory, made before the workers are forked.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import requires

#: Upper bounds of the classes of each histogram.
BUCKETS: dict[str, tuple[float, ...]] = {
    "wait_seconds": (0.005, 0.02, 0.1, 0.5, 2, 10),
    "decode_seconds": (0.005, 0.02, 0.1, 0.5, 2),
    "compute_seconds": (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    "batch_images": (1, 2, 4, 8, 16, 32),
}
HELP = {
    "wait_seconds": "Time that requests waited in the queue.",
    "decode_seconds": "Time in which a request's photographs were read.",
    "compute_seconds": "Time of one computation.",
    "batch_images": "Images that were computed together.",
    "queue_depth": "Requests that wait to be computed.",
    "in_flight": "Requests that are in the server.",
    "photographs": "Photographs that are in the server.",
    "held_bytes": "Bytes of bodies and photographs that are in the server.",
}
GAUGES = ("queue_depth", "in_flight", "photographs", "held_bytes")
STATUSES = (200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 415, 422, 499, 500, 501, 503)
REASONS = (
    "bad_request", "not_found", "method", "time", "body_size", "content_encoding", "host", "token",
    "unsupported", "overloaded", "error", "client_left",
)  # fmt: skip
MAX_WORKERS = 64


#: The place of each number in the row of a worker.
PLACES = {
    key: place
    for place, key in enumerate(
        [
            *((name, "") for name in GAUGES),
            *((name, str(label)) for name, bounds in BUCKETS.items() for label in (*bounds, "+Inf", "sum")),
            *(("requests", str(status)) for status in STATUSES),
            *(("refusals", reason) for reason in REASONS),
        ]
    )
}


class Metrics:
    """Counts of all workers.

    Args:
        workers: How many processes count.
        memory: Memory of 8 × `SIZE` bytes for each of them. By default an anonymous map, which processes
            share that are forked afterwards.
    """

    SIZE = len(PLACES)

    def __init__(self, workers: int = 1, memory: Any = None) -> None:
        self._memory = mmap.mmap(-1, workers * self.SIZE * 8) if memory is None else memory
        self._numbers = np.frombuffer(self._memory, np.float64).reshape(workers, -1)
        self.worker = 0  #: the row of this process

    def __reduce__(self) -> tuple[Any, ...]:
        return Metrics, (len(self._numbers), self._memory)  # only shared memory can be pickled

    def set_gauge(self, name: str, value: float) -> None:
        """Set what is now."""
        self._numbers[self.worker, PLACES[name, ""]] = value

    def observe(self, name: str, value: float) -> None:
        """Count a value of a histogram."""
        row = self._numbers[self.worker]
        bound = next((str(bound) for bound in BUCKETS[name] if value <= bound), "+Inf")
        row[PLACES[name, bound]] += 1
        row[PLACES[name, "sum"]] += value

    def count_answer(self, status: int, reason: str | None = None) -> None:
        """Count an answer, and why it is a refusal."""
        place = PLACES.get(("requests", str(status)), PLACES["requests", "500"])
        self._numbers[self.worker, place] += 1
        if reason is not None:
            self._numbers[self.worker, PLACES["refusals", reason]] += 1

    def value(self, name: str, label: str = "") -> float:
        """Return a number of all workers."""
        return float(self._numbers[:, PLACES[name, label]].sum())

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        with requires("metrics", "prometheus-client", "'xception[serve]'"):
            from prometheus_client import CollectorRegistry, generate_latest
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self))
        content: bytes = generate_latest(registry)
        return content


class _Collector:
    """What prometheus-client asks for the figures."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        metrics = self._metrics
        for name in GAUGES:
            yield GaugeMetricFamily(f"xception_{name}", HELP[name], value=metrics.value(name))
        for name, bounds in BUCKETS.items():
            total, buckets = 0.0, []
            for label in (*map(str, bounds), "+Inf"):
                total += metrics.value(name, label)
                buckets.append((label, total))
            yield HistogramMetricFamily(
                f"xception_{name}", HELP[name], buckets=buckets, sum_value=metrics.value(name, "sum")
            )
        requests = CounterMetricFamily("xception_requests", "Answers by status.", labels=["status"])
        for status in STATUSES:
            requests.add_metric([str(status)], metrics.value("requests", str(status)))
        yield requests
        refusals = CounterMetricFamily("xception_refusals", "Refusals by reason.", labels=["reason"])
        for reason in REASONS:
            refusals.add_metric([reason], metrics.value("refusals", reason))
        yield refusals
