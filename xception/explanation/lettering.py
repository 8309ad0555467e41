"""Lettering of pictures: class names in any script that a font of this machine has.

Pillow's own font has neither ß nor é. One for Latin, Greek and Cyrillic comes with this library; other
scripts need a font of the system's.
"""

from __future__ import annotations

import functools
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING

from ..errors import escape_controls

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

FONT = "XCEPTION_FONT"  #: the environment variable with the path or name of a font that comes first
NOT_A_CHARACTER = "\U0010fffe"  #: no font has a glyph for it
#: Fonts with many scripts, by platform. Pillow looks for them in the system's folders.
SYSTEM_FONTS = {
    "linux": (
        "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",
        "DejaVuSans.ttf", "FreeSans.ttf", "NotoSans-Regular.ttf",
    ),
    "darwin": ("Hiragino Sans GB.ttc", "PingFang.ttc", "Arial Unicode.ttf"),
    "win32": ("msyh.ttc", "YuGothM.ttc", "meiryo.ttc", "malgun.ttf", "segoeui.ttf"),
}  # fmt: skip


@functools.cache
def font_paths() -> tuple[str, ...]:
    """Return the fonts that captions are drawn with, the first choice first, without the system's.

    Raises:
        ValueError: XCEPTION_FONT is not a font.
    """
    shipped = str(resources.files(__package__) / "font" / "DejaVuSans-subset.ttf")
    own = os.environ.get(FONT)
    if not own:
        return (shipped,)
    if (found := _find(own)) is None:
        raise ValueError(f"{FONT}: {own} is no font; give the path of a .ttf, .otf or .ttc file")
    return (found, shipped)


@functools.cache
def system_font_paths() -> tuple[str, ...]:
    """Return the system's fonts for other scripts. One that is missing costs a walk through its folders."""
    names: Sequence[str] = SYSTEM_FONTS.get(sys.platform, SYSTEM_FONTS["linux"])
    if sys.platform == "win32" and (data := os.environ.get("LOCALAPPDATA")):
        names = (*names, *(os.path.join(data, "Microsoft", "Windows", "Fonts", name) for name in names))
    return tuple(found for name in names if (found := _find(name)) is not None)


def _find(name: str) -> str | None:
    """Return the path of a font; None if there is none."""
    from PIL import ImageFont

    try:
        return str(ImageFont.truetype(name, 12).path)
    except OSError:
        return None


class Lettering:
    """Text of one size, each character in the first font that has it.

    Args:
        pixels: The size of the letters.

    Attributes:
        line_pixels: The height of a line.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self.line_pixels = round(1.35 * pixels)

    def can_draw(self, text: str) -> bool:
        """Return whether some font has every character of a text."""
        return all(_font_of(character, self._pixels) is not None for character in text)

    def width(self, text: str) -> float:
        """Return how many pixels wide a line is."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def wrap(self, text: str, width: int, most_lines: int = 2) -> list[str]:
        """Break a text into lines of a width in pixels, at spaces where it has any.

        Control characters are escaped. What takes more lines is shortened in the middle: names often differ
        at their ends.
        """
        text = " ".join(escape_controls(text).split())
        lines = self._break(text, width)
        shown = len(text)
        while len(lines) > most_lines and shown > 4:
            shown = min(shown - 1, int(0.9 * shown))
            half = shown // 2
            lines = self._break(f"{text[: shown - half]}…{text[-half:]}", width)
        return lines[:most_lines]

    def _break(self, text: str, width: int) -> list[str]:
        lines = [""]
        for word in text.split(" "):
            line = f"{lines[-1]} {word}" if lines[-1] else word
            if self.width(line) <= width:
                lines[-1] = line
                continue
            if lines[-1]:
                lines.append("")
            for character in word:  # a word that is too wide is broken anywhere
                if lines[-1] and self.width(lines[-1] + character) > width:
                    lines.append("")
                lines[-1] += character
        return lines

    def draw(self, canvas: ImageDraw, left: float, top: float, text: str, color: str = "black") -> None:
        """Draw a line, whose letters hang from `top`."""
        baseline = top + round(1.05 * self._pixels)
        for font, part in self._runs(text):
            canvas.text((left, baseline), part, color, font, anchor="ls")
            left += font.getlength(part)

    def _runs(self, text: str) -> Iterator[tuple[FreeTypeFont, str]]:
        """Yield the parts of a text that one font draws. Shaping needs whole words, not characters."""
        fonts: list[FreeTypeFont] = []
        for character in text:
            is_joined = fonts and _joins(character)
            fonts.append(
                fonts[-1] if is_joined else _font_of(character, self._pixels) or _fonts(self._pixels)[0]
            )
        for font, group in groupby(zip(fonts, text, strict=True), key=lambda pair: pair[0]):
            yield font, "".join(character for _, character in group)


def path_for(text: str) -> str | None:
    """Return the first font that has every character of a text; None if none has.

    For those who draw with one font at a time, as matplotlib does.
    """
    for paths in (font_paths, system_font_paths):  # the system's only if they are needed
        for path in paths():
            if all(_joins(character) or _has(_open(path, 12), character) for character in text):
                return path
    return None


# --- glyphs ---------------------------------------------------------------------------------


def _joins(character: str) -> bool:
    """Return whether a character belongs to the one before it, or is a space."""
    return character.isspace() or unicodedata.category(character) in ("Mn", "Me", "Cf")


@functools.cache
def _open(path: str, pixels: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(path, pixels)


def _fonts(pixels: int) -> list[FreeTypeFont]:
    return [_open(path, pixels) for path in font_paths()]


@functools.lru_cache(4096)
def _font_of(character: str, pixels: int) -> FreeTypeFont | None:
    """Return the first font with a glyph for a character; None if there is none."""
    fonts = _fonts(pixels)
    if _joins(character):
        return fonts[0]
    for font in fonts:
        if _has(font, character):
            return font
    for path in system_font_paths():  # only now: looking for them takes time
        if _has(font := _open(path, pixels), character):
            return font
    return None


def _has(font: FreeTypeFont, character: str) -> bool:
    """Return whether a font has a glyph: it draws something else than for what is no character."""
    return _glyph(font, character) != _missing_glyph(font)


@functools.lru_cache(64)
def _missing_glyph(font: FreeTypeFont) -> tuple[tuple[int, int], bytes]:
    return _glyph(font, NOT_A_CHARACTER)


def _glyph(font: FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
