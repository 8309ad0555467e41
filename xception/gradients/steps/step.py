"""Interface of a step, and the step that computes any layer by its rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import GraphError, NoGradientError
from ...graph import GraphParameters, Node
from ...kernels import Array
from ..randomness import Randomness, run_in_training
from ..rules import backward, parameter_gradients
from .buffers import Buffers

#: Elements of a product that is added to a sum: half a megabyte, which stays in the cache.
MAX_PRODUCT_ELEMENTS = 1 << 17

#: {node: {parameter: gradient}}.
Gradients = Mapping[str, Mapping[str, Array]]


@dataclass
class Worker:
    """The arrays and sums of one thread.

    Attributes:
        buffers: The pool of its arrays.
        storage: Memory of the sums by (node, parameter), which each batch uses again.
        sums: Gradients of its examples so far, by (node, parameter). Steps may keep other sums here, which
            `Step.finish` converts.
        all_reduce: Returns the sum of an array over all threads.
        count: Number of examples of the batch, over all threads.
        statistics: (mean, biased variance) of the batch, by node, where normalization uses them.
    """

    buffers: Buffers
    storage: dict[tuple[str, str], Array] = field(default_factory=dict)
    sums: dict[tuple[str, str], Array] = field(default_factory=dict)
    all_reduce: Callable[[Array], Array] = lambda array: array
    count: int = 0
    statistics: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def begin(self, count: int) -> None:
        """Begin a batch of `count` examples, with all sums at 0."""
        self.count = count
        self.sums.clear()
        self.statistics.clear()

    def add(self, node: str, parameter: str, gradient: Array) -> None:
        """Add to a sum. The array is copied."""
        total = self.sums.get((node, parameter))
        if total is None:
            self._first(node, parameter, gradient.shape)[...] = gradient
        else:
            total += gradient

    def add_product(self, node: str, parameter: str, x: Array, dy: Array) -> None:
        """Add xᵀ · dy, of (r, c) and (r, f), to a sum."""
        total = self.sums.get((node, parameter))
        if total is None:
            np.matmul(x.T, dy, out=self._first(node, parameter, (x.shape[1], dy.shape[1])))
            return
        # Some rows at a time, which are still in the cache when they are added: the sums of all layers take
        # 84 MB, and are read and written for each part of a batch.
        rows = max(1, MAX_PRODUCT_ELEMENTS // total.shape[1])
        product = self.buffers.take(min(rows, len(total)), total.shape[1])
        for first in range(0, len(total), rows):
            part = total[first : first + rows]
            np.matmul(x[:, first : first + rows].T, dy, out=product[: len(part)])
            part += product[: len(part)]
        self.buffers.give(product)

    def _first(self, node: str, parameter: str, shape: tuple[int, ...]) -> Array:
        """Return the array of a new sum, whose content is undefined."""
        key = node, parameter
        if key not in self.storage:
            self.storage[key] = np.empty(shape, self.buffers.dtype)
        self.sums[key] = self.storage[key].reshape(shape)
        return self.sums[key]


class Step:
    """One or several nodes of a graph that are computed together.

    Attributes:
        inputs: The nodes that it reads.
        output: The node whose activation it computes.
        keeps_inputs: Whether the backward pass reads the inputs.
        keeps_output: Whether the backward pass reads the output.
    """

    inputs: tuple[str, ...]
    output: str
    keeps_inputs = False
    keeps_output = False

    def prepare(self, parameters: GraphParameters) -> Any:
        """Return what all passes with these parameters use."""
        return None

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        """Compute the output.

        Args:
            worker: The arrays and sums of this thread.
            prepared: From `prepare`.
            inputs: The activations (n, …) of the nodes that it reads.
            free: Whether each input may be overwritten, since no later step reads it.
            randomness: The random numbers of the n examples, or None.

        Returns:
            The output, and what `backward` needs.
        """
        raise NotImplementedError

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        """Add the gradients of the parameters to the worker's sums, and propagate dL/dy.

        Args:
            worker: The arrays and sums of this thread.
            prepared: From `prepare`.
            saved: From `forward`.
            dy: dL/dy. May be overwritten if the worker's buffers own it.
            wanted: Whether the gradient of each input is needed.

        Returns:
            dL/dx of each input, None where it is not wanted. No two arrays share memory.
        """
        raise NotImplementedError

    def discard(self, worker: Worker, saved: Any) -> None:
        """Return what `forward` saved to the pool, if there is no backward pass."""

    def finish(self, parameters: GraphParameters, prepared: Any, sums: dict[tuple[str, str], Array]) -> None:
        """Convert the sums of this step into the gradients of its parameters, in place."""


class PlainStep(Step):
    """A node that is computed by its layer, and differentiated by its rule.

    Args:
        node: The node.
        trained: Whether its parameters are trained.
        number: Its number in the graph, from which its random numbers follow.
    """

    keeps_inputs = keeps_output = True

    def __init__(self, node: Node, trained: bool, number: int) -> None:
        self.inputs, self.output = node.inputs, node.name
        self._node, self._trained, self._number = node, trained, number

    def prepare(self, parameters: GraphParameters) -> Mapping[str, Array]:
        return parameters.get(self._node.owner, {})

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        layer = self._node.layer
        if randomness is not None:
            result = run_in_training(layer, inputs[0], randomness.generators(self._number))
            if result is not None:
                return result[0], (inputs, result[1])
        return layer.forward(prepared, *inputs), (inputs, None)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        inputs, rule = saved
        node = self._node
        try:
            if self._trained:
                for name, gradient in parameter_gradients(node.layer, prepared, dy, *inputs).items():
                    worker.add(node.owner, name, gradient)
            if not any(wanted):
                return [None] * len(inputs)
            dx = backward(node.layer, prepared, dy, *inputs) if rule is None else rule(dy)
        except NoGradientError as error:
            raise GraphError(f"{node.name} ({node.kind}): {error}") from None
        results: list[Array | None] = []
        for part, is_wanted in zip(dx if isinstance(dx, tuple) else (dx,), wanted, strict=True):
            # A rule may return dy itself, even for several inputs.
            is_shared = any(part is other for other in results)
            results.append(
                None if not is_wanted else worker.buffers.writable(part.copy() if is_shared else part)
            )
        return results
