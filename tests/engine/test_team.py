"""The thread pool: errors, interrupts, forks, and the number of BLAS threads."""

import multiprocessing
import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import xception
from xception.engine.team import Barrier, Team, acquire_team


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_keeps_its_number_of_threads(full_model, images):
    before = blas_threads()
    xception.set_num_threads(2)
    full_model.predict(images)
    assert blas_threads() == before
    with pytest.raises(ValueError, match="expected images"):
        full_model.predict(images[0])
    assert blas_threads() == before


def test_blas_is_limited_to_one_thread_while_the_team_is_acquired():
    xception.set_num_threads(2)
    with acquire_team() as team:
        assert team.size == 2
        assert 1 in blas_threads()  # NumPy's; SciPy may have brought its own


def predict_into(pipe, model, x):
    pipe.send(model.predict(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_predicts(full_model, images):
    xception.set_num_threads(2)
    expected = full_model.predict(images)  # starts threads, which do not exist in the child
    fork = multiprocessing.get_context("fork")
    for _ in range(2):
        ours, theirs = fork.Pipe()
        child = fork.Process(target=predict_into, args=(theirs, full_model, images))
        child.start()
        assert ours.poll(60), "the child does not answer"
        np.testing.assert_allclose(ours.recv(), expected, atol=1e-7)
        child.join(60)
    np.testing.assert_array_equal(full_model.predict(images), expected)


def test_an_error_in_one_thread_stops_the_others_and_is_raised():
    team, barrier = Team(3), Barrier(3)

    def fail():
        raise RuntimeError("in the middle")

    programs = [[barrier.meet(i), *([fail] if i == 1 else []), barrier.meet(i)] for i in range(3)]
    with pytest.raises(RuntimeError, match="in the middle"):
        team.run(programs, barrier)
    seen = []
    programs = [[barrier.meet(i), lambda i=i: seen.append(i), barrier.meet(i)] for i in range(3)]
    team.run(programs, barrier)
    assert sorted(seen) == [0, 1, 2]
    team.dismiss()


def test_no_program_passes_a_barrier_before_all_have_reached_it():
    team, barrier, log = Team(3), Barrier(3), []
    programs = [
        [step for turn in range(20) for step in (lambda turn=turn: log.append(turn), barrier.meet(i))]
        for i in range(3)
    ]
    team.run(programs, barrier)
    assert log == sorted(log)
    assert len(log) == 60
    team.dismiss()


def test_a_team_that_cannot_start_leaves_the_old_one(full_model, images, monkeypatch):
    xception.set_num_threads(2)
    expected = full_model.predict(images)

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        xception.set_num_threads(7)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            full_model.predict(images)
    xception.set_num_threads(2)
    np.testing.assert_array_equal(full_model.predict(images), expected)
