"""The list of a job's photographs."""

import os

import job_tasks
import pytest

from xception.data.photographs import Photograph
from xception.errors import JobError
from xception.jobs import listing
from xception.jobs.listing import read_shard, write_list
from xception.jobs.record import JobRecord, Source


def photographs(count):
    return (Photograph(i, f"{i}.jpg", f"{i}.jpg", "a") for i in range(count))


def record_of(listed, base=""):
    return JobRecord("features", {}, ["a"], Source("", "", base), listed)


@pytest.mark.parametrize(("count", "shard"), [(1, 1), (9, 3), (10, 3), (10, 100), (1000, None), (16, None)])
def test_each_shard_reads_its_own_photographs(tmp_path, count, shard):
    record = record_of(write_list(str(tmp_path), photographs(count), shard))
    read = [read_shard(str(tmp_path), record, record.shard(i)) for i in range(record.shard_count)]
    assert [p for part in read for p in part] == list(photographs(count))
    assert all(len(part) == record.photographs.shard for part in read[:-1])


def test_shards_are_small_enough_for_all_workers_and_never_larger_than_5000(tmp_path, monkeypatch):
    assert write_list(str(tmp_path), photographs(20), None).shard == 16
    assert write_list(str(tmp_path), photographs(3200), None).shard == 100
    monkeypatch.setattr(listing, "DEFAULT_SHARD", 50)
    for count in (1599, 1600, 1601, 1650, 4000):
        listed = write_list(str(tmp_path), photographs(count), None)
        assert listed.shard == 50
        assert len(listed.offsets) == -(-count // 50) + 1
        record = record_of(listed)
        assert [p.index for p in read_shard(str(tmp_path), record, record.shard(20))] == list(
            range(1000, 1050)
        )


def test_any_name_is_read_as_it_was(tmp_path):
    names = ["a\nb.jpg", "caf\udce9.jpg", 'quoted".jpg', "日本.jpg", "s3://bucket/a b.jpg"]
    listed = write_list(str(tmp_path), [Photograph(i, n, n, n) for i, n in enumerate(names)], None)
    record = record_of(listed)
    read = read_shard(str(tmp_path), record, record.shard(0))
    assert [(p.path, p.label) for p in read] == [(name, name) for name in names]


def test_relative_paths_are_found_from_another_folder(tmp_path, monkeypatch):
    paths = ["a.jpg", "/b.jpg", "s3://bucket/c.jpg"]
    record = record_of(
        write_list(str(tmp_path), [Photograph(i, p, p) for i, p in enumerate(paths)], None), os.getcwd()
    )
    before = os.getcwd()
    sources = [p.source for p in read_shard(str(tmp_path), record, record.shard(0))]
    assert sources == paths
    monkeypatch.chdir(tmp_path)
    read = read_shard(str(tmp_path), record, record.shard(0))
    assert [p.source for p in read] == [os.path.join(before, "a.jpg"), *paths[1:]]
    assert [p.path for p in read] == paths


def test_no_photographs_are_no_job(tmp_path):
    with pytest.raises(ValueError, match="there are no photographs"):
        write_list(str(tmp_path), iter(()), None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b"\n", b" "),
        lambda data: b"x" + data[1:],
        lambda data: b"[" * len(data[:-1]) + b"\n",
        lambda data: data.replace(b'"label"', b'"libel"'),
    ],
)
def test_a_list_that_was_changed_is_refused(tmp_path, change):
    record = job_tasks.make_job(tmp_path, count=1)
    path = tmp_path / record.photographs.name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(
        JobError, match=r"does not fit the job's record|expected a photograph's path and label"
    ):
        read_shard(str(tmp_path), record, record.shard(0))
