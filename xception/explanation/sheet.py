"""A sheet of tiles: rows of pictures with captions, a scale of colors, and a line that says what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from .lettering import Lettering
from .pictures import inferno

if TYPE_CHECKING:
    from PIL import Image

TILE_PIXELS = 320  #: the longer side of a tile
LARGE_TILE_PIXELS = 480  #: the same of a photograph with one map
MIN_CAPTION_PIXELS = 240  #: the least width of a caption
LONGEST_SINGLE_ROW = 3  #: tiles; a row of four is illegible on a page 390 pixels wide
GAP_PIXELS = 8
FONT_PIXELS = 15
SCALE_PIXELS = (120, 10)  #: the size of the scale's bar
INK = "#1a1a1a"
PALE_INK = "#5a5a5a"


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture with the text below it."""

    picture: Image.Image
    caption: str


def wrap_tiles(tiles: list[Tile]) -> list[list[Tile]]:
    """Return rows of tiles: one row of up to three, else rows about as long as there are rows."""
    length = len(tiles) if len(tiles) <= LONGEST_SINGLE_ROW else ceil(sqrt(len(tiles)))
    return [tiles[start : start + length] for start in range(0, len(tiles), length)]


def draw_sheet(rows: Sequence[Sequence[Tile]], footer: str) -> Image.Image:
    """Draw rows of tiles, with a scale from "none" to "most" and a line of text at the bottom.

    Columns are as wide as their widest tile. Long captions take two lines.

    Returns:
        The sheet; a single white pixel if there are no rows.
    """
    from PIL import Image, ImageDraw

    if not rows:
        return Image.new("RGB", (1, 1), "white")
    letters = Lettering(FONT_PIXELS)
    columns = max(map(len, rows))
    widths = [
        max(MIN_CAPTION_PIXELS, *(row[column].picture.width for row in rows if column < len(row)))
        for column in range(columns)
    ]
    captions = [
        [letters.wrap(tile.caption, width) for tile, width in zip(row, widths, strict=False)] for row in rows
    ]
    lines = [max(map(len, row)) for row in captions]
    heights = [
        max(tile.picture.height for tile in row) + letters.line_pixels * count + GAP_PIXELS
        for row, count in zip(rows, lines, strict=True)
    ]
    width = sum(widths) + GAP_PIXELS * (columns + 1)
    notes = letters.wrap(footer, width - 3 * GAP_PIXELS - _scale_width(letters), most_lines=3)
    height = sum(heights) + GAP_PIXELS * (len(rows) + 1) + letters.line_pixels * len(notes) + GAP_PIXELS
    sheet = Image.new("RGB", (width, height), "white")
    canvas = ImageDraw.Draw(sheet)
    top = GAP_PIXELS
    for row, texts, row_height in zip(rows, captions, heights, strict=True):
        left, tallest = GAP_PIXELS, max(tile.picture.height for tile in row)
        for tile, text, column_width in zip(row, texts, widths, strict=False):
            sheet.paste(tile.picture, (left, top))
            for number, line in enumerate(text):
                letters.draw(canvas, left, top + tallest + 2 + number * letters.line_pixels, line, INK)
            left += column_width + GAP_PIXELS
        top += row_height + GAP_PIXELS
    _draw_scale(sheet, top, letters)
    for number, line in enumerate(notes):
        left = 2 * GAP_PIXELS + _scale_width(letters)
        letters.draw(canvas, left, top + number * letters.line_pixels, line, PALE_INK)
    return sheet


def _scale_width(letters: Lettering) -> int:
    return round(letters.width("none") + letters.width("most")) + SCALE_PIXELS[0] + 2 * GAP_PIXELS


def _draw_scale(sheet: Image.Image, top: int, letters: Lettering) -> None:
    """Draw the colors of a map from its least value to its greatest, between two words."""
    from PIL import Image, ImageDraw

    canvas, (width, height) = ImageDraw.Draw(sheet), SCALE_PIXELS
    letters.draw(canvas, GAP_PIXELS, top, "none", PALE_INK)
    left = round(GAP_PIXELS * 1.75 + letters.width("none"))
    bar = np.broadcast_to(inferno(np.linspace(0, 1, width)), (height, width, 3)).astype(np.uint8)
    sheet.paste(Image.fromarray(bar), (left, top + (letters.line_pixels - height) // 2 + 1))
    letters.draw(canvas, left + width + 0.75 * GAP_PIXELS, top, "most", PALE_INK)
