"""Jobs on real workers of Dask: whatever fails, all figures are those of one process with one thread."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xception
from xception.distributed import Job, prepare
from xception.distributed.dask import DaskExecutor
from xception.errors import JobError, MissingPackageError

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import faults  # noqa: E402
import psutil  # noqa: E402
from small_models import entry_flow  # noqa: E402

pytestmark = pytest.mark.skipif(os.name != "posix", reason="faults are made by signals")

PHOTOGRAPHS, SHARD = 24, 4
DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small network for photographs of 71×71 pixels."""
    path = tmp_path_factory.mktemp("model") / "entry.keras"
    entry_flow(seed=0).save(path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small photographs in two classes."""
    folder = tmp_path_factory.mktemp("photos")
    faults.write_photographs(folder, PHOTOGRAPHS)
    return folder


@pytest.fixture(scope="module")
def expected(photos: Path, model: Path) -> tuple[list[str], np.ndarray]:
    """Names and features, computed by one thread of this process."""
    paths = sorted(str(path) for path in photos.rglob("*.png"))
    xception.set_num_threads(1)
    try:
        rows = [np.asarray(xception.features(path, model, verbose=0))[0] for path in paths[:2]]
        result = xception.features(paths, model, verbose=0)
    finally:
        xception.set_num_threads(None)
    np.testing.assert_array_equal(np.asarray(result)[:2], rows)
    return [Path(path).name for path in paths], np.asarray(result)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster with two workers, which restarts those that die, and is not the executor's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
        ) as cluster:
            yield cluster


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xception.distributed.dask.RETRY_SECONDS", 0.05)


def check(folder: Path, expected: tuple[list[str], np.ndarray]) -> None:
    """Assert that the files of a job hold each photograph once, in order, with the expected features."""
    names, features = faults.read_rows(folder)
    assert names == expected[0]
    np.testing.assert_array_equal(features, expected[1])
    assert not [path for path in folder.iterdir() if path.name.startswith(".") or "tmp" in path.name]


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def own_workers(pid: int | None = None) -> list[psutil.Process]:
    """The worker processes that an executor has started."""
    processes = psutil.Process(pid).children(recursive=True)
    return [process for process in processes if "xception.distributed.dask_worker" in process.cmdline()]


def faulty(
    cluster: Any, folder: Path, shard: int, times: int, kill: bool = False
) -> Callable[[Any, Sequence[Any]], Any]:
    """An executor on a cluster, at whose first attempts a shard fails."""
    folder.mkdir()
    executor = DaskExecutor(cluster)

    def each(function: Any, shards: Sequence[Any]) -> Any:
        return executor(faults.Faulty(function, str(folder), shard, times, kill), shards)

    return each


def test_a_worker_of_its_own_that_is_killed_is_replaced_and_all_end_with_the_job(
    photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    seen: list[int] = []

    def each(function: Any, shards: Sequence[Any]) -> Iterator[Any]:
        for result in DaskExecutor(workers=1)(function, shards):
            seen.extend(worker.pid for worker in own_workers())
            if len(set(seen)) == 1:
                os.kill(seen[0], signal.SIGKILL)
            yield result

    report = job.run(each=each, verbose=0)
    assert (report.photographs, report.unreadable, report.done_before) == (PHOTOGRAPHS, 0, 0)
    check(tmp_path / "job", expected)
    assert len(set(seen)) == 2
    assert not own_workers()


@pytest.mark.parametrize("kill", [False, True], ids=["raises an error", "kills its worker"])
def test_a_shard_that_fails_once_is_tried_again_by_the_executor(
    cluster: Any, photos: Path, model: Path, expected: Any, tmp_path: Path, kill: bool
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    each, rounds = faulty(cluster, tmp_path / "tried", shard=2, times=1, kill=kill), []

    def counting(function: Any, shards: Sequence[Any]) -> Any:
        rounds.append(len(shards))
        return each(function, shards)

    assert job.run(each=counting, verbose=0).photographs == PHOTOGRAPHS
    assert rounds == [PHOTOGRAPHS // SHARD]  # the executor tried again, not the job
    assert faults.attempts(tmp_path / "tried", 2) == 2
    check(tmp_path / "job", expected)


def test_a_shard_that_always_fails_is_reported_after_the_others_are_done(
    cluster: Any, photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    with pytest.raises(ConnectionError, match="the store does not answer"):
        job.run(each=faulty(cluster, tmp_path / "tried", shard=1, times=100), verbose=0)
    assert [shard.index for shard in job.missing()] == [1]
    assert job.run(each=DaskExecutor(cluster), verbose=0).done_before == len(job_shards(job)) - 1
    check(tmp_path / "job", expected)


def job_shards(job: Job) -> range:
    return range(job.record.shard_count)


JOB_TO_KILL = """
import sys
from xception.distributed import prepare
from xception.distributed.dask import DaskExecutor
photos, output, model = sys.argv[1:]
prepare(photos, output, model, shard=2).run(each=DaskExecutor(workers=1), verbose=0)
"""


def test_a_job_that_is_killed_leaves_no_worker_and_is_continued(
    cluster: Any, photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    arguments = [sys.executable, "-c", JOB_TO_KILL, photos, folder, model]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([str(part) for part in arguments], env=environment)
    try:
        wait_until(lambda: list(folder.glob("part-*.parquet")) or process.poll() is not None)
        workers = own_workers(process.pid)
    finally:
        process.kill()
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}
    assert 0 < len(done) < PHOTOGRAPHS // 2
    assert workers
    wait_until(lambda: not any(worker.is_running() for worker in workers))
    done = {path: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}
    report = prepare(photos, folder, model, shard=2).run(each=DaskExecutor(cluster), verbose=0)
    assert report.done_before == len(done)
    assert report.photographs == PHOTOGRAPHS
    assert done.items() <= {path: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}.items()
    check(folder, expected)


def test_an_interrupted_job_ends_quietly_and_is_continued(
    photos: Path, model: Path, expected: Any, cluster: Any, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for attempt in range(3):
        folder = tmp_path / f"job{attempt}"
        arguments = [sys.executable, "-c", JOB_TO_KILL, photos, folder, model]
        process = subprocess.Popen(
            [str(part) for part in arguments], env=environment, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        wait_until(lambda: list(folder.glob("part-*.parquet")) or process.poll() is not None)  # noqa: B023
        workers = own_workers(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, stderr = process.communicate(timeout=DEADLINE_SECONDS)
        if stderr:
            break  # else the job was quicker than the interrupt
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert stderr.count("Traceback") == 1
    assert "distributed." not in stderr.replace("xception.distributed.", "")
    assert workers
    assert not any(worker.is_running() for worker in workers)
    assert prepare(photos, folder, model, shard=2).run(each=DaskExecutor(cluster), verbose=0).done_before > 0
    check(folder, expected)


def test_five_kinds_of_unreadable_photographs_are_named(
    cluster: Any, photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    faults.write_photographs(folder, PHOTOGRAPHS)
    bad = faults.write_unreadable(folder / "cat", folder / "dog", folder / "cat" / "000.png")
    report = prepare(folder, tmp_path / "job", model, shard=SHARD).run(each=DaskExecutor(cluster), verbose=0)
    assert report.photographs == PHOTOGRAPHS
    assert sorted(Path(failure.path).name for failure in report.failures) == bad
    assert all(failure.error for failure in report.failures)
    check(tmp_path / "job", expected)


def test_a_photograph_that_kills_its_process_is_reported_and_passed_over(
    photos: Path, model: Path, expected: Any, tmp_path: Path, killing: Path
) -> None:
    folder = tmp_path / "photos"
    faults.write_photographs(folder, PHOTOGRAPHS)
    shutil.move(killing, folder / "cat" / killing.name)
    report = prepare(folder, tmp_path / "job", model, shard=SHARD).run(
        each=DaskExecutor(workers=2), verbose=0
    )
    assert report.photographs == PHOTOGRAPHS
    assert [Path(failure.path).name for failure in report.failures] == [killing.name]
    assert "killed the process" in report.failures[0].error
    check(tmp_path / "job", expected)


def test_two_runs_at_one_output_both_end_with_the_same_files(
    cluster: Any, photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    reports: list[Any] = []

    def run() -> None:
        job = prepare(photos, tmp_path / "job", model, shard=SHARD)
        reports.append(job.run(each=DaskExecutor(cluster), verbose=0))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.photographs for report in reports] == [PHOTOGRAPHS] * 2
    check(tmp_path / "job", expected)


def test_a_changed_model_is_refused(cluster: Any, photos: Path, model: Path, tmp_path: Path) -> None:
    prepare(photos, tmp_path / "job", model, shard=SHARD)
    base = xception.Xception(include_top=False, weights=None, input_shape=(71, 71, 3), pooling="avg", seed=1)
    with pytest.raises(JobError, match="model"):
        prepare(photos, tmp_path / "job", base, shard=SHARD)


def test_a_model_that_changes_in_the_folder_is_refused_by_the_workers(
    cluster: Any, photos: Path, model: Path, tmp_path: Path
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    [kept] = (tmp_path / "job").glob("*.keras")
    xception.Xception(include_top=False, weights=None, input_shape=(71, 71, 3), pooling="avg", seed=1).save(
        kept
    )
    with pytest.raises(JobError, match="another model"):
        job.run(each=DaskExecutor(cluster), verbose=0)
    assert len(job.missing()) == len(job_shards(job))


def test_a_store_in_memory_and_workers_that_are_threads_of_this_process(
    photos: Path, model: Path, expected: Any, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    root = f"memory://{uuid.uuid4().hex}"
    system = fsspec.filesystem("memory")
    system.put(f"{photos}/", f"{root}/photos/", recursive=True)
    system.mkdir(f"{root}/job")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster:
            threads = xception.get_num_threads()
            job = prepare(f"{root}/photos", f"{root}/job", model, shard=SHARD)
            assert job.run(each=DaskExecutor(cluster), verbose=0).photographs == PHOTOGRAPHS
            assert xception.get_num_threads() == threads
    system.get(f"{root}/job/", str(tmp_path / "copy"), recursive=True)
    system.rm(root, recursive=True)
    check(tmp_path / "copy", expected)


def test_photographs_and_output_in_s3(
    photos: Path, model: Path, expected: Any, bucket: str, tmp_path: Path
) -> None:
    import s3fs

    s3fs.S3FileSystem().put(f"{photos}/", f"{bucket}/photos/", recursive=True)
    job = prepare(f"s3://{bucket}/photos", f"s3://{bucket}/job", model, shard=SHARD)
    assert job.run(each=DaskExecutor(workers=2), verbose=0).photographs == PHOTOGRAPHS
    s3fs.S3FileSystem().get(f"{bucket}/job/", str(tmp_path / "copy"), recursive=True)
    check(tmp_path / "copy", expected)


def test_workers_may_join_and_leave(
    photos: Path, model: Path, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xception.distributed.dask.WARN_SECONDS", 0.1)
    monkeypatch.setattr("xception.distributed.dask.COUNT_SECONDS", 0.1)
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        cluster = distributed.LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            silence_logs=60,
        )
    with cluster:

        def each(function: Any, shards: Sequence[Any]) -> Iterator[Any]:
            workers = iter([1, 2, 1])
            for result in DaskExecutor(cluster)(function, shards):
                if (count := next(workers, None)) is not None:
                    cluster.scale(count)
                yield result

        timer = threading.Timer(1, cluster.scale, [1])
        timer.start()
        with pytest.warns(RuntimeWarning, match="no workers"):
            assert job.run(each=each, verbose=0).photographs == PHOTOGRAPHS
        timer.join()
    check(tmp_path / "job", expected)


def test_no_more_than_two_shards_per_thread_are_at_the_scheduler(
    cluster: Any, photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=1)
    most = 0
    submit = distributed.Client.submit

    def counting(client: Any, *arguments: Any, **settings: Any) -> Any:
        nonlocal most
        future = submit(client, *arguments, **settings)
        most = max(most, sum(other.status == "pending" for other in client.futures.values()))
        return future

    monkeypatch.setattr(distributed.Client, "submit", counting)
    job.run(each=DaskExecutor(cluster), verbose=0)
    assert 2 <= most <= 4


def test_a_client_that_is_given_stays_open(cluster: Any, photos: Path, model: Path, tmp_path: Path) -> None:
    with distributed.Client(cluster, set_as_default=False) as client:
        prepare(photos, tmp_path / "job", model, shard=12).run(each=DaskExecutor(client), verbose=0)
        assert client.submit(sum, [1, 2]).result() == 3


def test_a_worker_with_another_version_is_refused(
    cluster: Any, photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xception.distributed.dask.__version__", "9.9")
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    with pytest.raises(JobError, match=r"the Dask worker tcp://\S+ has xception \S+, expected 9\.9 as here"):
        job.run(each=DaskExecutor(cluster), verbose=0)


def test_neither_scheduler_nor_worker_needs_the_package_to_say_that_it_is_not_installed(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    blocker = "raise ModuleNotFoundError(\"No module named 'xception'\", name='xception')"
    (tmp_path / "empty" / "xception.py").write_text(blocker)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "empty")}
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny"]
    options: dict[str, Any] = {"env": environment, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    processes = [
        subprocess.Popen([*start, "--port", "0", "--scheduler-file", str(file)], **options),
        subprocess.Popen([*work, "--scheduler-file", str(file)], **options),
    ]
    try:
        wait_until(file.exists)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            address = client.scheduler.address
        with pytest.raises(
            MissingPackageError, match=r"worker tcp://\S+ cannot import xception .*: install xception"
        ):
            prepare(photos, tmp_path / "job", model, shard=SHARD).run(each=DaskExecutor(address), verbose=0)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def test_an_address_without_a_scheduler_is_an_error(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prepare(photos, tmp_path / "job", model, shard=SHARD)
    start = time.monotonic()
    with pytest.raises(
        ConnectionError, match=r"tcp://127\.0\.0\.1:9: no scheduler of Dask can be reached \(.*\)"
    ):
        job.run(each=DaskExecutor("tcp://127.0.0.1:9"), verbose=0)
    assert time.monotonic() - start < 10  # it is refused at once
    with socket.create_server(("127.0.0.1", 0)) as server:  # which never answers
        monkeypatch.setattr("xception.distributed.dask.CONNECT_SECONDS", 0.5)
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="no scheduler of Dask can be reached"):
            job.run(each=DaskExecutor(address), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": 10_000}, "from 1 to 256"),
        ({"cluster": "tcp://s:1", "workers": 2}, "either"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DaskExecutor(**arguments)


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'xception\[dask\]'"):
        list(DaskExecutor()(print, []))


def test_what_tornado_logs_of_an_interrupt_is_kept_from_the_terminal_and_nothing_else(
    cluster: Any, photos: Path, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("tornado.application")

    def each(function: Any, shards: Sequence[Any]) -> Iterator[Any]:
        results = DaskExecutor(cluster)(function, shards)
        yield next(results)
        logger.error("Exception in callback functools.partial(<function sync.<locals>.cancel at 0x7f>)")
        logger.error("another program's")
        yield from results

    prepare(photos, tmp_path / "job", model, shard=SHARD).run(each=each, verbose=0)
    logger.error("sync.<locals>: afterwards")
    logged = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert logged == ["another program's", "sync.<locals>: afterwards"]
