"""Tasks of jobs that need no model, and that fail in every way; workers import them by name."""

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np
from job_folders import write_record

from xception.data.locations import join
from xception.data.photographs import Photograph
from xception.errors import ImageError, RemoteError
from xception.jobs.record import JobRecord

NAMES = ["feature_0", "feature_1", "feature_2"]


def make_job(folder: Path, count: int = 10, shard: int = 3, kind: str = "features") -> JobRecord:
    """Write a job of photographs that do not exist."""
    photographs = (Photograph(i, f"{i}.jpg", f"{i}.jpg", "odd" if i % 2 else "even") for i in range(count))
    return write_record(folder, kind, NAMES if kind == "features" else [], photographs, shard)


def row(index):
    return np.arange(3, dtype=np.float32) + index


def compute(folder, record, photographs, careful):
    """Every fourth photograph is unreadable."""
    for photograph in photographs:
        bad = photograph.index % 4 == 3
        yield photograph, ImageError(f"{photograph.path}: bad") if bad else result(record, photograph.index)


def compute_all(folder, record, photographs, careful):
    for photograph in photographs:
        yield photograph, result(record, photograph.index)


def result(record, index):
    if record.kind == "features":
        return row(index)
    return [(str(index), f"class {index}", 0.75), ("other", "rest", 0.25)]


def fail_once(folder, record, photographs, careful):
    """The shard of photograph 4 raises an exception at the first attempt, anywhere."""
    for photograph, values in compute(folder, record, photographs, careful):
        if photograph.index == 4 and is_first(folder, "failed"):
            raise OSError("the disk was full for a moment")
        yield photograph, values


def die_once(folder, record, photographs, careful):
    """The process that computes photograph 4 first is killed."""
    for photograph, values in compute(folder, record, photographs, careful):
        if photograph.index == 4 and is_first(folder, "died"):
            os.kill(os.getpid(), signal.SIGKILL)
        yield photograph, values


def die_at_four(folder, record, photographs, careful):
    """Photograph 4 kills every process that computes it, unless it is careful."""
    for photograph, values in compute_all(folder, record, photographs, careful):
        if photograph.index != 4:
            yield photograph, values
        elif careful:
            yield photograph, ImageError(f"{photograph.path}: killed the process that read it (signal 9)")
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def unreachable(folder, record, photographs, careful):
    raise RemoteError("s3://bucket/4.jpg: cannot be reached")
    yield


def full_disk(folder, record, photographs, careful):
    """Counts how often it is called."""
    attempts = Path(folder, ".attempts")
    attempts.write_text(str(int(attempts.read_text()) + 1 if attempts.exists() else 1))
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    yield


def slow(folder, record, photographs, careful):
    """Says that it has begun, and takes a minute."""
    for photograph, values in compute_all(folder, record, photographs, careful):
        yield photograph, values
        Path(folder, ".begun").touch()
        time.sleep(60)


def is_first(folder, name):
    try:
        os.close(os.open(join(folder, f".{name}"), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def printing(folder, record, photographs, careful):
    for photograph, values in compute_all(folder, record, photographs, careful):
        print("printed")
        yield photograph, values
