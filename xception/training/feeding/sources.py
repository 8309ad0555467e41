"""Sources of batches for training: arrays, generators and photographs, in an order that can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...console.progress import ProgressBar, Verbose
from ...data.arrays import as_real_array
from ...data.failures import FailureLog
from ...data.photographs import Photograph
from ...data.pipeline import load_batches
from ...engine.plan import BATCH_SHARE
from ...graph import Graph
from ...kernels import Array
from ...limits import get_limits
from ...models.inputs import check_inputs, expect_pixels
from ...prediction.preprocessing import Preprocessor
from ..running.run import Batch

#: From the arrays of a batch by input, and its targets as the user gave them: the targets as the loss takes
#: them. Raises ValueError if either cannot be right.
BatchCheck = Callable[[Mapping[str, Array], Any], Array]


def check_example_weights(given: Any, count: int) -> Array:
    """Return the weights of examples as float32, checked.

    Args:
        given: (count,) numbers of at least 0.
        count: The number of examples.

    Raises:
        ValueError: They are no such numbers.
    """
    weights = as_real_array(given, f"weights of shape ({count},)").astype(np.float32)
    if weights.shape != (count,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"sample_weight must be {count} finite numbers of at least 0, got an array of shape "
            f"{weights.shape}"
        )
    return weights


class Source(Protocol):
    """What training takes batches from.

    Attributes:
        examples: How many examples an epoch has; None if that is not known before its end.
        steps: How many batches an epoch has; None if that is not known before its end.
    """

    examples: int | None
    steps: int | None

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 0."""


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of the examples in an epoch: a function of the seed and the epoch alone.

    Args:
        count: The number of examples.
        seed: The seed of the training run.
        epoch: The number of the epoch, from 0.
    """
    return np.random.default_rng((seed, epoch)).permutation(count)


def batch_parts(count: int, batch_size: int, joins_single: bool = False) -> list[slice]:
    """Return which examples each batch of an epoch has.

    Args:
        count: The number of examples.
        batch_size: Examples per batch. The last batch has the remaining ones.
        joins_single: Whether a single remaining example joins the batch before. On its own, a vector would
            have the variance 0 in every channel.
    """
    parts = [slice(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    if joins_single and len(parts) > 1 and parts[-1].stop - parts[-1].start == 1:
        parts[-2:] = [slice(parts[-2].start, count)]
    return parts


class ArraySource:
    """Arrays of examples.

    Args:
        arrays: (n, …) by node: the model's inputs, or the activations of the border.
        targets: (n,) or (n, c).
        weights: (n,) how much each example weighs; None for 1 each.
        batch_size: Examples per batch.
        seed: The seed of the order; None keeps the order of the arrays.
        joins_single: As for `batch_parts`.
        key_seed: The first number of the examples' keys, which decide what random layers do.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        targets: Array,
        weights: Array | None = None,
        *,
        batch_size: int = 32,
        seed: int | None = None,
        joins_single: bool = False,
        key_seed: int = 0,
    ) -> None:
        self._arrays, self._targets, self._weights = arrays, targets, weights
        self._seed, self._key_seed = seed, key_seed
        self.examples: int | None = len(targets)
        self._parts = batch_parts(len(targets), batch_size, joins_single)
        self.steps: int | None = len(self._parts)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        count = len(self._targets)
        order = np.arange(count) if self._seed is None else epoch_order(count, self._seed, epoch)
        for part in self._parts:
            chosen = order[part]
            yield Batch(
                {name: array[chosen] for name, array in self._arrays.items()},
                self._targets[chosen],
                None if self._weights is None else self._weights[chosen],
                [(self._key_seed, epoch, int(i)) for i in chosen],
                [f"example {i}" for i in chosen],
            )


