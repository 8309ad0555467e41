"""Callback that writes the figures of each epoch into a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from pathlib import Path

from ...data.atomic import check_writable
from .base import Callback, Logs


class CSVLogger(Callback):
    """Writes the figures of each epoch into a CSV file, a line at a time.

    Args:
        filename: The file.
        separator: What stands between columns, one character.
        append: Whether to append to a file that exists, instead of replacing it.
    """

    is_recorder = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not (isinstance(separator, str) and len(separator) == 1):
            raise ValueError(f"separator must be one character, got {separator!r:.100}")
        self.path, self.separator, self.append = Path(filename), separator, append
        self._columns: list[str] | None = None

    def check(self, names: Collection[str]) -> None:
        check_writable(self.path)
        self._read_columns()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._columns = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        is_first = self._columns is None
        columns = self._columns or self._read_columns() or ["epoch", *sorted(logs)]
        has_header = is_first and self.append and self._read_columns() is not None
        # Opened for each line: what is written survives whatever ends the run.
        with open(self.path, "w" if is_first and not self.append else "a", newline="") as stream:
            writer = csv.writer(stream, delimiter=self.separator, lineterminator="\n")
            if is_first and not has_header:
                writer.writerow(columns)
            writer.writerow([epoch, *(logs.get(name, "NA") for name in columns[1:])])
        self._columns = columns

    def _read_columns(self) -> list[str] | None:
        """Return the columns of the file that is appended to; None if it is empty or there is none."""
        if not self.append or not self.path.exists():
            return None
        with open(self.path, newline="") as stream:
            header = next(csv.reader(stream, delimiter=self.separator), None)
        if header and header[0] != "epoch":
            raise ValueError(f"{self.path}: is not a log of training; its first column is {header[0]!r:.100}")
        return header or None
