"""Gathering: the parts of a job as one file, in the order of its list, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..console.csv_text import as_utf8
from ..console.progress import ProgressBar, Verbose
from ..data import locations
from ..data.overwriting import refuse_within
from ..data.photographs import Photograph
from ..errors import ImageError, JobError
from ..feature_extraction import tables
from ..feature_extraction.tables import Table
from ..jobs.listing import read_shard
from ..jobs.record import JOB, JobRecord, errors_name, part_name, read_record
from ..jobs.shard_files import misfit, read_errors, read_part
from ..jobs.shards import Shard, Unreadable
from ..kernels import Array
from ..prediction import files as prediction_files
from ..prediction.files import PredictionOrError
from ..storage.outputs import open_output
from ..storage.parts import Rows

MAX_NAMED_SHARDS = 5  #: of those that are missing, in a message


@dataclass(frozen=True)
class Gathered:
    """What `gather` wrote.

    Attributes:
        output: The file.
        photographs: How many photographs it holds.
        features: How many features each has; 0 for predictions.
        failures: The photographs of the job that could not be read, in order.
        missing: How many shards were left out, as they are not computed yet.
    """

    output: str
    photographs: int
    features: int
    failures: list[Unreadable]
    missing: int


def gather(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    wide: bool = False,
    partial: bool = False,
    verbose: Verbose = "auto",
) -> Gathered:
    """Write the features or predictions of a job to one file, whole or not at all.

    Rows are in the order of the job's list, and equal those that `xception.features` or `xception.predict`
    writes with `output`. Some megabytes of them are in memory at a time. The paths of photographs with
    features are in memory, too: some 150 MB for a million.

    Args:
        folder: The job's folder: a path, or a URL that fsspec reads.
        output: The file, also as a URL. Its suffix chooses the format: for features `.npz`, `.npy`, `.csv`,
            `.parquet` or `.arff`, see `Features.save`; for predictions `.jsonl` (which names the photographs
            that could not be read, too), `.csv`, `.json` or `.parquet`.
        wide: Whether a `.parquet` file has a column for each feature, instead of one column of lists.
        partial: Whether to write what there is if shards are missing, instead of raising an error.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        How many photographs the file holds, and which could not be read.

    Raises:
        JobError: The folder holds no job, shards are missing, or a part is damaged.
        ValueError: The suffix names no format, `wide` is given for another format, or no photograph of the
            job could be read.
        MissingPackageError: pyarrow is needed but not installed.
        OSError: A file cannot be read or written.
    """
    folder = os.fspath(folder)
    if not locations.is_remote(folder) and not locations.is_folder(folder):
        found = "is a file, expected a folder" if locations.exists(folder) else "there is no such folder"
        raise JobError(f"{folder}: {found}")
    record = read_record(folder)
    if record is None:
        raise JobError(
            f"{folder}: holds no job, as it has no {JOB}; expected the folder that 'xception features' or "
            "'xception predict' wrote with '--output FOLDER/'"
        )
    refuse_within(output, folder, "the folder of the job")
    with open_output(output) as file:
        path = file.path
        if record.kind == "features":
            tables.check_target(path, wide)
        else:
            prediction_files.check_target(path)
            if wide:
                raise ValueError(f"{path.name}: 'wide' is a layout of features; {folder} holds predictions")
        parts = _finished_parts(folder, record, partial)
        count = sum(part.count for part in parts)
        if not count:
            raise ValueError(
                f"{folder}: none of its photographs could be read, so there is nothing to gather"
            )
        with ProgressBar(count, "photo", verbose) as bar:
            job = _Parts(folder, record, parts, bar)
            if record.kind == "features":
                _write_features(path, job, wide)
            else:
                prediction_files.write_predictions(path, job.predictions())
        file.publish()
    failures = [failure for part in parts for failure in part.failures]
    return Gathered(os.fspath(output), count, len(record.names), failures, record.shard_count - len(parts))


@dataclass(frozen=True)
class _Part:
    """A shard that is done, and the photographs of it that could not be read."""

    shard: Shard
    failures: Sequence[Unreadable]

    @property
    def count(self) -> int:
        """How many photographs have a row."""
        return self.shard.count - len(self.failures)


def _finished_parts(folder: str, record: JobRecord, partial: bool) -> list[_Part]:
    """Return the shards that are done, in order, or raise JobError if some are missing."""
    names = set(locations.list_names(folder))
    missing = [i for i in range(record.shard_count) if part_name(i) not in names]
    if missing and (not partial or len(missing) == record.shard_count):
        named = ", ".join(part_name(i) for i in missing[:MAX_NAMED_SHARDS])
        more = ", …" if len(missing) > MAX_NAMED_SHARDS else ""
        advice = "" if partial else "; partial=True, or --partial, gathers what there is"
        raise JobError(
            f"{folder}: {len(missing):,} of {record.shard_count:,} shards are missing ({named}{more}): run "
            f"the job again, which computes only these{advice}"
        )
    left_out = set(missing)
    return [
        _Part(shard, _failures(folder, shard) if errors_name(shard.index) in names else ())
        for shard in map(record.shard, range(record.shard_count))
        if shard.index not in left_out
    ]


def _failures(folder: str, shard: Shard) -> list[Unreadable]:
    failures = read_errors(folder, shard.index)
    indices = [failure.index for failure in failures]
    end = shard.start + shard.count
    if indices != sorted(set(indices)) or not all(shard.start <= index < end for index in indices):
        path = locations.join(folder, errors_name(shard.index))
        raise JobError(f"{path}: is damaged, or of another job: its photographs are not those of its shard")
    return failures


class _Parts:
    """The rows of parts, each compared with the job's list.

    Args:
        folder: The job's folder.
        record: The job's record.
        parts: The parts.
        bar: Shows how many rows have been taken.
    """

    def __init__(self, folder: str, record: JobRecord, parts: Sequence[_Part], bar: ProgressBar) -> None:
        self.record = record
        self._folder, self._parts, self._bar = folder, parts, bar

    def photographs(self) -> Iterator[Photograph]:
        """Yield the photographs that could be read."""
        for part in self._parts:
            yield from self._readable(part)

    def features(self) -> Iterator[Array]:
        """Yield features (m, d)."""
        for part in self._parts:
            for _, batch in self._batches(part):
                yield batch.results

    def predictions(self) -> Iterator[PredictionOrError]:
        """Yield photographs with their classes, or with the error of those that could not be read."""
        for part in self._parts:
            failures = iter([*part.failures, None])
            failure = next(failures)
            for photographs, batch in self._batches(part):
                for photograph, classes in zip(photographs, batch.results, strict=True):
                    while failure is not None and failure.index < photograph.index:
                        yield _failed(failure)
                        failure = next(failures)
                    yield photograph, classes
            while failure is not None:
                yield _failed(failure)
                failure = next(failures)

    def _readable(self, part: _Part) -> list[Photograph]:
        listed = read_shard(self._folder, self.record, part.shard)
        unreadable = {failure.index for failure in part.failures}
        return [photograph for photograph in listed if photograph.index not in unreadable]

    def _batches(self, part: _Part) -> Iterator[tuple[Sequence[Photograph], Rows]]:
        """Yield some rows of a part, with their photographs."""
        photographs = self._readable(part)
        start = 0
        for batch in read_part(self._folder, self.record, part.shard.index):
            expected = photographs[start : start + len(batch.paths)]
            if batch.paths != [as_utf8(photograph.path or "") for photograph in expected]:
                raise misfit(self._folder, part.shard.index)
            yield expected, batch
            start += len(batch.paths)
            self._bar.advance(len(batch.paths))
        if start != len(photographs):
            raise misfit(self._folder, part.shard.index)


def _failed(failure: Unreadable) -> PredictionOrError:
    return Photograph(failure.index, None, failure.path, failure.label), ImageError(failure.error)


def _write_features(path: Path, job: _Parts, wide: bool) -> None:
    paths: list[str] = []
    labels: list[str] = []
    known: dict[str, str] = {}  # a label is in memory once
    for photograph in tables.checked_texts(path, job.photographs()):
        paths.append(photograph.path or "")
        labels.append(known.setdefault(photograph.label, photograph.label))
    tables.write_table(path, Table(paths, labels, job.record.names, job.features), wide)
