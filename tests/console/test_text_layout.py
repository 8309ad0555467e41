"""What a stream takes: color, width, characters."""

import io
import os
import sys

import pytest

from xception.console.text_layout import PLAIN, TextLayout, layout_of


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and has no size."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "in_a_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": ""}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_who_decides_about_color(variables, on_a_terminal, in_a_pipe, environment):
    for name, value in variables.items():
        environment.setenv(name, value)
    assert layout_of(Terminal()).color is on_a_terminal
    assert layout_of(io.StringIO()).color is in_a_pipe


def test_the_width_is_that_of_a_terminal_or_of_columns(environment):
    assert layout_of(io.StringIO()).width is None
    assert layout_of(Terminal()).width == 80  # one that does not tell
    environment.setenv("COLUMNS", "120")
    assert layout_of(io.StringIO()).width == layout_of(Terminal()).width == 120
    environment.setenv("COLUMNS", "0")
    assert layout_of(io.StringIO()).width is None


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_the_window_of_the_stream_itself_is_asked():
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 97, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        assert layout_of(stream) == TextLayout(color=True, width=97, unicode=True)
    os.close(ours)


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("ascii", False), ("latin-1", False), ("no-such", False)]
)
def test_characters_that_the_encoding_lacks_are_not_used(encoding, unicode):
    stream = type("Stream", (io.StringIO,), {"encoding": encoding})()
    assert layout_of(stream).unicode is unicode


def test_an_object_instead_of_a_stream_is_no_terminal():
    assert layout_of(object()) == PLAIN


def test_paint_and_spelling():
    assert TextLayout(color=True).paint("no", "red") == "\x1b[31mno\x1b[0m"
    assert PLAIN.paint("no", "red") == "no"
    assert TextLayout(unicode=False).spell("−1…1") == "-1...1"
    assert PLAIN.spell("−1…1") == "−1…1"


def test_pytest_itself_has_no_terminal():
    assert layout_of(sys.stdout).width is None
