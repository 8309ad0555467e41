"""Jobs: what is missing is computed, whatever happened before."""

import os
import platform

import numpy as np
import pytest
from job_tasks import compute, compute_all, die_at_four, fail_once, full_disk, make_job, row, unreachable

from xception.distributed.processes import Processes
from xception.errors import ImageError, JobError, RemoteError
from xception.jobs import job as jobs
from xception.jobs.job import Job
from xception.jobs.record import JOB, part_name
from xception.jobs.shard_files import read_errors, read_part

pytest.importorskip("pyarrow")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def rows(job):
    """Return {path: features} of a whole job."""
    return {
        path: values.tolist()
        for index in range(job.record.shard_count)
        for batch in read_part(job.folder, job.record, index)
        for path, values in zip(batch.paths, batch.results, strict=True)
    }


def expected(count=10, bad=(3, 7)):
    return {f"{i}.jpg": row(i).tolist() for i in range(count) if i not in bad}


def check(job):
    """Check that nothing is lost or doubled, and that bad photographs are named."""
    assert rows(job) == expected()
    assert [(u.index, u.path, u.label, u.error) for u in job.failures()] == [
        (3, "3.jpg", "odd", "3.jpg: bad"), (7, "7.jpg", "odd", "7.jpg: bad"),
    ]  # fmt: skip
    assert not job.missing()


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_job_is_run_by_map(folder):
    job = Job(str(folder), make_job(folder), compute)
    report = job.run(each=map)
    check(job)
    assert repr(job) == f"<Job {folder}: features of 10 photographs in 4 shards>"
    assert repr(report) == f"<JobReport {folder}: 8 photographs in 4 shards; 2 could not be read>"
    assert [str(failure) for failure in report.failures] == ["3.jpg: bad", "7.jpg: bad"]


def test_a_second_run_computes_nothing(folder):
    job = Job(str(folder), make_job(folder), compute)
    job.run(each=map)
    before = snapshot(folder)

    def each(function, shards):
        pytest.fail("nothing is missing")

    report = job.run(each)
    assert (report.done_before, report.photographs, report.unreadable) == (4, 8, 2)
    assert repr(report).endswith("in 4 shards, of which 4 were done before; 2 could not be read>")
    assert snapshot(folder) == before


def test_only_what_is_missing_is_computed(folder):
    job = Job(str(folder), make_job(folder), compute)
    job.run(each=map)
    before = snapshot(folder)
    (folder / part_name(1)).unlink()
    computed = []

    def each(function, shards):
        computed.extend(shards)
        return map(function, shards)

    assert job.run(each).done_before == 3
    assert [shard.index for shard in computed] == [1]
    assert snapshot(folder) == before  # the same bytes


def test_shards_may_be_run_twice_and_in_any_order_and_results_be_lost(folder):
    job = Job(str(folder), make_job(folder), compute)

    def each(function, shards):
        for shard in [*reversed(shards), *shards]:
            function(shard)
        yield from ("nonsense", None)

    job.run(each)
    check(job)


def test_an_executor_that_leaves_shards_out_is_asked_again(folder):
    job = Job(str(folder), make_job(folder), compute)
    calls = []

    def each(function, shards):
        calls.append((function.mode, [shard.index for shard in shards]))
        return map(function, shards[1:] if len(calls) == 1 else shards)

    job.run(each)
    check(job)
    assert calls == [("plain", [0, 1, 2, 3]), ("careful", [0])]


def test_an_executor_without_workers_is_asked_once(folder):
    job = Job(str(folder), make_job(folder), compute)
    calls = []

    def each(function, shards):
        calls.append(function.mode)
        raise ConnectionRefusedError("no scheduler")

    with pytest.raises(ConnectionRefusedError):
        job.run(each)
    assert calls == ["plain"]


def test_an_executor_that_never_runs_a_shard_is_an_error(folder):
    job = Job(str(folder), make_job(folder), compute)
    with pytest.raises(JobError, match="1 shard of 4 could not be computed; run the job again"):
        job.run(lambda function, shards: map(function, [s for s in shards if s.index != 2]))
    assert [shard.index for shard in job.missing()] == [2]
    job.run(each=map)
    check(job)


def test_a_task_that_fails_once_is_tried_again(folder):
    job = Job(str(folder), make_job(folder), fail_once)
    job.run(each=map)
    check(job)


def test_a_network_error_is_no_bad_photograph(folder):
    job = Job(str(folder), make_job(folder), unreachable)
    with pytest.raises(RemoteError, match="cannot be reached"):
        job.run(each=map)
    assert len(job.missing()) == 4
    assert sorted(path.name.partition("-")[0] for path in folder.iterdir()) == [JOB, "photographs"]


