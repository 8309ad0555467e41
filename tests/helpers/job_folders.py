"""Folders of jobs, with and without results."""

import os

from xception.data.photographs import Photograph
from xception.jobs.listing import write_list
from xception.jobs.record import JOB, JobRecord, Source
from xception.jobs.shard_files import write_part


def write_record(folder, kind, names, photographs, shard):
    """Write the list and the record of a job into a folder, which is made; return the record."""
    folder = os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    listed = write_list(folder, photographs, shard)
    record = JobRecord(kind, {}, list(names), Source("photos", "0", ""), listed)
    with open(os.path.join(folder, JOB), "wb") as stream:
        stream.write(record.to_bytes())
    return record


def write_job(folder, kind, names, results, shard, without=()):
    """Write the folder of a job that has been run.

    Args:
        folder: The folder, which is made.
        kind: "features" or "predictions".
        names: The names of the features.
        results: The (path, label, result) of each photograph; a result may be an exception.
        shard: Photographs in a shard.
        without: The indices of shards that are left out.

    Returns:
        The record of the job.
    """
    photographs = [Photograph(i, path, path, label) for i, (path, label, _) in enumerate(results)]
    record = write_record(folder, kind, names, photographs, shard)
    for index in range(record.shard_count):
        if index not in without:
            one = record.shard(index)
            part = slice(one.start, one.start + one.count)
            pairs = zip(photographs[part], (result for _, _, result in results[part]), strict=True)
            write_part(os.fspath(folder), record, one, pairs)
    return record
