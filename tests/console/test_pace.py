"""The pace of a long task: how much is done, how fast, and the time left."""

import pytest

from xception.console.pace import Pace, format_seconds


def advanced(pace: Pace, now: float, seconds: float, rate: float) -> float:
    """Count photographs one by one at a rate for some seconds; return the time."""
    end = now + seconds
    while now + 1 / rate <= end + 1e-9:
        now += 1 / rate
        pace.add(1, now)
    return now


def test_text():
    pace = Pace(48, "photo", 100.0)
    assert pace.describe(100.0) == "0 of 48 photos"
    now = advanced(pace, 100.0, 4.0, 3.0)
    assert pace.describe(now) == "12 of 48 photos, 3.0 photos/s, 0:12 left"
    now = advanced(pace, now, 12.0, 3.0)
    assert pace.summarize(now) == "48 photos in 0:16, 3.0 photos/s"


def test_large_numbers():
    pace = Pace(100_000, "photo", 0.0)
    now = advanced(pace, 0.0, 150, 8)
    assert pace.describe(now) == "1,200 of 100,000 photos, 8.0 photos/s, 3:25:50 left"


def test_an_unknown_total():
    pace = Pace(None, "image", 0.0)
    pace.add(1, 2.0)
    assert pace.describe(2.0) == "1 image, 0.5 images/s"
    pace.add(3, 4.0)
    assert pace.describe(4.0) == "4 images, 1.0 images/s"


def test_more_steps_than_were_announced():
    pace = Pace(2, "photo", 0.0)
    pace.add(5, 1.0)
    assert pace.describe(1.0) == "5 photos, 5.0 photos/s"


def test_bytes_are_shown_in_megabytes():
    pace = Pace(91_900_000, "byte", 0.0, task="download")
    assert pace.describe(0.0) == "download: 0.0 of 91.9 MB"
    pace.add(12_300_000, 2.0)
    assert pace.describe(2.0) == "download: 12.3 of 91.9 MB, 6.2 MB/s, 0:13 left"
    assert pace.describe(2.0, 40) == "12.3 of 91.9 MB, 6.2 MB/s, 0:13 left"
    assert pace.summarize(2.0) == "download: 12.3 MB in 0:02, 6.2 MB/s"


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (39, "12 of 48 photos, 3.0 photos/s, 0:12 left"), (38, "12 of 48 photos, 0:12 left"),
        (24, "12 of 48 photos"), (13, "12 of 48"), (3, "12 of 48"),
    ],
)  # fmt: skip
def test_on_narrow_lines_the_least_important_is_left_out(columns, text):
    pace = Pace(48, "photo", 0.0)
    pace.add(12, 4.0)
    assert pace.describe(4.0, columns + 1) == text


def test_photographs_that_were_computed_earlier_do_not_falsify_the_time_left():
    pace = Pace(10_400, "photo", 0.0)
    pace.add(5_000, 0.9)  # found in a store
    pace.add(5_000, 1.8)
    now = advanced(pace, 1.8, 5.0, 4.0)
    assert pace.describe(now).endswith("4.0 photos/s, 1:35 left")
    for _ in range(5):  # and folders in between that are known, too
        pace.add(1000, now)
        now = advanced(pace, now, 2.0, 4.0)
    assert pace.rate(now) == pytest.approx(4, rel=0.05)


def test_the_rate_follows_a_change_within_seconds():
    pace = Pace(100_000, "photo", 0.0)
    now = advanced(pace, 0.0, 3600, 20.0)
    now = advanced(pace, now, 20, 5.0)
    assert pace.rate(now) == pytest.approx(5)


def test_a_pause_counts():
    pace = Pace(1000, "photo", 0.0)
    now = advanced(pace, 0.0, 10, 2.0)
    pace.add(1, now + 10)
    assert pace.rate(now + 10) == pytest.approx(21 / 20)


def test_steps_that_take_long_are_measured_one_by_one():
    pace = Pace(10, "photo", 0.0)
    pace.add(1, 20.0)
    pace.add(1, 40.0)
    assert pace.describe(40.0) == "2 of 10 photos, 0.05 photos/s, 2:40 left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3_599.7, "1:00:00"), (200_000, "55:33:20"),
        (864_000, "10.0 days"),
    ],
)  # fmt: skip
def test_times(seconds, text):
    assert format_seconds(seconds) == text
