"""Writing of tables: the format by the suffix, whole or not at all; and reading of their values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...data.atomic import check_writable, replace_file
from ...kernels import Array
from ...storage.parquet import import_pyarrow
from .arrays import read_npy, read_npz, write_npy, write_npz
from .parquet import read_parquet, write_parquet
from .table import Table
from .texts import read_arff, read_csv, write_arff, write_csv, write_paths


class Format(NamedTuple):
    """How a format is written, and how its features are read again."""

    write: Callable[[Path, Table], None]
    read_values: Callable[[Path, int, bool], Array]


FORMATS: dict[str, Format] = {
    ".npz": Format(write_npz, read_npz),
    ".npy": Format(write_npy, read_npy),
    ".csv": Format(write_csv, read_csv),
    ".parquet": Format(write_parquet, read_parquet),
    ".arff": Format(write_arff, read_arff),
}


#: Formats of numbers: paths and labels are in a `.paths.csv` file beside them.
WITHOUT_PATHS = (".npy", ".arff")


def write_table(path: Path, table: Table, wide: bool = False) -> None:
    """Write a table, whole or not at all, in the format that the suffix names.

    A `.npy` or `.arff` file holds no paths: these are written to a `.paths.csv` file beside it, with the
    labels.

    Args:
        path: The file to write.
        table: The features.
        wide: Whether each feature gets a column of its own in a `.parquet` file.

    Raises:
        ValueError: The suffix names no format, or one that has no two layouts.
        MissingPackageError: pyarrow is needed but not installed.
        OSError: The file cannot be written.
    """
    check_format(path, wide)
    with ExitStack() as files:  # all are complete before one gets its name
        target = files.enter_context(replace_file(path))
        if wide:
            write_parquet(target, table, wide=True)
        else:
            FORMATS[path.suffix].write(target, table)
        if path.suffix in WITHOUT_PATHS:
            write_paths(files.enter_context(replace_file(paths_file(path))), table)


def read_values(path: Path, columns: int, is_labeled: bool) -> Array:
    """Return the features in a file that `write_table` wrote.

    Args:
        path: The file.
        columns: Features per row.
        is_labeled: Whether the table has labels.

    Returns:
        (n, columns) float32; of `.npz` and `.npy` mapped from the disk.
    """
    return np.asarray(FORMATS[path.suffix].read_values(path, columns, is_labeled))


def check_format(path: Path, wide: bool = False) -> None:
    """Raise ValueError for a suffix that names no format, or has no `wide`, or MissingPackageError."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name}: expected a name that ends in {', '.join(FORMATS)}")
    if path.suffix == ".parquet":
        import_pyarrow("writing .parquet")
    elif wide:
        raise ValueError(f"{path.name}: 'wide' is a layout of .parquet files; leave it out for {path.suffix}")


def check_target(path: Path, wide: bool = False) -> None:
    """Raise an error, before any work, if no table can be written at a path."""
    check_writable(path)
    check_format(path, wide)
    if path.suffix in WITHOUT_PATHS:
        check_writable(paths_file(path))


def paths_file(path: Path) -> Path:
    """Return the file beside a file without paths that holds them, and the labels."""
    return path.with_suffix(".paths.csv")
