"""Predictions of a photograph as lines of text: JSON Lines, CSV, and items of a JSON list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..console.csv_text import format_row
from ..console.json_text import to_json
from ..data.imagenet import Prediction
from .results import to_dict

#: Suffixes of files of predictions; `files.FORMATS` has their writers.
SUFFIXES = (".jsonl", ".csv", ".json", ".parquet")

CSV_HEADER = format_row(("path", "rank", *Prediction._fields))


def json_line(path: str | None, entry: Sequence[Prediction] | Exception) -> str:
    """Return a line of JSON Lines: the path of a photograph, and its predictions or the error.

    Args:
        path: The path; None for an image that did not come from a file.
        entry: The predictions, or why the photograph could not be read.
    """
    if isinstance(entry, Exception):
        return to_json({"path": path, "error": str(entry)}) + "\n"
    return to_json(to_dict(path, entry)) + "\n"


def json_item(path: str | None, predictions: Iterable[Prediction]) -> str:
    """Return the lines of a photograph in an indented JSON list, without the comma behind it."""
    return to_json([to_dict(path, predictions)], indent=2)[1:-1].rstrip("\n")


def csv_rows(path: str | None, predictions: Iterable[Prediction]) -> str:
    """Return a line of CSV for each class of a photograph."""
    return "".join(
        format_row((path, rank, class_id, class_name, f"{score:.6g}"))
        for rank, (class_id, class_name, score) in enumerate(predictions, start=1)
    )
