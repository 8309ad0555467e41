"""Preparation of a run: photographs and labels, the starting model, and one pass through everything."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from ...console.progress import ProgressBar, Verbose
from ...console.text import list_some
from ...data.failures import FailureLog
from ...data.photographs import Photograph
from ...gradients.training_pass import TrainingPass
from ...graph import Graph
from ...kernels import Array
from ...models.inputs import expect_pixels
from ...models.model import Model
from ...prediction.preprocessing import Preprocessor
from ...storage.identity import fingerprint
from ..feeding.checks import check_gradient_rules
from ..objectives.heads import Head, build_head
from ..running.trained_layers import frozen_for_want_of_gradients, trained_nodes
from .borders import Border, BorderStore, Example
from .pixel_reader import PixelReader
from .settings import Settings
from .stages import choose_stage, set_trainable
from .starting_model import StartingModel
from .task_objective import Objective, Rows

MAX_NAMES = 8  #: layers that a warning lists


@dataclass(eq=False)
class Preparation:
    """Data and model that all folds of a run share.

    Attributes:
        photographs: The photographs. The position of each is its number.
        readable: The numbers of those that could be read.
        objective: Their targets.
        starting: The model to begin with, with the layers that train as its trainable ones.
        rates: The factor of the learning rate of each node that trains.
        store: The border activations.
        features: (n, d) the input of the last layer for each photograph, without augmentation; NaN for
            those that could not be read.
        digests: A digest of the pixels of each photograph, by its number.
        seconds_per_photograph: What the pass through the whole network took.
        opened: Closes the caches.
    """

    photographs: list[Photograph]
    readable: Rows
    objective: Objective
    starting: StartingModel
    rates: Mapping[str, float]
    store: BorderStore
    features: Array = field(repr=False)
    digests: dict[int, str] = field(repr=False)
    seconds_per_photograph: float
    opened: ExitStack = field(repr=False)

    @property
    def names(self) -> list[str]:
        """What each photograph is called in messages."""
        return [photograph.path or f"photograph {photograph.index}" for photograph in self.photographs]

    def close(self) -> None:
        """Close the caches."""
        self.opened.close()


def logits_of(model: Model, objective: Objective) -> Head:
    """Return the end of a model without its softmax or sigmoid."""
    activation = objective.activation
    return build_head(model.graph, None if activation == "linear" else activation)


def prepare(
    photographs: Sequence[Photograph],
    objective: Objective,
    starting: StartingModel,
    preprocessor: Preprocessor,
    settings: Settings,
    log: FailureLog,
    verbose: Verbose = "auto",
) -> Preparation:
    """Decode every photograph, and compute its border activation and its features.

    Args:
        photographs: The photographs.
        objective: Their targets.
        starting: The model to begin with. Its trainable flags are changed.
        preprocessor: How photographs are read.
        settings: The settings.
        log: Records photographs that cannot be read, which are left out.
        verbose: Progress, as for `predict`.

    Raises:
        ValueError: The model has no such stage, nothing would train, no gradient passes through a layer,
            or no photograph could be read.
        OSError: A photograph cannot be read.
    """
    rates = choose_stage(starting.model, settings.train, starting.head)
    set_trainable(starting.model, rates)
    frozen = frozen_for_want_of_gradients(starting.model)
    if frozen:
        warnings.warn(
            f"recurrent and attention layers stay frozen: {list_some(frozen, MAX_NAMES)}", stacklevel=3
        )
    trained = trained_nodes(starting.model)
    head = logits_of(starting.model, objective)
    check_gradient_rules(head.graph, trained, head.output)
    training_pass = TrainingPass(
        head.graph, trained, (head.output,), batch_statistics=settings.uses_batch_statistics
    )
    border = Border(starting.model.graph, training_pass.border, preprocessor.input_shape)
    reader = PixelReader(photographs, preprocessor, settings.augmentation, settings.seed)
    opened = ExitStack()
    store = opened.enter_context(
        BorderStore(
            border, starting.model.plan, photographs, reader.load, preprocessor.scale,
            _Fingerprints(starting.model, border, preprocessor, settings).of,
            keeps_variants=settings.augmentation.variants is not None, threads=preprocessor.at_once,
        )
    )  # fmt: skip
    examples = [Example(number) for number in range(len(photographs))]
    features: dict[int, Array] = {}
    try:
        with ProgressBar(len(examples), "photo", verbose, task="preparing") as bar, expect_pixels():
            begun = time.monotonic()
            for example, outcome in store.first_pass(examples, starting.features):
                if isinstance(outcome, Exception):
                    photograph = photographs[example.number]
                    with bar.paused():
                        log.add(photograph.index, photograph.path, outcome)
                else:
                    features[example.number] = outcome
                bar.advance(1)
            seconds = (time.monotonic() - begun) / max(1, len(examples))
    except BaseException:
        opened.close()
        raise
    if not features:
        opened.close()
        raise ValueError("there are no photographs to train on: none could be read")
    width = len(next(iter(features.values())))
    feature_rows = np.full((len(photographs), width), np.nan, np.float32)
    for number, row in features.items():
        feature_rows[number] = row
    return Preparation(
        list(photographs), np.array(sorted(features), np.intp), objective, starting,
        {node: rate for node, rate in rates.items() if node in trained}, store, feature_rows,
        reader.digests, seconds, opened,
    )  # fmt: skip


@dataclass(frozen=True)
class _Fingerprints:
    """Digests by which the cache tells border activations apart."""

    model: Model
    border: Border
    preprocessor: Preprocessor
    settings: Settings

    def of(self, variant: int | None) -> str:
        """Return the digest of what computes the rows of a variant."""
        augmentation = "none" if variant is None else self.settings.augmentation.pixel_settings
        drawn = () if variant is None else (self.settings.seed, variant)
        return fingerprint(
            self._frozen, self.border.stored, *self.preprocessor.settings, augmentation, *drawn
        )

    @functools.cached_property
    def _frozen(self) -> Model:
        """The part of the model before the border: the trained part differs from run to run."""
        graph, needed = self.model.graph, self.model.graph.ancestors(self.border.stored)
        part = Graph(graph.name)
        for node in graph.nodes.values():
            if node.name in needed:
                shares = None if node.owner == node.name else node.owner
                part.add(node.layer, *node.inputs, name=node.name, shares=shares)
        part.set_inputs_and_outputs(graph.inputs, self.border.stored)
        arrays = {name: self.model.parameters[name] for name in part.nodes if name in self.model.parameters}
        return Model(part, arrays)