def test_an_interrupted_run_leaves_no_half_written_file(folder):
    def interrupted(folder, record, photographs, careful):
        for photograph, values in compute_all(folder, record, photographs, careful):
            if photograph.index == 4:
                raise KeyboardInterrupt
            yield photograph, values

    record = make_job(folder)
    with pytest.raises(KeyboardInterrupt):
        Job(str(folder), record, interrupted).run(each=map)
    names = [path.name for path in folder.iterdir()]
    assert sorted(name for name in names if name.startswith(("part", "."))) == [part_name(0)]


def test_a_job_that_was_replaced_is_not_run(folder):
    job = Job(str(folder), make_job(folder), compute)
    make_job(folder, count=11)
    with pytest.raises(JobError, match="holds another job by now"):
        job.run(each=map)
    (folder / JOB).unlink()
    with pytest.raises(
        JobError, match=rf"out: holds no job that {platform.node()} can see.*every worker needs this folder"
    ):
        Job(str(folder), job.record, compute).run(each=map)


def test_errors_of_a_run_that_was_killed_do_not_stay(folder):
    job = Job(str(folder), make_job(folder), compute_all)
    (folder / "part-000000.errors.jsonl").write_text("half a li")
    report = job.run(each=map)
    assert report.unreadable == 0
    assert rows(job) == expected(bad=())


def test_files_of_other_names_are_no_parts(folder):
    job = Job(str(folder), make_job(folder), compute)
    for name in (
        "part-000000.parquet.tmp",
        "part-0.parquet",
        "part-999999.parquet",
        "part-999999.errors.jsonl",
    ):
        (folder / name).write_text("")
    assert len(job.missing()) == 4
    job.run(each=map)
    check(job)


@pytest.mark.parametrize("kind", ["features", "predictions"])
def test_bad_photographs_are_tried_again(folder, kind):
    record = make_job(folder, kind=kind)
    Job(str(folder), record, compute).run(each=map)
    tried = []

    def repaired(folder, record, photographs, careful):
        photographs = list(photographs)
        tried.extend(photograph.index for photograph in photographs)
        assert careful
        for photograph, values in compute_all(folder, record, photographs, careful):
            yield photograph, ImageError("still bad") if photograph.index == 7 else values

    job = Job(str(folder), record, repaired)
    untouched = (folder / part_name(0)).stat().st_mtime_ns, (folder / part_name(2)).stat().st_mtime_ns
    report = job.run(each=map, retry_bad=True)
    assert tried == [3, 7]
    assert (report.photographs, report.unreadable) == (9, 1)
    batches = [batch for index in range(4) for batch in read_part(str(folder), record, index)]
    assert [path for batch in batches for path in batch.paths] == [f"{i}.jpg" for i in range(10) if i != 7]
    if kind == "features":
        assert rows(job) == expected(bad=(7,))
    else:
        results = [result for batch in batches for result in batch.results]
        assert [result[0][0] for result in results] == [str(i) for i in range(10) if i != 7]
    assert not (folder / "part-000001.errors.jsonl").exists()
    times = (folder / part_name(0)).stat().st_mtime_ns, (folder / part_name(2)).stat().st_mtime_ns
    assert times == untouched


def test_without_retry_bad_photographs_stay_bad(folder):
    record = make_job(folder)
    Job(str(folder), record, compute).run(each=map)
    assert Job(str(folder), record, compute_all).run(each=map).unreadable == 2


def test_a_retry_that_was_killed_between_its_files_is_repaired(folder):
    record = make_job(folder)
    Job(str(folder), record, compute).run(each=map)
    errors = (folder / "part-000001.errors.jsonl").read_bytes()
    job = Job(str(folder), record, compute_all)
    job.run(each=map, retry_bad=True)
    (folder / "part-000001.errors.jsonl").write_bytes(errors)
    assert job.run(each=map, retry_bad=True).unreadable == 0
    assert rows(job) == expected(bad=())


def test_a_report_holds_few_failures_of_many(folder, monkeypatch):
    monkeypatch.setattr(jobs, "MAX_FAILURES", 3)
    job = Job(str(folder), make_job(folder, 40, 2), compute)
    report = job.run(each=map)
    assert (report.unreadable, len(report.failures)) == (10, 3)
    assert [failure.index for failure in job.failures()] == list(range(3, 40, 4))


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"index": "1"}', "[" * 10_000])
def test_damaged_errors_are_refused(folder, line):
    job = Job(str(folder), make_job(folder), compute)
    job.run(each=map)
    (folder / "part-000001.errors.jsonl").write_text(f"{line}\n")
    with pytest.raises(JobError, match="expected an unreadable photograph in each line"):
        list(job.failures())


