"""Validation splits and folds: who validates, what is refused, and what is said."""

import numpy as np
import pytest

from xception.training.splitting.joining import join_photographs
from xception.training.splitting.validation import (
    bin_targets,
    split_folds,
    split_validation,
)

NAMES = ("cat", "dog", "owl")


def make_units(count, groups=None, keys=None):
    keys = [f"{number:04x}" for number in range(count)] if keys is None else keys
    return join_photographs(keys, [None] * count, groups=groups)


def repeat(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_each_class_has_its_share_in_validation():
    classes = repeat(100, 40, 15)
    split = split_validation(make_units(155), classes, 0.2, names=NAMES)
    assert np.bincount(classes[split.is_validation]).tolist() == [20, 8, 3]
    assert split.notes == (
        "only 31 photographs for validation: its figures have wide intervals; --folds 5, or folds=5, "
        "validates on all photographs",
    )


def test_small_classes_have_one_photograph_on_each_side_at_least():
    classes = repeat(2, 3, 400)
    split = split_validation(make_units(405), classes, 0.2, names=NAMES)
    assert np.bincount(classes[split.is_validation])[:2].tolist() == [1, 1]
    many = np.repeat(np.arange(100), 3)  # 0.2 of 3 is 0.6
    split = split_validation(make_units(300), many, 0.2, names=[str(n) for n in range(100)])
    assert np.bincount(many[split.is_validation]).tolist() == [1] * 100
    assert split.notes == (
        "100 of 300 photographs validate, 33% in place of 20%, since every class must be on both sides and "
        "groups must stay together",
    )


def test_the_split_follows_the_seed_and_not_the_order():
    keys = [f"{number:04x}" for number in range(200)]
    classes = repeat(120, 80)
    first = split_validation(make_units(200), classes, seed=3, names=NAMES[:2])
    order = np.random.default_rng(0).permutation(200)
    shuffled = make_units(200, keys=[keys[i] for i in order])
    again = split_validation(shuffled, classes[order], seed=3, names=NAMES[:2])
    np.testing.assert_array_equal(again.is_validation, first.is_validation[order])
    other = split_validation(make_units(200), classes, seed=4)
    assert (first.is_validation & other.is_validation).sum() < 25


def test_a_few_more_photographs_hardly_change_the_split():
    first = split_validation(make_units(200), repeat(100, 100), names=NAMES[:2])
    more = split_validation(make_units(210), repeat(100, 110), names=NAMES[:2])
    assert (first.is_validation & more.is_validation[:200]).sum() >= 34


def test_groups_are_on_one_side_and_classes_still_have_their_share():
    generator = np.random.default_rng(0)
    groups = generator.integers(60, size=600)
    classes = generator.integers(3, size=600)
    split = split_validation(make_units(600, groups), classes, 0.25, names=NAMES)
    assert not set(groups[split.is_validation]) & set(groups[~split.is_validation])
    shares = np.bincount(classes[split.is_validation]) / np.bincount(classes)
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


def test_copies_are_on_one_side():
    keys = [f"{number // 2:04x}" for number in range(100)]
    split = split_validation(make_units(100, keys=keys), repeat(50, 50), names=NAMES[:2])
    pairs = split.is_validation.reshape(50, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert pairs.sum() == 20


def test_several_labels_have_their_share_each():
    generator = np.random.default_rng(0)
    labels = generator.random((400, 3)) < (0.5, 0.2, 0.04)
    split = split_validation(make_units(400), labels, 0.2, names=NAMES)
    shares = labels[split.is_validation].sum(axis=0) / labels.sum(axis=0)
    np.testing.assert_allclose(shares, 0.2, atol=0.05)
    assert split.is_validation.sum() == pytest.approx(80, abs=8)


def test_targets_of_a_regression_have_the_same_range_on_both_sides():
    ages = np.random.default_rng(0).gamma(4, 10, 300)
    bins = bin_targets(ages)
    assert np.bincount(bins).tolist() == [30] * 10
    split = split_validation(make_units(300), bins)
    assert np.bincount(bins[split.is_validation]).tolist() == [6] * 10
    assert bin_targets(np.zeros(30)).max() <= 1
    assert set(bin_targets(np.arange(4.0))) == {0}
    split_validation(make_units(4), bin_targets(np.arange(4.0)))  # bins need not be on both sides


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 1, -0.2, 20, float("nan"), "0.2", True])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="validation must be a"):
        split_validation(make_units(10), repeat(5, 5), share, names=NAMES[:2])


