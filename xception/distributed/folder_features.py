"""Features in a folder of shards, as the result of one call."""

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
from ..jobs.parts import read_part
from ..kernels import Array
from ..prediction.classifier import ModelArgument
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
    missing = {shard.index for shard in job.missing()}
    job.run(verbose=verbose)
    failed = set()
    for unreadable in job.failures():
        log.add(unreadable.index, unreadable.path, ImageError(unreadable.error))
        failed.add(unreadable.index)
    photographs: list[Photograph] = []
    resumed = 0
    for index in range(job.record.shard_count):
        listed = read_shard(job.folder, job.record, job.record.shard(index))
        readable = [photograph for photograph in listed if photograph.index not in failed]
        photographs += readable
        resumed += 0 if index in missing else len(readable)
    count = len(photographs)
    return Features(lambda: _read_values(job, count), job.record.names, photographs, log.failures, resumed)


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
