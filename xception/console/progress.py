"""Progress on stderr: a bar on a terminal or in a notebook, elsewhere a line of text now and then."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Literal, Protocol

from .pace import Pace

#: "auto": of more than one step, unless silenced; 0: none; 1 or 2: always.
Verbose = Literal["auto", 0, 1, 2]

clock = time.monotonic

#: Before the bar of work that is often done in a loop, such as predicting one array after the other: the bar
#: of each would flash. A bar of work that was done sooner is erased at its end.
DELAY_SECONDS = 2.0
REDRAW_SECONDS = 0.1  #: between two drawings of a bar, which more would make no smoother

#: Lines are for a log: none for short work; the first one soon, as it tells whether all is well.
FIRST_LINE_SECONDS = 10.0
#: Between two lines lies a tenth of the time since the start, so that hours take some dozens of lines; and at
#: most five minutes, as several services take ten minutes of silence for a job that hangs.
LINE_SHARE, MIN_LINE_SECONDS, MAX_LINE_SECONDS = 0.1, 30.0, 300.0

DEFAULT_COLUMNS = 80  #: of a terminal that does not tell its width, and of a text bar in a notebook
#: The bar itself takes a quarter of the line, so that it keeps its place while the text changes; a longer one
#: says no more, and a shorter one nothing.
BAR_SHARE, MIN_BAR_COLUMNS, MAX_BAR_COLUMNS = 4, 10, 25

_silent = False


class ProgressBar:
    """Progress of work that is done in steps. Use it as a context manager.

    On a terminal and in a notebook it is a bar of tqdm; where stderr is a file or a pipe, on a terminal that
    cannot redraw a line (TERM=dumb), and without tqdm, a line of text now and then.

    Args:
        total: Number of steps; None if unknown.
        unit: What a step is: "photo", "image"; "byte" is shown in megabytes.
        verbose: "auto" for progress of more than one step, 0 for none, 1 or 2 for progress of any number,
            and the first line at once.
        delay: Seconds before a bar of "auto" appears.
        task: What is done, before the count; "" where the command or the call says it.

    Raises:
        ValueError: `verbose` is none of these.
    """

    def __init__(
        self, total: int | None, unit: str, verbose: Verbose = "auto", delay: float = 0.0, task: str = ""
    ) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f'verbose must be "auto", 0, 1 or 2, got {verbose!r}')
        self._pace = Pace(total, unit, clock(), task)
        self._always = verbose in (1, 2)
        # A single photograph is done before a bar could be read, and need not wait for tqdm's import.
        self._several = self._always or (total is not None and total > 1)
        self._takes_bar = terminal_columns() is not None or in_notebook()
        self._display: _Display | None = None
        self._due = float("inf")
        # stderr is None in a program without a console.
        if sys.stderr is not None and verbose != 0 and (self._always or not _silent):
            seconds = delay if self._takes_bar else FIRST_LINE_SECONDS
            self._due = self._pace.start + (0.0 if self._always else seconds)

    def __enter__(self) -> ProgressBar:
        self.advance(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is None:
            return
        # An abandoned generator may be closed at any time, after other output, so its bar is erased.
        is_abandoned = kind is GeneratorExit
        took_long = clock() - self._pace.start >= DELAY_SECONDS
        self._display.close(
            is_finished=kind is None, is_kept=not is_abandoned and (took_long or self._always)
        )

    def advance(self, steps: int) -> None:
        """Add to the number of finished steps. Call it from one thread only."""
        now = clock()
        self._pace.add(steps, now)
        if now >= self._due and (self._several or self._pace.done > 1):
            self._draw(now)

    def set_task(self, task: str) -> None:
        """Change what is shown before the count, from the next drawing on."""
        self._pace.set_task(task)

    def paused(self) -> AbstractContextManager[object]:
        """Clear the bar from the screen within a `with` block, which may print something else."""
        return nullcontext() if self._display is None else self._display.paused()

    def _draw(self, now: float) -> None:
        if self._display is None:
            self._display = _open_bar(self._pace) if self._takes_bar else None
            if self._display is None:
                self._display = _Lines(self._pace)
                if self._takes_bar and not self._always:  # no tqdm: a line is due later than a bar
                    self._due = self._pace.start + FIRST_LINE_SECONDS
                    return
        self._due = self._display.draw(now)


@contextlib.contextmanager
def silenced(enabled: bool = True) -> Iterator[None]:
    """Show no progress within a `with` block, of any thread, except where `verbose` asks for it.

    Args:
        enabled: False does nothing.
    """
    global _silent
    before, _silent = _silent, _silent or enabled
    try:
        yield
    finally:
        _silent = before


def is_silenced() -> bool:
    """Return True within a `with` block of `silenced`."""
    return _silent


def terminal_columns() -> int | None:
    """Return the width of the terminal that stderr is; None if it is none, or cannot redraw a line."""
    try:
        if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return None
        return os.get_terminal_size(sys.stderr.fileno()).columns or DEFAULT_COLUMNS
    except (AttributeError, OSError, ValueError):  # closed, None, or an object such as IDLE's
        return None


def in_notebook() -> bool:
    """Return True in a Jupyter kernel, by the same test as `tqdm.auto`."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


