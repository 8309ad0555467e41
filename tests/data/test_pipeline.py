"""Photographs read and computed side by side, delivered in order, with an error per photograph."""

import contextlib
import io
import signal
import threading
import time
from contextlib import nullcontext
from itertools import count

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.failures import FailureLog
from xception.data.images import load_image
from xception.data.photographs import Photograph
from xception.data.pipeline import AHEAD_PER_THREAD, load_batches, map_in_order, stream_photographs
from xception.engine.lanes import acquire_team


class Counter:
    done = 0

    def advance(self, steps):
        self.done += steps

    def paused(self):
        return nullcontext()


@pytest.fixture(params=[1, 2, 5], autouse=True)
def threads(request):
    xception.set_num_threads(request.param)
    yield request.param
    xception.set_num_threads(None)


def load(source):
    if source < 0:
        raise ValueError(f"{source} is negative")
    return np.full((2, 2, 3), source, np.uint8)


def run(sources, log, counter):
    photographs = (Photograph(index, source) for index, source in enumerate(sources))
    results = stream_photographs(photographs, load, lambda pixels: int(pixels.max()), log, counter)
    return [(photograph.index, value) for photograph, value in results]


def test_values_belong_to_their_photographs_and_failures_are_left_out():
    log, counter = FailureLog("skip"), Counter()
    assert run([5, -1, -2, -3, 7], log, counter) == [(0, 5), (4, 7)]
    assert [(failure.index, str(failure)) for failure in log.failures] == [
        (1, "-1 is negative"), (2, "-2 is negative"), (3, "-3 is negative"),
    ]  # fmt: skip
    assert counter.done == 5


def test_results_come_in_order_however_long_each_takes():
    def work(item):
        time.sleep(0.01 if item % 3 == 0 else 0)
        return item * item

    items = list(range(40))
    assert list(map_in_order(work, items, 3)) == [(item, item * item) for item in items]


def test_no_more_photographs_are_worked_on_than_there_are_threads(threads):
    active, most, lock = [0], [0], threading.Lock()

    def read(_):
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
        time.sleep(0.002)
        return

    def compute(_):
        with lock:
            active[0] -= 1

    photographs = [Photograph(index, "path") for index in range(30)]
    list(stream_photographs(photographs, read, compute, FailureLog("skip"), Counter()))
    assert most[0] == threads


def test_an_endless_generator_is_read_a_few_photographs_ahead(threads):
    taken = []

    def images():
        for index in count():
            taken.append(index)
            yield Photograph(index, 1)

    stream = stream_photographs(images(), load, len, FailureLog("raise"), Counter())
    for _ in range(3):
        next(stream)
    assert len(taken) <= 4 + AHEAD_PER_THREAD * threads
    stream.close()


def test_a_slow_camera_does_not_delay_what_is_done(threads):
    def images():
        yield Photograph(0, 1)
        done.wait(10)  # the next image comes long after the first is computed
        yield Photograph(1, 2)

    done = threading.Event()

    def compute(pixels):
        done.set()
        return int(pixels.max())

    if threads == 1:
        done.set()
    stream = stream_photographs(images(), load, compute, FailureLog("raise"), Counter())
    assert [value for _, value in stream] == [1, 2]
    assert done.is_set()


def test_a_prediction_between_two_results_takes_its_turn(threads):
    """What a caller does with one photograph may be a prediction, too."""
    sizes = []
    for _ in stream_photographs(
        [Photograph(i, i) for i in range(9)], load, len, FailureLog("raise"), Counter()
    ):
        with acquire_team() as team:
            sizes.append(team.size)
    assert sizes == [threads] * 9


def test_while_lanes_are_in_use_a_prediction_waits():
    inside, order = threading.Event(), []

    def compute(_):
        inside.set()
        time.sleep(0.02)
        order.append("photograph")

    def predict():
        inside.wait(10)
        with acquire_team():
            order.append("prediction")

    other = threading.Thread(target=predict)
    other.start()
    photographs = [Photograph(index, 1) for index in range(12)]
    list(stream_photographs(photographs, load, compute, FailureLog("raise"), Counter()))
    other.join(10)
    assert order.count("photograph") == 12
    assert "prediction" in order


def test_a_photograph_in_a_lane_is_computed_on_its_own_thread(threads):
    sizes = []

    def compute(_):
        with acquire_team() as team:
            sizes.append(team.size)

    list(
        stream_photographs(
            [Photograph(i, i) for i in range(6)], load, compute, FailureLog("raise"), Counter()
        )
    )
    assert sizes == [1] * 6
    sizes.clear()
    list(stream_photographs([Photograph(0, 1)], load, compute, FailureLog("raise"), Counter()))
    assert sizes == [threads]  # all of them share the work of a single photograph


def test_an_open_file_that_is_given_several_times_is_read_by_one_thread_at_a_time():
    pixels = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    photographs = [Photograph(index, file) for index in range(30)]
    stream = stream_photographs(
        photographs, lambda source: load_image(source, None), lambda x: x, FailureLog("raise"), Counter()
    )
    assert all((result == pixels).all() for _, result in stream)


def test_batches_are_read_together_and_counted_when_they_are_computed():
    log, counter = FailureLog("skip"), Counter()
    photographs = [Photograph(index, source) for index, source in enumerate([5, -1, -2, -3, 7])]
    batches = []
    for batch, loaded in load_batches(photographs, load, log, counter, size=2):
        batches.append(([p.index for p in batch], [int(pixels.max()) for pixels in loaded], counter.done))
    assert batches == [([0], [5], 0), ([4], [7], 4)]
    assert counter.done == 5
    assert [failure.index for failure in log.failures] == [1, 2, 3]


