"""Layers that compute the operations of a functional model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...limits import MAX_OPERATION_OUTPUTS
from ..config_calls import Reference, read_calls
from ..config_members import CONFIG_ERRORS, ReadLayer, layer_error, read_name
from ..json_reader import summarize_error
from .reading import is_operation, read_operation


class OperationLayers:
    """The operations of a functional model.

    An operation becomes a layer for each of its outputs that is used, and for each step of its computation.

    Args:
        described_layers: The layers in use, as parsed JSON.
        outputs: The output tensors of the model.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.
        sizes: Names of the members that are batch sizes: see `batch_sizes`.
    """

    def __init__(
        self, described_layers: Collection[Any], outputs: list[Reference], keras: int, sizes: frozenset[str]
    ) -> None:
        self._keras, self._sizes = keras, sizes
        self.names: set[str] = set()
        used = set(outputs)
        for described in described_layers:
            calls = read_calls(described)
            used.update(operand for call in calls for operand in call if isinstance(operand, Reference))
            if is_operation(described, calls):
                self.names.add(read_name(described))
        self._outputs: dict[str, list[int]] = {name: [] for name in self.names}
        for name, output in sorted({(name, output) for name, _, output in used}):
            if name in self.names and output not in self._outputs[name][-1:]:  # they are sorted
                self._outputs[name].append(output)

    def resolve(self, tensor: Reference) -> Reference:
        """Return the tensor of the layer that computes an output of an operation."""
        name, use, output = tensor
        return Reference((self._name(name, output), use, 0)) if name in self.names else tensor

    def read(self, described: Any, name: str) -> dict[str, ReadLayer]:
        """Return the layers that compute an operation, by name."""
        layers: dict[str, ReadLayer] = {}
        outputs = self._outputs[name] or [0]
        try:
            if len(outputs) > MAX_OPERATION_OUTPUTS:
                raise ValueError(f"has {len(outputs):,} outputs; supported are {MAX_OPERATION_OUTPUTS:,}")
            computed = read_operation(described, self._keras, outputs, self._sizes)
            for output, (steps, tensors) in zip(outputs, computed, strict=True):
                last = self._name(name, output)
                names = [f"{last}_step_{number}" for number in range(1, len(steps))] + [last]
                for step_name, layer in zip(names, steps, strict=True):
                    layers[step_name] = ReadLayer(layer, [tensors])
                    tensors = [Reference((step_name, 0, 0))]
        except CONFIG_ERRORS as error:
            raise layer_error(name, described, summarize_error(error)) from None
        return layers

    def _name(self, name: str, output: int) -> str:
        """Return the name of the layer that computes an output: for the first in use, the operation's."""
        outputs = self._outputs[name]
        return name if not outputs or output == outputs[0] else f"{name}_output_{output}"
