"""The match between a model's parameters and the arrays of a file.

The modules that know a file's layout build a `Match`. It lists what fits, what is missing and what is
unused, and reads the arrays once the caller has accepted that.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelFileError, printable
from ..graph import Graph, Node
from ..kernels import Array
from .hdf5.array_reader import read_arrays
from .hdf5.arrays import StoredArray
from .hdf5.source import Source

if TYPE_CHECKING:
    from .hdf5.merged import MergedSource

MAX_NAMES_SHOWN = 5  #: in one message


@dataclass
class Match:
    """Which array of a file belongs to which parameter of a graph.

    Attributes:
        graph: The model.
        arrays: The array for each (node, parameter).
        missing: Nodes with parameters for which the file has no arrays.
        unused: Layers of the file that belong to no node.
        mismatched: For each layer whose names or shapes differ, a text that says how.
        unused_is_classifier: Whether `unused` is a single dense layer.
        not_finite: Parameters that hold NaN or infinity, once they are read: "node/parameter".
    """

    graph: Graph
    arrays: dict[tuple[str, str], StoredArray] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unused_is_classifier: bool = False
    not_finite: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether model and file agree in every array."""
        return not (self.missing or self.unused or self.mismatched)

    def assign(self, node_name: str, stored: Mapping[str, StoredArray], stored_name: str) -> None:
        """Assign the arrays of a layer in the file to a node, or list the node in `mismatched`.

        Args:
            node_name: Name of the node in the graph.
            stored: The arrays by parameter name.
            stored_name: The layer's name in the file, for messages.
        """
        node = self.graph.nodes[node_name]
        difference = _describe_difference(node, stored)
        if difference:
            name = node_name if node_name == stored_name else f"{node_name} ({stored_name} in the file)"
            self.mismatched.append(f"{name}: {difference}")
            return
        self.arrays |= {(node_name, parameter): stored[parameter] for parameter in node.parameters}

    def merge(self, part: Match) -> None:
        """Add the match of a part of the graph."""
        self.arrays |= part.arrays
        self.missing += part.missing
        self.unused += part.unused
        self.mismatched += part.mismatched
        self.unused_is_classifier |= part.unused_is_classifier

    def load(self, source: Source | MergedSource) -> dict[str, dict[str, Array]]:
        """Read the matched arrays.

        Args:
            source: Where the bytes of the open file, or of its shards, are.

        Returns:
            {node name: {parameter name: float32 array}}.

        Raises:
            ModelFileError: The arrays are damaged, or need more memory than the limits allow.
        """
        parameters: dict[str, dict[str, Array]] = {}
        names = ["/".join(key) for key in self.arrays]
        arrays = list(self.arrays.values())
        if isinstance(source, Source):
            values, not_finite = read_arrays(arrays, source)
        else:
            from .hdf5.merged import read_merged

            values, not_finite = read_merged(arrays, source)
        self.not_finite = [names[i] for i in not_finite]
        for (name, parameter), value in zip(self.arrays, values, strict=True):
            parameters.setdefault(name, {})[parameter] = value
        return parameters

    def check_complete(self, file_name: str) -> None:
        """Raise ModelFileError, with all differences, unless model and file agree in every array."""
        if self.mismatched and not self.missing and not self.unused:
            raise ModelFileError(f"{file_name}: {join_some(self.mismatched, '; ')}")
        if not self.is_complete:
            raise ModelFileError(
                f"{file_name}: does not fit {self.graph.name}: {self.describe()}{self._advice()}"
            )

    def check(self, file_name: str, by_name: bool, skip_mismatch: bool, stacklevel: int) -> None:
        """Raise ModelFileError for differences that the caller did not allow; warn about the others.

        Args:
            file_name: For messages.
            by_name: Allow layers that only the model or only the file has.
            skip_mismatch: Allow arrays of other shapes.
            stacklevel: The caller that the warning points to: 1 is the caller of this method.
        """
        refused = Match(self.graph, unused_is_classifier=self.unused_is_classifier)
        if not by_name:
            refused.missing, refused.unused = self.missing, self.unused
        if not skip_mismatch:
            refused.mismatched = self.mismatched
        refused.check_complete(file_name)
        if not self.arrays:
            raise ModelFileError(f"{file_name}: has nothing for {self.graph.name}: {self.describe()}")
        if not self.is_complete:
            message = f"{file_name}: not everything was loaded: {self.describe()}"
            warnings.warn(printable(message), stacklevel=stacklevel + 1)

    def warn_not_finite(self, file_name: str, stacklevel: int) -> None:
        """Warn about arrays that hold NaN or infinity, if any of those that were read do.

        Args:
            file_name: For the message.
            stacklevel: The caller that the warning points to: 1 is the caller of this method.
        """
        warn_not_finite(file_name, self.not_finite, stacklevel + 1)

    def describe(self) -> str:
        """Return a text that lists all differences."""
        differences = list(self.mismatched)
        if self.missing:
            differences.append(f"the file has no weights for {join_some(self.missing)}")
        if self.unused:
            differences.append(f"the model has no layer for the file's {join_some(self.unused)}")
        return "; ".join(differences)

    def _advice(self) -> str:
        kinds = [self.graph.nodes[name].kind for name in self.missing]
        if kinds == ["Dense"] and not self.unused:
            return "; the file holds no classifier: build the model with include_top=False"
        if not kinds and len(self.unused) == 1 and self.unused_is_classifier:
            return "; the file holds a classifier: build the model with include_top=True"
        return ""


def _describe_difference(node: Node, stored: Mapping[str, StoredArray]) -> str:
    """Return how these arrays differ from the node's parameters; "" if they do not."""
    if set(stored) != set(node.parameters):
        return f"expected {', '.join(node.parameters)}, found {', '.join(stored)}"
    for parameter, array in stored.items():
        expected = node.parameters[parameter].shape
        if array.shape != expected:
            return f"{parameter} should have shape {expected}, found {array.shape}"
    return ""


def list_not_finite(parameters: Mapping[str, Mapping[str, Array]]) -> list[str]:
    """Return the names of the arrays that hold NaN or infinity: "node/parameter"."""
    return [
        f"{node}/{name}"
        for node, arrays in parameters.items()
        for name, array in arrays.items()
        if not np.isfinite(array).all()
    ]


def warn_not_finite(file_name: str, names: Sequence[str], stacklevel: int) -> None:
    """Warn about arrays that hold NaN or infinity, if there are any.

    Args:
        file_name: For the message.
        names: Of these arrays.
        stacklevel: The caller that the warning points to: 1 is the caller of this function.
    """
    if names:
        message = f"{file_name}: {describe_not_finite(names)}; so will the model's outputs"
        warnings.warn(printable(message), stacklevel=stacklevel + 1)


def describe_not_finite(names: Sequence[str]) -> str:
    """Return how many arrays hold NaN or infinity, and the names of the first few."""
    count = "1 array holds" if len(names) == 1 else f"{len(names)} arrays hold"
    return f"{count} NaN or infinity ({join_some(names)})"


def join_some(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first few names, and how many more there are."""
    names = list(names)
    hidden = len(names) - MAX_NAMES_SHOWN
    more = f" and {hidden} more" if hidden > 0 else ""
    return separator.join(names[:MAX_NAMES_SHOWN]) + more
