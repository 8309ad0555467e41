"""The number of threads: user setting, environment variables, affinity, cgroup quota."""

import os
import threading

import pytest

import xception
from xception.engine import cpus
from xception.engine.cpus import cgroup_quota, limit_threads


def test_the_setting_comes_before_the_environment_variable_and_the_usable_cpus(monkeypatch):
    monkeypatch.delenv("XCEPTION_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    default = xception.get_num_threads()
    assert 1 <= default <= (os.cpu_count() or 1)
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "3")
    assert xception.get_num_threads() == 3
    xception.set_num_threads(5)
    assert xception.get_num_threads() == 5
    xception.set_num_threads(None)
    assert xception.get_num_threads() == 3
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="XCEPTION_NUM_THREADS must be an integer from 1 to 256, got 'many'"):
        xception.get_num_threads()
    for wrong in (0, -1, 1.5, "2", True, 10**20):
        with pytest.raises(ValueError, match="the number of threads must be an integer from 1"):
            xception.set_num_threads(wrong)


@pytest.mark.parametrize(
    ("value", "threads"),
    [("1", 1), ("3", 3), ("2,1", 2), (" 2 ", 2), ("16", 4), ("", 4), ("0", 4), ("-1", 4), ("many", 4)],
)
def test_the_limit_that_joblib_gives_its_workers_holds_where_nothing_else_is_set(monkeypatch, value, threads):
    monkeypatch.delenv("XCEPTION_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpus, "usable_cpus", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert xception.get_num_threads() == threads
    assert cpus.process_threads() == 4  # a worker of Dask has several threads, and 1 for each computation
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "5")
    assert xception.get_num_threads() == 5


def test_the_threads_of_a_block_are_limited_and_those_of_other_callers_are_not(monkeypatch):
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "3")
    counts = []
    with limit_threads(2):
        thread = threading.Thread(target=lambda: counts.append(xception.get_num_threads()))
        thread.start()
        thread.join()
        counts.append(xception.get_num_threads())
        with limit_threads(None):
            counts.append(xception.get_num_threads())
    assert [*counts, xception.get_num_threads()] == [3, 2, 3, 3]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity to set")
def test_affinity_limits_the_threads(monkeypatch):
    monkeypatch.delenv("XCEPTION_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert xception.get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"a/cpu.max": "4000 1000", "a/b/cpu.max": "max 1000", "cpu.max": "8000 1000"}, "0::/a/b\n", 4),
        ({"cpu.max": "50000 100000"}, "0::/of/the/host\n", 0.5),
        ({"cpu/x/cpu.cfs_quota_us": "20", "cpu/x/cpu.cfs_period_us": "10"}, "3:cpu,cpuacct:/x\n2:io:/y", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu,cpuacct:/\n", None),
        ({"cpu.max": "nonsense"}, "0::/\n", None),
        ({}, "nonsense", None),
    ],
)  # fmt: skip
def test_quota_of_a_control_group(tmp_path, files, own, expected):
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert cgroup_quota(tmp_path / "fs", tmp_path / "own") == expected
    assert cgroup_quota(tmp_path / "fs", tmp_path / "missing") is None
