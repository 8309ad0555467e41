"""`--help`: that of every option, with examples."""

import argparse
import re
import shlex

import pytest

from xception.cli.examples import EXAMPLES
from xception.cli.main import main
from xception.cli.parser import COMMANDS, build_parser


@pytest.fixture(scope="module")
def parsers():
    """Every parser, by what it is called with: "", "predict", "weights path"."""
    return dict(listed(build_parser((), every_command=True)))


def listed(parser, words=()):
    yield " ".join(words), parser
    for action in parser._actions:
        if action.nargs == argparse.PARSER:
            for name, command in action.choices.items():
                yield from listed(command, (*words, name))


def test_every_option_has_help(parsers):
    lacking = {
        f"{command} {action.dest}"
        for command, parser in parsers.items()
        for action in parser._actions
        if action.nargs != argparse.PARSER and not action.help
    }
    assert lacking == set()


def test_help_fits_80_columns_of_an_ascii_terminal(parsers, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command, parser in parsers.items():
        text = parser.format_help()
        assert text.isascii(), command
        assert max(map(len, text.splitlines())) <= 80, command


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_shown_line_by_line_and_parsed(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    shown = capsys.readouterr().out.partition("\nexamples:\n")[2].splitlines()
    assert shown == [f"  xception {example}" for example in EXAMPLES[command]]
    assert len(shown) in (2, 3)
    for example in EXAMPLES[command]:
        words = shlex.split(example)
        build_parser(words).parse_args(words)


@pytest.mark.parametrize("arguments", [["--help"], ["predct"], ["predict", "--tpo"], ["weights", "--help"]])
def test_argparse_itself_uses_no_colors_and_suggests_once(arguments, monkeypatch, capsys):
    """As it would from Python 3.14 on."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(SystemExit):
        main(arguments)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "maybe you meant" not in err
    assert err.count("did you mean") == bool(err)


def test_messages_are_painted_where_colors_are_asked_for_and_read_the_same(monkeypatch, capsys):
    assert main(["inspect", "nothing.keras"]) == 1
    plain = capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["inspect", "nothing.keras"]) == 1
    painted = capsys.readouterr().err
    assert painted.startswith("\x1b[31mxception:\x1b[0m ")
    assert re.sub("\x1b\\[[0-9]+m", "", painted) == plain
