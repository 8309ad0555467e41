"""A model in ONNX while it is built: tensors, whose order of axes is tracked, nodes and constants.

ONNX's operators on images take channels first, (n, c, h, w), and Keras's layers take them last. A tensor of a
map may be in either order. It is transposed where an operator needs the other, so a network of convolutions
has one transposition, at its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import requires
from ...kernels import Array
from ...layers import Shape

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
OPSET, IR_VERSION = 17, 8  #: the oldest that have what is needed: `LayerNormalization` came with 17


class NotExpressibleError(ValueError):
    """A layer that ONNX's operators cannot express."""


def import_onnx() -> Any:
    """Return the package `onnx`.

    Raises:
        MissingPackageError: It is not installed.
    """
    with requires("export to ONNX", "onnx", "'xception[onnx]'"):
        import onnx
    return onnx


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model.

    Attributes:
        name: Its name.
        shape: Its shape without the batch axis, with the channels last whatever its own order.
        is_first: Whether its own order is (n, c, h, w). Only maps are ever so.
    """

    name: str
    shape: Shape
    is_first: bool = False

    @property
    def rank(self) -> int:
        """The number of its axes, with the batch axis."""
        return len(self.shape) + 1

    def axis(self, axis: int) -> int:
        """Return an axis of the channels-last order in the tensor's own."""
        axis = axis + self.rank if axis < 0 else axis
        return TO_LAST[axis] if self.is_first else axis


@dataclass
class Builder:
    """What is built so far.

    Attributes:
        nodes: The nodes, each after those that it reads.
        initializers: The constants, by name.
    """

    nodes: list[Any] = field(default_factory=list)
    initializers: dict[str, Any] = field(default_factory=dict)
    _transposed: dict[str, Tensor] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def fresh(self, stem: str) -> str:
        """Return a name that no other tensor has."""
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def constant(self, name: str, array: Any, dtype: Any = np.float32) -> str:
        """Add a constant, and return its name, which differs from those of all other tensors.

        Args:
            name: Its name; a number is added if there is another of the name with other values.
            array: Its values.
            dtype: Their type.
        """
        array = np.ascontiguousarray(np.asarray(array, dtype))
        stem, number = name, 1
        while name in self._names:
            known = self.initializers.get(name)
            if known is not None and known.shape == array.shape and np.array_equal(known, array):
                return name
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        self.initializers[name] = array
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Add a constant of integers, such as axes or shapes."""
        return self.constant("integers/" + "_".join(map(str, values)), list(values), np.int64)

    def integers_list(self, name: str, values: Sequence[int]) -> str:
        """Add a constant of many integers, under a name of its own."""
        return self.constant(name, list(values), np.int64)

    def number(self, value: float) -> str:
        """Add a constant that is one number."""
        return self.constant(f"numbers/{value:g}", value)

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node.

        Args:
            operator: ONNX's operator.
            inputs: Names of its inputs.
            name: The stem of the name of its output.
            **attributes: Its attributes.

        Returns:
            The name of its output.
        """
        output = self.fresh(name)
        self._add_node(operator, inputs, [output], attributes)
        return output

    def add_second(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node of which the second output is used; see `add`."""
        output = self.fresh(name)
        self._add_node(operator, inputs, ["", output], attributes)
        return output

    def _add_node(
        self, operator: str, inputs: Sequence[str], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        node = import_onnx().helper.make_node(operator, inputs, outputs, name=outputs[-1], **attributes)
        self.nodes.append(node)

    def rename(self, old: str, new: str) -> None:
        """Give a tensor that a node makes another name, wherever it stands."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    if name == old:
                        names[position] = new
        self._names.discard(old)
        self._names.add(new)

    def has(self, name: str) -> bool:
        """Return whether there is a tensor of a name."""
        return name in self._names

    def first(self, x: Tensor) -> Tensor:
        """Return a map with its channels first."""
        if len(x.shape) != 3:
            raise NotExpressibleError(f"takes maps, got an input of shape {x.shape}")
        return x if x.is_first else self._transpose(x, TO_FIRST)

    def last(self, x: Tensor) -> Tensor:
        """Return a tensor with its channels last."""
        return self._transpose(x, TO_LAST) if x.is_first else x

    def _transpose(self, x: Tensor, permutation: tuple[int, ...]) -> Tensor:
        if x.name not in self._transposed:
            order = "nhwc" if x.is_first else "nchw"
            name = self.add("Transpose", [x.name], f"{x.name}/{order}", perm=permutation)
            y = Tensor(name, x.shape, not x.is_first)
            self._transposed[x.name], self._transposed[name] = y, x
        return self._transposed[x.name]

    def aligned(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors in one order of axes, that of the first map among them if all are maps."""
        if all(len(x.shape) == 3 for x in tensors) and any(x.is_first for x in tensors):
            return [self.first(x) for x in tensors]
        return [self.last(x) for x in tensors]

    def like(self, name: str, array: Any, x: Tensor) -> str:
        """Add a constant that broadcasts to a tensor, from one that does to its channels-last order."""
        array = np.asarray(array)
        if x.is_first and array.size > 1:
            array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_FIRST)
        return self.constant(name, array)


def pads(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return padding in ONNX's order: before all axes, then after all axes."""
    return [*before, *after]


def parameter(node: str, name: str) -> str:
    """Return the name of the constant that holds a parameter."""
    return f"{node}/{name}"


def is_unit(array: Array | None, value: float) -> bool:
    """Return whether an array has one value throughout."""
    return array is None or bool((array == value).all())
