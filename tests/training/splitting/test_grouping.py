"""Groups of photographs: by keys, by a function or a pattern of paths, and as names suggest."""

from pathlib import Path

import numpy as np
import pytest

from xception.training.splitting.grouping import SERIES_PATTERN, PathPattern, describe_series, list_groups

PATHS = ["data/real/000_003.png", "data/fake/000_001.png", "data/fake/002.png"]


def test_keys_are_texts_integers_several_or_none():
    assert list_groups(["a", 7, None], PATHS) == [["a"], ["7"], []]
    assert list_groups(np.array([1, 1, 2]), PATHS) == [["1"], ["1"], ["2"]]
    assert list_groups([("a", "b"), ["c"], {3}], PATHS) == [["a", "b"], ["c"], ["3"]]
    assert list_groups(lambda path: path[5:9], PATHS) == [["real"], ["fake"], ["fake"]]


def test_a_column_of_a_table_gives_groups():
    class Column:
        """What pandas, Polars and the like have in common."""

        def __len__(self):
            return 3

        def __iter__(self):
            return iter(self.to_list())

        def to_list(self):
            return ["p1", "p2", "p1"]

    assert list_groups(Column(), PATHS) == [["p1"], ["p2"], ["p1"]]


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ("patient", TypeError, "groups must be a sequence .* or a function of its path; got str"),
        (3, TypeError, "got int"),
        (["a", "b"], ValueError, "expected a group for each photograph, got 2 for 3"),
        (["a", float("nan"), "b"], TypeError, "fake/000_001.png: a group is a text, .* or None; got nan"),
        ([True, "a", "b"], TypeError, "got \\[True\\]"),
    ],
)
def test_what_is_no_group_is_refused(groups, error, message):
    with pytest.raises(error, match=message):
        list_groups(groups, PATHS)


def test_functions_need_paths():
    with pytest.raises(ValueError, match="photograph 1 has none: give a group for each photograph"):
        list_groups(str, ["a.png", None])


def test_a_pattern_captures_one_key_or_several():
    pattern = PathPattern(r"(\d+)(?:_(\d+))?\.png$")
    assert list_groups(pattern, PATHS) == [["000", "003"], ["000", "001"], ["002"]]
    assert [PathPattern(r"\d+")(path) for path in PATHS] == [("000",), ("000",), ("002",)]


@pytest.mark.parametrize("folder", ["/home/user_01/set", "/home/user_01/set/", Path("/home/user_01/set")])
def test_a_pattern_is_searched_below_the_folder(folder):
    assert PathPattern(r"(\d+)_", folder)("/home/user_01/set/a/p7_1.jpg") == ("7",)
    assert PathPattern(r"^(\w+)/", folder)("/home/user_01/set/a/p7_1.jpg") == ("a",)
    assert PathPattern(r"\d+", "s3://bucket_01")("s3://bucket_01/x/p7.jpg") == ("7",)


def test_a_pattern_that_does_not_match_is_refused_with_the_number_of_paths():
    pattern = PathPattern(r"/(\d+)\.png", "data")
    with pytest.raises(ValueError, match=r"match real/000_003.png, fake/000_001.png; it matches 1 of 3"):
        list_groups(pattern, PATHS)
    with pytest.raises(ValueError, match=r"does not match real/000_003.png; it matches 0 of 1"):
        pattern(PATHS[0])
    with pytest.raises(ValueError, match=r"'\(' is no regular expression: missing \)"):
        PathPattern("(")


# --- names that look like series ------------------------------------------------------------


def frames(*stems, count=5, step=1):
    return [f"set/x/{stem}_{step * number:03}.png" for stem in stems for number in range(count)]


def test_frames_of_videos_are_warned_of():
    warning = describe_series(frames("walk", "run"), ["x"] * 10)
    assert warning.startswith("names look like series of photographs: walk…, run…. ")
    assert f"--group-by '{SERIES_PATTERN}'" in warning
    folders = [f"set/{label}/{name}" for label in "xy" for name in ("0_1.png", "0_2.png", "0_3.png")]
    doubled = [f"{folder}{path}" for folder in ("a/", "b/") for path in folders]
    labels = ["x"] * 3 + ["y"] * 3
    assert "photographs: 0…. If" in describe_series(doubled, labels * 2)
    assert " and 2 more. " in describe_series(frames("a", "b", "c", "d", "e", step=30))
    groups = list_groups(PathPattern(SERIES_PATTERN, "set/x"), frames("walk1", "walk12", "run"))
    assert [group for (group,) in groups] == [s for s in ("walk1", "walk12", "run") for _ in range(5)]


@pytest.mark.parametrize(
    "paths",
    [
        frames("cat", count=50),  # numbered
        [f"set/x/2024081{day}_{time}.jpg" for day in (1, 2) for time in (101112, 123059, 170100, 184500)],
        frames("a", "b", count=2),
        ["a.jpg", "b.jpg", None],
        frames("a", "b", count=3) + [f"set/x/{name}.jpg" for name in "cdefghijk"],
    ],
)
def test_numbered_photographs_and_dates_are_not(paths):
    assert describe_series(paths) == ""


def test_one_numbered_series_for_each_class_is_no_warning():
    assert describe_series(frames("cat", "dog"), ["cat"] * 5 + ["dog"] * 5) == ""
