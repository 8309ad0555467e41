"""Result of a feature extraction: an array whose rows know their photographs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..console.text import count_of
from ..data.failures import Failure
from ..data.photographs import Photograph
from ..errors import requires
from ..kernels import Array
from ..storage.outputs import open_output
from . import tables
from .tables import Table


class Features:
    """What `xception.features` returns: n photographs, d features each.

    NumPy functions accept it as an array: `np.asarray(features)` is `features.values`.

    Args:
        values: (n, d) float32, or a function that returns them at the first use of `values`.
        names: d names.
        photographs: n photographs.
        failures: What could not be read.
        resumed: See the attribute.

    Attributes:
        names: (d,) the name of each feature: "feature_0", or "block4_pool_0" for layers asked for.
        paths: (n,) the path of each photograph; None for those that did not come from a file.
        indices: (n,) the position of each among the photographs that were given, from 0.
        labels: (n,) the name of each photograph's folder, if that lies below the folder that was given;
            otherwise "".
        failures: What could not be read, where `on_error="skip"`.
        resumed: How many of the photographs had been computed by earlier calls: before an interruption, or
            for the cache.
    """

    def __init__(
        self,
        values: Array | Callable[[], Array],
        names: Sequence[str],
        photographs: Sequence[Photograph],
        failures: Iterable[Failure] = (),
        resumed: int = 0,
    ) -> None:
        self._values = values
        self.names = list(names)
        self.paths = [photograph.path for photograph in photographs]
        self.indices = [photograph.index for photograph in photographs]
        self.labels = [photograph.label for photograph in photographs]
        self.failures = list(failures)
        self.resumed = resumed

    @property
    def values(self) -> Array:
        """(n, d) float32. If they were written to a file, they are read from it at the first use.

        Those of `.npz` and `.npy` are memory-mapped: only the rows that are used take memory.
        """
        if callable(self._values):
            self._values = self._values()
        return self._values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        values = self.values
        is_converted = dtype is not None and np.dtype(dtype) != values.dtype
        if is_converted and copy is False:
            raise ValueError(f"features are float32: an array of {np.dtype(dtype)} is always a copy")
        if is_converted:
            return values.astype(dtype)
        return values.copy() if copy else values

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        failures = f", {count_of(len(self.failures), 'failure')}" if self.failures else ""
        width = count_of(len(self.names), "feature")
        return f"<Features: {count_of(len(self), 'photograph')}, {width} each{failures}>"

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each photograph.

        Returns:
            Its index is the paths of the photographs; its columns are `label`, if there are labels, and the
            features by name, float32.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        with requires("a frame", "pandas", "'xception[pandas]'"):
            import pandas
        frame = pandas.DataFrame(self.values, pandas.Index(self.paths, name="path"), self.names)
        if any(self.labels):
            frame.insert(0, "label", self.labels)
        return frame

    def save(self, path: str | os.PathLike[str], wide: bool = False) -> None:
        """Write a table, whole or not at all.

        The columns are `path`, `label` if there are labels, and the names of the features; in a `.parquet`
        file the features are one column, `features`, of lists of the same length. Images that
        did not come from a file have the path "". Rows are in the order of the photographs. Bytes of names
        that are not UTF-8 are escaped (`\\xff`); `paths` and `labels` of this object have the names as they
        are. In text files control characters are escaped, too, and in CSV no cell is a formula to a
        spreadsheet: before `= + - @` stands `./` in a path, an apostrophe in other text.

        Args:
            path: The file, also as a URL. Its suffix chooses the format: `.npz` (arrays `values`, `names`,
                `paths`, `labels`), `.npy` (the values, with a `.paths.csv` beside it), `.csv`, `.parquet`,
                or `.arff` for Weka (the label is the last attribute, `class`; with a `.paths.csv`, too).
            wide: Whether a `.parquet` file has a column for each feature.

        Raises:
            ValueError: The suffix names no format, or `wide` is given for another format.
            MissingPackageError: pyarrow is needed but not installed.
            OSError: The file cannot be written.
        """
        paths = [path or "" for path in self.paths]
        with open_output(path) as output:
            tables.check_format(output.path, wide)  # before values are read
            table = Table.of_array(paths, self.labels, self.names, self.values, range(len(self)))
            tables.write_table(output.path, table, wide)
            output.publish()
