"""The model behind the paths: reads photographs, queues them, and names what the scores say."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from ..engine.cpus import get_num_threads
from ..kernels import Array
from ..models.model import Model
from ..prediction.classifier import Classifier
from ..prediction.preprocessing import Preprocessor
from .admission import Admission, Ticket
from .computing import Computer, Work
from .measuring import Metrics
from .problems import OverloadedError, RequestError, TooSlowError
from .reading import read_one
from .settings import ServerSettings


class Service:
    """A model, the thread that computes it, and what is in the server.

    Args:
        model: The model. All its outputs are computed.
        classifier: The same model as it names photographs, or a part of it that has one of its outputs; None
            if it has no classes.
        settings: Limits.
        metrics: Figures, which several processes may share.

    Attributes:
        output_name: The output that holds the scores of classes.
        is_draining: Whether the server ends as soon as all requests are answered.
    """

    def __init__(
        self, model: Model, classifier: Classifier | None, settings: ServerSettings, metrics: Metrics
    ) -> None:
        self.model, self.classifier, self.settings, self.metrics = model, classifier, settings, metrics
        self.preprocessor = Preprocessor(model) if classifier is None else classifier.preprocessor
        self.admission = Admission(settings)
        self.computer = Computer(model, settings, metrics)
        self._readers = ThreadPoolExecutor(max(2, get_num_threads()), "xception-reader")
        self._parsers = ThreadPoolExecutor(1, "xception-parser")  # JSON is parsed one body at a time
        self.output_name = model.output_names[0] if classifier is None else output_of(model, classifier)
        self._classifiers = {} if classifier is None else {self.output_name: classifier}
        self.is_draining = False
        self._starting = threading.Lock()
        #: Whether the thread runs and has computed once.
        self.is_started = False

    def start(self) -> None:
        """Compute once, so that the first request is answered as quickly as others, and start the thread."""
        with self._starting:
            if self.is_started:
                return
            self.computer.start()
            if self.model.graph.inputs and len(self.model.input_names) == 1:
                x = np.zeros((1, *self.preprocessor.input_shape), np.float32)
                self.computer.submit(Work(1, {self.model.input_names[0]: x})).result()
            self.is_started = True

    def close(self) -> None:
        """End the threads."""
        if self.is_started:
            self.computer.close()
        self._readers.shutdown()
        self._parsers.shutdown()

    # --- state ------------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """Whether the computing thread works. It takes no lock."""
        return self.computer.is_alive

    @property
    def is_ready(self) -> bool:
        """Whether the server takes requests in."""
        has_room = self.admission.photographs < self.settings.max_photographs
        return self.is_started and self.is_alive and has_room and not self.is_draining

    def update_gauges(self) -> None:
        """Set the figures of what is now."""
        self.metrics.set_gauge("queue_depth", self.computer.depth)
        self.metrics.set_gauge("in_flight", self.admission.requests)
        self.metrics.set_gauge("photographs", self.admission.photographs)
        self.metrics.set_gauge("held_bytes", self.admission.held_bytes)

    # --- outputs ----------------------------------------------------------------------------

    def classifier_of(self, output_name: str | None = None) -> Classifier:
        """Return what names an output, by default that of the server's `output_name`.

        All read photographs in the same way.

        Raises:
            RequestError: The model has no classes, or no such output.
        """
        if self.classifier is None:
            raise RequestError("this server's model has no classes; it gives features: POST /features")
        name = self.output_name if output_name is None else output_name
        if name not in self._classifiers:
            if name not in self.model.output_names:
                names = ", ".join(map(repr, self.model.output_names))
                raise RequestError(f"the model's outputs are {names}, got {name[:100]!r}")
            reading = self.preprocessor
            try:
                self._classifiers[name] = Classifier(
                    self.model, output_name=name, scaling=reading.scaling, aspect=reading.aspect,
                    interpolation=reading.interpolation, exif=reading.exif, decode=reading.decode,
                )  # fmt: skip
            except ValueError as error:
                raise RequestError(str(error)) from None
        return self._classifiers[name]

    # --- work -------------------------------------------------------------------------------

    async def parse(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that takes long and keeps other threads from running, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._parsers, function, *arguments)

    async def read_photographs(self, photographs: Sequence[bytes], ticket: Ticket) -> Array:
        """Read photographs as the model takes them, (n, h, w, c), scaled.

        Raises:
            RequestError: One is no photograph; the message says which, and why.
        """
        ticket.set_photographs(len(photographs))
        self.preprocessor.check_only_input()
        start = time.monotonic()
        loop = asyncio.get_running_loop()
        x = np.empty((len(photographs), *self.preprocessor.input_shape), np.float32)
        ticket.add_bytes(x.nbytes)

        def read(index: int) -> None:
            pixels = read_one(self.preprocessor, photographs[index], index, len(x))
            x[index] = self.preprocessor.scale(pixels)

        await asyncio.gather(*(loop.run_in_executor(self._readers, read, index) for index in range(len(x))))
        self.metrics.observe("decode_seconds", time.monotonic() - start)
        return x

    async def compute(
        self, inputs: Mapping[str, Array], left: asyncio.Event, ticket: Ticket
    ) -> dict[str, Array]:
        """Queue inputs; return the outputs by name.

        Raises:
            TooSlowError: It took longer than the limit.
            asyncio.CancelledError: The client has left before it began.
        """
        count = len(next(iter(inputs.values())))
        ticket.set_photographs(count)
        outputs: dict[str, Array] = await self.wait_for(self.computer.submit(Work(count, inputs)), left)
        return outputs

    async def call(self, function: Callable[[], Any], left: asyncio.Event) -> Any:
        """Queue a call, which the computing thread makes by itself; return what it returned."""
        return await self.wait_for(self.computer.submit(Work(1, call=function)), left)

    async def wait_for(self, future: Future[Any], left: asyncio.Event) -> Any:
        """Return the result of queued work, unless the client leaves or the time is over."""
        waiting = asyncio.wrap_future(future)
        leaving = asyncio.ensure_future(left.wait())
        try:
            done, _ = await asyncio.wait(
                {waiting, leaving}, timeout=self.settings.max_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if waiting in done:
                return waiting.result()
            future.cancel()  # what has begun goes on, and its result is dropped
            waiting.cancel()
            if leaving in done:
                raise asyncio.CancelledError
            raise TooSlowError(f"it was not computed within {self.settings.max_seconds:g} seconds")
        finally:
            leaving.cancel()

    def refuse_if_dead(self) -> None:
        """Raise OverloadedError if the computing thread is dead."""
        if not self.is_alive:
            raise OverloadedError("the server does not compute any more; restart it", retry_after=10)


def output_of(model: Model, classifier: Classifier) -> str:
    """Return the name of the output of a model that a classifier names."""
    return classifier.model.output_names[0] if len(model.output_names) > 1 else model.output_names[0]