class _Display(Protocol):
    """Where progress is shown."""

    def draw(self, now: float) -> float:
        """Show the present state; return the time at which it may be shown next."""

    def close(self, is_finished: bool, is_kept: bool) -> None:
        """Show the end of work that is finished, or was interrupted.

        Args:
            is_finished: Whether all was done.
            is_kept: Whether a bar stays on the screen.
        """

    def paused(self) -> AbstractContextManager[object]:
        """Clear the screen for other output within a `with` block."""


class _Lines:
    """Lines of text, for a file, a pipe, or a terminal that has no more."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._lines = pace, 0

    def draw(self, now: float) -> float:
        self._print(self._pace.describe(now))
        seconds = LINE_SHARE * (now - self._pace.start)
        return now + min(max(seconds, MIN_LINE_SECONDS), MAX_LINE_SECONDS)

    def close(self, is_finished: bool, is_kept: bool) -> None:
        if is_finished and self._lines:
            self._print(self._pace.summarize(clock()))

    def paused(self) -> AbstractContextManager[object]:
        return nullcontext()

    def _print(self, text: str) -> None:
        self._lines += 1
        with contextlib.suppress(OSError, ValueError):  # its reader has gone: the work goes on
            print(f"xception: {text}", file=sys.stderr, flush=True)


class _Bar:
    """A bar of tqdm that draws only when asked, with the text of `Pace`."""

    def __init__(self, pace: Pace, kind: Any, is_widget: bool) -> None:
        self._pace, self._is_widget = pace, is_widget
        text, columns = self._layout(pace.describe(clock(), self._columns()))
        self._bar = _bar_class(kind)(total=pace.total, bar_format=text, ncols=columns)

    def draw(self, now: float) -> float:
        self._set_text(self._pace.describe(now, self._columns()))
        self._bar.refresh()
        return now + REDRAW_SECONDS

    def close(self, is_finished: bool, is_kept: bool) -> None:
        now = clock()
        describe = self._pace.summarize if is_finished else self._pace.describe
        self._set_text(describe(now, self._columns()))
        # Below a bar of the caller, each bar would leave a line.
        self._bar.leave = is_kept and not self._bar.pos
        self._bar.close()

    def paused(self) -> AbstractContextManager[object]:
        if self._is_widget or self._bar.disable:  # a widget has its own place
            return nullcontext()
        # Without tqdm's lock, for which other threads would wait as long as the block takes.
        context: AbstractContextManager[object] = self._bar.external_write_mode(self._bar.fp, nolock=True)
        return context

    def _set_text(self, text: str) -> None:
        self._bar.n = self._pace.done
        self._bar.bar_format, self._bar.ncols = self._layout(text)

    def _layout(self, text: str) -> tuple[str, int | None]:
        """Return tqdm's format and width for a text, with a bar where there is room."""
        columns_of_text, text = len(text), text.replace("{", "{{").replace("}", "}}")
        if self._is_widget:
            return f"{{bar}} {text}", None
        columns = self._columns()
        width = min(columns // BAR_SHARE, MAX_BAR_COLUMNS)
        has_bar = self._pace.total and MIN_BAR_COLUMNS <= width <= columns - columns_of_text - len("|| ")
        return f"|{{bar:{width}}}| {text}" if has_bar else text, columns

    @staticmethod
    def _columns() -> int:
        # The last column stays empty: some terminals would begin a new line.
        return max((terminal_columns() or DEFAULT_COLUMNS) - 1, 1)


@functools.cache
def _bar_class(kind: Any) -> Any:
    """Return a kind of tqdm without what the library does not use, and other bars of the process may."""
    bar: Any = type("Bar", (kind,), {"monitor_interval": 0})  # no thread that watches bars
    # tqdm's own lock is shared between processes, for which some systems start another process.
    bar.set_lock(threading.RLock())
    return bar


def _open_bar(pace: Pace) -> _Bar | None:
    """Return a bar; None without tqdm."""
    try:
        if not in_notebook():
            from tqdm import tqdm

            return _Bar(pace, tqdm, is_widget=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that widgets are an experiment, or not installed
            from tqdm.auto import tqdm as best
            from tqdm.notebook import tqdm_notebook
        return _Bar(pace, best, is_widget=issubclass(best, tqdm_notebook))
    except ImportError:
        return None
