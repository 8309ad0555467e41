"""Captions in any script, or the number of the class."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from xception.explanation import lettering
from xception.explanation.lettering import Lettering

UNUSED = "\ue000"  # a private character, which no font has


@pytest.fixture
def letters(monkeypatch):
    """Lettering on a machine without fonts."""
    monkeypatch.setattr(lettering, "system_font_paths", lambda: ())
    lettering._font_of.cache_clear()
    yield Lettering(15)
    lettering._font_of.cache_clear()


@pytest.mark.parametrize("text", ["Größe", "à côté", "łyżka", "ложка", "κουτάλι", "muỗng", "3 × 4 … – €"])
def test_letters_of_latin_greek_and_cyrillic_are_there(letters, text):
    assert letters.can_draw(text)


def test_a_letter_that_no_font_has_is_noticed(letters):
    assert not letters.can_draw(f"a{UNUSED}")
    assert not letters.can_draw("神経")
    assert lettering.path_for("ложка").endswith("DejaVuSans-subset.ttf")
    assert lettering.path_for("神経") is None


def test_letters_that_are_not_shipped_come_from_the_systems_fonts(letters, monkeypatch):
    """As if the shipped font had no letters, and the system had a font just like it."""
    (whole,) = lettering.font_paths()
    monkeypatch.setattr(lettering, "font_paths", lambda: ())
    assert not letters.can_draw("abc")
    monkeypatch.setattr(lettering, "system_font_paths", lambda: (whole,))
    lettering._font_of.cache_clear()
    assert letters.can_draw("abc")
    assert lettering.path_for("abc") == whole


def test_ones_own_font_comes_first():
    program = (
        "from xception.explanation.lettering import font_paths; print(len(font_paths()), font_paths()[0])"
    )

    def run(font):
        environment = {**os.environ, "XCEPTION_FONT": font, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )

    (shipped,) = lettering.font_paths()
    assert run(shipped).stdout == f"2 {shipped}\n"
    assert "ValueError: XCEPTION_FONT: nothing.ttf is no font" in run("nothing.ttf").stderr


def test_long_names_are_wrapped_and_shortened_in_the_middle(letters):
    assert letters.wrap("a short name", 200) == ["a short name"]
    first, second = letters.wrap("a name that takes two lines", 150)
    assert f"{first} {second}" == "a name that takes two lines"
    assert all(letters.width(line) <= 150 for line in (first, second))
    lines = letters.wrap("beginning_" + "x" * 200 + "_end", 150)
    assert len(lines) == 2
    assert lines[0].startswith("beginning_")
    assert lines[1].endswith("_end")
    assert "…" in "".join(lines)


def test_control_characters_do_not_break_a_caption(letters):
    assert letters.wrap("one\ntwo\x1b[2J", 400) == ["one\\ntwo\\x1b[2J"]
    assert letters.wrap("", 100) == [""]


def test_a_line_is_drawn_where_it_is_said(letters):
    image = Image.new("RGB", (200, 40), "white")
    letters.draw(ImageDraw.Draw(image), 10, 8, "Ägypten", "black")
    rows, columns = np.nonzero(np.asarray(image).min(axis=-1) < 128)
    assert rows.min() >= 8
    assert rows.max() < 8 + letters.line_pixels + 2
    assert 10 <= columns.min() < columns.max() <= 10 + letters.width("Ägypten")
