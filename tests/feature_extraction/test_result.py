"""What `xception.features` returns."""

import numpy as np
import pytest

from xception.data.photographs import Photograph
from xception.feature_extraction.result import Features

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
PHOTOGRAPHS = [Photograph(0, "a.jpg", "a.jpg", "cat"), Photograph(2, None)]


@pytest.fixture
def features():
    return Features(VALUES, ["a", "b", "c"], PHOTOGRAPHS)


def test_attributes_are_parallel_to_the_rows(features):
    assert len(features) == 2
    assert features.paths == ["a.jpg", None]
    assert features.indices == [0, 2]
    assert features.labels == ["cat", ""]
    assert features.names == ["a", "b", "c"]
    assert (features.failures, features.resumed) == ([], 0)
    assert repr(features) == "<Features: 2 photographs, 3 features each>"


def test_numpy_takes_it_as_an_array(features):
    assert np.asarray(features) is features.values
    assert np.asarray(features, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.array(features), VALUES)
    assert not np.shares_memory(np.array(features), VALUES)
    np.testing.assert_array_equal(np.dot(features, np.ones(3)), VALUES.sum(axis=1))
    assert not isinstance(features, np.ndarray)


def test_the_array_protocol_with_every_argument(features):
    assert features.__array__() is VALUES
    assert features.__array__(np.float32) is VALUES
    assert features.__array__(np.dtype("f4"), copy=False) is VALUES
    assert features.__array__(copy=None) is VALUES
    assert features.__array__(copy=True) is not VALUES
    assert features.__array__(np.float64, copy=True).dtype == np.float64
    with pytest.raises(ValueError, match="is always a copy"):
        features.__array__(np.float64, copy=False)


def test_values_are_read_once_and_only_if_needed():
    reads = []

    def read():
        reads.append(1)
        return VALUES

    features = Features(read, ["a", "b", "c"], PHOTOGRAPHS)
    assert (len(features), reads) == (2, [])
    assert features.values is features.values
    assert reads == [1]


def test_images_without_a_path_have_an_empty_one_in_a_table(features, tmp_path):
    features.save(str(tmp_path / "f.csv"))
    assert (tmp_path / "f.csv").read_text().splitlines() == [
        "path,label,a,b,c", "a.jpg,cat,0.0,1.0,2.0", ",,3.0,4.0,5.0",
    ]  # fmt: skip
    features.save(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as saved:
        assert saved["paths"].tolist() == ["a.jpg", ""]


def test_a_frame_has_a_row_for_each_photograph(features):
    pytest.importorskip("pandas")
    frame = features.to_frame()
    assert list(frame.columns) == ["label", "a", "b", "c"]
    assert frame.index[0] == "a.jpg"
    assert list(frame.index.isna()) == [False, True]
    assert frame.index.name == "path"
    assert list(frame["label"]) == ["cat", ""]
    np.testing.assert_array_equal(frame[["a", "b", "c"]].to_numpy(np.float32), VALUES)
    assert frame["a"].dtype == np.float32
    unlabeled = Features(VALUES, ["a", "b", "c"], [Photograph(0, "a.jpg", "a.jpg"), Photograph(1, None)])
    assert list(unlabeled.to_frame().columns) == ["a", "b", "c"]
