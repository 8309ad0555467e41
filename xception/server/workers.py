"""Several processes that answer at one port: forked, or spawned where there is no fork.

Forked workers share the model's arrays, since they are forked after it was loaded. Spawned ones load it
again, each for itself.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from ..engine.cpus import set_num_threads, usable_cpus
from .application import ServerApplication
from .measuring import MAX_WORKERS, Metrics

#: What ends all workers.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Build = Callable[[Metrics], ServerApplication]
#: Answers at a port until a signal; calls its last argument once it does, and returns the exit status.
Serve = Callable[[ServerApplication, socket.socket, Callable[[], None]], int]


def run_workers(
    build: Build, serve: Serve, listener: socket.socket, workers: int, ready: Callable[[], None]
) -> int:
    """Run workers until all have ended. If one ends by itself, the others are ended, too.

    Args:
        build: Loads the model, and returns the application that counts in the given figures. It is pickled
            for workers that are spawned.
        serve: What a worker does; pickled, too.
        listener: The bound port.
        workers: How many processes. The threads that the process may use are divided among them.
        ready: Is called when all workers answer.

    Returns:
        The exit status: 0, or 1 if a worker has failed.

    Raises:
        ValueError: `workers` is out of range.
        OSError: The system does not allow so many processes. Those that were started have ended.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers must be from 1 to {MAX_WORKERS}, got {workers}")
    run = _run_forked if hasattr(os, "fork") else _run_spawned
    return run(build, serve, listener, workers, ready)


def _too_many(started: int, workers: int, error: OSError) -> OSError:
    return OSError(f"{started} of {workers} workers could be started ({error}); ask for fewer workers")


def _divide_threads(workers: int) -> None:
    set_num_threads(max(1, usable_cpus() // workers))


# --- forked ---------------------------------------------------------------------------------


def _run_forked(
    build: Build, serve: Serve, listener: socket.socket, workers: int, ready: Callable[[], None]
) -> int:
    application = build(Metrics(workers))
    gc.collect()
    gc.freeze()  # a collection in a worker would write to, and so copy, what all share
    children: list[int] = []
    is_ending = False

    def end(*_: Any) -> None:
        nonlocal is_ending
        is_ending = True
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    # Before the first is started: none may be left behind. Blocking the signals would not do, since other
    # threads of this process, such as those of BLAS, would take them.
    before = {stop: signal.signal(stop, end) for stop in ENDING_SIGNALS}
    # But a worker is alone after the fork, and must not end the others.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    begun, begins = os.pipe()
    failure = None
    for number in range(workers):
        try:
            child = os.fork()
        except OSError as error:
            failure = _too_many(number, workers, error)
            is_ending = True
            break
        if not child:
            status = 1
            try:
                for stop, handler in before.items():
                    signal.signal(stop, handler)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
                application.metrics.worker = number
                _divide_threads(workers)
                os.close(begun)
                status = serve(application, listener, lambda: os.close(begins))
            finally:
                os._exit(status)
        children.append(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    if is_ending:  # a signal came before all were started, or not all could be
        end()
    os.close(begins)
    os.read(begun, 1)  # returns when every worker answers, or has ended
    os.close(begun)
    if not is_ending:
        ready()
    status, left = 0, set(children)
    while left:
        child, wait_status = os.wait()
        left.discard(child)
        if os.waitstatus_to_exitcode(wait_status) and not is_ending:
            status = 1
        if not is_ending:
            end()
    if failure:
        raise failure
    return status


# --- spawned --------------------------------------------------------------------------------


def _run_spawned(
    build: Build, serve: Serve, listener: socket.socket, workers: int, ready: Callable[[], None]
) -> int:
    context = multiprocessing.get_context("spawn")
    metrics = Metrics(workers, context.RawArray("d", workers * Metrics.SIZE))
    processes: list[SpawnProcess] = []
    readers = []
    failure = None
    is_ending = False

    def end(*_: Any) -> None:
        nonlocal is_ending
        is_ending = True
        for process in processes:
            process.terminate()

    for stop in ENDING_SIGNALS:  # before the first is started: none may be left behind
        signal.signal(stop, end)
    for number in range(workers):
        reader, writer = context.Pipe(duplex=False)
        arguments = (build, serve, listener, metrics, number, workers, writer)
        process = context.Process(target=_serve_spawned, args=arguments)
        try:
            process.start()
        except OSError as error:
            failure = _too_many(number, workers, error)
            is_ending = True
            break
        finally:
            writer.close()
        processes.append(process)
        readers.append(reader)
    if is_ending:  # a signal came before all were started, or not all could be
        end()
    for reader in readers:
        with contextlib.suppress(EOFError):  # it has ended before it answered
            reader.recv()
    if not is_ending:
        ready()
    wait([process.sentinel for process in processes])
    failed = not is_ending and any(process.exitcode for process in processes)
    if not is_ending:
        end()
    for process in processes:
        process.join()
    if failure:
        raise failure
    return int(failed)


def _serve_spawned(
    build: Build, serve: Serve, listener: socket.socket, metrics: Metrics, number: int, workers: int,
    writer: Connection,
) -> None:  # fmt: skip
    metrics.worker = number
    _divide_threads(workers)
    raise SystemExit(serve(build(metrics), listener, lambda: writer.send(None)))
