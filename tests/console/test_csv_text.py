"""CSV that programs read back, spreadsheets do not execute, and terminals show."""

import csv
import io

import pytest

from xception.console.csv_text import as_utf8, format_row, path_cell, text_cell, writable


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "a b",
        "a,b",
        'a"b',
        "'",
        "new\nline",
        "re\rturn",
        "\r\n",
        "t\tab",
        "a;b",
        " ",
        "",
        "é猫😀",
        "\\",
    ],
)
def test_names_are_read_back_and_make_one_row(name):
    (row,) = read(format_row(("x", name, 1), path_columns=()))
    assert row == ["x", f"'{name}" if name == "\r\n" else name, "1"]


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1+1", "-1+1", "@SUM(1)", "=HYPERLINK(\"http://x\",\"c\")", "-cmd|' /C calc'!A0", "\t=1", " =1",
     "\r=1", "\n=1", "＝1", "-", "=-1"],
)  # fmt: skip
def test_no_cell_is_a_formula(name):
    ((path, text),) = read(format_row((name, name)))
    assert path == f"./{name}"  # the same file
    assert text == f"'{name}"


@pytest.mark.parametrize("number", [1, -1, -0.5, 1e-7, "-1.5e-07", "+3", "-7", float("nan"), float("-inf")])
def test_numbers_stay_as_they_are(number):
    assert format_row((number,), path_columns=()) == f"{number}\n"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("caf\udce9.jpg", r"caf\xe9.jpg"), ("\x1b[2J", r"\x1b[2J"), ("\x9b31m", r"\x9b31m"),
        ("a\0b", r"a\x00b"),
        ("\x7f", r"\x7f"), ("\x08", r"\x08"), ("\ud800", r"\ud800"), ("a\u00a0b\u200d", "a\u00a0b\u200d"),
    ],
)  # fmt: skip
def test_what_a_terminal_obeys_and_what_is_not_utf8_is_escaped(name, written):
    assert writable(name) == path_cell(name) == text_cell(name) == written


def test_only_what_is_not_utf8_is_escaped_elsewhere():
    assert as_utf8("\x1b\udcff\n") == "\x1b\\xff\n"


def test_nothing_is_an_empty_cell():
    assert format_row((None, "", 0)) == ",,0\n"
    assert read(format_row((None,))) == [[""]]
