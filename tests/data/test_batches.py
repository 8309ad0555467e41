"""Photographs in batches, with an error per photograph."""

from contextlib import nullcontext

import numpy as np
import pytest

from xception.data.batches import compute_batches
from xception.data.failures import FailureLog
from xception.data.photographs import Photograph


class Counter:
    done = 0

    def advance(self, steps):
        self.done += steps

    def paused(self):
        return nullcontext()


def load(source):
    if source < 0:
        raise ValueError(f"{source} is negative")
    return np.full((2, 2, 3), source, np.uint8)


def run(sources, log, counter, size=2):
    photographs = [Photograph(index, source) for index, source in enumerate(sources)]
    return [
        (([photograph.index for photograph in batch]), values.tolist())
        for batch, values in compute_batches(
            photographs, load, lambda pixels: pixels[:, 0, 0, 0], log, counter, batch_size=size
        )
    ]


def test_values_belong_to_their_photographs_and_failures_are_left_out():
    log, counter = FailureLog("skip"), Counter()
    assert run([5, -1, -2, -3, 7], log, counter) == [([0], [5]), ([4], [7])]
    assert [(failure.index, str(failure)) for failure in log.failures] == [
        (1, "-1 is negative"), (2, "-2 is negative"), (3, "-3 is negative"),
    ]  # fmt: skip
    assert counter.done == 5


def test_the_first_failure_is_raised():
    with pytest.raises(ValueError, match="-1 is negative"):
        run([5, -1, -2], FailureLog("raise"), Counter())


def test_a_function_is_called_with_each_failure():
    reported = []
    run([-4, 1], FailureLog(reported.append), Counter())
    assert [failure.index for failure in reported] == [0]


def test_unknown_ways_to_handle_errors():
    with pytest.raises(ValueError, match='on_error must be "raise", "skip" or a function, got \'ignore\''):
        FailureLog("ignore")


@pytest.mark.parametrize("error", [AssertionError, TypeError, RuntimeError, MemoryError, RecursionError])
def test_whatever_a_photograph_raises_is_its_own_fault(error):
    def load_badly(source):
        if source == 1:
            raise error("bad")
        return load(source)

    log = FailureLog("skip")
    photographs = [Photograph(index, index) for index in range(3)]
    batches = compute_batches(photographs, load_badly, len, log, Counter())
    assert [[photograph.index for photograph in batch] for batch, _ in batches] == [[0, 2]]
    assert [(failure.index, type(failure.error)) for failure in log.failures] == [(1, error)]


def test_a_fault_of_the_computation_is_no_photographs_fault():
    with pytest.raises(ZeroDivisionError):
        list(compute_batches([Photograph(0, 1)], load, lambda _: 1 / 0, FailureLog("skip"), Counter()))


def test_a_limit_that_is_no_number_is_no_photographs_fault(monkeypatch):
    monkeypatch.setenv("XCEPTION_MAX_PIXELS", "many")
    with pytest.raises(ValueError, match="XCEPTION_MAX_PIXELS must be a positive integer"):
        list(compute_batches([Photograph(0, 1)], load, len, FailureLog("skip"), Counter()))
