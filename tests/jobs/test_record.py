"""The record of a job, which may come from a stranger."""

import json

import job_tasks
import pytest

from xception.errors import JobError
from xception.jobs import record as records
from xception.jobs.record import JOB, read_record


@pytest.fixture
def folder(tmp_path):
    job_tasks.make_job(tmp_path)
    return tmp_path


def test_a_record_is_read_as_it_was_written(folder, tmp_path):
    record = read_record(str(folder))
    assert record.shard_count == 4
    assert [record.shard(i).count for i in range(4)] == [3, 3, 3, 1]
    assert [record.shard(i).start for i in range(4)] == [0, 3, 6, 9]
    assert read_record(str(folder)).identity == record.identity
    assert read_record(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["format"], 2, "of a later version of xception"),
        (["format"], "1", "its format is '1', expected 1"),
        (["format"], True, "its format is True"),
        (["kind"], ["features"], "kind must be one of features, predictions"),
        (["kind"], "predictions", "features have names, and predictions none"),
        (["settings"], [], "settings must be a dict"),
        (["names"], "feature", "names must be texts"),
        (["names"], [1], "names must be texts"),
        (["source"], None, "is not the record of a job"),
        (["source", "base"], 3, "source must hold texts"),
        (["photographs", "name"], "../../etc/passwd", "unknown name"),
        (["photographs", "name"], "photographs-00000000.jsonl/..", "unknown name"),
        (["photographs", "count"], 10**30, "number of photographs is out of range"),
        (["photographs", "count"], 11.0, "number of photographs is out of range"),
        (["photographs", "count"], 100, "do not fit"),
        (["photographs", "shard"], 0, "size of a shard is out of range"),
        (["photographs", "shard"], 10**9, "size of a shard is out of range"),
        (["photographs", "offsets"], [0, -5, 7, 8, 9], "bad offsets"),
        (["photographs", "offsets"], [0, 5, 4, 8, 9], "offsets are out of range"),
        (["photographs", "offsets"], [0, 5, 6, 8, 1 << 40], "offsets are out of range"),
        (["photographs", "offsets"], {}, "bad offsets"),
    ],
)
def test_what_nobody_can_have_written_is_refused(folder, keys, value, message):
    values = json.loads((folder / JOB).read_text())
    place = values
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / JOB).write_text(json.dumps(values))
    with pytest.raises(JobError, match=message):
        read_record(str(folder))


@pytest.mark.parametrize("key", ["format", "kind", "settings", "names", "source", "photographs"])
def test_what_is_missing_is_named(folder, key):
    values = json.loads((folder / JOB).read_text())
    del values[key]
    (folder / JOB).write_text(json.dumps(values))
    with pytest.raises(JobError, match=f"{key}.* is missing"):
        read_record(str(folder))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"format": NaN}']
)
def test_other_files_are_refused(folder, content):
    (folder / JOB).write_bytes(content)
    with pytest.raises(JobError, match="is not the record of a job"):
        read_record(str(folder))


def test_a_huge_record_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(records, "MAX_JOB_BYTES", 100)
    with pytest.raises(JobError, match="too much for the record of a job"):
        read_record(str(folder))
