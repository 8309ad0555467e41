"""Pickles of estimators, and the model file that they name."""

import pickle
import shutil

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone

import xception
from xception.sklearn import XceptionClassifier, XceptionFeatures, model_files


@pytest.fixture
def paths(examples):
    return [str(examples / f"{name}.jpg") for name in ("chelsea", "astronaut", "coffee", "rocket")]


@pytest.fixture
def model_path(small_classifier, tmp_path):
    return shutil.copy(small_classifier, tmp_path / "model.keras")


def other_model(path):
    model = xception.load_model(path)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    return model


def test_a_model_given_by_path_is_pickled_by_path(paths, model_path):
    transformer = XceptionFeatures(str(model_path)).fit(paths)
    expected = transformer.transform(paths)
    text = pickle.dumps(transformer)
    assert len(text) < 2000
    np.testing.assert_array_equal(pickle.loads(text).transform(paths), expected)


def test_a_classifier_has_the_same_answers_after_pickling(paths, model_path):
    classifier = XceptionClassifier(model_path).fit(paths, ["animal", "animal", "thing", "thing"])
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(paths), classifier.predict_proba(paths))
    assert copy.predict(paths).tolist() == classifier.predict(paths).tolist()


def test_the_shipped_base_is_pickled_by_name(paths):
    transformer = XceptionFeatures().fit(paths)
    text = pickle.dumps(transformer)
    assert len(text) < 2000
    assert pickle.loads(text).get_feature_names_out()[-1] == "feature_2047"


def test_a_model_object_is_pickled_whole_and_once(paths, model_path):
    model = xception.load_model(model_path)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    transformer = XceptionFeatures(model).fit(paths)
    expected = transformer.transform(paths)
    text = pickle.dumps(transformer)
    assert len(text) < len(pickle.dumps(model)) + 2000
    model_path.unlink()
    copy = pickle.loads(text)
    np.testing.assert_array_equal(copy.transform(paths), expected)


def test_another_file_at_the_path_is_an_error(paths, model_path):
    transformer = XceptionFeatures(model_path).fit(paths)
    text = pickle.dumps(transformer)
    other_model(model_path).save(model_path)
    copy = pickle.loads(text)
    for _ in range(2):
        with pytest.raises(
            xception.ModelFileError, match=r"model\.keras: is another file .* checksum differs"
        ):
            copy.transform(paths)
    with pytest.raises(xception.ModelFileError, match="checksum differs"):
        copy.get_feature_names_out()
    assert transformer.transform(paths).shape == (4, 8)  # its model is loaded
    copy.fit(paths)
    np.testing.assert_array_equal(copy.transform(paths), np.asarray(xception.features(paths, model_path)))


def test_a_file_that_was_moved_is_named_by_set_params(paths, model_path, tmp_path):
    transformer = XceptionFeatures(model_path).fit(paths)
    expected = transformer.transform(paths)
    text = pickle.dumps(transformer)
    moved = model_path.rename(tmp_path / "moved.keras")
    copy = pickle.loads(text)
    with pytest.raises(FileNotFoundError, match=r"model\.keras"):
        copy.transform(paths)
    copy.set_params(model=moved)
    np.testing.assert_array_equal(copy.transform(paths), expected)
    again = pickle.loads(pickle.dumps(copy))
    np.testing.assert_array_equal(again.transform(paths), expected)
    wrong = pickle.loads(text)
    other_model(moved).save(moved)
    with pytest.raises(xception.ModelFileError, match=r"moved\.keras: is another file"):
        wrong.set_params(model=moved).transform(paths)


def test_a_folder_of_a_model_has_a_checksum(paths, model_path, tmp_path):
    folder = tmp_path / "folder.keras"
    shutil.unpack_archive(model_path, folder, "zip")
    transformer = XceptionFeatures(folder).fit(paths)
    text = pickle.dumps(transformer)
    np.testing.assert_array_equal(pickle.loads(text).transform(paths), transformer.transform(paths))
    (folder / "metadata.json").write_text('{"keras_version": "3.0.0", "date_saved": "2020-01-01"}')
    with pytest.raises(xception.ModelFileError, match="checksum differs"):
        pickle.loads(text).transform(paths)


def test_fits_that_follow_each_other_load_a_model_once(paths, model_path, monkeypatch):
    loaded = []
    load = model_files.load_model
    monkeypatch.setattr(model_files, "load_model", lambda path: loaded.append(path) or load(path))
    monkeypatch.setattr("xception.storage.identity.MIN_AGE_SECONDS", -1.0)  # the file is new
    transformer = XceptionFeatures(str(model_path)).fit(paths)
    for pooling in ("max", "none"):
        clone(transformer).set_params(pooling=pooling).fit(paths)
    assert len(loaded) == 1
    other_model(model_path).save(model_path)
    np.testing.assert_array_equal(
        clone(transformer).fit_transform(paths), np.asarray(xception.features(paths, model_path))
    )
    assert len(loaded) == 2


def test_nothing_is_loaded_before_it_is_fitted(paths):
    transformer = XceptionFeatures("missing.keras")
    assert clone(transformer).get_params()["model"] == "missing.keras"
    pickle.loads(pickle.dumps(transformer))
    with pytest.raises(FileNotFoundError, match=r"missing\.keras"):
        transformer.fit(paths)
