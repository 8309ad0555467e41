"""Schedules of the learning rate, by Keras's formulas."""

import pytest

from xception.training.optimization.schedules import (
    CosineDecay,
    ExponentialDecay,
    PiecewiseConstantDecay,
    get_schedule,
)


def test_cosine_with_warm_up_begins_at_the_starting_rate_and_ends_at_0():
    rate = CosineDecay(0.0, 100, warmup_target=0.01, warmup_steps=10)
    assert rate(0) == 0
    assert rate(5) == pytest.approx(0.005)
    assert rate(10) == pytest.approx(0.01)
    assert rate(60) == pytest.approx(0.005)
    assert rate(110) == rate(10_000) == pytest.approx(0, abs=1e-18)


def test_cosine_without_warm_up_begins_at_its_peak():
    rate = CosineDecay(0.1, 10, alpha=0.2)
    assert rate(0) == pytest.approx(0.1)
    assert rate(5) == pytest.approx(0.06)
    assert rate(10) == rate(11) == pytest.approx(0.02)


def test_a_boundary_is_the_last_step_of_its_rate():
    rate = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    assert [rate(step) for step in (0, 10, 11, 20, 21, 1000)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_exponential_decay_with_and_without_stairs():
    assert ExponentialDecay(1.0, 10, 0.25)(5) == pytest.approx(0.5)
    assert ExponentialDecay(1.0, 10, 0.25, staircase=True)(19) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "schedule",
    [
        CosineDecay(0.0, 100, warmup_target=0.01, warmup_steps=10),
        PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]),
        ExponentialDecay(1.0, 10, 0.25, True),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_schedule_is_what_it_was_when_saved(schedule):
    assert get_schedule(schedule.serialize()) == schedule
    assert schedule.serialize()["module"] == "keras.optimizers.schedules"


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (CosineDecay, (0.1, 0), "decay_steps must be at least 1"),
        (CosineDecay, (float("nan"), 10), "initial_learning_rate must be a finite number"),
        (PiecewiseConstantDecay, ([10], [1.0]), "one value more than boundaries"),
        (PiecewiseConstantDecay, ([10, 10], [1.0, 0.5, 0.1]), "boundaries must rise"),
        (ExponentialDecay, (1.0, 10, -0.5), "decay_rate must be at least 0"),
    ],
)
def test_settings_that_cannot_be_used_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(*arguments)


def test_unknown_settings_of_a_file_are_refused():
    with pytest.raises(ValueError, match=r"CosineDecay: .*cycles"):
        CosineDecay.from_config({"initial_learning_rate": 0.1, "decay_steps": 2, "cycles": 3})
    with pytest.raises(ValueError, match=r"CosineDecay: .*decay_steps"):
        CosineDecay.from_config({"initial_learning_rate": 0.1})
