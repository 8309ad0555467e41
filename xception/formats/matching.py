"""Which array of a file belongs to which parameter of a network, as far as it has been found out.

The layouts know how: by name (`legacy`) or by class and number (`numbered`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import ModelFileError
from ..graph import Graph, Node
from ..kernels import Array
from .hdf5 import arrays
from .hdf5.arrays import StoredArray
from .hdf5.file import Source

MOST_FROM_LITTLE = 256 << 20  #: bytes of numbers that any file may unpack to
MOST_COMPRESSION = 32  #: beyond that, so many times its own size; trained weights compress by a tenth


@dataclass
class Match:
    """What was found for a graph, and what was not."""

    graph: Graph
    found: dict[tuple[str, str], StoredArray] = field(default_factory=dict)  #: by (node, parameter)
    missing: list[str] = field(default_factory=list)  #: nodes for which the file holds nothing
    left: list[str] = field(default_factory=list)  #: layers of the file that belong nowhere
    unfitting: list[str] = field(default_factory=list)  #: what is of another shape, in words
    left_classifier: bool = False  #: whether what is left is a dense layer

    @property
    def complete(self) -> bool:
        return not (self.missing or self.left or self.unfitting)

    def pair(self, name: str, stored: Mapping[str, StoredArray], called: str) -> None:
        """Take a layer's arrays for a node: by parameter, or in order where keys are positions."""
        node = self.graph.nodes[name]
        if all(key.isdecimal() for key in stored) and len(stored) == len(node.parameters):
            stored = dict(zip(node.parameters, stored.values(), strict=True))
        problem = _difference(node, stored)
        if problem:
            self.unfitting.append(
                f"{name if name == called else f'{name} ({called} in the file)'}: {problem}"
            )
            return
        self.found |= {(name, parameter): stored[parameter] for parameter in node.parameters}

    def take(self, other: Match) -> None:
        self.found |= other.found
        self.missing += other.missing
        self.left += other.left
        self.unfitting += other.unfitting
        self.left_classifier |= other.left_classifier

    def load(self, source: Source) -> dict[str, dict[str, Array]]:
        """Read what was found: {node: {parameter: float32 array}}."""
        size = sum(4 * array.size for array in self.found.values())
        if size > MOST_FROM_LITTLE + MOST_COMPRESSION * source.length:
            raise ModelFileError(f"{source.name}: {source.length:,} bytes that unpack to {size:,}; refused")
        parameters: dict[str, dict[str, Array]] = {}
        values = arrays.read(list(self.found.values()), source)
        for (name, parameter), value in zip(self.found, values, strict=True):
            parameters.setdefault(name, {})[parameter] = value
        return parameters

    def refuse_differences(self, file: str) -> None:
        """Raise ModelFileError, with all that was found out, unless the file fits to the last array."""
        if self.unfitting and not self.missing and not self.left:
            raise ModelFileError(f"{file}: {some(self.unfitting, '; ')}")
        if not self.complete:
            raise ModelFileError(f"{file}: does not fit {self.graph.name}: {self.in_words()}{self._advice()}")

    def in_words(self) -> str:
        problems = list(self.unfitting)
        if self.missing:
            problems.append(f"no weights found for {some(self.missing)}")
        if self.left:
            problems.append(f"no place found for the file's {some(self.left)}")
        return "; ".join(problems)

    def _advice(self) -> str:
        kinds = [self.graph.nodes[name].kind for name in self.missing]
        if kinds == ["Dense"] and not self.left:
            return "; the file holds no classifier, for which models have include_top=False"
        if not kinds and len(self.left) == 1 and self.left_classifier:
            return "; the file holds a classifier, for which models have include_top=True"
        return ""


def _difference(node: Node, stored: Mapping[str, StoredArray]) -> str:
    """What is wrong with these arrays as a node's parameters; nothing: ""."""
    if set(stored) != set(node.parameters):
        return f"expected {', '.join(node.parameters)}, found {', '.join(stored)}"
    for parameter, array in stored.items():
        expected = node.parameters[parameter].shape
        if array.shape != expected:
            return f"{parameter} should have shape {expected}, found {array.shape}"
    return ""


def some(names: Iterable[str], separator: str = ", ", shown: int = 5) -> str:
    listed = list(names)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return separator.join(listed[:shown]) + more
