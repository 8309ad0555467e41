"""Which classes a target stands for."""

import numpy as np
import pytest

from xception.data.imagenet import imagenet_classes
from xception.explanation.targets import TargetSelector, find_classes

CLASS_NAMES = (("n1", "tabby"), ("n2", "Egyptian_cat"), ("n3", "crane"), ("n4", "crane"), ("n5", "lynx_cat"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0, [0]), (np.int64(2), [2]), ("tabby", [0]), ("egyptian cat", [1]), ("n4", [3]), ("*cat*", [1, 4]),
        ("4", [4]), (["tabby", 4, "*cat"], [0, 4, 1]), (range(2), [0, 1]),
    ],
)  # fmt: skip
def test_classes_can_be_given_by_index_id_name_or_pattern(target, expected):
    assert find_classes(target, CLASS_NAMES) == expected


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (5, "from 0 to 4, got 5"), (-1, "from 0 to 4"), ("5", "from 0 to 4"), (True, "a class is an index"),
        ("tabbi", "no class 'tabbi' among the 5: .*tabby.*; did you mean tabby"), ("*dog*", "no class"),
        ("crane", "several classes are named 'crane'; give the id or the index of one: 'n3' or 2, 'n4' or 3"),
        ([], "empty"),
        ([1.5], "a class is an index"), (1.5, "a class is an index, an id, a name or a pattern; got 1.5"),
    ],
)  # fmt: skip
def test_unknown_and_ambiguous_classes_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        find_classes(target, CLASS_NAMES)


def test_names_come_before_patterns_and_indices():
    class_names = (("0", "a*"), ("1", "ab"), ("2", "1"))
    assert find_classes("a*", class_names) == [0]
    assert TargetSelector("a*", None, class_names).is_single
    assert find_classes("1", class_names) == [2]


def test_imagenet_has_all_of_its_cats():
    names = [imagenet_classes()[index][1] for index in find_classes("*cat", imagenet_classes())]
    assert {"tiger_cat", "Persian_cat", "Siamese_cat", "Egyptian_cat"} <= set(names)


def test_the_best_classes_are_those_of_each_photograph():
    scores = np.array([[0, 3, 1, 2, 0], [5, 1, 5, 0, 5]])
    np.testing.assert_array_equal(TargetSelector(None, 2, CLASS_NAMES).select(scores), [[1, 3], [0, 2]])
    np.testing.assert_array_equal(TargetSelector(None, None, CLASS_NAMES).select(scores), [[1], [0]])
    np.testing.assert_array_equal(TargetSelector("*cat", None, CLASS_NAMES).select(scores), [[1, 4]] * 2)


@pytest.mark.parametrize("target", [np.array(1), b"cup"])
def test_what_is_no_class_is_not_taken_for_several(target):
    with pytest.raises(ValueError, match="a class is an index, an id, a name or a pattern; got "):
        find_classes(target, CLASS_NAMES)
