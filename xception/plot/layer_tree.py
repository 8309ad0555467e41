"""A network as a folded tree of HTML: its blocks, and the layers of each, for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..console.text import align_columns, count_of
from ..errors import escape_controls
from ..graph import Graph, Node
from ..layers import Shape
from .blocks import Block, fold_blocks

#: A notebook's own fonts and spaces must not reach the columns.
STYLE = "font-family:monospace;white-space:pre;line-height:1.35"
MAX_LAYERS = 2000  #: that are listed; a notebook keeps every line


def draw_tree(graph: Graph) -> str:
    """Return a network as nested `<details>`, the blocks of `diagram` with their layers folded away."""
    blocks = fold_blocks(graph)
    heads = _align_cells([_head(block) for block in blocks])
    shapes = ", ".join(_shape(graph.nodes[name].output_shape) for name in graph.outputs)
    inputs = ", ".join(_shape(graph.nodes[name].output_shape) for name in graph.inputs)
    title = f"{graph.name}: {inputs} → {shapes}, {graph.count_params():,} parameters"
    inner = "".join(_details(head, _layers(graph, block)) for head, block in zip(heads, blocks, strict=True))
    return (
        f'<div style="{STYLE}"><details open><summary>{html.escape(escape_controls(title))}</summary>'
        f'<div style="margin-left:1.5em">{inner}</div></details></div>'
    )


def _head(block: Block) -> tuple[str, str, str, str]:
    """Return the cells of a block: title, output shape, parameters, number of layers."""
    title = block.title if block.count == 1 else f"{block.title} ×{block.count}"
    parameters = f"{block.parameters * block.count:,}"
    return title, _shape(block.shape), f"{parameters:>12}", count_of(len(block.nodes), "layer")


def _layers(graph: Graph, block: Block) -> str:
    rows = [_row(graph.nodes[name]) for name in block.nodes[:MAX_LAYERS]]
    lines = _align_cells(rows)
    left = len(block.nodes) - len(rows)
    return "\n".join([*lines, f"and {left:,} more"] if left else lines)


def _row(node: Node) -> tuple[str, str, str, str]:
    count = f"{node.count_params():,}" if node.parameters else ""
    return node.name, node.kind, _shape(node.output_shape), f"{count:>12}"


def _align_cells(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of names and numbers as lines. Names come from files: their controls are escaped."""
    return align_columns([list(map(escape_controls, row)) for row in rows])


def _details(head: str, body: str) -> str:
    return (
        f"<details><summary>{html.escape(head)}</summary>"
        f'<div style="margin-left:1.5em">{html.escape(body)}</div></details>'
    )


def _shape(shape: Shape) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "1"
