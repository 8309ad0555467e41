"""Locks: a thread that would wait for itself, interrupts, and forks."""

import os
import threading

import pytest

from xception.locks import OwnedLock


def test_a_thread_that_would_wait_for_itself_gets_an_error():
    lock = OwnedLock("a change")
    for _ in range(2):
        with lock.hold(), pytest.raises(RuntimeError, match="a change is already running"), lock.hold():
            pass


def test_another_thread_waits():
    lock, order = OwnedLock("a change"), []

    def work():
        with lock.hold():
            order.append("second")

    thread = threading.Thread(target=work)
    with lock.hold():
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_an_error_releases_it():
    lock = OwnedLock("a change")
    with pytest.raises(KeyboardInterrupt), lock.hold():
        raise KeyboardInterrupt
    with lock.hold():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_take_a_lock_that_another_thread_held():
    lock, held, end = OwnedLock("a change"), threading.Event(), threading.Event()

    def work():
        with lock.hold():
            held.set()
            end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        with lock.hold():
            os._exit(7)
    end.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
