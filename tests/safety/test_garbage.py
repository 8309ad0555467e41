"""What is dropped is freed at once, by reference counts alone: no cycle waits for the garbage collector.

Otherwise a service that sees many sizes of images, or many models, takes several times the memory it needs.
"""

import gc
import signal
import types
from fractions import Fraction

import numpy as np
import pytest
import small_models

import xception
from xception.engine.plan import Plan
from xception.errors import raise_first
from xception.kernels.numpy_backend import NumPyBackend
from xception.layers import Input


@pytest.fixture(params=[1, 2])
def threads(request):
    before = xception.get_num_threads()
    xception.set_num_threads(request.param)
    yield request.param
    xception.set_num_threads(before)


def is_ours(item):
    if isinstance(item, types.FrameType):
        return item.f_globals["__name__"].startswith("xception")
    return str(getattr(item, "__module__", "")).startswith("xception")


def left_behind(function):
    """Call a function twice; return what of this library the second call leaves to the garbage collector."""
    function()  # imports, and caches that are meant to stay
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        function()
        gc.collect()
        return list(filter(is_ours, gc.garbage))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def small_model():
    return small_models.model(small_models.base(shape=(None, None, 3)))


def predict(model, count=1, height=40, width=40):
    return model.predict(np.zeros((count, height, width, 3), np.float32), verbose=0)


def test_the_search_finds_cycles():
    def make_cycle():
        layer = Input((3,))
        object.__setattr__(layer, "itself", layer)

    assert [type(item) for item in left_behind(make_cycle)] == [Input]


@pytest.mark.parametrize("count", [1, 5])
def test_models_and_their_plans_are_freed(threads, count):
    assert left_behind(lambda: predict(small_model(), count)) == []


def test_plans_of_many_sizes_are_freed(threads):
    model = small_model()
    assert left_behind(lambda: [predict(model, 1, 20 + i, 30 + 3 * i) for i in range(12)]) == []
    assert model.plan.cached_keys <= 4


def test_the_whole_network_is_freed(threads):
    def build():
        model = xception.Xception(include_top=False, weights=None)
        predict(model, 1, 71, 75)
        predict(model, 3, 75, 71)

    assert left_behind(build) == []


@pytest.mark.parametrize("method", ["grad-cam", "score-cam", "occlusion"])
def test_explanations_are_freed(threads, method, small_classifier, examples):
    def explain():
        explanation = xception.explain(examples / "coffee.jpg", model=small_classifier, method=method)
        explanation.picture()

    assert left_behind(explain) == []


def test_features_and_activations_are_freed(threads, small_classifier, examples, tmp_path):
    def compute():
        model = xception.load_model(small_classifier)
        model.features(np.zeros((2, 16, 16, 3), np.float32), verbose=0)
        model.activations(np.zeros((2, 16, 16, 3), np.float32), "maps", verbose=0)
        xception.features(examples / "coffee.jpg", model=model, verbose=0)
        output = tmp_path / "features.csv"
        output.unlink(missing_ok=True)
        xception.features(examples, model=model, output=output, verbose=0)
        xception.predict(examples, model=small_classifier)

    assert left_behind(compute) == []


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_what_is_read_from_files_is_freed(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    (xception.Model.save if suffix == ".keras" else xception.Model.save_weights)(small_model(), path)

    def load():
        if suffix == ".keras":
            xception.inspect(path)
            predict(xception.load_model(path))
        else:
            predict(xception.Model.load_weights(model := small_model(), path) or model)

    assert left_behind(load) == []


# --- after an error -------------------------------------------------------------------------


class FailingBackend(NumPyBackend):
    """Prepares products that raise an error."""

    def __init__(self, error):
        self.error = error

    def product(self, left, right, out):
        def fail():
            raise self.error

        return [super().product(left, right, out)[0]._replace(step=fail)]


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("count", [1, 5])
def test_a_failed_prediction_is_freed(threads, count, error):
    def fail():
        model = small_model()
        plan = Plan(model.graph, model.parameters, FailingBackend(error))
        with pytest.raises(error):
            plan.run(np.zeros((count, 40, 40, 3), np.float32))

    assert left_behind(fail) == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
def test_an_interrupted_prediction_is_freed(threads):
    def interrupt():
        model = small_model()
        predict(model)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            while True:
                predict(model, 3, 200, 200)
        except KeyboardInterrupt:
            pass

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        assert left_behind(interrupt) == []
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_refused_prediction_is_freed(threads):
    def fail():
        model = small_model()
        predict(model)
        with pytest.raises(xception.LimitError):
            predict(model, 1, 2000, 2000)

    xception.set_limits(max_memory_bytes=20 << 20)
    assert left_behind(fail) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped 1/4", "flipped 1/2", "flipped 3/4", "nonsense"])
def test_what_is_read_from_damaged_files_is_freed(damage, tmp_path, small_classifier):
    content = bytearray(small_classifier.read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    elif damage.startswith("flipped"):
        content[int(len(content) * Fraction(damage.split()[1]))] ^= 255
    else:
        content[:] = b"nonsense"
    path = tmp_path / "damaged.keras"
    path.write_bytes(content)

    def load():
        with pytest.raises(xception.ModelFileError):
            xception.load_model(path)

    assert left_behind(load) == []


def test_photographs_that_cannot_be_read_keep_nothing(small_classifier, examples, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nonsense")

    def fail():
        with pytest.raises(xception.ImageError):
            xception.predict(bad, model=small_classifier)

    def skip():
        xception.predict([bad, examples / "coffee.jpg"], model=small_classifier, on_error="skip")
        xception.explain([bad, examples / "coffee.jpg"], model=small_classifier, on_error="skip")

    assert left_behind(fail) == []
    assert left_behind(skip) == []


def test_the_first_error_is_raised_and_forgotten():
    errors = [ValueError("first"), ValueError("second")]
    with pytest.raises(ValueError, match="first"):
        raise_first(errors)
    assert errors == []