def test_the_limit_of_photographs_at_once_comes_before_the_threads():
    active, most = [0], [0]

    def read(_):
        active[0] += 1
        most[0] = max(most[0], active[0])

    def compute(_):
        active[0] -= 1

    photographs = [Photograph(index, "path") for index in range(9)]
    list(stream_photographs(photographs, read, compute, FailureLog("skip"), Counter(), at_once=1))
    assert most[0] == 1


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
    results = stream_photographs(photographs, load_badly, len, log, Counter())
    assert [photograph.index for photograph, _ in results] == [0, 2]
    assert [(failure.index, type(failure.error)) for failure in log.failures] == [(1, error)]


def test_a_fault_of_the_computation_is_no_photographs_fault_and_comes_in_its_turn():
    def compute(pixels):
        return 1 // int(3 - pixels.max())

    photographs = [Photograph(index, index) for index in range(9)]
    stream = stream_photographs(photographs, load, compute, FailureLog("skip"), Counter())
    assert [next(stream)[0].index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def values(images):
    photographs = (Photograph(index, image) for index, image in enumerate(images))
    stream = stream_photographs(
        photographs, lambda source: load_image(source, None), lambda x: int(x.max()), FailureLog("raise"),
        Counter(),
    )  # fmt: skip
    return [value for _, value in stream]


def test_a_generator_may_draw_each_frame_into_the_same_array():
    def frames():
        frame = np.zeros((4, 4, 3), np.uint8)
        for value in range(30):
            frame[:] = value
            yield frame

    assert values(frames()) == list(range(30))


def test_a_generator_may_show_frames_by_the_same_image():
    """As `PIL.ImageSequence.Iterator` does."""

    def frames():
        image = Image.new("RGB", (4, 4))
        for value in range(30):
            image.paste((value, value, value), (0, 0, 4, 4))
            yield image

    assert values(frames()) == list(range(30))


def test_a_generator_may_close_each_file_when_it_goes_on():
    def files():
        for value in range(30):
            with io.BytesIO() as file:
                Image.new("RGB", (4, 4), (value,) * 3).save(file, "PNG")
                yield file

    assert values(files()) == list(range(30))


def test_an_array_of_the_right_size_is_copied(threads):
    def frames():
        frame = np.zeros((2, 2, 3), np.float32)
        for value in range(30):
            frame[:] = value
            yield Photograph(value, frame)

    stream = stream_photographs(
        frames(), lambda frame: frame, lambda x: float(x.max()), FailureLog("raise"), Counter()
    )
    assert [value for _, value in stream] == list(range(30))


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_what_a_generator_raises_comes_after_what_it_has_yielded(count):
    def images():
        for index in range(count):
            yield Photograph(index, index)
        raise OSError("the camera was unplugged")

    stream = stream_photographs(images(), load, len, FailureLog("raise"), Counter())
    assert [next(stream)[0].index for _ in range(count)] == list(range(count))
    with pytest.raises(OSError, match="unplugged"):
        next(stream)


def in_time(function):
    """Call a function in a thread of its own, since it may hang; return what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(20)
    assert results, "it hangs, or has failed"
    return results[0]


def test_a_stream_within_a_prediction_is_an_error_and_not_a_deadlock():
    """A signal handler has interrupted the prediction."""

    def nested():
        with acquire_team(), pytest.raises(RuntimeError, match="already running in this thread"):
            list(stream_photographs([Photograph(0, 0), Photograph(1, 1)], load, work, log, Counter()))
        return True

    def work(_):
        with acquire_team() as team:
            return team.size

    log = FailureLog("raise")
    assert in_time(nested)


def test_a_stream_within_a_lane_works_in_it():
    """A signal handler has interrupted the decoding of a photograph, and another thread waits to predict."""
    waiting = threading.Event()

    def predict():
        waiting.set()
        with acquire_team():
            pass

    def interrupted(source):
        if source == "3":
            other.start()
            waiting.wait(10)
            time.sleep(0.05)
            nested = [Photograph(index, index) for index in range(4)]
            list(stream_photographs(nested, load, work, FailureLog("raise"), Counter()))
        return load(int(source))

    def work(_):
        with acquire_team() as team:
            return team.size

    def run_all():
        photographs = [Photograph(index, str(index)) for index in range(9)]
        stream = stream_photographs(photographs, interrupted, work, FailureLog("raise"), Counter())
        return [size for _, size in stream]

    other = threading.Thread(target=predict, daemon=True)
    assert len(in_time(run_all)) == 9
    other.join(20)
    assert not other.is_alive()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in Python's own finalizers
def test_an_interrupt_at_any_moment_leaves_predictions_possible(threads):
    def work(_):
        with acquire_team() as team:
            return team.size

    def interrupt(*_):
        raise KeyboardInterrupt

    generator = np.random.default_rng(0)
    photographs = [Photograph(index, index) for index in range(40)]
    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(150):
            # Python's own conditions may make a RuntimeError of an interrupt: "release unlocked lock".
            with contextlib.suppress(KeyboardInterrupt, RuntimeError):
                try:
                    signal.setitimer(signal.ITIMER_REAL, float(generator.uniform(1e-5, 3e-3)))
                    list(stream_photographs(photographs, load, work, FailureLog("raise"), Counter()))
                    with acquire_team():
                        pass
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, former)
    stream = stream_photographs(photographs, load, work, FailureLog("raise"), Counter())
    assert in_time(lambda: len(list(stream))) == 40
    assert in_time(lambda: work(None)) == threads