class PhotographSource:
    """Photographs in files, folders or arrays of any size, read as the model was trained.

    All are decoded once, before the first step, so that a photograph that cannot be read ends nothing hours
    later. Their pixels are kept as long as they take a small part of the memory limit, and read again in each
    epoch beyond it.

    Args:
        photographs: The photographs.
        targets: (n,) or (n, c), of each photograph by its index.
        preprocessor: How they are read and scaled.
        weights: (n,) as for `ArraySource`, by index.
        log: Records the photographs that cannot be read, which are left out.
        batch_size: As for `ArraySource`.
        seed: As for `ArraySource`.
        joins_single: As for `ArraySource`.
        key_seed: As for `ArraySource`.
        verbose: Progress of decoding, as for `Model.predict`.

    Attributes:
        photographs: Those that could be read.
    """

    def __init__(
        self,
        photographs: Iterable[Photograph],
        targets: Array,
        preprocessor: Preprocessor,
        weights: Array | None = None,
        *,
        log: FailureLog,
        batch_size: int = 32,
        seed: int | None = None,
        joins_single: bool = False,
        key_seed: int = 0,
        verbose: Verbose = "auto",
    ) -> None:
        self._targets, self._weights = targets, weights
        self._preprocessor = preprocessor
        self._seed, self._key_seed = seed, key_seed
        self._kept: dict[int, NDArray[Any]] = {}
        self.photographs = self._decode(photographs, log, verbose)
        self.examples: int | None = len(self.photographs)
        self._parts = batch_parts(len(self.photographs), batch_size, joins_single)
        self.steps: int | None = len(self._parts)

    def _decode(
        self, photographs: Iterable[Photograph], log: FailureLog, verbose: Verbose
    ) -> list[Photograph]:
        """Read each photograph once; return those that can be read, and keep the pixels of the first ones."""
        total = len(photographs) if isinstance(photographs, Sequence) else None
        remaining = get_limits().max_memory_bytes // BATCH_SHARE
        readable = []
        with ProgressBar(total, "photo", verbose, task="reading") as bar:
            size = self._preprocessor.at_once
            for batch, pixels in load_batches(photographs, self._preprocessor.load, log, bar, min(size, 64)):
                for photograph, array in zip(batch, pixels, strict=True):
                    readable.append(photograph)
                    remaining -= array.nbytes
                    if remaining >= 0 or not isinstance(photograph.source, str):
                        self._kept[photograph.index] = array  # an open file could not be read again
        return readable

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        count = len(self.photographs)
        order = np.arange(count) if self._seed is None else epoch_order(count, self._seed, epoch)
        for part in self._parts:
            chosen = [self.photographs[i] for i in order[part]]
            indices = [photograph.index for photograph in chosen]
            x = self._preprocessor.scale(np.stack(self._pixels(chosen)))  # (n, h, w, c)
            yield Batch(
                {self._preprocessor.input_name: x},
                self._targets[indices],
                None if self._weights is None else self._weights[indices],
                [(self._key_seed, epoch, i) for i in indices],
                [photograph.path or f"photograph {photograph.index}" for photograph in chosen],
            )

    def _pixels(self, photographs: Sequence[Photograph]) -> list[NDArray[Any]]:
        unread = [photograph for photograph in photographs if photograph.index not in self._kept]
        read: dict[int, NDArray[Any]] = {}
        if unread:
            log = FailureLog("raise")  # it could be read before
            with ProgressBar(None, "photo", 0) as bar:
                for batch, pixels in load_batches(unread, self._preprocessor.load, log, bar, len(unread)):
                    read |= {p.index: x for p, x in zip(batch, pixels, strict=True)}
        return [self._kept.get(p.index, read.get(p.index)) for p in photographs]  # type: ignore[misc]


class GeneratorSource:
    """Batches that a generator or another iterable yields: (x, y) or (x, y, weights).

    An epoch of an iterable that can be read again, such as a list of batches or a `DataLoader`, is all of
    it, unless `steps` says otherwise. A generator goes on in the next epoch where it stopped in the last one.

    Args:
        iterable: The iterable.
        graph: The model's graph, to check the inputs.
        check: Checks the arrays of each batch, and prepares its targets.
        what: What the iterable is, for messages.
        steps: Batches per epoch; None for as many as there are.
        epochs: How many epochs will be asked for.
        key_seed: As for `ArraySource`.
        weigh: From the targets of a batch, how much each example weighs; None for 1 each.

    Raises:
        ValueError: There are several epochs, and the iterable can be read only once. In `batches`: an item is
            no such pair, or the generator ended early.
    """

    def __init__(
        self,
        iterable: Iterable[Any],
        graph: Graph,
        check: BatchCheck,
        what: str = "x",
        steps: int | None = None,
        *,
        epochs: int = 1,
        key_seed: int = 0,
        weigh: Callable[[Array], Array] | None = None,
    ) -> None:
        self._iterable, self._graph, self._check = iterable, graph, check
        self._key_seed, self._weigh = key_seed, weigh
        length = getattr(iterable, "__len__", None)
        self.examples: int | None = None
        self.steps = steps if steps is not None else int(length()) if length is not None else None
        if self.steps is None and isinstance(iterable, Iterator) and epochs > 1:
            raise ValueError(
                f"{what} is an iterator, which can be read once, and there are {epochs} epochs: give "
                f"{'validation_steps' if what == 'validation_data' else 'steps_per_epoch'} and one that goes "
                "on, or an object that can be read again, such as a list of batches"
            )

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        count, first = 0, 0
        for item in islice(self._iterable, self.steps):
            batch = self._as_batch(item, epoch, count, first)
            count, first = count + 1, first + len(batch)
            yield batch
        if count < (self.steps or 1):
            raise ValueError(
                f"epoch {epoch + 1} should have {self.steps or 'some'} batches; the generator ended after "
                f"{count} of them"
            )

    def _as_batch(self, item: Any, epoch: int, number: int, first: int) -> Batch:
        where = f"batch {number} of epoch {epoch + 1}"
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise ValueError(f"{where}: expected (x, y) or (x, y, weights), got {type(item).__name__}")
        try:
            with expect_pixels():  # `check` judges them
                arrays = check_inputs(self._graph, item[0])
            count = len(next(iter(arrays.values())))
            if not count:
                raise ValueError("holds no examples")
            targets = self._check(arrays, item[1])
            if len(targets) != count:
                raise ValueError(f"expected a target for each of {count} examples, got {len(targets)}")
            weights = None if len(item) == 2 else check_example_weights(item[2], count)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{where}: {error}") from None
        if self._weigh is not None:
            own = self._weigh(targets)
            weights = own if weights is None else (weights * own).astype(np.float32)
        keys = [(self._key_seed, epoch, first + i) for i in range(count)]
        return Batch(arrays, targets, weights, keys, [f"example {i} of {where}" for i in range(count)])
