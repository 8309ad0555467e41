"""Folders of jobs, as if they had been run."""

import os

from xception.data.photographs import Photograph
from xception.jobs.listing import write_list
from xception.jobs.shard_files import write_part
from xception.jobs.record import JOB, JobRecord, Source


def write_job(folder, kind, names, results, shard, without=()):
    """Write the folder of a job.

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
    folder = os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    photographs = [Photograph(i, path, path, label) for i, (path, label, _) in enumerate(results)]
    listed = write_list(folder, photographs, shard)
    record = JobRecord(kind, {}, list(names), Source("photos", "", ""), listed)
    with open(os.path.join(folder, JOB), "wb") as stream:
        stream.write(record.to_bytes())
    for index in range(record.shard_count):
        if index not in without:
            one = record.shard(index)
            part = slice(one.start, one.start + one.count)
            pairs = zip(photographs[part], (result for _, _, result in results[part]), strict=True)
            write_part(folder, record, one, pairs)
    return record
