"""Similar photographs: nearest neighbors by the cosine between features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from ..console.progress import Verbose
from ..console.text import count_of
from ..data.failures import Failure, FailureLog, OnError
from ..data.photographs import find_photographs
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..kernels import Array
from ..layers.validation import as_int
from ..models.feature_maps import Pooling
from ..prediction.classifier import ModelArgument, check_no_model
from ..storage.cache import CacheStore
from .extraction import Extractor, extract_cached

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..data.photographs import ImagesLike

CHUNK_ROWS = 1024  #: rows converted and multiplied at a time: 8 MB of 2048 features


class Neighbor(NamedTuple):
    """A photograph that is similar to another.

    Attributes:
        path: Its path; None if it did not come from a file.
        index: Its position among the photographs that were searched, from 0.
        cosine: The cosine of the angle between the features of both, −1…1; 1 is most similar.
    """

    path: str | None
    index: int  # type: ignore[assignment]  # hides tuple.index, which no one needs here
    cosine: float


class SimilarPhotographs(Sequence[list[Neighbor]]):
    """What `xception.similar` returns: the neighbors of each query photograph that could be read.

    Attributes:
        paths: The path of each query photograph; None for those that did not come from a file.
        indices: The position of each among the query photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`; the query's first.
        searched: How many photographs were searched.
        cached: How many of these had their features in the cache.
    """

    def __init__(
        self,
        neighbors: Iterable[list[Neighbor]],
        paths: Iterable[str | None],
        indices: Iterable[int],
        failures: Iterable[Failure] = (),
        searched: int = 0,
        cached: int = 0,
    ) -> None:
        self._neighbors = list(neighbors)
        self.paths, self.indices = list(paths), list(indices)
        self.failures = list(failures)
        self.searched, self.cached = searched, cached

    def __len__(self) -> int:
        return len(self._neighbors)

    @overload
    def __getitem__(self, index: int) -> list[Neighbor]: ...

    @overload
    def __getitem__(self, index: slice) -> SimilarPhotographs: ...

    def __getitem__(self, index: int | slice) -> list[Neighbor] | SimilarPhotographs:
        if not isinstance(index, slice):
            return self._neighbors[index]
        return SimilarPhotographs(
            self._neighbors[index], self.paths[index], self.indices[index], self.failures,
            self.searched, self.cached,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<SimilarPhotographs: of {count_of(len(self), 'photograph')}, among {self.searched:,}>"

    def plot(self, n: int = 6) -> Figure:
        """Draw a contact sheet with matplotlib: each query photograph and its neighbors.

        See `xception.plot.similar`.

        Args:
            n: How many neighbors of each.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        """
        from .. import plot  # a higher room

        return plot.similar(self, n)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each query photograph that JSON can hold: its path and its neighbors."""
        return [
            {"path": path, "neighbors": [neighbor._asdict() for neighbor in neighbors]}
            for path, neighbors in zip(self.paths, self._neighbors, strict=True)
        ]


def similar(
    query: ImagesLike,
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int = 10,
    layers: str | Sequence[str] | None = None,
    pooling: Pooling = "avg",
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> SimilarPhotographs:
    """Find the photographs that are most similar to others, by the cosine between their features.

    Features of files are cached on disk, by the content of the file, so that the next query computes
    only what is new.

    Args:
        query: The photographs to find similar ones of, as for `predict`.
        images: The photographs to search, as for `predict`. A query photograph that is also here, by
            the same path, is not its own neighbor.
        model: As for `features`.
        top: Neighbors per query photograph, at least 1.
        layers: As for `features`. Late layers find similar things, early ones similar textures.
        pooling: As for `features`.
        scaling: As for `features`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        For each query photograph that could be read, its neighbors, best first.

    Raises:
        TypeError: An argument is of another type.
        ValueError: The model does not take a photograph or has no such layer, or an option is unknown.
        OSError: A photograph or model file cannot be read.
        ModelFileError: The model file is damaged or not supported.

    Examples:
        >>> result = similar("examples/chelsea.jpg", "examples", top=2)
        >>> [neighbor.path for neighbor in result[0]]
        ['examples/rocket.jpg', 'examples/astronaut.jpg']
    """
    check_no_model("similar(query, images, model)", query=query, images=images)
    top = as_int("top", top)
    log = FailureLog(on_error)
    queries = find_photographs(query, log)
    candidates = find_photographs(images, log)
    extractor = Extractor(model, layers, pooling, scaling, interpolation, aspect, exif, decode)
    with CacheStore(lambda: extractor.fingerprint, len(extractor.names)) as store:
        query_features = extract_cached(extractor, queries, store, log, verbose)
        # A query that could not be read is often among the candidates, and has been reported.
        unreadable = {failure.path for failure in log.failures if failure.path is not None}
        if not len(query_features.paths):
            candidates = iter(())  # there is nothing to compare with
        elif unreadable:
            candidates = (candidate for candidate in candidates if candidate.path not in unreadable)
        searched = extract_cached(extractor, candidates, store, log, verbose)
    rows_by_path: dict[str | None, list[int]] = {None: []}
    for row, path in enumerate(searched.paths):
        if path is not None:
            rows_by_path.setdefault(path, []).append(row)
    neighbors = [
        [
            Neighbor(searched.paths[row], searched.indices[row], cosine)
            for row, cosine in nearest(values, searched.values, top, rows_by_path.get(path, ()))
        ]
        for path, values in zip(query_features.paths, query_features.values, strict=True)
    ]
    return SimilarPhotographs(
        neighbors, query_features.paths, query_features.indices, log.failures, len(searched),
        searched.resumed,
    )  # fmt: skip


def nearest(query: Array, rows: Array, top: int = 10, exclude: Sequence[int] = ()) -> list[tuple[int, float]]:
    """Find the rows that point in the direction most similar to a query's.

    Args:
        query: (d,) features.
        rows: (n, d) features, perhaps on disk: a chunk of them is in memory at a time.
        top: How many rows, at least 1.
        exclude: Rows that are left out.

    Returns:
        (row, cosine −1…1), best first; of equal cosines the first row first. Rows of zeros have 0.

    Raises:
        ValueError: `top` is not a positive integer.
    """
    top = as_int("top", top)
    length = np.linalg.norm(query) or 1.0
    cosines = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = np.asarray(rows[start : start + CHUNK_ROWS], np.float32)
        lengths = np.linalg.norm(part, axis=1)
        lengths[lengths == 0] = 1
        cosines[start : start + CHUNK_ROWS] = part @ query / (lengths * length)
    order = np.argsort(-cosines, kind="stable")
    best = order[~np.isin(order, exclude)][:top]
    return [(int(row), float(cosines[row])) for row in best]
