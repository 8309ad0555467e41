"""`iter_predict`: predictions as a stream."""

import itertools
import time
import weakref

import numpy as np
import pytest
import small_models

import xception


@pytest.fixture(scope="module")
def model(small_classifier):
    return xception.load_model(small_classifier)


def test_the_stream_holds_what_predict_returns(model, examples):
    expected = xception.predict(examples, model, top=2)
    stream = xception.iter_predict(examples, model, top=2)
    assert iter(stream) is stream
    items = list(stream)
    assert [path for path, _ in items] == expected.paths
    assert [entry for _, entry in items] == expected
    assert "data:image/png" in items[0][1]._repr_html_()


def test_errors_stand_at_their_places_and_are_not_raised(model, examples, tmp_path):
    photo, pixels = str(examples / "coffee.jpg"), np.zeros((20, 20, 3), np.uint8)
    bad, empty = str(tmp_path / "bad.jpg"), str(tmp_path / "empty")
    (tmp_path / "bad.jpg").write_bytes(b"no photograph")
    (tmp_path / "empty").mkdir()
    missing = str(tmp_path / "no" / "*.jpg")
    images = [bad, photo, b"nothing", pixels, *[bad] * 3, *[photo] * 30, bad, missing]
    items = list(xception.iter_predict(images, model))
    assert [path for path, _ in items[1:]] == [bad, photo, None, None, *[bad] * 3, *[photo] * 30, bad]
    failed = [isinstance(entry, Exception) for _, entry in items[1:]]
    assert failed == [True, False, True, False, *[True] * 3, *[False] * 30, True]
    path, error = items[0]  # a list is listed at the call
    assert (path, type(error)) == (missing, FileNotFoundError)
    assert isinstance(items[1][1], xception.ImageError)
    assert items[1][1].__traceback__ is None
    items = list(xception.iter_predict([empty, *[bad] * 2], model))
    assert [path for path, _ in items] == [empty, bad, bad]
    assert all(isinstance(error, OSError) for _, error in items)


def test_an_endless_generator_is_read_as_far_as_it_is_needed(model):
    taken, errors = [], []

    def frames():
        for number in itertools.count():
            taken.append(number)
            yield b"damaged" if number % 2 else np.full((16, 16, 3), number % 256, np.uint8)

    stream = xception.iter_predict(frames(), model)
    assert not taken
    for number, (path, entry) in enumerate(itertools.islice(stream, 100)):
        assert path is None
        assert isinstance(entry, Exception) == bool(number % 2)
        if number % 2:
            errors.append(weakref.ref(entry))
    assert len(taken) < 100 + 64
    del entry
    assert sum(error() is not None for error in errors) < 32  # they are not kept
    stream.close()


def test_errors_do_not_wait_for_a_photograph_that_can_be_read(model):
    stream = xception.iter_predict((b"damaged" for _ in itertools.count()), model)
    assert [type(error) for _, error in itertools.islice(stream, 3)] == [xception.ImageError] * 3


def test_predictions_that_are_kept_hold_no_pixels(model):
    def frames():
        for _ in range(3):
            pixels = np.zeros((16, 16, 3), np.uint8)
            alive.append(weakref.ref(pixels))
            yield pixels
            del pixels

    alive = []
    kept = list(xception.iter_predict(frames(), model))
    assert len(kept) == 3
    for _ in range(200):  # a thread of the pipeline may still be about to let go
        if not any(pixels() is not None for pixels in alive):
            return
        time.sleep(0.01)
    pytest.fail("pixels are kept")


def test_arguments_are_checked_at_the_call(model, examples):
    photo = examples / "coffee.jpg"
    with pytest.raises(TypeError, match=r"iter_predict\(images, model\): expected photographs .* a Model"):
        xception.iter_predict(model, photo)
    with pytest.raises(TypeError, match="images must be a path"):
        xception.iter_predict(3, model)
    with pytest.raises(ValueError, match="top"):
        xception.iter_predict(photo, model, top=0)
    with pytest.raises(ValueError, match="there are 1 class names"):
        xception.iter_predict(photo, model, class_names=["one"])
    two = small_models.model(small_models.base())
    with pytest.raises(ValueError, match="the model has no classifier"):
        xception.iter_predict(photo, two)


def test_an_error_that_is_no_photographs_ends_the_stream(model, examples, monkeypatch):
    def fail(*_):
        raise MemoryError("no memory")

    monkeypatch.setattr(xception.Classifier, "probabilities", fail)
    with pytest.raises(MemoryError):
        list(xception.iter_predict(examples, model))
