"""Predictions in a folder of shards, as the result of one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..console.progress import Verbose
from ..data.failures import FailureLog
from ..errors import ImageError
from ..prediction.classifier import Classifier
from ..prediction.results import WrittenPredictions
from .preparation import prepare

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


def compute_predictions(
    classifier: Classifier,
    images: ImagesLike,
    output: str | os.PathLike[str],
    top: int,
    log: FailureLog,
    verbose: Verbose = "auto",
) -> WrittenPredictions:
    """Write the predictions of photographs to a folder of shards, by processes of this machine.

    Args:
        classifier: Computes the scores.
        images: The photographs, which must be files.
        output: The folder.
        top: Classes per photograph.
        log: Records the photographs that cannot be read, when all others have been computed.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        How many photographs were predicted, and those that could not be read.
    """
    job = prepare(images, output, classifier, task="predictions", top=top, verbose=verbose)
    missing = {shard.index for shard in job.missing()}
    report = job.run(verbose=verbose)
    shards = map(job.record.shard, range(job.record.shard_count))
    resumed = sum(shard.count for shard in shards if shard.index not in missing)
    for unreadable in job.failures():
        log.add(unreadable.index, unreadable.path, ImageError(unreadable.error))
        resumed -= unreadable.index // job.record.photographs.shard not in missing
    return WrittenPredictions(os.fspath(output), report.photographs, log.failures, resumed)
