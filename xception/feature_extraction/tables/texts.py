"""Features as text: .csv, and .arff for Weka."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from ...console.csv_text import path_cell, text_cell, writable
from ...kernels import Array
from .table import Table

ARFF_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def write_paths(path: Path, table: Table) -> None:
    """Write paths and labels alone, as CSV."""
    with _open_text(path) as stream:
        stream.write("path,label\n")
        for source, label in zip(table.paths, table.labels, strict=True):
            stream.write(f"{path_cell(source)},{text_cell(label)}\n")


def write_csv(path: Path, table: Table) -> None:
    """Write a line of names, and a line per photograph."""
    with _open_text(path) as stream:
        label_header = ["label"] if table.is_labeled else []
        stream.write(",".join(("path", *label_header, *map(text_cell, table.names))) + "\n")
        for paths, labels, rows in table.chunks():
            for source, label, row in zip(paths, labels, rows, strict=True):
                texts = (path_cell(source), *([text_cell(label)] if label_header else []))
                stream.write(",".join((*texts, *map(str, row))) + "\n")


def read_csv(path: Path, columns: int, is_labeled: bool) -> Array:
    """Return the features."""
    first = 1 + is_labeled
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        next(rows)
        return np.array([np.array(row[first : first + columns], np.float32) for row in rows])


def write_arff(path: Path, table: Table) -> None:
    """Write what Weka reads. It expects the class as the last attribute, with its values in the header.

    Paths are not in it: most of Weka's classifiers, and SciPy, take no attribute of text.
    """
    is_labeled = table.is_labeled
    with _open_text(path) as stream:
        print("@relation features\n", file=stream)
        for name in table.names:
            print(f"@attribute {_quote(name)} numeric", file=stream)
        if is_labeled:
            print(f"@attribute class {{{','.join(map(_quote, sorted(set(table.labels))))}}}", file=stream)
        print("\n@data", file=stream)
        for _, labels, rows in table.chunks():
            for label, row in zip(labels, rows, strict=True):
                end = (_quote(label),) if is_labeled else ()
                print(",".join((*map(str, row), *end)), file=stream)


def read_arff(path: Path, columns: int, _is_labeled: bool) -> Array:
    """Return the features."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            if line == "@data\n":
                break
        return np.array([np.array(line.split(",", columns)[:columns], np.float32) for line in stream])


def _quote(text: str) -> str:
    text = writable(text)
    if re.fullmatch(r"\w[\w.-]*", text, re.ASCII):
        return text
    return f"'{text.translate(ARFF_ESCAPES)}'"


def _open_text(path: Path) -> io.TextIOWrapper:
    return path.open("w", newline="", encoding="utf-8")
