"""The computing thread: requests wait in a queue, and their images are computed together."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels import Array
from ..models.inputs import expect_pixels
from ..models.model import Model
from .measuring import Metrics
from .settings import ServerSettings

Inputs = Mapping[str, Array]
NICENESS = 5  #: of the computing threads: a third of the weight of those that answer


@dataclass(eq=False)
class Work:
    """What a request waits for.

    Attributes:
        count: Number of images.
        inputs: The model's inputs (n, …) by name; None if it is a call.
        call: What is computed otherwise, by itself.
        future: Its result: the outputs (n, …) by name, or what the call returned.
        taken: Images that have been computed.
        parts: The outputs of these, in order.
    """

    count: int
    inputs: Inputs | None = None
    call: Callable[[], Any] | None = None
    future: Future[Any] = field(default_factory=Future)
    taken: int = 0
    parts: list[dict[str, Array]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def shape(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """What images must have in common to be computed together."""
        return tuple((name, x.shape[1:]) for name, x in sorted((self.inputs or {}).items()))


class Computer:
    """One thread that computes what requests wait for.

    Args:
        model: The model.
        settings: How many images are computed together.
        metrics: Where waits and batches are counted.
    """

    def __init__(self, model: Model, settings: ServerSettings, metrics: Metrics) -> None:
        self._model, self._settings, self._metrics = model, settings, metrics
        self._waiting: deque[Work] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None  # a fork would mark it as stopped, so start() makes it
        #: When the computation that runs began; None if none does. Read without a lock.
        self.busy_since: float | None = None
        #: Requests that are being read, for which a batch may wait a little.
        self.expected = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run_quietly, name="xception-computer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread when the queue is empty."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread lives, and its computation takes no longer than the limit. It takes no lock."""
        since = self.busy_since
        is_stuck = since is not None and time.monotonic() - since > self._settings.stuck_seconds
        return self._thread is not None and self._thread.is_alive() and not is_stuck

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def submit(self, work: Work) -> Future[Any]:
        """Queue work; its future can be cancelled until it has begun."""
        with self._changed:
            self._waiting.append(work)
            self._changed.notify()
        return work.future

    # --- the thread -------------------------------------------------------------------------

    def _run_quietly(self) -> None:
        _give_way()
        with expect_pixels():  # a warning of what a client sends would fill the server's log
            self._run()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_closed:
                        return
                    self._changed.wait()
                works = self._take()
            if not works:
                continue
            self.busy_since = time.monotonic()
            try:
                self._compute(works)
            except BaseException as error:
                for work, _ in works:
                    if not work.future.done():
                        work.future.set_exception(error)
            finally:
                self.busy_since = None

    def _take(self) -> list[tuple[Work, slice]]:
        """Take the images of the next batch from the queue. Called with the lock.

        Of a request with more images than a batch has, some are taken, and it goes to the end of the queue.
        """
        first = self._pop()
        if first is None:
            return []
        if first.inputs is None:
            return [(first, slice(0, 0))]
        limit = self._settings.max_batch if self._settings.batching else first.count
        works: list[tuple[Work, slice]] = []
        room, unfit, deadline = limit, [], time.monotonic() + self._settings.max_wait_seconds
        work: Work | None = first
        while work is not None:
            count = min(room, work.count - work.taken)
            works.append((work, slice(work.taken, work.taken + count)))
            work.taken += count
            room -= count
            work = None
            while room and self._settings.batching and work is None:
                work = self._pop()
                if work is None:
                    remaining = deadline - time.monotonic()
                    if not self.expected or remaining <= 0 or not self._changed.wait(remaining):
                        break
                elif work.inputs is None or work.shape != first.shape:
                    unfit.append(work)
                    work = None
        self._waiting.extendleft(reversed(unfit))
        self._waiting.extend(work for work, _ in works if work.taken < work.count)
        return works

    def _pop(self) -> Work | None:
        """Return the first work that nobody has cancelled, and of which no part has failed."""
        while self._waiting:
            work = self._waiting.popleft()
            has_failed = work.future.done() and not work.future.cancelled()
            if not has_failed and (work.future.running() or work.future.set_running_or_notify_cancel()):
                return work
        return None

    def _compute(self, works: list[tuple[Work, slice]]) -> None:
        start = time.monotonic()
        for work, _ in works:
            self._metrics.observe("wait_seconds", start - work.since)
        if works[0][0].call is not None:
            works[0][0].future.set_result(works[0][0].call())
            self._metrics.observe("compute_seconds", time.monotonic() - start)
            return
        parts = [{name: x[part] for name, x in (work.inputs or {}).items()} for work, part in works]
        names = list(parts[0])
        joined = {name: parts[0][name] if len(parts) == 1 else np.concatenate([part[name] for part in parts])
                  for name in names}  # fmt: skip
        outputs = compute_outputs(self._model, joined)
        self._metrics.observe("compute_seconds", time.monotonic() - start)
        self._metrics.observe("batch_images", len(joined[names[0]]))
        position = 0
        for work, part in works:
            count = part.stop - part.start
            work.parts.append({name: y[position : position + count] for name, y in outputs.items()})
            position += count
            if (
                work.taken == work.count
                and sum(len(next(iter(p.values()))) for p in work.parts) == work.count
            ):
                work.future.set_result(
                    {name: np.concatenate([part[name] for part in work.parts]) for name in outputs}
                )


def _give_way() -> None:
    """Let the threads that answer go before this one, and before those that it will start.

    A thread that computes is always busy, and answers that come in a burst would wait for the processors
    among equals. Batch scheduling keeps this thread from pushing aside one that runs. Only Linux schedules
    single threads so.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            os.nice(NICENESS)


def compute_outputs(model: Model, inputs: Inputs) -> dict[str, Array]:
    """Compute the outputs of a model by name, as `predict` does with one batch."""
    names = model.output_names
    x = next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)
    count = len(next(iter(inputs.values())))
    outputs = model.predict(x, batch_size=count, verbose=0)
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    arrays = outputs if isinstance(outputs, list) else [outputs]
    return dict(zip(names, arrays, strict=True))
