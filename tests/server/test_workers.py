"""The processes of a server."""

import os
import signal
import subprocess
import sys
import time

import pytest

NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

#: Two workers that never come to answer.
STARTING = """
import os, socket, sys, time
from types import SimpleNamespace
from xception.server.workers import run_workers

def serve(application, listener, ready):
    os.write(1, b"a worker has begun\\n")  # at once: workers share the pipe
    time.sleep(60)

def build(metrics):
    return SimpleNamespace(metrics=metrics)

sys.exit(run_workers(build, serve, socket.socket(), 2, lambda: print("they answer", flush=True)))
"""


@NEEDS_FORK
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_all_workers(number):
    command = [sys.executable, "-c", STARTING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(2):
            assert process.stdout.readline() == "a worker has begun\n"
        start = time.monotonic()
        process.send_signal(number)
        assert process.stdout.read() == ""  # it ends when no process is left that could write
    assert process.returncode == 0
    assert time.monotonic() - start < 30


#: The signal comes when the second worker has just been forked, and this process has another thread.
FORKING = """
import os, threading, time

def fork(inner=os.fork, forked=[]):
    child = inner()
    forked.append(child)
    if child and len(forked) == 2:
        os.kill(os.getpid(), {number})
    return child

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.fork = fork
"""


@NEEDS_FORK
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_two_workers_ends_both(number):
    command = [sys.executable, "-c", FORKING.format(number=int(number)) + STARTING]
    result = subprocess.run(command, capture_output=True, text=True, timeout=50)  # of workers, too
    assert "they answer" not in result.stdout
    assert (result.returncode, result.stderr) == (0, "")


#: The second process cannot be started.
ONE_PROCESS = """
import errno, os
from multiprocessing.context import SpawnProcess
import xception.server.workers as module

def limited(start, started=[]):
    def start_one(*arguments):
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(True)
        return start(*arguments)
    return start_one

if __name__ == "__main__":
    if {fork}:
        os.fork = limited(os.fork)
    else:
        SpawnProcess.start = limited(SpawnProcess.start)
        module._run_forked = module._run_spawned
"""


@pytest.mark.parametrize("fork", [pytest.param(True, marks=NEEDS_FORK), False])
def test_workers_end_if_not_all_can_be_started(fork, tmp_path):
    program = tmp_path / "program.py"  # a process that is spawned imports it
    start = STARTING.replace("sys.exit", 'if __name__ == "__main__": sys.exit')
    program.write_text(ONE_PROCESS.format(fork=fork) + start)
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert "they answer" not in result.stdout
    assert result.stderr.splitlines()[-1].startswith("OSError: 1 of 2 workers could be started ([Errno ")
