"""Preparation of a run: what each stage trains, and one pass of all photographs through the network."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
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
from .borders import Border, BorderStore, Example, RowBudget
from .pixel_reader import PixelReader
from .settings import Settings
from .stages import Stage, check_order, choose_stage, set_trainable
from .starting_model import StartingModel
from .task_objective import Objective, Rows

MAX_NAMES = 8  #: layers that a warning lists


@dataclass(frozen=True)
class PreparedStage:
    """What a stage trains.

    Attributes:
        name: The stage.
        flags: The nodes that are trainable.
        rates: The factor of the learning rate of each node that trains.
        border: What the part that trains begins with.
    """

    name: Stage
    flags: Collection[str]
    rates: Mapping[str, float]
    border: Border


@dataclass(eq=False)
class Preparation:
    """Data and model that all folds of a run share.

    Attributes:
        photographs: The photographs. The position of each is its number.
        readable: The numbers of those that could be read.
        objective: Their targets.
        starting: The model to begin with.
        stages: What each stage trains.
        open_store: Returns the border activations of a stage, from 0, that a model computes.
        features: (n, d) the input of the last layer for each photograph, without augmentation; NaN for
            those that could not be read.
        digests: A digest of the pixels of each photograph, by its number.
        opened: Closes the caches.
        is_repeated: Whether stages are trained more than once, as in folds.
    """

    photographs: list[Photograph]
    readable: Rows
    objective: Objective
    starting: StartingModel
    stages: Sequence[PreparedStage]
    open_store: Callable[[int, Model], BorderStore] = field(repr=False)
    features: Array = field(repr=False)
    digests: dict[int, str] = field(repr=False)
    opened: ExitStack = field(repr=False)
    is_repeated: bool = False
    _stores: dict[int, BorderStore] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """What each photograph is called in messages."""
        return [photograph.path or f"photograph {photograph.index}" for photograph in self.photographs]

    def store(self, stage: int) -> BorderStore:
        """Return the border activations of a stage, from 0, that the starting model computes.

        Args:
            stage: The stage. No earlier stage may have changed the starting model.
        """
        if stage not in self._stores:
            store = self.open_store(stage, self.starting.model)
            self._stores[stage] = self.opened.enter_context(store)
        return self._stores[stage]

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
    stage: int = 0,
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
        stage: The stage that the run begins in.

    Raises:
        ValueError: The model has no such stage, nothing would train, no gradient passes through a layer, or
            no photograph could be read.
        OSError: A photograph cannot be read.
    """
    stages = _prepare_stages(starting, objective, preprocessor, settings)
    reader = PixelReader(photographs, preprocessor, settings.augmentation, settings.seed)
    budget = RowBudget()

    def open_store(number: int, model: Model) -> BorderStore:
        border = stages[number].border
        return BorderStore(
            border, model.plan, photographs, reader.load, preprocessor.scale,
            _Fingerprints(model, border, preprocessor, settings).of,
            keeps_variants=settings.augmentation.variants is not None, threads=preprocessor.at_once,
            budget=budget,
        )  # fmt: skip

    empty = np.empty((0, 0), np.float32)
    preparation = Preparation(
        list(photographs), np.empty(0, np.intp), objective, starting, stages, open_store, empty,
        reader.digests, ExitStack(),
    )  # fmt: skip
    try:
        features = _pass_through(preparation, stage, log, verbose)
    except BaseException:
        preparation.close()
        raise
    if not features:
        preparation.close()
        raise ValueError("there are no photographs to train on: none could be read")
    width = len(next(iter(features.values())))
    preparation.readable = np.array(sorted(features), np.intp)
    preparation.features = np.full((len(photographs), width), np.nan, np.float32)
    for number, row in features.items():
        preparation.features[number] = row
    return preparation


def _prepare_stages(
    starting: StartingModel, objective: Objective, preprocessor: Preprocessor, settings: Settings
) -> list[PreparedStage]:
    """Find out what each stage trains, and check that it can be trained."""
    model, stages = starting.model, []
    head = logits_of(model, objective)
    for name in settings.stages:
        rates = choose_stage(model, name, starting.head)
        set_trainable(model, rates)
        trained = trained_nodes(model)
        check_gradient_rules(head.graph, trained, head.output)
        training_pass = TrainingPass(
            head.graph, trained, (head.output,), batch_statistics=settings.uses_batch_statistics
        )
        border = Border(model.graph, training_pass.border, preprocessor.input_shape)
        kept = {node: rate for node, rate in rates.items() if node in trained}
        stages.append(PreparedStage(name, tuple(rates), kept, border))
    check_order([(stage.name, stage.flags) for stage in stages])
    if frozen := frozen_for_want_of_gradients(model):  # of the last stage, which trains most
        listed = list_some(frozen, MAX_NAMES)
        warnings.warn(f"recurrent and attention layers stay frozen: {listed}", stacklevel=4)
    return stages


def _pass_through(
    preparation: Preparation, stage: int, log: FailureLog, verbose: Verbose
) -> dict[int, Array]:
    """Compute the border activations of a stage, and return the features of each readable photograph."""
    photographs, features = preparation.photographs, {}
    store = preparation.store(stage)
    examples = [Example(number) for number in range(len(photographs))]
    with ProgressBar(len(examples), "photo", verbose, task="preparing") as bar, expect_pixels():
        for example, outcome in store.first_pass(examples, preparation.starting.features):
            if isinstance(outcome, Exception):
                photograph = photographs[example.number]
                with bar.paused():
                    log.add(photograph.index, photograph.path, outcome)
            else:
                features[example.number] = outcome
            bar.advance(1)
    return features


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
