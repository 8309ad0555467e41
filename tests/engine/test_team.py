"""The thread pool: errors, interrupts, forks, and the number of BLAS threads."""

import contextlib
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import xception
from xception.engine.lanes import acquire_team, enter_lane
from xception.engine.team import Barrier, Team


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


def test_blas_is_limited_in_a_lane_of_any_thread_after_another_thread_has_predicted():
    before = blas_threads()
    with enter_lane():
        assert 1 in blas_threads()
    inside = []

    def work():
        with enter_lane():
            inside.extend(blas_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert 1 in inside
    assert blas_threads() == before


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


@contextlib.contextmanager
def interrupted_by(handler, monkeypatch):
    """Call `handler` on this thread, as a signal does, when the first step of a prediction has begun."""
    run = Team.run

    def run_with_handler(self, programs, barrier):
        monkeypatch.setattr(Team, "run", run)
        signal.signal(signal.SIGINT, lambda *_: handler())
        signal.raise_signal(signal.SIGINT)
        run(self, programs, barrier)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Team, "run", run_with_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_handler_that_predicts_during_a_prediction_gets_an_error(full_model, images, monkeypatch):
    """It would wait for the prediction that it has interrupted, for ever. That one goes on."""
    expected = full_model.predict(images)
    messages = []

    def handler():
        with pytest.raises(RuntimeError, match="a prediction is already running in this thread") as caught:
            full_model.predict(images)
        messages.append(str(caught.value))

    with interrupted_by(handler, monkeypatch):
        np.testing.assert_array_equal(full_model.predict(images), expected)
    assert len(messages) == 1
    np.testing.assert_array_equal(full_model.predict(images), expected)


def test_an_error_of_a_signal_handler_ends_the_prediction_and_the_next_one_works(
    full_model, images, monkeypatch
):
    expected = full_model.predict(images)
    with (
        interrupted_by(lambda: full_model.predict(images), monkeypatch),
        pytest.raises(RuntimeError, match="set a flag"),
    ):
        full_model.predict(images)
    np.testing.assert_array_equal(full_model.predict(images), expected)


def test_a_signal_handler_may_load_and_save_during_a_prediction(
    full_model, images, weights_file, tmp_path, monkeypatch
):
    expected = full_model.predict(images)

    def handler():
        full_model.save_weights(tmp_path / "saved.h5")
        xception.Xception(weights=weights_file, input_shape=(71, 71, 3))

    with interrupted_by(handler, monkeypatch):
        np.testing.assert_array_equal(full_model.predict(images), expected)
    assert (tmp_path / "saved.h5").exists()


def test_other_threads_still_wait_for_their_turn(full_model, images):
    expected = full_model.predict(images)
    results = []
    threads = [threading.Thread(target=lambda: results.append(full_model.predict(images))) for _ in range(4)]
    with acquire_team():
        for thread in threads:
            thread.start()
        assert not results
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert len(results) == 4
