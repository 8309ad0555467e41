"""Folding of a graph into blocks: which nodes belong together, and which blocks repeat.

A graph is cut where a single value passes: after each residual sum, and generally at its articulation nodes.
Between two cuts there is a layer, or several ways from one node to the other, which are a block. Layers in a
row become one block, up to a pooling, a fork or a change of axes. Parts that do not fold are cut into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from ..graph import Graph, Node
from .layer_lines import describe, is_left_out, is_window_pooling

#: Layers that a block may list. A larger one, such as a whole U-Net, is cut into rows, with lines between.
MAX_BLOCK_LINES = 12
MAX_BLOCK_NODES = 200  #: bounds the time for networks that no one has built by hand
MAX_STEPS = 2000  #: back to the node at which ways divide; bounds the time as well
MAX_ROW_LINES = 6  #: layers of a row, above which repetitions within it are searched
MAX_PERIOD = 4  #: layers of such a repetition
MIN_REPETITIONS = 4  #: of a single layer, which becomes a block of its own

Group = list[Node]  #: nodes in order, of which the last is read by others


class Wiring:
    """Nodes of a graph in an order in which branches stay together, and who reads them.

    Args:
        graph: The graph.
        names: The nodes that are looked at; None for all.

    Attributes:
        nodes: The nodes, each after those that it reads.
        readers: {node: the nodes that read it}.
        outputs: Names of the graph's outputs.
        by_name: All nodes of the graph by name.
    """

    def __init__(self, graph: Graph, names: Iterable[str] | None = None) -> None:
        kept = set(graph.nodes if names is None else names)
        self.nodes = [node for node in _walk(graph) if node.name in kept]
        self.readers: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                self.readers[source].append(node.name)
        self.outputs = frozenset(graph.outputs)
        self.by_name = graph.nodes

    def follows(self, node: Node, before: Node) -> bool:
        """Return True if a node reads only the one before it, which nothing else reads."""
        return node.inputs == (before.name,) and self.readers[before.name] == [node.name]


def _walk(graph: Graph) -> Iterator[Node]:
    """Yield the nodes depth first from the outputs: all that a node depends on, then the node."""
    started: set[str] = set()
    for output in (*graph.outputs, *graph.nodes):
        stack = [(output, False)]
        while stack:
            name, is_ready = stack.pop()
            if is_ready:
                yield graph.nodes[name]
            elif name not in started:
                started.add(name)
                stack.append((name, True))
                stack.extend((source, False) for source in reversed(graph.nodes[name].inputs))


def fold(wiring: Wiring) -> list[Group]:
    """Return the nodes in groups, one for each block, in the order of `wiring.nodes`."""
    groups: list[Group] = []
    is_block = False  # of the last group
    ends, i = _find_blocks(wiring), 0
    while i < len(wiring.nodes):
        node = wiring.nodes[i]
        if i in ends:
            groups.append(wiring.nodes[i : ends[i]])
            is_block, i = True, ends[i]
            continue
        if groups and _belongs(wiring, groups[-1][-1], node, is_block):
            groups[-1].append(node)
        else:
            groups.append([node])
            is_block = False
        i += 1
    return [part for group in groups for part in _split_repetitions(group)]


def _belongs(wiring: Wiring, before: Node, node: Node, is_block: bool) -> bool:
    """Return True if a node belongs to the group that ends with another; after a block, if it is left out."""
    if not wiring.follows(node, before):
        return False
    return is_left_out(node) if is_block else not _is_cut(wiring, before, node)


def _find_blocks(wiring: Wiring) -> dict[int, int]:
    """Return {position of the first node: position after the last} of blocks, of nested ones the outermost.

    A block begins after the last node that all ways to a merge pass, its dominator. Its nodes follow each
    other, because the order is depth first.
    """
    position = {node.name: i for i, node in enumerate(wiring.nodes)}
    dominator: list[int] = []  # of each node; -1 if there is none
    blocks: dict[int, int] = {}
    for i, node in enumerate(wiring.nodes):
        sources = {position.get(name, -1) for name in node.inputs}
        dominator.append(_common_dominator(dominator, sources))
        start = dominator[i] + 1
        if len(sources) > 1 and start and _is_block(wiring, wiring.nodes[start : i + 1]):
            for inner in [inner for inner in range(start, i) if inner in blocks]:
                del blocks[inner]
            blocks[start] = i + 1
    return blocks


def _common_dominator(dominator: Sequence[int], positions: Iterable[int]) -> int:
    """Return the last node that all ways to some nodes pass; -1 if there is none, or it is too far away."""
    remaining = set(positions) or {-1}
    for _ in range(MAX_STEPS):
        if len(remaining) == 1 or -1 in remaining:
            return min(remaining)
        latest = max(remaining)
        remaining.remove(latest)
        remaining.add(dominator[latest])
    return -1


def _is_block(wiring: Wiring, group: list[Node]) -> bool:
    """Return True if a group has one way in and one way out, and few enough layers to be listed."""
    if len(group) > MAX_BLOCK_NODES:
        return False
    inside = {node.name for node in group}
    sources = {name for node in group for name in node.inputs} - inside
    readers = [wiring.readers[node.name] for node in group[:-1]]
    closed = all(names and inside.issuperset(names) for names in readers)
    has_input = not all(node.inputs for node in group)
    lines = sum(not is_left_out(node) for node in group)
    return closed and len(sources) == 1 and not has_input and lines <= MAX_BLOCK_LINES


def _is_cut(wiring: Wiring, before: Node, node: Node) -> bool:
    """Return True if a row ends before a node that follows another."""
    return (
        not before.inputs
        or before.name in wiring.outputs
        or is_window_pooling(before)
        or _changes_axes(wiring, before)
        or _changes_axes(wiring, node)
        or _network_of(before) != _network_of(node)
    )


def _changes_axes(wiring: Wiring, node: Node) -> bool:
    """Return True if a node makes vectors of maps, or the like."""
    axes = len(node.output_shape)
    return any(len(wiring.by_name[name].output_shape) != axes for name in node.inputs)


def _network_of(node: Node) -> str:
    """Return the name of the network within the model that a node belongs to; "" at top level."""
    return node.name.partition("/")[0] if "/" in node.name else ""


def _split_repetitions(group: Group) -> list[Group]:
    """Split a long row where layers repeat, so that the repetitions are groups of their own."""
    units: list[Group] = []
    for node in group:
        if units and (is_left_out(node) or all(map(is_left_out, units[-1]))):
            units[-1].append(node)
        else:
            units.append([node])
    is_row = all(node.inputs == (before.name,) for before, node in pairwise(group))
    if not is_row or len(units) <= MAX_ROW_LINES:
        return [group]
    signatures = [signature(unit) for unit in units]
    parts: list[list[Group]] = [[]]
    start = 0
    while start < len(units):
        period, count = _best_period(signatures, start)
        if count > 1:
            ends = range(start, start + period * count, period)
            parts += [*(units[first : first + period] for first in ends), []]
        else:
            parts[-1].append(units[start])
        start += period * count
    return [[node for unit in part for node in unit] for part in parts if part]


def _best_period(signatures: Sequence[object], start: int) -> tuple[int, int]:
    """Return (period, count) of the repetition that begins at `start` and covers most.

    (1, 1) stands for none.
    """
    best = (1, 1)
    for period in range(1, MAX_PERIOD + 1):
        unit, count = signatures[start : start + period], 1
        while signatures[start + count * period : start + (count + 1) * period] == unit:
            count += 1
        if count >= (2 if period > 1 else MIN_REPETITIONS) and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def signature(group: Sequence[Node]) -> tuple[object, ...]:
    """Return what two groups have in common if they compute the same, with other weights and names."""
    index = {node.name: i for i, node in enumerate(group)}
    return tuple(
        (
            describe(node) if node.owner == node.name else node.kind,
            node.output_shape,
            tuple(parameter.shape for parameter in node.parameters.values()),
            tuple(index.get(name, -1) for name in node.inputs),
        )
        for node in group
    )


def join_equal(groups: Sequence[Group], is_equal: Callable[[Group, Group], bool]) -> list[list[Group]]:
    """Return neighbors that are equal as one list each."""
    joined: list[list[Group]] = []
    for group in groups:
        if joined and is_equal(joined[-1][-1], group):
            joined[-1].append(group)
        else:
            joined.append([group])
    return joined
