"""Pace of a long task: how much is done, how fast, and the time left, as text."""

from __future__ import annotations

from collections import deque

TICK_SECONDS = 0.5  #: length of a measurement; longer where a single step is
#: Measurements that the rate is taken from: some seconds, so that it is steady and yet follows changes.
MAX_TICKS = 30
#: A measurement this many times above the median is left out. Photographs that an earlier run has computed
#: are counted in a burst, which says nothing about those that are left.
BURST = 4.0

BYTES_PER_MEGABYTE = 1_000_000
DAY_SECONDS = 86_400
MIN_SHOWN_DAYS = 4  #: from so many days on, hours and minutes are not certain anyway


class Pace:
    """Count of finished steps and its rate.

    Args:
        total: Number of steps; None if unknown.
        unit: What a step is: "photo". "byte" is shown in megabytes.
        now: The time in seconds, by any clock; the same one later on.
        task: What is done, which the text begins with: "download"; "" if that is plain.

    Attributes:
        total: As given.
        done: Number of finished steps.
        start: As given for `now`.

    Examples:
        >>> pace = Pace(48, "photo", now=0.0)
        >>> pace.add(12, now=2.5)
        >>> pace.describe(now=2.5)
        '12 of 48 photos, 4.8 photos/s, 0:08 left'
    """

    def __init__(self, total: int | None, unit: str, now: float, task: str = "") -> None:
        self.total, self.done, self.start = total, 0, now
        self._unit = unit
        self.set_task(task)
        self._tick_start, self._tick_steps = now, 0
        self._ticks: deque[tuple[float, float]] = deque(maxlen=MAX_TICKS)  # (steps a second, seconds)

    def set_task(self, task: str) -> None:
        """Change what the text begins with."""
        self._prefix = f"{task}: " if task else ""

    def add(self, steps: int, now: float) -> None:
        """Count steps that are finished at a time."""
        self.done += steps
        self._tick_steps += steps
        seconds = now - self._tick_start
        if seconds >= TICK_SECONDS and self._tick_steps:
            self._ticks.append((self._tick_steps / seconds, seconds))
            self._tick_start, self._tick_steps = now, 0

    def rate(self, now: float) -> float | None:
        """Return steps a second over the last seconds, without bursts; None before there is one."""
        if not self._ticks:
            seconds = now - self.start
            return self.done / seconds if self.done and seconds > 0 else None
        median = sorted(self._ticks)[len(self._ticks) // 2][0]
        usual = [(rate, seconds) for rate, seconds in self._ticks if rate <= BURST * median]
        return sum(rate * seconds for rate, seconds in usual) / sum(seconds for _, seconds in usual)

    def describe(self, now: float, columns: int | None = None) -> str:
        """Return "12 of 48 photos, 5.3 photos/s, 0:07 left".

        Args:
            now: The time.
            columns: Width of the line. Where it is narrow, the task is left out first, then the rate, the
                time, and the unit.
        """
        total = None if self.total is None or self.done > self.total else self.total
        counted = (
            self._amount(self.done)
            if total is None
            else f"{self._amount(self.done)} of {self._amount(total)}"
        )
        parts = [f"{counted} {self._units(self.done if total is None else total)}"]
        texts = [counted, *parts]
        rate = self.rate(now)
        if rate is not None:
            parts.append(self._speed(rate))
            if total is not None:
                parts.append(f"{format_seconds((total - self.done) / rate)} left")
                texts.append(f"{parts[0]}, {parts[2]}")
        texts.append(", ".join(parts))
        return self._longest(texts, columns)

    def summarize(self, now: float, columns: int | None = None) -> str:
        """Return "48 photos in 0:09, 5.3 photos/s", for the end; see `describe`."""
        seconds = now - self.start
        texts = [f"{self._amount(self.done)} {self._units(self.done)}"]
        texts.append(f"{texts[0]} in {format_seconds(seconds)}")
        if self.done and seconds > 0:
            texts.append(f"{texts[1]}, {self._speed(self.done / seconds)}")
        return self._longest(texts, columns)

    def _longest(self, texts: list[str], columns: int | None) -> str:
        """Return the last text that fits, of some that grow."""
        texts = [*texts, self._prefix + texts[-1]]
        return next((text for text in reversed(texts) if columns is None or len(text) <= columns), texts[0])

    def _amount(self, count: float) -> str:
        return f"{count / BYTES_PER_MEGABYTE:,.1f}" if self._unit == "byte" else f"{count:,}"

    def _units(self, count: int) -> str:
        return "MB" if self._unit == "byte" else f"{self._unit}{'s' * (count != 1)}"

    def _speed(self, rate: float) -> str:
        if self._unit == "byte":
            rate /= BYTES_PER_MEGABYTE
        digits = f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.1f}" if rate >= 0.95 else f"{rate:.2g}"
        return f"{digits} {self._units(2)}/s"


def format_seconds(seconds: float) -> str:
    """Return "0:07", "3:22:10", or "11.6 days".

    Examples:
        >>> format_seconds(7.4), format_seconds(12_130), format_seconds(1e6)
        ('0:07', '3:22:10', '11.6 days')
    """
    if seconds >= MIN_SHOWN_DAYS * DAY_SECONDS:
        return f"{seconds / DAY_SECONDS:,.1f} days"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
