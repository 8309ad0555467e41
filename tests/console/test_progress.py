"""The progress bar."""

import sys

import pytest

from xception.console.progress import ProgressBar


def run(capsys, verbose, steps=3):
    with ProgressBar(steps, "photo", verbose) as bar:
        for _ in range(steps):
            bar.advance(1)
            with bar.paused():
                print("a line")
    return capsys.readouterr()


def test_a_bar_on_demand(capsys):
    captured = run(capsys, 1)
    assert captured.out == "a line\n" * 3
    assert "3/3" in captured.err
    assert "photo" in captured.err


def test_no_bar_on_demand(capsys):
    assert run(capsys, 0).err == ""


def test_a_bar_appears_when_the_work_takes_long(capsys, monkeypatch):
    assert run(capsys, "auto").err == ""
    monkeypatch.setattr("xception.console.progress.DELAY_SECONDS", 0.0)
    assert "3/3" in run(capsys, "auto").err


def test_an_unknown_total(capsys):
    with ProgressBar(None, "photo", 1) as bar:
        bar.advance(5)
    assert "5photo" in capsys.readouterr().err


def test_a_program_without_a_console(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert run(capsys, 1).out == "a line\n" * 3


@pytest.mark.parametrize("verbose", ["yes", 3, None])
def test_unknown_values(verbose):
    with pytest.raises(ValueError, match='verbose must be "auto", 0, 1 or 2, got'):
        ProgressBar(3, "photo", verbose)