def test_messages_of_photographs_are_safe_on_a_terminal(folder):
    def hostile(folder, record, photographs, careful):
        for photograph in photographs:
            yield photograph, ImageError("\x1b[2J" + "x" * 100_000)

    job = Job(str(folder), make_job(folder, 1), hostile)
    (failure,) = job.run(each=map).failures
    assert failure.error.startswith("\\x1b[2Jxxx")
    assert len(failure.error) < 5000


def test_a_task_that_forgets_photographs_is_found_out(folder):
    def forgetful(folder, record, photographs, careful):
        yield from list(compute_all(folder, record, photographs, careful))[1:]

    job = Job(str(folder), make_job(folder), forgetful)
    with pytest.raises(RuntimeError, match="got 2 results of 3 photographs"):
        job.run(each=map)
    assert not list(folder.glob("part*"))


def test_predictions_are_written_best_first(folder):
    record = make_job(folder, kind="predictions")
    Job(str(folder), record, compute).run(each=map)
    (batch,) = read_part(str(folder), record, 0)
    assert (batch.paths, batch.labels) == (["0.jpg", "1.jpg", "2.jpg"], ["even", "odd", "even"])
    assert [tuple(p) for p in batch.results[1]] == [("1", "class 1", 0.75), ("other", "rest", 0.25)]
    assert [u.index for u in read_errors(str(folder), 1)] == [3]


def test_a_shard_without_readable_photographs_has_a_file(folder):
    def bad(folder, record, photographs, careful):
        for photograph in photographs:
            yield photograph, ImageError(photograph.path)

    job = Job(str(folder), make_job(folder), bad)
    assert job.run(each=map).photographs == 0
    assert not job.missing()
    assert rows(job) == {}


def test_wide_rows_are_written_in_groups(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    record = make_job(folder, 40, 40)
    wide = type(record)("features", {}, [f"f{i}" for i in range(400_000)], record.source, record.photographs)
    (folder / JOB).write_bytes(wide.to_bytes())

    def zeros(folder, record, photographs, careful):
        for photograph in photographs:
            yield photograph, np.full(400_000, photograph.index, np.float32)

    Job(str(folder), wide, zeros).run(each=map)
    assert parquet.ParquetFile(folder / part_name(0)).num_row_groups > 1


def test_a_photograph_that_kills_its_process_is_passed_over_with_care(folder):
    """The first round is lost, as with an executor whose worker dies."""
    job = Job(str(folder), make_job(folder), die_at_four)

    def each(function, shards):
        return map(function, [s for s in shards if function.mode == "careful" or s.index != 1])

    report = job.run(each)
    assert [str(failure) for failure in report.failures] == [
        "4.jpg: killed the process that read it (signal 9)"
    ]


@pytest.mark.parametrize("each", [map, Processes(1)], ids=["map", "processes"])
def test_a_full_disk_ends_the_job_at_once(folder, each):
    """Each shard would meet it again, after minutes of work."""
    job = Job(str(folder), make_job(folder), full_disk)
    with pytest.raises(OSError, match="No space left"):
        job.run(each)
    assert (folder / ".attempts").read_text() == "1"
    assert len(job.missing()) == 4


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_named(folder):
    def full(folder, record, photographs, careful):
        with open("/dev/full", "wb", buffering=0) as stream:
            stream.write(b"rows")
        yield

    with pytest.raises(OSError, match=r"No space left on device: .*part-000000\.parquet"):
        Job(str(folder), make_job(folder), full).run(each=map)


def test_what_killed_processes_left_is_removed(folder):
    job = Job(str(folder), make_job(folder), compute)
    for name in (".part-000002.parquet.0123abcd.part", ".part-000001.errors.jsonl.0123abcd.part"):
        (folder / name).mkdir(0o700)
        (folder / name / "lock").touch()
        (folder / name / name).write_bytes(b"half a part")
    (folder / ".part-000002.parquet.of.mine").touch()
    job.run(lambda function, shards: map(function, shards))
    (folder / ".part-000002.parquet.89abcdef.part").mkdir(0o700)  # of a second run, which was killed
    job.run(each=map)
    assert [path.name for path in folder.glob(".*")] == [".part-000002.parquet.of.mine"]


def test_a_retry_does_not_take_rows_of_other_photographs(folder):
    record = make_job(folder)
    Job(str(folder), record, compute).run(each=map)
    (folder / part_name(1)).write_bytes((folder / part_name(2)).read_bytes())
    with pytest.raises(JobError, match="does not hold the photographs of its shard"):
        Job(str(folder), record, compute_all).run(each=map, retry_bad=True)
