"""Locks: a thread that would wait for itself, interrupts, and forks."""

import os
import threading
import time

import pytest

from xception.locks import OwnedLock, SharedBudget


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


def test_a_budget_is_shared_by_threads_and_one_that_asks_for_more_waits_for_all():
    budget, taken, most = SharedBudget(), [0], [0]
    lock = threading.Lock()

    def work(amount):
        with budget.take(amount, total=10):
            with lock:
                taken[0] += amount
                most[0] = max(most[0], taken[0]) if amount <= 10 else most[0]
                assert amount <= 10 or taken[0] == amount  # alone
            with budget.take(amount, total=10):  # an image within an image
                time.sleep(0.001)
            with lock:
                taken[0] -= amount

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (3, 4, 5, 12, 1, 10, 9, 2) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert taken == [0]
    assert 5 < most[0] <= 10
