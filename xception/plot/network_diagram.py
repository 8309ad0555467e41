"""Diagram of a network, as SVG, without any other program or package."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..console.text import align_columns, terminal_safe
from ..data.atomic import replace_file
from ..data.locations import expect_local
from ..graph import Graph
from ..models.model import Model
from .blocks import Block, count_left_out, fold_blocks, open_block
from .drawing import NO_BREAK_SPACE, describe_picture, draw
from .layer_lines import name_shape

MAX_BOXES = 60  #: in one column; more are drawn in two


@dataclass(frozen=True)
class Diagram:
    """A diagram of a network: a box for each block. A notebook shows it; `print` shows it as text.

    Attributes:
        name: What is shown: the network, or a block of it.
        blocks: The boxes, in order.
        parameters: The number of elements of all parameters.
        left_out: How many layers are not listed, by what they are called.
    """

    name: str
    blocks: tuple[Block, ...] = field(repr=False)
    parameters: int
    left_out: dict[str, int] = field(repr=False)

    def to_svg(self, *, standalone: bool = False) -> str:
        """Return the diagram as an SVG element.

        Args:
            standalone: Whether it has colors of its own, light or dark as the reader's system is. Otherwise
                it takes the color of the text around it, in a page.
        """
        columns = 1 if len(self.blocks) <= MAX_BOXES else 2
        label = describe_picture(self.name, self.blocks, self.parameters)
        return draw(self.blocks, label, self._notes(), columns, standalone)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the diagram to an SVG file. A former file is replaced when the new one is complete.

        Args:
            path: A path with the suffix `.svg`.

        Raises:
            ValueError: `path` has another suffix, or is a URL.
            OSError: The file cannot be written.
        """
        target = expect_local(path)
        if target.suffix.lower() != ".svg":
            raise ValueError(f"{target}: a diagram is written as .svg")
        with replace_file(target) as temporary:
            temporary.write_text(self.to_svg(standalone=True) + "\n", "utf-8")

    def _notes(self) -> list[str]:
        """Return the sentences below the diagram."""
        notes = [f"Numbers at the right: parameters, {self.parameters:,} in all."]
        if self.left_out:
            counts = ", ".join(f"{name}{NO_BREAK_SPACE}×{count}" for name, count in self.left_out.items())
            notes.append(f"Left out: {counts}.")
        return notes

    def __str__(self) -> str:
        rows = [("block", "parameters", "shape", "layers")]
        for block in self.blocks:
            times = f" ×{block.count}" if block.count > 1 else ""
            shortcut = (f"shortcut {block.shortcut}",) if block.shortcut else ()
            rows.append(
                (
                    f"{block.title}{times}",
                    f"{block.parameters * block.count:,}",
                    name_shape(block.shape),
                    "; ".join((*block.lines, *shortcut)),
                )
            )
        notes = (note.replace(NO_BREAK_SPACE, " ") for note in self._notes())
        return terminal_safe("\n".join([*align_columns(rows), *notes]))

    def _repr_html_(self) -> str:
        return self.to_svg()

    def _repr_svg_(self) -> str:
        return self.to_svg(standalone=True)


def diagram(model: Model | Graph, block: str | None = None) -> Diagram:
    """Draw a network as a diagram.

    A box stands for a block: for Xception, the ten of figure 5 in the paper. The graph is cut after each
    residual sum, and in general where only one value passes. Equal neighbors are joined as ×8. Layers that
    do not fold are listed. Normalization, activations, and layers that do nothing at inference are left out;
    a note counts them. More than 60 boxes stand in two columns.

    Args:
        model: The model, or a graph.
        block: The name of a box, or of a node in it: its nodes are drawn, with those that are left out
            otherwise.

    Returns:
        The diagram. A notebook shows it, `save` writes it.

    Raises:
        TypeError: `model` is neither, or `block` is no name.
        ValueError: There is no such block.

    Examples:
        >>> import xception
        >>> from xception import architecture
        >>> diagram = xception.plot.diagram(architecture.xception())
        >>> [block.title for block in diagram.blocks][4:7]
        ['block4', 'block5 … block12', 'block13']
        >>> diagram.blocks[5].count
        8
    """
    if not isinstance(model, Model | Graph):
        raise TypeError(f"expected a Model or a Graph, got {type(model).__name__}")
    graph = model.graph if isinstance(model, Model) else model
    if block is None:
        blocks = fold_blocks(graph)
        return Diagram(graph.name, tuple(blocks), graph.count_params(), dict(count_left_out(graph)))
    opened = open_block(graph, block)
    return Diagram(f"{graph.name}, {block}", tuple(opened), sum(part.parameters for part in opened), {})
