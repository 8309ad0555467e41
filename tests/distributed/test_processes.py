"""Worker processes: they die, fail, and end, and the job is done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_tasks import (
    compute,
    compute_all,
    die_at_four,
    die_once,
    fail_once,
    make_job,
    printing,
    row,
    unreachable,
)

from xception.distributed import Processes
from xception.errors import JobError, RemoteError
from xception.jobs.job import Job
from xception.jobs.record import JOB
from xception.jobs.shard_files import read_part

pytest.importorskip("pyarrow")
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def check(folder, record, bad=(3, 7)):
    """Check that nothing is lost or doubled."""
    batches = [batch for i in range(record.shard_count) for batch in read_part(str(folder), record, i)]
    paths = [path for batch in batches for path in batch.paths]
    assert paths == [f"{i}.jpg" for i in range(10) if i not in bad]
    values = [values.tolist() for batch in batches for values in batch.results]
    assert values == [row(i).tolist() for i in range(10) if i not in bad]


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(("part", ".")))


def test_workers_do_what_map_does(folder, tmp_path):
    record = make_job(folder)
    report = Job(str(folder), record, compute).run(Processes(2))
    check(folder, record)
    assert report.unreadable == 2
    other = tmp_path / "other"
    other.mkdir()
    for name in (JOB, record.photographs.name):
        (other / name).write_bytes((folder / name).read_bytes())
    Job(str(other), record, compute).run(each=map)
    assert names(folder) == names(other)
    assert all((folder / name).read_bytes() == (other / name).read_bytes() for name in names(folder))


def test_progress_moves_with_each_photograph(folder):
    record = make_job(folder)
    steps = []
    job = Job(str(folder), record, compute)

    def each(function, shards):
        yield from Processes(1)(
            function.listen(lambda shard, done: steps.append((shard.index, done))), shards
        )

    job.run(each)
    assert steps == [(i, n + 1) for i in range(4) for n in range(record.shard(i).count)]


@needs_signals
def test_a_worker_that_is_killed_is_replaced(folder):
    record = make_job(folder)
    Job(str(folder), record, die_once).run(Processes(2))
    check(folder, record)
    assert not [name for name in names(folder) if name.endswith(".part")]


@needs_signals
def test_a_photograph_that_kills_its_workers_is_reported_and_passed_over(folder):
    record = make_job(folder)
    report = Job(str(folder), record, die_at_four).run(Processes(2))
    check(folder, record, bad=(4,))
    assert [failure.index for failure in report.failures] == [4]


def test_a_task_that_fails_once_is_tried_again(folder):
    record = make_job(folder)
    Job(str(folder), record, fail_once).run(Processes(1))
    check(folder, record)


def test_an_error_that_stays_is_raised_when_the_rest_is_done(folder):
    record = make_job(folder)
    with pytest.raises(RemoteError, match="cannot be reached"):
        Job(str(folder), record, unreachable).run(Processes(1))


def test_an_error_that_every_shard_would_meet_is_raised_at_once(folder):
    record = make_job(folder)
    job = Job(str(folder), record, compute)
    make_job(folder, count=12)
    with pytest.raises(JobError, match="holds another job by now"):
        job.run(Processes(1))


def test_a_task_that_workers_cannot_import_is_an_error(folder):
    module = type(sys)("only_here")
    exec("def task(*_): pass", module.__dict__)
    sys.modules["only_here"] = module
    try:
        with pytest.raises(ModuleNotFoundError, match="only_here"):
            Job(str(folder), make_job(folder), module.task).run(Processes(1))
    finally:
        del sys.modules["only_here"]


def test_what_a_task_prints_is_no_message(folder, capfd):
    record = make_job(folder)
    Job(str(folder), record, printing).run(Processes(1))
    check(folder, record, bad=())
    out, err = capfd.readouterr()
    assert (out, err.count("printed")) == ("", 10)


def test_a_worker_that_cannot_start_is_an_error(folder, monkeypatch, capfd):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"a worker process could not be started \(exit status 1\)"):
        Job(str(folder), make_job(folder), compute_all).run(Processes(2))


@pytest.mark.parametrize("workers", [0, -1, 257, 1.5, True, "2"])
def test_the_number_of_workers_is_checked(workers):
    with pytest.raises((TypeError, ValueError), match="workers"):
        Processes(workers)


SCRIPT = """
import sys
from job_tasks import make_job, slow
from pathlib import Path
from xception.distributed import Processes
from xception.jobs.job import Job
from xception.jobs.record import read_record
folder = Path(sys.argv[1])
Job(str(folder), read_record(str(folder)), slow).run(Processes(2), verbose=0)
"""


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_program(folder, tmp_path, number):
    """A user's script without `if __name__ == "__main__"`, interrupted or killed."""
    record = make_job(folder)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, script, folder], env=environment, stderr=subprocess.PIPE)
    wait_for((folder / ".begun").exists)
    children = child_pids(process.pid)
    assert len(children) == 2
    start = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - start < 10
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    assert [name for name in names(folder) if name != ".begun"] == []
    assert err.count(b"Traceback") == (number == signal.SIGINT)  # the script's own
    Job(str(folder), record, compute_all).run(each=map)
    check(folder, record, bad=())


def child_pids(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
