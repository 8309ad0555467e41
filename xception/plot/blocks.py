"""Blocks of a diagram: what each box says, and which boxes it reads."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..console.text import list_some
from ..graph import Graph, Node
from ..graph.names import is_automatic
from ..layers import Input, Shape
from .folding import Group, Wiring, fold, join_equal, signature
from .layer_lines import SYMBOLS, describe, is_left_out, is_window_pooling, name_left_out, window

MAX_NAMES = 8  #: that a message lists


@dataclass(frozen=True)
class Block:
    """A box of a diagram: some nodes of a graph, or several equal parts one after the other.

    Attributes:
        names: A name for each of the equal parts; one, where nothing repeats.
        lines: A line for each layer of a part that is listed.
        parameters: Elements of the parameters of a part.
        shape: Shape of the output, without the batch axis.
        shortcut: What is on the way around the other layers, "1×1" or "+"; None if there is no such way.
        merge: How it meets them: "+" or "×"; "" if there is no such way.
        nodes: Names of the nodes, of all parts.
        output: The node that others read.
        sources: The nodes of other blocks that it reads.
        outputs: Which of its nodes are outputs of the network.
    """

    names: tuple[str, ...]
    lines: tuple[str, ...]
    parameters: int
    shape: Shape
    shortcut: str | None
    merge: str
    nodes: tuple[str, ...] = field(repr=False)
    output: str = field(repr=False)
    sources: tuple[str, ...] = field(repr=False)
    outputs: tuple[str, ...] = field(repr=False)

    @property
    def title(self) -> str:
        """Its name; "block5 … block12" of several parts."""
        return self.names[0] if len(self.names) == 1 else join_names(self.names[0], self.names[-1])

    @property
    def count(self) -> int:
        """How many equal parts it stands for."""
        return len(self.names)


def fold_blocks(graph: Graph) -> list[Block]:
    """Return the blocks of a graph, in the order in which they are drawn.

    Args:
        graph: The network.
    """
    wiring = Wiring(graph)

    def is_equal(before: Group, group: Group) -> bool:
        outside = {name for node in group for name in node.inputs} - {node.name for node in group}
        shared = any(node.owner != node.name for node in group)
        return (
            outside == {before[-1].name}
            and not (shared or not before[0].inputs)
            and not wiring.outputs.intersection(node.name for node in before)
            and set(wiring.readers[before[-1].name]) <= {node.name for node in group}
            and signature(before) == signature(group)
        )

    return [_make_block(wiring, parts) for parts in join_equal(fold(wiring), is_equal)]


def open_block(graph: Graph, name: str) -> list[Block]:
    """Return a block for each node of one block, those that diagrams leave out included.

    Args:
        graph: The network.
        name: A name that the diagram of the network shows, or a node of the block. The name of a network
            around it may be left out, if no other block has the name.

    Raises:
        TypeError: `name` is no name.
        ValueError: There is no such block.
    """
    if not isinstance(name, str):
        raise TypeError(f"block must be the name of a block, got {type(name).__name__}")
    wiring = Wiring(graph)
    groups = fold(wiring)
    titles = [_name_group(group) for group in groups]
    by_name = {node.name: group for group in groups for node in group}
    by_name |= dict(zip(titles, groups, strict=True))
    within = [key for key in by_name if key.endswith(f"/{name}")]  # of a network within the network
    if name not in by_name and len(within) == 1:
        (name,) = within
    if name not in by_name:
        similar = difflib.get_close_matches(name, by_name, n=3)
        known = f"there are {list_some(titles, MAX_NAMES)}"
        hint = f"did you mean {' or '.join(similar)}?" if similar else known
        raise ValueError(f"{graph.name} has no block {name!r}; {hint}")
    inside = Wiring(graph, [node.name for node in by_name[name]])
    return [_make_block(inside, [[node]]) for node in inside.nodes]


def count_left_out(graph: Graph) -> Counter[str]:
    """Return how many layers a diagram leaves out, by what they are called."""
    return Counter(
        name_left_out(node)
        for node in graph.nodes.values()
        if is_left_out(node) and not isinstance(node.frame_layer, Input)
    )


def _make_block(wiring: Wiring, parts: Sequence[Group]) -> Block:
    """Return the block of equal parts, each of which reads the one before."""
    first = parts[0]
    nodes = [node for part in parts for node in part]
    names = {node.name for node in nodes}
    shortcut, merge, hidden = _find_shortcut(first)
    listed = [node for node in first if not is_left_out(node) and node.name not in hidden]
    if not listed and not hidden:  # it has only layers that are left out elsewhere
        listed = first
    return Block(
        names=tuple(map(_name_group, parts)),
        lines=tuple(describe(node) for node in listed if not isinstance(node.layer, Input)),
        parameters=sum(node.count_params() for node in first if node.owner == node.name),
        shape=parts[-1][-1].output_shape,
        shortcut=shortcut,
        merge=merge,
        nodes=tuple(node.name for node in nodes),
        output=parts[-1][-1].name,
        sources=tuple(dict.fromkeys(name for node in first for name in node.inputs if name not in names)),
        outputs=tuple(node.name for node in nodes if node.name in wiring.outputs),
    )


def _find_shortcut(group: Group) -> tuple[str | None, str, set[str]]:
    """Return what is on the shortcut of a block, how it is merged, and the nodes of both.

    These are not listed.
    """
    nothing: tuple[None, str, set[str]] = (None, "", set())
    by_name = {node.name: node for node in group}
    merge = next((node for node in reversed(group) if not is_left_out(node)), group[-1])
    entries = {name for node in group for name in node.inputs} - by_name.keys()
    symbol = SYMBOLS.get(merge.frame_layer.kind)
    if symbol is None or len(merge.inputs) != 2 or len(entries) != 1:
        return nothing  # attention, for one, is no way around: what it reads twice it compares
    ways = [_trace(name, by_name) for name in merge.inputs]
    lengths = [math.inf if way is None else sum(not is_left_out(node) for node in way) for way in ways]
    way = ways[lengths.index(min(lengths))]
    if way is None or min(lengths) > 1 or lengths[0] == lengths[1]:
        return nothing
    layers = [node for node in way if not is_left_out(node)]
    label = symbol
    if layers:
        label = window(layers[0]) or ("pool" if is_window_pooling(layers[0]) else "")
    return (label, symbol, {merge.name, *(node.name for node in way)}) if label else nothing


def _trace(name: str, by_name: dict[str, Node]) -> list[Node] | None:
    """Return the nodes from one back to the entry of its block; None if the way divides."""
    way: list[Node] = []
    while name in by_name:
        node = by_name[name]
        if len(node.inputs) != 1:
            return None
        way.append(node)
        name = node.inputs[0]
    return way


def _name_group(group: Sequence[Node]) -> str:
    """Return a name for some nodes: what the names of most of them begin with, "block2".

    Names that were generated, such as "conv2d_3", say nothing of the block.
    """
    listed = [node for node in group if not is_left_out(node)] or list(group)
    if len(listed) == 1:
        return listed[0].name
    names = [
        node.name for node in group if not is_automatic(node.name.rpartition("/")[2], node.frame_layer.kind)
    ]
    best = (0, 0, "")  # of the prefixes that most names have, the longest
    for name in names:
        own = name.rpartition("/")[2]
        for end in (i for i, character in enumerate(own) if character in "_."):
            prefix = name[: len(name) - len(own) + end]
            share = sum(other == prefix or other.startswith(f"{prefix}{own[end]}") for other in names)
            if 2 * share > len(names) and share > 1:
                best = max(best, (share, len(prefix), prefix))
    return best[2] or join_names(listed[0].name, listed[-1].name)


def join_names(first: str, last: str) -> str:
    """Return "base/block5 … block12": a path that both names have is written once."""
    path, _, own = last.rpartition("/")
    return f"{first} … {own if path == first.rpartition('/')[0] else last}"
