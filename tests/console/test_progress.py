"""Progress: a bar on a terminal, lines elsewhere, and nothing where nothing is asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
from tqdm import tqdm

from xception.console import progress
from xception.console.progress import ProgressBar, is_silenced, silenced

termios = pytest.importorskip("termios", reason="a terminal of another kind")


class Clock:
    """Time that goes on when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 10.0)
    return clock


class Terminal:
    """A terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._reader, writer = os.openpty()
        self.resize(80)
        self.stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115

    def attach(self) -> None:
        """Make it stderr; not in a fixture, as pytest replaces stderr once more before the test."""
        self._monkeypatch.setattr(sys, "stderr", self.stream)

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._reader, (24, columns))

    def read(self) -> str:
        """Return what was written since the last call."""
        os.write(self.stream.fileno(), b"\0")  # what was written arrives late, but in order
        data = b""
        while not data.endswith(b"\0"):
            data += os.read(self._reader, 1 << 16)
        return data[:-1].decode().replace("\r\n", "\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._reader)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal(monkeypatch)
    monkeypatch.setenv("TERM", "xterm")
    yield terminal
    terminal.close()


def visible(text: str) -> list[str]:
    """Return the lines on a screen after some text, which may overwrite a line."""
    lines = [""]
    column = 0
    for character in text:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            lines[-1] = lines[-1][:column].ljust(column) + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def finish(clock: Clock, steps: int, seconds: float, total: int | None, verbose: object = "auto") -> None:
    with ProgressBar(total, "photo", verbose) as bar:
        for _ in range(steps):
            clock.now += seconds
            bar.advance(1)


# --- on a terminal ----------------------------------------------------------------------------


def test_a_bar_at_once_that_moves_with_each_photograph(terminal, clock):
    terminal.attach()
    with ProgressBar(4, "photo") as bar:
        assert visible(terminal.read()) == ["|                   | 0 of 4 photos"]
        clock.now += 0.5
        bar.advance(1)
        assert visible(terminal.read()) == ["|████▊              | 1 of 4 photos, 2.0 photos/s, 0:02 left"]
        clock.now += 2
        bar.advance(3)
        terminal.read()
    assert visible(terminal.read()) == ["|███████████████████| 4 photos in 0:02, 1.6 photos/s", ""]


def test_many_quick_steps_are_drawn_rarely(terminal, clock):
    terminal.attach()
    with ProgressBar(1000, "photo") as bar:
        for _ in range(999):
            clock.now += 0.001
            bar.advance(1)
        assert terminal.read().count("photos/s") == 9


def test_the_bar_of_quick_work_is_erased(terminal, clock):
    terminal.attach()
    finish(clock, 4, 0.1, 4)
    assert visible(terminal.read()) == [""]
    finish(clock, 4, 0.1, 4, verbose=1)
    assert "4 photos in 0:00" in visible(terminal.read())[0]


@pytest.mark.parametrize("total", [1, None])
def test_no_bar_for_a_single_photograph(terminal, clock, total):
    terminal.attach()
    finish(clock, 1, 60, total)
    assert terminal.read() == ""


def test_an_unknown_total(terminal, clock):
    terminal.attach()
    finish(clock, 3, 2, None)
    assert visible(terminal.read()) == ["3 photos in 0:06, 0.5 photos/s", ""]


def test_messages_stand_on_lines_of_their_own(terminal, clock):
    terminal.attach()
    with ProgressBar(2, "photo") as bar:
        with bar.paused():
            print("a.jpg: cannot be read", file=sys.stderr)
        clock.now += 3
        bar.advance(2)
    lines = visible(terminal.read())
    assert lines == ["a.jpg: cannot be read", "|███████████████████| 2 photos in 0:03, 0.67 photos/s", ""]


def test_interrupted_work_shows_how_far_it_came(terminal, clock):
    terminal.attach()
    with pytest.raises(KeyboardInterrupt), ProgressBar(48, "photo") as bar:  # noqa: PT012
        clock.now += 4
        bar.advance(12)
        raise KeyboardInterrupt
    assert visible(terminal.read())[0].endswith("| 12 of 48 photos, 3.0 photos/s, 0:12 left")


def test_a_generator_that_nobody_reads_on_leaves_nothing(terminal, clock):
    terminal.attach()

    def generator():
        with ProgressBar(48, "photo") as bar:
            for number in range(48):
                with bar.paused():
                    yield number
                clock.now += 3
                bar.advance(1)

    for number in generator():
        print("photo", number, file=sys.stderr)
        if number == 2:
            break
    assert visible(terminal.read()) == ["photo 0", "photo 1", "photo 2", ""]


def test_below_a_bar_of_the_callers_own(terminal, clock):
    terminal.attach()
    for _ in tqdm(range(2), bar_format="outer", leave=False):
        finish(clock, 2, 5, 2)
    assert "photos in" not in terminal.read()


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (61, "|██████▋        | 4 of 9 photos, 0.5 photos/s, 0:10 left"),
        (41, "4 of 9 photos, 0.5 photos/s, 0:10 left"),
        (30, "4 of 9 photos, 0:10 left"), (15, "4 of 9 photos"), (9, "4 of 9"),
    ],
)  # fmt: skip
def test_narrow_terminals(terminal, clock, columns, line):
    terminal.attach()
    terminal.resize(columns)
    with ProgressBar(9, "photo") as bar:
        terminal.read()
        clock.now += 8
        bar.advance(4)
        assert visible(terminal.read()) == [line]


def test_a_terminal_of_unknown_width(terminal, clock):
    terminal.attach()
    terminal.resize(0)
    with ProgressBar(4, "photo"):
        assert visible(terminal.read()) == ["|                   | 0 of 4 photos"]


def test_a_terminal_without_unicode(terminal, clock):
    terminal.attach()
    terminal.stream.reconfigure(encoding="ascii")
    finish(clock, 4, 1, 4)
    assert visible(terminal.read())[0] == "|###################| 4 photos in 0:04, 1.0 photos/s"


def test_a_terminal_that_cannot_redraw_gets_lines(terminal, clock, monkeypatch):
    terminal.attach()
    monkeypatch.setenv("TERM", "dumb")
    finish(clock, 3, 6, 3)
    assert (
        terminal.read()
        == "xception: 2 of 3 photos, 0.17 photos/s, 0:06 left\nxception: 3 photos in 0:18, 0.17 photos/s\n"
    )


def test_without_tqdm_a_terminal_gets_lines(terminal, clock, monkeypatch):
    terminal.attach()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    finish(clock, 3, 6, 3)
    assert (
        terminal.read()
        == "xception: 2 of 3 photos, 0.17 photos/s, 0:06 left\nxception: 3 photos in 0:18, 0.17 photos/s\n"
    )


def test_a_bar_that_waits(terminal, clock):
    terminal.attach()
    with ProgressBar(9, "image", delay=2.0) as bar:
        for expected in (False, True):
            clock.now += 1.5
            bar.advance(1)
            assert bool(terminal.read()) == expected


def test_another_thread_may_draw_bars_while_this_one_is_paused(terminal, clock):
    terminal.attach()
    program = """
