from itertools import pairwise

import numpy as np
import pytest

from xception.feature_extraction.similarity import nearest


def test_by_cosine():
    rows = np.array([[1, 0], [10, 10], [0, 3], [-1, 0], [0, 0]], np.float32)
    found = nearest(np.array([2, 0], np.float32), rows, top=3)
    assert [row for row, _ in found] == [0, 1, 2]
    np.testing.assert_allclose([cosine for _, cosine in found], [1, np.sqrt(0.5), 0], atol=1e-6)


def test_more_rows_than_are_held_at_a_time():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 8)).astype(np.float32)
    query = rows[2100] * 5
    (row, cosine), *rest = nearest(query, rows, top=4000)
    assert (row, len(rest)) == (2100, 2999)
    assert cosine == pytest.approx(1)
    assert all(a >= b for (_, a), (_, b) in pairwise(rest))


def test_wrong_use():
    with pytest.raises(ValueError, match="at least 1"):
        nearest(np.ones(2), np.ones((2, 2)), top=0)
