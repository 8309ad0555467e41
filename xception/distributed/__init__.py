"""Many photographs: jobs in shards, run by processes of this machine, a cluster, or any executor."""

from ..jobs.job import Job, JobReport
from ..jobs.shards import Shard, ShardResult, Unreadable
from .dask import DaskExecutor
from .gathering import Gathered, gather
from .preparation import prepare
from .processes import Processes

__all__ = [
    "DaskExecutor", "Gathered", "Job", "JobReport", "Processes", "Shard", "ShardResult", "Unreadable",
    "gather", "prepare",
]  # fmt: skip
