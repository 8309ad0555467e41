"""Similar photographs: nearest neighbors of features."""

import shutil
from itertools import pairwise

import numpy as np
import pytest

import xception
from xception.feature_extraction.extraction import Extractor
from xception.feature_extraction.similarity import nearest
from xception.layers import Activation, Conv2D, Input

pytestmark = pytest.mark.usefixtures("cache")


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


def test_excluded_rows_are_no_neighbors():
    rows = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert [row for row, _ in nearest(rows[0], rows, top=2, exclude=[0])] == [1, 2]


def test_wrong_use():
    with pytest.raises(ValueError, match="at least 1"):
        nearest(np.ones(2), np.ones((2, 2)), top=0)


# --- xception.similar -----------------------------------------------------------------------


@pytest.fixture
def model(small_classifier):
    return xception.load_model(small_classifier)


def test_neighbors_of_each_query(model, two_folders):
    shutil.copy(two_folders / "things" / "coffee.jpg", two_folders / "animals" / "copy.jpg")
    query = str(two_folders / "things" / "coffee.jpg")
    result = xception.similar([query, query], two_folders, model, layers="maps", pooling="none", top=3)
    assert len(result) == 2
    assert (result.paths, result.indices, result.failures) == ([query] * 2, [0, 1], [])
    assert (result.searched, result.cached) == (5, 0)
    assert [len(neighbors) for neighbors in result] == [3, 3]
    best = result[0][0]
    assert (best.path, best.index) == (str(two_folders / "animals" / "copy.jpg"), 2)
    assert best.cosine == pytest.approx(1, abs=1e-4)
    assert query not in [neighbor.path for neighbor in result[0]]
    assert result[0] == result[1]
    assert result[1:].paths == [query]
    assert repr(result) == "<SimilarPhotographs: of 2 photographs, among 5>"


def test_the_cosine_is_that_of_the_features(model, two_folders):
    result = xception.similar(two_folders, two_folders, model)
    values = xception.features(two_folders, model).values
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    for row, neighbors in enumerate(result):
        assert len(neighbors) == 3
        for neighbor in neighbors:
            assert neighbor.cosine == pytest.approx(unit[row] @ unit[neighbor.index], abs=1e-5)


def test_features_of_files_are_cached_and_those_of_images_are_not(model, two_folders, cache):
    photo = two_folders / "things" / "coffee.jpg"
    pixels = xception.load_image(photo, None)
    first = xception.similar(pixels, [photo, pixels, photo.read_bytes()], model)
    assert [neighbor.path for neighbor in first[0]] == [str(photo), None, None]
    assert {neighbor.index for neighbor in first[0]} == {0, 1, 2}
    assert first[0][2].cosine == pytest.approx(1, abs=1e-5)
    second = xception.similar(pixels, [photo, pixels], model)
    assert (second.paths, second.searched, second.cached) == ([None], 2, 1)
    assert (xception.cache_info().rows, xception.cache_info().models) == (1, 1)


def test_models_that_differ_in_their_output_do_not_share_features(two_folders):
    net = xception.Graph("net")
    maps = net.add(Conv2D(3, 3), net.add(Input((16, 16, 3))), name="maps")
    net.add(Activation("relu"), maps, name="rectified")
    models = []
    for output in ("maps", "rectified"):
        net.set_inputs_and_outputs(net.inputs, [output])
        models.append(xception.Model(net, seed=0))
    fingerprints = {Extractor(model).fingerprint for model in models}
    assert len(fingerprints) == 2
    for model in models:
        xception.similar(two_folders, two_folders, model)
        values = xception.features(two_folders, model).values
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        best = xception.similar(two_folders, two_folders, model)[0][0]
        assert best.cosine == pytest.approx(unit[0] @ unit[best.index], abs=1e-5)


def test_a_moved_photograph_is_still_cached(model, two_folders):
    xception.similar(two_folders, two_folders, model)
    (two_folders / "animals").rename(two_folders / "pets")
    assert xception.similar(two_folders, two_folders, model).cached == 4


def test_to_dicts(model, two_folders):
    query = str(two_folders / "things" / "coffee.jpg")
    (answer,) = xception.similar(query, two_folders, model, top=1).to_dicts()
    assert set(answer) == {"path", "neighbors"}
    assert answer["path"] == query
    assert set(answer["neighbors"][0]) == {"path", "index", "cosine"}


def test_photographs_that_cannot_be_read_are_skipped(model, two_folders):
    broken = two_folders / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff and no more")
    with pytest.raises(xception.ImageError, match=r"broken\.jpg"):
        xception.similar(broken, two_folders, model)
    good = two_folders / "things" / "coffee.jpg"
    result = xception.similar([broken, good], two_folders, model, on_error="skip")
    assert (result.paths, result.indices) == ([str(good)], [1])
    assert [failure.path for failure in result.failures] == [str(broken)]
    assert {neighbor.index for neighbor in result[0]} == {0, 1, 4}


def test_generators_are_read_once(model, two_folders):
    photos = sorted(two_folders.rglob("*.jpg"))
    result = xception.similar((p for p in photos[:1]), (xception.load_image(p, None) for p in photos), model)
    assert len(result[0]) == 4
    assert result[0][0].index == 0


def test_wrong_arguments(model, two_folders):
    with pytest.raises(TypeError, match=r"expected photographs for query, got a Model"):
        xception.similar(model, two_folders)
    with pytest.raises(TypeError, match=r"expected photographs for images, got a Model"):
        xception.similar(two_folders, model)
    with pytest.raises(ValueError, match="at least 1"):
        xception.similar("no.jpg", "no.jpg", model, top=0)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        xception.similar("no.jpg", two_folders, model)
