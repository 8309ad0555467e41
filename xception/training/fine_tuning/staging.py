"""Training of a model in stages, each with its own variables, learning rate and border activations."""

from __future__ import annotations

from ...models.model import Model
from ..objectives.heads import Head
from ..objectives.losses import Loss
from ..running.run import TrainingRun
from .borders import BorderStore
from .preparation import Preparation
from .settings import Settings
from .stages import set_trainable


class StagedRun:
    """The training of a model in stages.

    The next stage goes on from the model as the last epoch left it. Slots of variables that trained before
    are kept, those of others begin at 0, and the optimizer counts its steps from 0 again, so that its
    schedule begins anew.

    Args:
        model: The model. It changes with each epoch.
        preparation: The photographs, and what each stage trains.
        head: The end of the model.
        loss: The loss of its outputs.
        settings: The settings.
        steps_per_epoch: Batches per epoch.
        stage_steps: The steps of each stage that is complete. `advance` adds those of the current one.

    Attributes:
        run: The run of the current stage.
    """

    def __init__(
        self,
        model: Model,
        preparation: Preparation,
        head: Head,
        loss: Loss,
        settings: Settings,
        steps_per_epoch: int,
        stage_steps: list[int],
    ) -> None:
        self._model, self._preparation, self._head, self._loss = model, preparation, head, loss
        self._settings, self._steps_per_epoch, self._stage_steps = settings, steps_per_epoch, stage_steps
        self.run = self._begin()

    @property
    def stage(self) -> int:
        """The current stage, from 0."""
        return len(self._stage_steps)

    @property
    def store(self) -> BorderStore:
        """The border activations of the current stage."""
        return self._preparation.store(self.stage)

    def advance(self) -> None:
        """Begin the next stage. The parameters of the run must have been written back."""
        former, variables = self.run.optimizer, self.run.variables.variables
        slots_before = dict(zip(variables, former.slots_by_variable(), strict=True))
        if not self._preparation.is_repeated:
            self.store.clear()
        self._stage_steps.append(former.iterations)
        self.run = self._begin()
        own = self.run.optimizer.slots_by_variable()
        for variable, slots in zip(self.run.variables.variables, own, strict=True):
            for name, array in slots_before.get(variable, {}).items():
                slots[name][...] = array

    def former_store(self, epoch: int, model: Model) -> BorderStore:
        """Return the border activations of the stage of an epoch. Close it after use.

        Args:
            epoch: The epoch.
            model: The model of this epoch. Part of what was frozen then may have learned since.
        """
        return self._preparation.open_store(self._settings.stage_of(epoch), model)

    def set_flags(self, model: Model, epoch: int) -> None:
        """Make those layers of a model trainable that are trained in the stage of an epoch."""
        set_trainable(model, self._preparation.stages[self._settings.stage_of(epoch)].flags)

    def _begin(self) -> TrainingRun:
        stages = self._preparation.stages
        stage = stages[self.stage]
        set_trainable(self._model, stage.flags)
        run = TrainingRun(
            self._model, self._settings.build_optimizer(self._steps_per_epoch, self.stage), self._loss,
            self._head, batch_statistics=self._settings.uses_batch_statistics,
        )  # fmt: skip
        run.optimizer.rates = {node: stage.rates[node] for node in run.variables.by_node}
        run.optimizer.ages = {
            node: sum(
                steps
                for steps, former in zip(self._stage_steps, stages, strict=False)
                if node in former.rates
            )
            for node in run.variables.by_node
        }
        return run
