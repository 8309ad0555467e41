"""Setup of training: a model with its loss and optimizer, checked, which makes runs and feeders."""

from __future__ import annotations

from ..console.progress import Verbose
from ..data.failures import OnError
from ..models.model import Model
from .feeding.checks import check_gradient_rules, check_layers, check_loss
from .feeding.feeder import Feeder
from .objectives.class_weights import ClassWeights
from .objectives.losses import Loss
from .optimization.base import Optimizer
from .pixel_models import copy_model
from .running.moving_statistics import Statistics
from .running.run import TrainingRun
from .running.trained_layers import trained_nodes


class TrainingSetup:
    """A model with its loss and optimizer.

    Args:
        model: The model.
        optimizer: The optimizer.
        loss: The loss.
        statistics: "frozen" or "batch".
        seed: Decides the order of examples, and what layers do at random.

    Attributes:
        model: The model.
        optimizer: The optimizer.
        head: The end of the model, without the softmax or sigmoid that belongs to the loss.
        loss: The loss of the outputs of `head`.
        statistics: "frozen" or "batch".
        seed: The seed.

    Raises:
        ValueError: The loss does not suit the end of the model, or `statistics` is neither.
    """

    def __init__(
        self, model: Model, optimizer: Optimizer, loss: Loss, statistics: Statistics, seed: int
    ) -> None:
        if statistics not in ("frozen", "batch"):
            raise ValueError(f"statistics must be 'frozen' or 'batch', got {statistics!r:.80}")
        self.model, self.optimizer, self.statistics, self.seed = model, optimizer, statistics, seed
        self._given_loss = loss
        self.head, self.loss = check_loss(model, loss)
        self._run: TrainingRun | None = None

    def run(self) -> TrainingRun:
        """Return the run of the layers that are trainable now, with the model's present parameters.

        Raises:
            ValueError: No layer is trainable, no gradient reaches one, or its regularizer cannot act.
        """
        trained, run = trained_nodes(self.model), self._run
        if run is None or run.trained != trained or run.optimizer is not self.optimizer:
            check_layers(self.model.graph, trained)
            check_gradient_rules(self.head.graph, trained, self.head.output)
            run = self._run = TrainingRun(
                self.model, self.optimizer, self.loss, self.head, trained=trained,
                batch_statistics=self.statistics == "batch",
            )  # fmt: skip
        elif not run.is_current:
            run.read_model()
        return run

    def feeder(
        self,
        batch_size: int,
        shuffle: bool = False,
        class_weight: ClassWeights | None = None,
        on_error: OnError = "raise",
        verbose: Verbose = "auto",
    ) -> Feeder:
        """Return what makes sources of batches.

        Args:
            batch_size: Examples per batch.
            shuffle: Whether the order changes with each epoch.
            class_weight: How much the examples of each class weigh.
            on_error: What to do with photographs that cannot be read.
            verbose: Progress of reading them, as for `Trainer.fit`.
        """
        return Feeder(
            self.model, self.head, self.loss, batch_size, self.seed, shuffle,
            joins_single=self.statistics == "batch", class_weight=class_weight, on_error=on_error,
            verbose=0 if verbose == 2 else verbose,
        )  # fmt: skip

    def copied(self, learning_rate: float) -> TrainingSetup:
        """Return a setup with a copy of the model, and a fresh optimizer with a constant learning rate.

        Args:
            learning_rate: The learning rate.
        """
        kind = type(self.optimizer)
        optimizer = kind.from_config({**self.optimizer.get_config(), "learning_rate": learning_rate})
        optimizer.rates = self.optimizer.rates
        return TrainingSetup(copy_model(self.model), optimizer, self._given_loss, self.statistics, self.seed)