def test_a_class_that_cannot_be_on_both_sides_is_refused_with_its_count():
    with pytest.raises(
        ValueError, match=r"every class must be on both sides .*, but 'owl' has 1 photograph: add"
    ):
        split_validation(make_units(11), repeat(5, 5, 1), names=NAMES)
    with pytest.raises(ValueError, match="'owl' has 0 photographs"):
        split_validation(make_units(10), repeat(5, 5), names=NAMES)
    message = r"'dog' has 5 photographs, which must stay together \(copies or one group\)"
    with pytest.raises(ValueError, match=message):
        split_validation(make_units(10, [1, 2, 3, 4, 5, 6, 6, 6, 6, 6]), repeat(5, 5), names=NAMES[:2])
    with pytest.raises(ValueError, match=r"'0' has 1 photograph; '1' has .*; and 2 more: add"):
        split_validation(make_units(7), np.arange(7), names=list("0123456"))


def test_groups_that_leave_no_division_are_refused_with_counts():
    # Of cats and dogs two groups each; whichever group of one validates, another class has none there.
    classes = np.array([0, 1, 0, 2, 1, 2])
    units = make_units(6, [1, 1, 2, 2, 3, 3])
    with pytest.raises(
        ValueError, match=r"no division .*: 'cat' has 2 photographs in 2 groups|'(dog|owl)' has 2"
    ):
        split_validation(units, classes, 0.4, names=NAMES)


def test_a_division_is_found_where_there_is_one():
    # Only the group with both classes and one of the others may be apart.
    classes = np.array([0, 1] * 2 + [0] * 8 + [1] * 8)
    groups = [1, 1, 2, 2] + [1] * 8 + [2] * 8
    split = split_validation(make_units(20, groups), classes, 0.2, names=NAMES[:2])
    assert split.is_validation.sum() == 10


def test_one_group_is_refused_also_without_classes():
    with pytest.raises(ValueError, match="4 photographs in 1 group cannot be divided"):
        split_validation(make_units(4, [1] * 4), np.zeros(4, int))


# --- folds ----------------------------------------------------------------------------------


def test_each_photograph_validates_once_and_each_fold_has_its_share():
    classes = repeat(53, 31, 16)
    splits = split_folds(make_units(100), classes, 5, names=NAMES)
    masks = np.stack([split.is_validation for split in splits])
    assert (masks.sum(axis=0) == 1).all()
    assert masks.sum(axis=1).tolist() == [20] * 5
    for mask in masks:
        np.testing.assert_allclose(np.bincount(classes[mask]), [10.6, 6.2, 3.2], atol=1)


def test_folds_keep_groups_together():
    groups = np.random.default_rng(0).integers(40, size=300)
    splits = split_folds(make_units(300, groups), repeat(150, 150), 4, names=NAMES[:2])
    for split in splits:
        assert not set(groups[split.is_validation]) & set(groups[~split.is_validation])
        assert split.is_validation.sum() == pytest.approx(75, abs=6)


def test_classes_that_are_not_in_each_fold_are_named_once():
    splits = split_folds(make_units(43), repeat(20, 20, 3), 5, names=NAMES)
    assert [split.notes for split in splits] == [
        ("too few photographs to be in every fold: owl",),
        *[()] * 4,
    ]


def test_folds_that_cannot_be_made_are_refused():
    with pytest.raises(ValueError, match="folds must be at least 2"):
        split_folds(make_units(10), repeat(5, 5), 1)
    with pytest.raises(ValueError, match=r"5 folds need at least 5 .*; got 4"):
        split_folds(make_units(4), repeat(2, 2), 5)
    with pytest.raises(
        ValueError, match=r"every class must be in training and in validation, but 'owl' has 1"
    ):
        split_folds(make_units(11), repeat(5, 5, 1), 5, names=NAMES)
