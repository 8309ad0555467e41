"""The processes of a server."""

import os
import signal
import subprocess
import sys
import time

import pytest

#: Two workers that never come to answer.
STARTING = """
import socket, sys, time
from types import SimpleNamespace
from xception.server.workers import run_workers

def serve(application, listener, ready):
    print("a worker has begun", flush=True)
    time.sleep(60)

def build(metrics):
    return SimpleNamespace(metrics=metrics)

sys.exit(run_workers(build, serve, socket.socket(), 2, lambda: print("they answer", flush=True)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
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
