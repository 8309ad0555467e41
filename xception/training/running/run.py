"""Training run: a model, its variables and its optimizer, which take one step after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import TrainingError
from ...gradients.randomness import Randomness, acts_in_training
from ...gradients.training_pass import TrainingPass
from ...graph import GraphParameters
from ...kernels import Array
from ...layers.costs import count
from ...models.model import Model
from ..objectives.heads import Head
from ..optimization.flat_blocks import gradient_norm, is_finite
from ..variables import Variables
from .batch_loss import mean_loss
from .border_values import compute_border
from .forward_tail import ForwardTail
from .moving_statistics import MovingStatistics
from .penalties import Penalties
from .stepping import BatchResult, Stepper
from .trained_layers import trained_nodes

if TYPE_CHECKING:
    from ...formats.training_state import TrainingState
    from ..objectives.losses import Loss
    from ..optimization.base import Optimizer

#: Steps in a row that are skipped, as their loss or gradient is not finite, after which training ends: one
#: may be the fault of a photograph, three are a learning rate that is too high.
MAX_SKIPPED_IN_ROW = 3


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of n examples.

    Attributes:
        values: (n, …) float32 by node: the model's inputs, or the activations of `TrainingRun.border`.
        targets: (n,) class indices, or (n, c).
        weights: (n,) how much each example weighs; None for 1 each.
        keys: For each example non-negative integers, (seed, epoch, example), which decide what random
            layers do.
        names: A name for each example, for messages.
    """

    values: Mapping[str, Array]
    targets: Array
    weights: Array | None = None
    keys: Sequence[tuple[int, ...]] = ()
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Result of a step.

    Attributes:
        loss: The loss of the batch, with weights and penalties.
        outputs: (n, c) the outputs in training mode before the step, as the model gives them: not logits.
        gradient_norm: The Euclidean norm of the gradient of all variables.
        is_skipped: Whether loss or gradient were not finite, so that nothing was changed.
        names: The names of the batch's examples.
    """

    loss: float
    outputs: Array = field(repr=False)
    gradient_norm: float
    is_skipped: bool
    names: Sequence[str] = field(repr=False)


class TrainingRun:
    """A model in training. The model itself changes only when `write_back` is called.

    Args:
        model: The model.
        optimizer: The optimizer. If it has trained the same variables before, it goes on from its state.
        loss: The loss of the outputs of `head`.
        head: The end of the model; see `build_head`.
        trained: The nodes whose parameters are trained; by default the trainable ones that can be.
        batch_statistics: Whether trained `BatchNormalization` layers normalize by the statistics of the
            batch, and their moving statistics follow.

    Attributes:
        model: The model.
        optimizer: The optimizer.
        loss: The loss.
        head: The end of the model.
        trained: The nodes whose parameters are trained.
        variables: What is trained.
        border: The nodes that training begins with; their activations never change. Where training begins
            with the first layer, these are the inputs.
        is_random: Whether some layers act at random.
        batch_statistics: As given.

    Raises:
        ValueError: Nothing is trained.
        GraphError: A layer has no gradient rule.
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        loss: Loss,
        head: Head,
        *,
        trained: frozenset[str] | None = None,
        batch_statistics: bool = False,
    ) -> None:
        self.model, self.optimizer, self.loss, self.head = model, optimizer, loss, head
        self.trained = trained_nodes(model) if trained is None else trained
        self.batch_statistics = batch_statistics
        self._pass = TrainingPass(head.graph, self.trained, (head.output,), batch_statistics=batch_statistics)
        self.variables = Variables(self._pass.variables)
        if not self.variables.variables:
            raise ValueError(
                f"{model.name}: no layer is trainable; set model.get_layer(name).trainable = True"
            )
        self.border = self._pass.border
        self.is_random = any(acts_in_training(node.layer) for node in head.graph.nodes.values())
        self._penalties = Penalties(head.graph, self.variables.by_node)
        self._statistics = MovingStatistics(head.graph, self.trained if batch_statistics else ())
        self.read_model()
        built = optimizer.variables
        if built is None or built.variables != self.variables.variables:
            optimizer.build(self.variables)

    def read_model(self) -> None:
        """Copy the model's parameters: they may have changed since the last step."""
        self._plan = self.model.plan
        #: The revision of the model that has the parameters of the run; None after a step.
        self._revision: int | None = self.model.parameter_store.revision
        self._skipped = 0
        #: The model's parameters before a `write_back` between skipped steps, which it may have caused.
        self._fallback: GraphParameters | None = None
        self.variables.fill(self._plan.parameters)
        parameters = self._statistics.copied(self.variables.merged(self._plan.parameters))
        self.parameters: Mapping[str, Mapping[str, Array]] = parameters
        self._stepper = Stepper(self._pass, parameters)

    @property
    def is_current(self) -> bool:
        """Whether the model has the parameters of the run: neither has changed since they were copied."""
        return self.model.parameter_store.revision == self._revision

    @property
    def moving_momentum(self) -> float | None:
        """The largest momentum of the moving statistics that change; None if none do."""
        return self._statistics.momentum if self._statistics.nodes else None

    @property
    def gradient(self) -> Variables:
        """The gradients of the last step, before clipping."""
        return self._stepper.gradient

    def memory(self, batch_size: int) -> int:
        """Return about how many bytes training takes.

        These are the parameters that train, their gradients, the slots of the optimizer, and all activations
        of a batch, those of the border included.

        Args:
            batch_size: Examples per batch.
        """
        flat = self.variables.flat.nbytes * (1 + len(self.optimizer.slots))
        shapes = [self.head.graph.nodes[name].output_shape for name in self.border]
        border = 4 * sum(map(count, shapes)) * batch_size
        return flat + border + self._stepper.memory(batch_size)

    def step(self, batch: Batch) -> Outcome:
        """Train on a batch.

        A step whose loss or gradient is not finite changes nothing.

        Args:
            batch: The batch.

        Raises:
            TrainingError: `MAX_SKIPPED_IN_ROW` steps in a row were skipped. The model has the weights of the
                last `write_back`.
        """
        values = compute_border(self._plan, self.border, batch.values)
        loss_of_part = mean_loss(self.head, self.loss, batch.targets, batch.weights)
        randomness = Randomness(batch.keys) if self.is_random else None
        with np.errstate(all="ignore"):  # numbers that are not finite are handled below
            result = self._stepper.compute(values, loss_of_part, randomness)
            loss = float(np.sum(result.losses, dtype=np.float64)) / len(batch)
            loss += self._penalties.add(self.gradient)
            norm = gradient_norm(self.gradient.flat)
            is_skipped = not (np.isfinite(loss) and np.isfinite(norm))
            y = self.head.finish(result.outputs[self.head.output])
            if is_skipped:
                self._count_skipped()
            else:
                self._update(result)
        return Outcome(loss, y, norm, is_skipped, batch.names)

    def _update(self, result: BatchResult) -> None:
        self._revision, self._skipped, self._fallback = None, 0, None
        with self.model.parameter_store.hold():  # a reader may be copying the variables
            self._statistics.move(self.parameters, result.statistics)
            self.optimizer.apply(self.variables.flat, self.gradient.flat)
            self._penalties.constrain()

    def _count_skipped(self) -> None:
        self._skipped += 1
        if self._skipped == MAX_SKIPPED_IN_ROW:
            if self._fallback is not None:
                self.model.parameter_store.update(self._fallback)
            raise TrainingError(
                f"loss or gradient of {MAX_SKIPPED_IN_ROW} batches in a row were not finite; the model has "
                "the weights of the last good epoch. Try a lower learning rate"
            )

    def write_back(self, when_read: bool = False) -> None:
        """Copy the parameters of the run into the model, all at once.

        Args:
            when_read: Whether to copy them only when the model's parameters are read. They are then those of
                the last step.

        Raises:
            TrainingError: The last step has made them infinite or NaN. The model is unchanged then.
        """
        if not is_finite(self.variables.flat):
            raise TrainingError(
                "the weights are no longer finite; the model has those of the last good epoch. Try a lower "
                "learning rate"
            )
        store = self.model.parameter_store
        changed = dict.fromkeys([*(v.node for v in self.variables.variables), *self._statistics.nodes])
        if self._skipped and self._fallback is None:
            self._fallback = {node: self.model.parameters[node] for node in changed}

        def copy() -> GraphParameters:
            return {node: {k: a.copy() for k, a in self.parameters[node].items()} for node in changed}

        if when_read:
            store.update_when_read(copy)
        else:
            store.update(copy())
        self._revision = store.revision

    def forward_tail(self) -> ForwardTail:
        """Return the forward pass from the border to the outputs, at inference.

        It takes the parameters of the model: call `write_back` first.
        """
        return ForwardTail(self.head, self.border, self.model.parameters, self._plan)

    def state(self, record: Mapping[str, Any] | None = None) -> TrainingState:
        """Return the optimizer's state: with the model's file, it is what a run resumes from.

        Args:
            record: What the run itself needs in order to go on, as JSON can hold it.

        Returns:
            The state. Its arrays are those of the optimizer, which the next step changes.
        """
        from ...formats.training_state import TrainingState  # its package imports h5py

        optimizer, variables = self.optimizer, self.variables.variables
        slots = zip(variables, optimizer.slots_by_variable(), strict=True)
        return TrainingState(
            type(optimizer).__name__,
            optimizer.get_config(),
            optimizer.iterations,
            {(variable.node, variable.parameter): own for variable, own in slots},
            None if optimizer.schedule is not None else optimizer.learning_rate,
            self.loss.default_name,
            run=record or {},
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. The parameters are read from the model again.

        Args:
            state: From `state`, or from a file.

        Raises:
            ValueError: The slots are not those of this optimizer and these variables. Nothing has changed.
        """
        keys = [(variable.node, variable.parameter) for variable in self.variables.variables]
        if set(keys) != set(state.slots):
            raise ValueError(
                f"the state is of {len(state.slots)} variables, but {len(keys)} train here: make the layers "
                "trainable that the state is of"
            )
        slots = [state.slots[key] for key in keys]
        self.optimizer.restore(state.iterations, slots, state.learning_rate)
        self.read_model()
