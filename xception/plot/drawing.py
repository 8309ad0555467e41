"""Drawing of blocks as SVG: boxes in a column, arrows with shapes, and lines around what they skip."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..console.text import count_of
from ..errors import escape_controls
from .blocks import Block
from .layer_lines import name_shape
from .text_width import shorten, width_of, wrap

BOX_WIDTH = 304  #: pixels, as are all lengths here
TITLE_SIZE, LINE_SIZE = 13, 12  #: of fonts
BOLD_SIZE = 1.1 * TITLE_SIZE  #: of the ordinary font that is as wide as the bold one
TITLE_HEIGHT, LINE_HEIGHT = 20, 16
BOX_MARGIN = 9  #: between the edge of a box and its text
BOX_END = 5  #: below the last line
GAP = 38  #: between boxes, for an arrow
SHORTCUT_WIDTH = 48  #: left of a box, where there is one
LANE_WIDTH = 14
LANE_START, LANE_END = 12, 11  #: below the box where a lane begins, and above the one where it ends
MAX_LANES = 6  #: of lines around boxes; more could not be followed, and are told in words
COLUMN_GAP = 40
MAX_TOOLTIP_NAMES = 60
MAX_NAME_CHARACTERS = 100

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
#: Material for MkDocs has these variables; elsewhere boxes have no fill, and shortcuts the color of the text.
FILL = "var(--md-code-bg-color, transparent)"
ACCENT = "var(--md-typeset-a-color, currentColor)"
IN_PAGE = ' style="max-width:100%;height:auto;display:block;margin:0 auto"'  #: which may be narrower
#: Of a picture that stands alone, or is shown as an image: there is no page whose colors it could take. Many
#: programs know neither variables nor currentColor, so colors are written out, and rules change them only
#: for the dark.
INK, BLUE = "#1f2328", "#3b7dd8"
RULES = (
    "svg{background:#ffffff}@media (prefers-color-scheme:dark){svg{background:#16191d}"
    f'[fill="{INK}"]{{fill:#e6edf3}}[stroke="{INK}"]{{stroke:#e6edf3}}}}'
)


@dataclass
class Box:
    """A block with its position.

    Attributes:
        block: The block.
        lines: What stands in it below the title.
        column: From 0.
        top: The upper edge.
        height: Without what is drawn below it.
    """

    block: Block
    lines: list[str]
    column: int = 0
    top: int = 0
    height: int = 0

    @property
    def bottom(self) -> int:
        """The lower edge."""
        return self.top + self.height


@dataclass
class Lane:
    """A line at the left, from one box to others that do not follow it.

    Attributes:
        source: The box where it begins.
        targets: The boxes where it ends.
        number: Its distance from the boxes; -1 if it is not drawn.
    """

    source: int
    targets: list[int] = field(default_factory=list)
    number: int = -1


def draw(
    blocks: Sequence[Block], label: str, notes: Sequence[str], columns: int = 1, standalone: bool = False
) -> str:
    """Return an SVG element.

    Args:
        blocks: The blocks, in order.
        label: What the picture shows, in words.
        notes: Sentences below it.
        columns: In how many columns.
        standalone: Whether it has colors of its own. Otherwise it takes those of the page that it is in.
    """
    boxes, lanes = _lay_out(blocks, columns)
    left = LANE_WIDTH * (1 + max((lane.number for lane in lanes), default=-1))
    left += SHORTCUT_WIDTH if any(block.shortcut for block in blocks) else 8
    pitch = left + BOX_WIDTH + COLUMN_GAP
    width = columns * pitch - COLUMN_GAP + 8
    body = max((box.bottom for box in boxes), default=0) + GAP
    below = [line for note in notes for line in wrap(note, LINE_SIZE, width - 16)]
    height = body + LINE_HEIGHT * len(below) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{text(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="{FONT}" '
        f'font-size="{LINE_SIZE}" fill="currentColor"{"" if standalone else IN_PAGE}>'
    ]
    if standalone:
        parts.append(f"<style>{RULES}</style>")
    followed, beginning = _followed(boxes), {lane.source for lane in lanes if lane.number >= 0}
    for i, box in enumerate(boxes):
        parts.append(f'<g transform="translate({box.column * pitch + left} {box.top})">')
        parts += _draw_box(box)
        is_followed = followed[i] or (i + 1 < len(boxes) and boxes[i + 1].column != box.column)
        parts += _draw_below(box, is_followed, i in beginning)
        parts.append("</g>")
    for lane in lanes:
        parts += _draw_lane(lane, boxes, left, pitch)
    for i, note in enumerate(below):
        parts.append(f'<text x="8" y="{body + LINE_HEIGHT * (i + 1) - 4}" opacity="0.75">{text(note)}</text>')
    svg = "\n".join([*parts, "</svg>"])
    if standalone:
        for color, literal in (('"currentColor"', f'"{INK}"'), (FILL, "none"), (ACCENT, BLUE)):
            svg = svg.replace(color, literal)
    return svg


def text(words: str) -> str:
    """Return text as it may stand in SVG: names come from files of strangers."""
    return html.escape(escape_controls(words, keep=NO_BREAK_SPACE))


# --- layout ---------------------------------------------------------------------------------


def _lay_out(blocks: Sequence[Block], columns: int) -> tuple[list[Box], list[Lane]]:
    """Return the boxes with their positions, and the lanes beside them."""
    boxes = [Box(block, list(block.lines)) for block in blocks]
    per_column = math.ceil(len(boxes) / columns) or 1
    for i, box in enumerate(boxes):
        box.column = i // per_column
    lanes = _find_lanes(boxes)
    several = sum(len(block.outputs) for block in blocks) > 1
    for i, box in enumerate(boxes):
        if several and box.block.outputs:
            box.lines.append(f"output {', '.join(box.block.outputs)}")
        box.height = TITLE_HEIGHT + LINE_HEIGHT * len(box.lines) + BOX_END
        starts = i == 0 or boxes[i - 1].column != box.column
        box.top = GAP // 2 + 8 if starts else boxes[i - 1].bottom + GAP
    return boxes, lanes


def _find_lanes(boxes: Sequence[Box]) -> list[Lane]:
    """Return the lines that pass boxes, each with a number; what has no room becomes a line of its box."""
    owner = {name: i for i, box in enumerate(boxes) for name in box.block.nodes}
    lanes: dict[int, Lane] = {}
    for i, box in enumerate(boxes):
        for source in box.block.sources:
            if source not in owner:  # of an opened block
                box.lines.append(f"reads {source}")
            elif owner[source] != i - 1:
                lanes.setdefault(owner[source], Lane(owner[source])).targets.append(i)
    ends: list[int] = []  # for each number, the last box that its lines pass
    for lane in lanes.values():
        begin = boxes[lane.source]
        for target in list(lane.targets):
            if boxes[target].column != begin.column:
                lane.targets.remove(target)
                boxes[target].lines.append(f"reads {begin.block.title}")
        if not lane.targets:
            continue
        number = next((n for n, end in enumerate(ends) if end <= lane.source), len(ends))
        if number < MAX_LANES:
            lane.number = number
            ends[number : number + 1] = [lane.targets[-1]]
        else:
            for target in lane.targets:
                boxes[target].lines.append(f"reads {begin.block.title}")
    return list(lanes.values())


def _followed(boxes: Sequence[Box]) -> list[bool]:
    """Return for each box whether the next one reads it."""
    return [
        any(name in box.block.nodes for name in after.block.sources) for box, after in pairwise(boxes)
    ] + [False] * bool(boxes)


# --- drawing --------------------------------------------------------------------------------


def _draw_box(box: Box) -> Iterator[str]:
    """Yield the elements of a box, whose upper left corner is (0, 0)."""
    block, inner = box.block, BOX_WIDTH - 2 * BOX_MARGIN
    names = [name[:MAX_NAME_CHARACTERS] for name in block.nodes[:MAX_TOOLTIP_NAMES]]
    if len(block.nodes) > len(names):
        names.append(f"and {len(block.nodes) - len(names):,} more")
    yield f"<title>{text(', '.join(names))}</title>"
    yield (
        f'<rect width="{BOX_WIDTH}" height="{box.height}" rx="4" stroke="currentColor" stroke-opacity="0.55" '
        f'style="fill:{FILL}"/>'
    )
    if block.count > 1:  # a second sheet behind the first
        yield (
            f'<path d="M{BOX_WIDTH + 4} 6v{box.height - 8}a4 4 0 0 1 -4 4h-{BOX_WIDTH - 10}" '
            'transform="translate(0 2)" fill="none" stroke="currentColor" stroke-opacity="0.55"/>'
        )
    number = f"{block.parameters * block.count:,}" if block.parameters else ""
    times = f" ×{block.count}" if block.count > 1 else ""
    room = inner - width_of(times, BOLD_SIZE) - width_of(number, LINE_SIZE) - BOX_MARGIN
    title = block.title
    if width_of(title, BOLD_SIZE) > room:
        title = re.sub("^[^ ]*/", "…/", title)  # the tooltip has the path
    title = text(shorten(title, BOLD_SIZE, room))
    yield f'<text x="{BOX_MARGIN}" y="15" font-size="{TITLE_SIZE}" font-weight="600">{title}{times}</text>'
    if number:
        yield f'<text x="{BOX_WIDTH - BOX_MARGIN}" y="15" text-anchor="end">{number}</text>'
    for i, line in enumerate(box.lines):
        y = TITLE_HEIGHT + LINE_HEIGHT * i + 12
        yield f'<text x="{BOX_MARGIN}" y="{y}">{text(shorten(line, LINE_SIZE, inner))}</text>'
    if block.shortcut:
        yield from _draw_shortcut(block.shortcut, block.merge, box.height)


def _draw_shortcut(label: str, merge: str, height: int) -> Iterator[str]:
    """Yield the line around a box, from the arrow above it to the arrow below."""
    middle, x = BOX_WIDTH // 2, -12
    yield (
        f'<path d="M{middle} -12H{x + 4}a4 4 0 0 0 -4 4V{height + 8}a4 4 0 0 0 4 4H{middle - 6}" fill="none" '
        f'stroke-width="1.5" style="stroke:{ACCENT}"/>'
    )
    yield f'<circle cx="{middle}" cy="{height + 12}" r="5.5" style="stroke:{ACCENT};fill:{FILL}"/>'
    if len(merge) == 1:
        yield (
            f'<text x="{middle}" y="{height + 16}" text-anchor="middle" style="fill:{ACCENT}">{merge}</text>'
        )
    y = height // 2 + 4
    yield f'<text x="{x - 5}" y="{y}" text-anchor="end" style="fill:{ACCENT}">{text(label)}</text>'


def _draw_below(box: Box, is_followed: bool, has_lane: bool) -> Iterator[str]:
    """Yield the arrow to the next box, or where a lane begins, or the end; and the shape beside it."""
    middle, bottom = BOX_WIDTH // 2, box.height
    start = bottom + (18 if box.block.shortcut else 0)
    if box.block.shortcut:
        yield f'<path d="M{middle} {bottom}v6" stroke="currentColor"/>'
    if is_followed:
        yield from _draw_arrow(middle, start, bottom + GAP)
    elif has_lane:
        yield f'<path d="M{middle} {bottom}V{max(start, bottom + LANE_START)}" stroke="currentColor"/>'
    else:
        yield from _draw_arrow(middle, start, max(start + 8, bottom + LANE_START + 4))
    shape = shorten(name_shape(box.block.shape), LINE_SIZE, BOX_WIDTH / 2 - 14)
    y = bottom + (23 if is_followed else LANE_START + 4)
    yield f'<text x="{middle + 12}" y="{y}" opacity="0.75">{text(shape)}</text>'


def _draw_arrow(x: int, top: int, bottom: int) -> Iterator[str]:
    yield f'<path d="M{x} {top}V{bottom - 4}" stroke="currentColor"/>'
    yield f'<path d="M{x - 4} {bottom - 7}h8l-4 7z"/>'


def _draw_lane(lane: Lane, boxes: Sequence[Box], left: int, pitch: int) -> Iterator[str]:
    """Yield a line from below one box to above others."""
    if lane.number < 0 or not lane.targets:
        return
    source = boxes[lane.source]
    offset = source.column * pitch
    middle = offset + left + BOX_WIDTH // 2
    x = offset + 6 + LANE_WIDTH * lane.number
    begin = source.bottom + (18 if source.block.shortcut else LANE_START)
    ends = [boxes[target].top - LANE_END for target in lane.targets]
    stroke = f'fill="none" stroke-width="1.5" style="stroke:{ACCENT}"'
    yield f'<path d="M{middle} {begin}H{x + 4}a4 4 0 0 0 -4 4V{max(ends) - 4}" {stroke}/>'
    for end in ends:
        yield f'<path d="M{x} {end - 4}a4 4 0 0 0 4 4H{middle}" {stroke}/>'
        yield from _draw_arrow(middle, end, end + LANE_END)


def describe_picture(name: str, blocks: Sequence[Block], parameters: int) -> str:
    """Return what a diagram shows, in a sentence for those who do not see it."""
    shown = blocks[:MAX_TOOLTIP_NAMES]
    steps = ", ".join(b.title if b.count == 1 else f"{b.title} (×{b.count})" for b in shown)
    more = f", and {len(blocks) - len(shown):,} more" if len(blocks) > len(shown) else ""
    return f"{name}: {count_of(parameters, 'parameter')}, {count_of(len(blocks), 'block')}: {steps}{more}"
