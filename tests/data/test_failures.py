"""Failures that are recorded."""

import gc
import weakref

from xception.data.failures import FailureLog


class Pixels:
    """Something large."""


def test_a_recorded_error_does_not_keep_the_pixels_alive():
    """Thousands of images that were decoded in part would fill memory."""
    references = []

    def read():
        pixels = Pixels()
        references.append(weakref.ref(pixels))
        try:
            raise OSError("truncated")
        except OSError as error:
            raise ValueError("damaged") from error

    log = FailureLog("skip")
    for index in range(3):
        try:
            read()
        except ValueError as error:
            log.add(index, None, error)
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    assert [str(failure) for failure in log.failures] == ["damaged"] * 3
