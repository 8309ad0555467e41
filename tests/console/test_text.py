"""Text for terminals."""

from xception.console.text import align_columns, count_of, terminal_safe
from xception.errors import MAX_MESSAGE_CHARACTERS, ModelFileError, printable


def test_control_characters_are_escaped_and_lines_kept():
    assert terminal_safe("a\x1b[2J\nb\ta\u202e") == "a\\x1b[2J\nb\\ta\\u202e"
    assert terminal_safe("Meerkatze, große … 狐") == "Meerkatze, große … 狐"


def test_messages_quote_files_safely():
    assert printable("a\nb\x07") == "a\\nb\\x07"
    assert len(str(ModelFileError("x" * 10_000_000))) == MAX_MESSAGE_CHARACTERS + 1


def test_columns_are_as_wide_as_their_widest_cell():
    assert align_columns([("name", "count"), ("a long name", "3")]) == [
        "name         count",
        "a long name  3",
    ]


def test_counts():
    assert [count_of(count, "photograph") for count in (0, 1, 1200)] == [
        "0 photographs", "1 photograph", "1,200 photographs",
    ]  # fmt: skip
