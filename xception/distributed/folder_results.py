"""Features and predictions in a folder of shards, as the result of one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console.progress import Verbose
from ..data.failures import FailureLog
from ..data.photographs import Photograph
from ..errors import ImageError
from ..feature_extraction.result import Features
from ..jobs.job import Job
from ..jobs.listing import read_shard
from ..jobs.shard_files import read_part
from ..kernels import Array
from ..prediction.classifier import Classifier, ModelArgument
from ..prediction.results import WrittenPredictions
from .preparation import prepare

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


def compute_features(
    images: ImagesLike,
    output: str | os.PathLike[str],
    model: ModelArgument,
    log: FailureLog,
    verbose: Verbose = "auto",
    **options: Any,
) -> Features:
    """Write the features of photographs to a folder of shards, by processes of this machine.

    Args:
        images: The photographs, which must be files.
        output: The folder.
        model: See `xception.features`.
        log: Records the photographs that cannot be read, when all others have been computed.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.
        **options: Of `prepare`.

    Returns:
        The features, whose values are read from the folder at their first use.
    """
    job = prepare(images, output, model, verbose=verbose, **options)
    count, resumed = _run(job, log, verbose)
    failed = {failure.index for failure in log.failures}
    photographs: list[Photograph] = []
    for index in range(job.record.shard_count):
        listed = read_shard(job.folder, job.record, job.record.shard(index))
        photographs += [photograph for photograph in listed if photograph.index not in failed]
    return Features(lambda: _read_values(job, count), job.record.names, photographs, log.failures, resumed)


def compute_predictions(
    classifier: Classifier,
    images: ImagesLike,
    output: str | os.PathLike[str],
    top: int | None,
    log: FailureLog,
    verbose: Verbose = "auto",
) -> WrittenPredictions:
    """Write the predictions of photographs to a folder of shards, by processes of this machine.

    Args:
        classifier: Computes the scores.
        images: The photographs, which must be files.
        output: The folder.
        top: Classes or labels per photograph; see `xception.predict`.
        log: Records the photographs that cannot be read, when all others have been computed.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        How many photographs were predicted, and those that could not be read.
    """
    job = prepare(images, output, classifier, task="predictions", top=top, verbose=verbose)
    count, resumed = _run(job, log, verbose)
    return WrittenPredictions(os.fspath(output), count, log.failures, resumed)


def _run(job: Job, log: FailureLog, verbose: Verbose) -> tuple[int, int]:
    """Run a job; return how many photographs have results, and how many had them before."""
    missing = {shard.index for shard in job.missing()}
    report = job.run(verbose=verbose)
    shards = map(job.record.shard, range(job.record.shard_count))
    resumed = sum(shard.count for shard in shards if shard.index not in missing)
    for unreadable in job.failures():
        log.add(unreadable.index, unreadable.path, ImageError(unreadable.error))
        resumed -= unreadable.index // job.record.photographs.shard not in missing
    return report.photographs, resumed


def _read_values(job: Job, count: int) -> Array:
    values = np.empty((count, len(job.record.names)), np.float32)
    start = 0
    for index in range(job.record.shard_count):
        for batch in read_part(job.folder, job.record, index):
            end = start + len(batch.paths)
            if end > count:
                break
            values[start:end] = batch.results
            start = end
    if start != count:
        raise OSError(f"{job.folder}: has changed since these features were written; compute them again")
    return values
