"""Feeder: makes sources of batches from arrays, generators or photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...console.progress import Verbose
from ...data.failures import FailureLog, OnError
from ...data.photographs import find_photographs
from ...kernels import Array
from ...layers.validation import as_int
from ...models.inputs import check_inputs, expect_pixels
from ...models.model import Model
from ...prediction.labels import check_count, label_photographs
from ...prediction.preprocessing import Preprocessor
from ..objectives.class_weights import ClassWeights, describe_weights, weigh_classes
from ..objectives.heads import Head
from ..objectives.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Loss,
    SparseCategoricalCrossentropy,
)
from ..objectives.target_forms import class_indices, prepare_targets
from .checks import check_pixels
from .sources import ArraySource, GeneratorSource, PhotographSource, Source, check_example_weights


@dataclass
class Feeder:
    """Makes sources of batches for a model and its loss.

    Args:
        model: The model.
        head: The end of the model.
        loss: The loss of its outputs.
        batch_size: Examples per batch.
        seed: The seed of the order, and of what layers do at random.
        shuffle: Whether the order changes with each epoch. Generators keep theirs.
        joins_single: Whether a single example that is left joins the batch before.
        class_weight: How much the examples of each class weigh; None for 1 each.
        on_error: What to do with photographs that cannot be read, as for `predict`.
        verbose: Progress of reading photographs, as for `Model.predict`.

    Attributes:
        notes: What the user should know, such as the weights of the classes.
    """

    model: Model
    head: Head
    loss: Loss
    batch_size: int = 32
    seed: int = 0
    shuffle: bool = False
    joins_single: bool = False
    class_weight: ClassWeights | None = None
    on_error: OnError = "raise"
    verbose: Verbose = "auto"
    notes: list[str] = field(default_factory=list)

    def open(
        self,
        x: Any,
        y: Any = None,
        weights: Any = None,
        steps: int | None = None,
        what: str = "x",
        epochs: int = 1,
    ) -> Source:
        """Make a source of batches.

        Args:
            x: Arrays as for `model.predict`, with `y`; a folder, or paths of photographs, with `y` or
                with a sub-folder for each class; an iterable of batches (x, y) or (x, y, weights); or a
                `Source`, which is returned.
            y: The targets.
            weights: (n,) how much each example weighs.
            steps: Batches per epoch of an iterable.
            what: What `x` is, for messages.
            epochs: How many epochs will be asked for.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is not valid; see `prepare_targets` and `check_pixels`.
        """
        if hasattr(x, "batches"):
            return self._only(x, y, weights, what)
        if _is_photographs(x):
            return self._photographs(x, y, weights)
        is_arrays = isinstance(x, np.ndarray | Mapping) or y is not None
        # Keras's `PyDataset` has a length and items, but is no iterable by its methods.
        if not is_arrays and (isinstance(x, Iterable) or hasattr(x, "__getitem__")):
            return self._generator(self._only(x, y, weights, what), steps, what, epochs)
        if steps is not None:
            raise ValueError("steps belong to generators; an epoch of arrays or photographs is all of them")
        with expect_pixels():  # they are judged below
            arrays = check_inputs(self.model.graph, x)
        if y is None:
            raise ValueError(f"{what} are arrays, so that targets are needed: y")
        count = len(next(iter(arrays.values())))
        if not count:
            raise ValueError(f"{what} holds no examples")
        check_pixels(self.model, arrays, "the images" if what == "x" else f"the images of {what}")
        targets = self._targets(y, count)
        return ArraySource(
            arrays, targets, self._weights(targets, weights, count), batch_size=self.batch_size,
            seed=self.seed if self.shuffle else None, joins_single=self.joins_single, key_seed=self.seed,
        )  # fmt: skip

    def open_validation(self, data: Any, steps: int | None = None, epochs: int = 1) -> Source:
        """Make the source of `validation_data`.

        Args:
            data: (x, y) or (x, y, weights), or x alone: a folder, or an iterable of batches.
            steps: Batches of an iterable.
            epochs: How many times it will be asked for.
        """
        x, y, weights = data, None, None
        if isinstance(data, tuple) and len(data) in (2, 3):
            x, y, weights = (*data, None)[:3]
        return self.open(x, y, weights, steps, "validation_data", epochs)

    def _photographs(self, x: Any, y: Any, weights: Any) -> Source:
        log = FailureLog(self.on_error)
        preprocessor = Preprocessor(self.model)
        preprocessor.check_only_input()
        if y is None:
            names = self.model.class_names
            if names is None:
                raise ValueError(
                    "the sub-folders are classes, but the model does not know its own: set model.class_names "
                    "= [names, in the order of the outputs]"
                )
            photographs, truth = label_photographs(x, None, names, log)
            labels: Any = np.zeros(1 + max(truth, default=0), np.int64)
            labels[list(truth)] = list(truth.values())
        else:
            labels = y
            photographs = check_count(find_photographs(x, log), len(y))
        targets = self._targets(labels, len(labels))
        source = PhotographSource(
            photographs, targets, preprocessor, self._weights(targets, weights, len(targets)), log=log,
            batch_size=self.batch_size, seed=self.seed if self.shuffle else None,
            joins_single=self.joins_single, key_seed=self.seed, verbose=self.verbose,
        )  # fmt: skip
        if not source.photographs:
            raise ValueError("there are no photographs to train on: none could be read")
        return source

    def _generator(self, x: Iterable[Any], steps: int | None, what: str, epochs: int) -> Source:
        weigh = None
        if self.class_weight is not None:
            if self.class_weight == "balanced":
                raise ValueError("class_weight='balanced' needs all labels before training; give a dict")
            self._check_weighable()
            counts = np.ones(max(self.head.units, 2))
            by_class = weigh_classes(self.class_weight, counts, self.model.class_names)
            self.notes.append(
                describe_weights(by_class, self.model.class_names) + ", for classes of one size"
            )
            weigh = lambda targets: by_class[class_indices(targets)]  # noqa: E731
        is_first = True

        def check(arrays: Mapping[str, Array], y: Any) -> Array:
            nonlocal is_first
            if is_first:
                check_pixels(self.model, arrays, f"the images of the first batch of {what}")
            is_first = False
            return prepare_targets(y, self.loss, self.head.units, self.model.class_names)

        if steps is not None:
            as_int("steps", steps)
        return GeneratorSource(
            x, self.model.graph, check, what, steps, epochs=epochs, key_seed=self.seed, weigh=weigh
        )

    def _targets(self, y: Any, count: int) -> Array:
        targets = prepare_targets(y, self.loss, self.head.units, self.model.class_names)
        if len(targets) != count:
            raise ValueError(f"expected a target for each example, got {len(targets)} for {count} examples")
        return targets

    def _weights(self, targets: Array, given: Any, count: int) -> Array | None:
        """Return the weight of each example, from what the user gave and the weights of the classes."""
        weights = None
        if given is not None:
            weights = check_example_weights(given, count)
        if self.class_weight is None:
            return weights
        self._check_weighable()
        indices = class_indices(targets)
        counts = np.bincount(indices, minlength=max(self.head.units, 2))
        by_class = weigh_classes(self.class_weight, counts, self.model.class_names)
        self.notes.append(describe_weights(by_class, self.model.class_names))
        return by_class[indices] if weights is None else weights * by_class[indices]

    def _check_weighable(self) -> None:
        """Raise ValueError unless each example has one class."""
        is_binary = isinstance(self.loss, BinaryCrossentropy) and self.head.units == 1
        if not is_binary and not isinstance(
            self.loss, CategoricalCrossentropy | SparseCategoricalCrossentropy
        ):
            advice = (
                "use BinaryCrossentropy(positive_weight=[…]), a weight for each label"
                if isinstance(self.loss, BinaryCrossentropy)
                else "use sample_weight"
            )
            raise ValueError(f"class_weight needs one class for each example; {advice}")

    @staticmethod
    def _only(x: Any, y: Any, weights: Any, what: str) -> Any:
        """Return what yields batches with their targets; raise ValueError if there are others."""
        if y is not None or weights is not None:
            raise ValueError(f"{what} yields batches (x, y) or (x, y, weights); give no other y or weights")
        return x


def _is_photographs(x: Any) -> bool:
    """Return True for a folder, a pattern, a path, or a list or array of paths."""
    if isinstance(x, str | os.PathLike):
        return True
    if isinstance(x, np.ndarray):
        return x.dtype.kind == "U" or (
            x.dtype == object and x.ndim == 1 and _is_path(x.flat[0] if x.size else None)
        )
    return isinstance(x, Sequence) and len(x) > 0 and all(map(_is_path, x))


def _is_path(x: object) -> bool:
    return isinstance(x, str | os.PathLike)