import threading, tqdm
from xception.console.progress import ProgressBar
with ProgressBar(4, "photo", 1) as bar, bar.paused():
    thread = threading.Thread(target=lambda: list(tqdm.tqdm(range(3))), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
"""
    result = subprocess.run([sys.executable, "-c", program], stderr=terminal.stream)
    assert result.returncode == 0, terminal.read()


# --- elsewhere --------------------------------------------------------------------------------


def test_lines_where_stderr_is_no_terminal(clock, capsys):
    finish(clock, 9, 1, 1000)
    assert capsys.readouterr().err == ""
    finish(clock, 45, 1, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "xception: 10 of 1,000 photos, 1.0 photos/s, 16:30 left",
        "xception: 40 of 1,000 photos, 1.0 photos/s, 16:00 left",
        "xception: 45 photos in 0:45, 1.0 photos/s",
    ]


def test_a_long_job_takes_some_dozens_of_lines_and_is_never_silent_for_long(clock, capsys):
    start, times = clock.now, []
    with ProgressBar(86_400, "photo") as bar:
        for _ in range(86_400):  # a day
            clock.now += 1
            bar.advance(1)
            if line := capsys.readouterr().err:
                assert line[:-1].isprintable()
                assert line[-1] == "\n"
                times.append(clock.now - start)
    steps = [later - sooner for sooner, later in pairwise(times)]
    assert times[0] == 10
    assert min(steps) == 30
    assert max(steps) == 300
    assert len([moment for moment in times if moment < 3 * 3600]) < 70


def test_on_demand_the_first_line_at_once(clock, capsys):
    finish(clock, 1, 0.5, 1, verbose=1)
    assert capsys.readouterr().err == "xception: 0 of 1 photo\nxception: 1 photo in 0:00, 2.0 photos/s\n"


def test_a_failed_job_has_no_summary(clock, capsys):
    with pytest.raises(OSError, match="gone"), ProgressBar(4, "photo", 1):
        raise OSError("gone")
    assert capsys.readouterr().err == "xception: 0 of 4 photos\n"


def test_nobody_reads_the_lines_any_more(clock, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        finish(clock, 4, 20, 4)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


# --- none -------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 48])
def test_none(terminal, clock, steps):
    terminal.attach()
    finish(clock, steps, 60, steps, verbose=0)
    assert terminal.read() == ""


def test_silenced(terminal, clock):
    terminal.attach()
    with silenced(False):
        assert not is_silenced()
    with silenced():
        assert is_silenced()
        with silenced(False):
            assert is_silenced()
        finish(clock, 48, 60, 48)
        assert terminal.read() == ""
        finish(clock, 48, 60, 48, verbose=1)  # which asks for it
        assert terminal.read()
    assert not is_silenced()


def test_a_program_without_a_console(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    finish(clock, 4, 60, 4, verbose=1)


@pytest.mark.parametrize("verbose", ["yes", 3, None])
def test_unknown_values(verbose):
    with pytest.raises(ValueError, match='verbose must be "auto", 0, 1 or 2, got'):
        ProgressBar(3, "photo", verbose)


def test_a_single_photograph_needs_no_tqdm(small_classifier, examples, terminal):
    program = f"""
import sys
from xception.cli.main import main
assert main(["predict", {str(examples / "coffee.jpg")!r}, "--model", {str(small_classifier)!r}]) == 0
assert not {{"tqdm", "multiprocessing"}} & set(sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], stderr=terminal.stream, stdout=subprocess.DEVNULL
    )
    assert (result.returncode, terminal.read()) == (0, "")


# --- notebooks --------------------------------------------------------------------------------

NOTEBOOK = """
import sys, types
sys.modules["IPython"] = types.SimpleNamespace(
    get_ipython=lambda: types.SimpleNamespace(config={"IPKernelApp": {}}), display=None, __spec__=None
)
sys.modules["ipywidgets"] = None
from xception.console.progress import ProgressBar
with ProgressBar(4, "photo", 1) as bar:
    bar.advance(4)
"""


def test_a_notebook_without_widgets_gets_a_text_bar_and_no_warning():
    result = subprocess.run([sys.executable, "-W", "error", "-c", NOTEBOOK], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "| 0 of 4 photos" in result.stderr
    assert "arning" not in result.stderr
