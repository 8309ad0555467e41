"""Files of predictions, written whole, and resumed from stored scores: .jsonl, .csv, .json, .parquet."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..console.progress import Verbose
from ..data.atomic import check_writable, replace_file
from ..data.failures import Failure, FailureLog
from ..data.imagenet import Prediction
from ..data.photographs import Photograph, find_photographs
from ..data.pipeline import Progress, log_unreadable
from ..kernels import Array
from ..storage import parts
from ..storage.outputs import open_output
from ..storage.parquet import import_pyarrow
from ..storage.resuming import StoredRows, collect, open_progress
from ..storage.rows import DiskStore
from .classifier import Classifier
from .lines import CSV_HEADER, SUFFIXES, csv_rows, json_item, json_line
from .results import WrittenPredictions

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

CHUNK_ROWS = 256  #: photographs in memory at a time: 1 MB of 1000 scores

#: A photograph, and its predictions or why it could not be read.
PredictionOrError = tuple[Photograph, list[Prediction] | Exception]


def predict_to_file(
    classifier: Classifier,
    images: ImagesLike,
    output: str | os.PathLike[str],
    top: int | None,
    log: FailureLog,
    verbose: Verbose = "auto",
    verify: bool = False,
) -> WrittenPredictions:
    """Write the best classes of photographs to a file; see `predict`.

    Args:
        classifier: Computes the scores.
        images: The photographs.
        output: The file.
        top: Classes or labels per photograph, see `predict`.
        log: Records the photographs that cannot be read.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.
        verify: Whether photographs that were computed before an interruption are compared by content.

    Returns:
        How many photographs were predicted, and those that could not be read.
    """
    classifier.preprocessor.check_only_input()

    def stream(
        photographs: Iterable[Photograph], log: FailureLog, progress: Progress
    ) -> Iterator[tuple[Photograph, Array]]:
        return log_unreadable(classifier.stream_outcomes(photographs, progress), log)

    with open_output(output) as file:
        check_target(file.path)
        photographs = find_photographs(images, log)
        with open_progress(file.path, classifier.fingerprint, verify) as store:
            stored = collect(stream, photographs, store, log, verbose)
            if stored.photographs:
                predictions = _decode(classifier, store, stored, top)
                write_predictions(file.path, merge_failures(predictions, log.failures))
                file.publish()  # before what could be resumed from is removed
    return WrittenPredictions(file.location, len(stored.photographs), log.failures, stored.reused)


def _decode(
    classifier: Classifier, store: DiskStore, stored: StoredRows, top: int | None
) -> Iterator[PredictionOrError]:
    for start in range(0, len(stored.numbers), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        entries = classifier.decode(store.take(stored.numbers[part]), top)
        yield from zip(stored.photographs[part], entries, strict=True)


def merge_failures(
    predictions: Iterable[PredictionOrError], failures: Iterable[Failure]
) -> Iterator[PredictionOrError]:
    """Yield predictions and failures in the order of the photographs.

    Folders and patterns without photographs, which have no index, come first.
    """
    failed = (
        (Photograph(-1 if failure.index is None else failure.index, None, failure.path), failure.error)
        for failure in failures
    )
    return heapq.merge(predictions, failed, key=lambda item: item[0].index)


def check_target(path: Path) -> None:
    """Raise an error, before any work, if no predictions can be written at a path."""
    check_writable(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path.name}: expected a name that ends in {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        import_pyarrow("writing .parquet")


def write_predictions(path: Path, items: Iterable[PredictionOrError]) -> None:
    """Write predictions, whole or not at all, in the format that the suffix names.

    Args:
        path: The file to write.
        items: Photographs with their predictions, best first, or errors, which only `.jsonl` holds.

    Raises:
        MissingPackageError: pyarrow is needed but not installed.
        OSError: The file cannot be written.
    """
    with replace_file(path) as temporary:
        FORMATS[path.suffix](temporary, items)


def _write_jsonl(path: Path, items: Iterable[PredictionOrError]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        stream.writelines(json_line(photograph.path, entry) for photograph, entry in items)


def _write_csv(path: Path, items: Iterable[PredictionOrError]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        stream.write(CSV_HEADER)
        stream.writelines(csv_rows(photograph.path, entry) for photograph, entry in _readable(items))


def _write_json(path: Path, items: Iterable[PredictionOrError]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        separator = "["
        for photograph, entry in _readable(items):
            stream.write(separator + json_item(photograph.path, entry))
            separator = ","
        stream.write("\n]\n" if separator == "," else "[]\n")


def _write_parquet(path: Path, items: Iterable[PredictionOrError]) -> None:
    with path.open("wb") as stream:
        parts.write_predictions(stream, _readable(items))


def _readable(items: Iterable[PredictionOrError]) -> Iterator[tuple[Photograph, list[Prediction]]]:
    for photograph, entry in items:
        if not isinstance(entry, Exception):
            yield photograph, entry


#: How each format is written.
FORMATS: dict[str, Callable[[Path, Iterable[PredictionOrError]], None]] = dict(
    zip(SUFFIXES, (_write_jsonl, _write_csv, _write_json, _write_parquet), strict=True)
)
