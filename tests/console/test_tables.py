"""Tables and lists of facts within a width."""

import pytest

from xception.console.tables import (
    Column,
    cut_middle,
    lay_out_facts,
    lay_out_sentences,
    lay_out_table,
    wrap,
)
from xception.console.text import align_columns, count_columns
from xception.console.text_layout import TextLayout

COLUMNS = (Column("score", is_number=True), Column("path", may_cut=True), Column("class"))
ROWS = [("0.5", "photographs/of/last/year/0001.jpg", "cat"), ("12.25", "b.jpg", "dog")]


def test_a_pipe_gets_everything():
    assert lay_out_table(COLUMNS, ROWS) == [
        "score  path                               class",
        "  0.5  photographs/of/last/year/0001.jpg  cat",
        "12.25  b.jpg                              dog",
    ]


def test_on_a_narrow_terminal_paths_are_cut_in_the_middle_and_nothing_else():
    assert lay_out_table(COLUMNS, ROWS, TextLayout(width=36)) == [
        "score  path                    class",
        "  0.5  photograph…ar/0001.jpg  cat",
        "12.25  b.jpg                   dog",
    ]
    (_, line, _) = lay_out_table(COLUMNS, ROWS, TextLayout(width=5))
    assert line == "  0.5  phot….jpg  cat"  # a path of which less would say nothing, and whole numbers


def test_an_indent_takes_part_of_the_width():
    lines = lay_out_table(COLUMNS, ROWS, TextLayout(width=40), indent=4)
    assert {line[:4] for line in lines} == {"    "}
    assert max(map(len, lines)) == 40


def test_headings_are_painted_and_cells_are_not():
    lines = lay_out_table(COLUMNS, ROWS, TextLayout(color=True))
    assert lines[0].startswith("\x1b[1mscore")
    assert "\x1b" not in "".join(lines[1:])


def test_names_from_files_cannot_move_the_cursor_or_break_the_table():
    lines = lay_out_table((Column("name"),), [("a\x1b[2Jb\nc",)])
    assert lines == ["name", r"a\x1b[2Jb\nc"]


def test_a_table_without_rows_has_its_headings_and_one_without_headings_nothing():
    assert lay_out_table(COLUMNS, []) == ["score  path  class"]
    assert lay_out_table((Column(),), []) == []


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("Käfer", 5), ("猫咪", 4), ("e\u0301", 1), ("a\u200db", 2), ("", 0)]
)
def test_columns_of_text(text, columns):
    assert count_columns(text) == columns
    assert align_columns([(text, "|"), ("abcdef", "|")]) == [f"{text}{' ' * (8 - columns)}|", "abcdef  |"]


def test_wide_characters_keep_columns_aligned():
    lines = lay_out_table((Column("class"), Column("n", is_number=True)), [("猫", "1"), ("cat", "20")])
    assert lines == ["class   n", "猫      1", "cat    20"]


@pytest.mark.parametrize("columns", range(4, 30))
@pytest.mark.parametrize("text", ["photographs/0001.jpg", "照片/假期/海滩/一.jpg"])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_cut_text_keeps_both_ends_and_fits(text, columns, unicode):
    cut = cut_middle(text, columns, TextLayout(unicode=unicode))
    if count_columns(text) <= columns:
        assert cut == text
        return
    dots = "…" if unicode else "..."
    head, tail = cut.split(dots, 1)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert count_columns(cut) <= max(columns, 2 + len(dots))


def test_facts_are_wrapped_beside_their_names_and_words_stay_whole():
    facts = [("file", "a.keras"), ("because", "it has a layer that is not supported here")]
    assert lay_out_facts(facts) == [
        "file     a.keras", "because  it has a layer that is not supported here"
    ]  # fmt: skip
    assert lay_out_facts(facts, TextLayout(width=40)) == [
        "file     a.keras", "because  it has a layer that is not", "         supported here"
    ]  # fmt: skip
    path = "/a/very/long/path/that/somebody/copies/from/the/terminal.keras"
    assert wrap(path, TextLayout(width=40)) == [path]
    assert wrap("a b c", TextLayout(width=3)) == ["a b c"]  # the window breaks it


def test_sentences_go_on_indented():
    text = "a.keras -> b.onnx\n  the batch normalization is folded into convolutions"
    assert lay_out_sentences(text) == text.split("\n")
    assert lay_out_sentences(text, TextLayout(width=44)) == [
        "a.keras -> b.onnx", "  the batch normalization is folded into", "    convolutions"
    ]  # fmt: skip
