"""Photographs in, features or classes out, in whatever form scikit-learn passes them."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from PIL import Image
from sklearn import __version__ as version
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

import xception
from xception.sklearn import XceptionClassifier, XceptionFeatures

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


@pytest.fixture
def paths(examples):
    return [str(examples / f"{name}.jpg") for name in NAMES]


@pytest.fixture
def expected(paths, small_classifier):
    return np.asarray(xception.features(paths, small_classifier))


@pytest.fixture
def many(paths):
    """Eight photographs of each of two classes, in memory: a dark and a bright part of each example."""
    parts, labels = [], []
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for row in range(2):
            part = pixels[20 * row : 20 * row + 100, :120]
            parts += [Image.fromarray(part // 3), Image.fromarray(255 - part // 3)]
            labels += ["dark", "bright"]
    return parts, labels


# --- what X may be --------------------------------------------------------------------------


def arrays(paths):
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def objects(items):
    column = np.empty(len(items), object)
    column[:] = items
    return column


FORMS = {
    "list of paths": list,
    "tuple of Path": lambda paths: tuple(map(Path, paths)),
    "array of paths": np.array,
    "array of objects": objects,
    "array of one column": lambda paths: np.array(paths)[:, np.newaxis],
    "list of one-column rows": lambda paths: [[path] for path in paths],
    "PIL images": lambda paths: [Image.open(path) for path in paths],
    "arrays of unequal size": arrays,
    "bytes": lambda paths: [Path(path).read_bytes() for path in paths],
    "paths and images": lambda paths: [paths[0], *(Image.open(path) for path in paths[1:])],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_photographs_gives_the_features_of_the_library(form, paths, expected, small_classifier):
    X = FORMS[form](paths)
    values = XceptionFeatures(small_classifier).fit_transform(X)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("form", ["Series", "frame of one column", "frame of objects"])
def test_columns_of_pandas_give_the_features_of_the_library(form, paths, expected, small_classifier):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    forms = {
        "Series": pandas.Series(paths),
        "frame of one column": pandas.DataFrame({"photo": paths}),
        "frame of objects": pandas.DataFrame({"photo": objects(arrays(paths))}),
    }
    values = XceptionFeatures(small_classifier).fit_transform(forms[form])
    np.testing.assert_array_equal(values, expected)


def test_arrays_of_equal_size_give_the_features_of_the_library(small_classifier):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), np.uint8)
    transformer = XceptionFeatures(small_classifier)
    expected = np.asarray(xception.features(pixels, small_classifier))
    np.testing.assert_array_equal(transformer.fit_transform(pixels), expected)
    gray = transformer.fit_transform(pixels[..., 0])
    np.testing.assert_array_equal(gray, transformer.transform(pixels[..., [0, 0, 0]]))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("photos", TypeError, "one photograph per row.*got the path 'photos': pass a list of paths"),
        (Path("photos"), TypeError, "got the path 'photos'"),
        (Image.new("RGB", (9, 9)), TypeError, "got a single PIL image: pass a list"),
        ({"a.jpg"}, TypeError, "got set"),
        (np.zeros((9, 9, 3), np.uint8), ValueError, r"single photograph \(9, 9, 3\): pass X\[np.newaxis\]"),
        (np.zeros((7, 2)), ValueError, r"got a table \(7, 2\). Choose its column of photographs"),
        (np.array([["a.jpg", "b.jpg"]]), ValueError, r"got a table \(1, 2\)"),
        ([["a.jpg", 3], ["b.jpg", 4]], ValueError, "got rows of several values"),
        ([["a.jpg"], "b.jpg"], ValueError, "got rows of several values"),
        (np.array([b"a.jpg"]), ValueError, r"got an array \(1,\) of \|S5"),
        (np.zeros((7, 1)), ValueError, r"got an array \(7, 1\) of float64"),
        (np.zeros((1, 2, 3, 4, 5)), ValueError, r"got an array \(1, 2, 3, 4, 5\)"),
        ([], ValueError, "X has no rows"),
        (np.zeros((0, 9, 9, 3)), ValueError, "X has no rows"),
    ],
    ids=lambda value: "" if isinstance(value, str | type) else type(value).__name__,
)
def test_what_is_no_column_of_photographs_is_refused(X, error, message, small_classifier):
    with pytest.raises(error, match=message):
        XceptionFeatures(small_classifier).fit(X)
    with pytest.raises(error, match=message):
        XceptionClassifier(small_classifier).fit(X, ["a", "a", "b", "b"])


def test_a_folder_or_a_pattern_is_one_photograph_that_cannot_be_read(examples, small_classifier):
    """As for `features` it would give four rows for one."""
    transformer = XceptionFeatures(small_classifier).fit(["any"])
    with pytest.raises(OSError, match="examples"):
        transformer.transform([str(examples)])
    with pytest.raises(FileNotFoundError, match=r"\*\.jpg"):
        transformer.transform([str(examples / "*.jpg")])


def test_a_photograph_that_cannot_be_read_is_named(paths, small_classifier):
    transformer = XceptionFeatures(small_classifier).fit(paths)
    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        transformer.transform([*paths, "missing.jpg"])
    with pytest.raises(TypeError, match=r"an image is a path.*got float"):
        transformer.transform(objects([paths[0], float("nan")]))


# --- features -------------------------------------------------------------------------------


def test_by_default_features_are_those_of_the_shipped_base(paths):
    transformer = XceptionFeatures()
    values = transformer.fit_transform(paths[:1])
    np.testing.assert_array_equal(values, np.asarray(xception.features(paths[:1])))
    assert transformer.n_features_out_ == 2048


def test_parameters_are_those_of_the_library(paths, small_classifier):
    options = {"layers": ["maps", "pool"], "pooling": "max", "interpolation": "nearest", "aspect": "crop"}
    transformer = XceptionFeatures(str(small_classifier), **options).fit(paths)
    expected = xception.features(paths, small_classifier, **options)
    np.testing.assert_array_equal(transformer.transform(paths), np.asarray(expected))
    assert list(transformer.get_feature_names_out()) == expected.names
    assert transformer.n_features_out_ == len(expected.names) == 16


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"pooling": "mean"}, ValueError, "pooling must be one of"),
        ({"layers": "no_such"}, ValueError, "no_such"),
        ({"scaling": "tff"}, ValueError, "scaling"),
        ({"model": 3}, TypeError, "model must be a Model, a Classifier, or the path"),
        ({"model": "missing.keras"}, FileNotFoundError, "missing.keras"),
    ],
)
def test_parameters_are_checked_when_it_is_fitted(parameters, error, message, paths, small_classifier):
    transformer = XceptionFeatures(**{"model": small_classifier, **parameters})
    with pytest.raises(error, match=message):
        transformer.fit(paths)


def test_nothing_is_computed_before_it_is_fitted(paths):
    for call in (
        lambda: XceptionFeatures().transform(paths),
        lambda: XceptionFeatures().get_feature_names_out(),
        lambda: XceptionClassifier().predict(paths),
        lambda: XceptionClassifier().predict_proba(paths),
    ):
        with pytest.raises(NotFittedError):
            call()


def test_a_row_depends_on_its_own_photograph_alone(paths, expected, small_classifier):
    transformer = XceptionFeatures(small_classifier).fit(paths[:1])
    for order in ([3, 1], [2, 2, 0], [0]):
        rows = transformer.transform([paths[index] for index in order])
        np.testing.assert_array_equal(rows, expected[order])


@pytest.mark.parametrize("threads", [1, 2, -1])
def test_the_number_of_threads_does_not_change_features(threads, paths, expected, small_classifier):
    values = XceptionFeatures(small_classifier, n_jobs=threads).fit_transform(paths)
    np.testing.assert_array_equal(values, expected)


def test_n_jobs_limits_the_threads_that_compute(paths, small_classifier, monkeypatch):
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "3")
    counts = []

    def count(*arguments):
        counts.append(xception.get_num_threads())
        return extract(*arguments)

    from xception.sklearn import estimators

    extract = estimators.extract_cached
    monkeypatch.setattr(estimators, "extract_cached", count)
    for n_jobs in (None, 2, 1):
        XceptionFeatures(small_classifier, n_jobs=n_jobs).fit_transform(paths)
    assert counts == [3, 2, 1]
    assert xception.get_num_threads() == 3


def test_features_of_files_are_kept_in_the_cache(paths, small_classifier, cache, monkeypatch):
    transformer = XceptionFeatures(small_classifier)
    first = transformer.fit_transform(paths)
    assert xception.features(paths, small_classifier).resumed == 4

    def fail(*_):
        raise AssertionError("a photograph is computed again")

    monkeypatch.setattr("xception.feature_extraction.extraction.Extractor.compute", fail)
    np.testing.assert_array_equal(clone(transformer).fit_transform(paths), first)
    with pytest.raises(AssertionError, match="computed again"):
        XceptionFeatures(small_classifier, cache=False).fit_transform(paths)


def test_features_follow_weights_that_change(paths, small_classifier, cache):
    model = xception.load_model(small_classifier)
    transformer = XceptionFeatures(model).fit(paths)
    before = transformer.transform(paths)
    model.set_weights([weights * 2 for weights in model.get_weights()])
    after = transformer.transform(paths)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_array_equal(after, np.asarray(xception.features(paths, model)))


# --- frames ---------------------------------------------------------------------------------


def test_frames_have_the_names_of_features_and_the_index_of_a_series(paths, expected, small_classifier):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    transformer = XceptionFeatures(small_classifier).set_output(transform="pandas")
    table = pandas.DataFrame({"photo": paths}, index=list("dcba"))
    assert list(transformer.fit_transform(table).index) == list("dcba")
    frame = transformer.transform(table["photo"])
    if parse_version(version) >= parse_version("1.7"):  # before, only that of a frame
        assert list(frame.index) == list("dcba")
    assert list(frame.columns) == [f"feature_{number}" for number in range(8)]
    np.testing.assert_array_equal(frame.to_numpy(), expected)
    assert list(transformer.transform(paths).index) == [0, 1, 2, 3]


@pytest.mark.parametrize("column", ["photo", ["photo"]])
def test_a_column_transformer_takes_the_photographs_of_a_table(column, paths, expected, small_classifier):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"photo": paths, "age": [1.0, 2.0, 3.0, 4.0]})
    columns = ColumnTransformer(
        [("photo", XceptionFeatures(small_classifier), column), ("age", StandardScaler(), ["age"])]
    )
    values = columns.fit_transform(table)
    np.testing.assert_allclose(values[:, :8], expected, rtol=1e-6)
    assert values.shape == (4, 9)
    assert columns.get_feature_names_out()[0] == "photo__feature_0"


def test_several_columns_of_a_table_are_refused(paths, small_classifier):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"photo": paths, "other": paths})
    with pytest.raises(ValueError, match=r"got a table \(4, 2\)"):
        XceptionFeatures(small_classifier).fit(table)


# --- classes --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}])
def test_the_classifier_is_that_of_the_library(options, paths):
    labels = ["animal", "animal", "thing", "thing"]
    classifier = XceptionClassifier(**options).fit(paths, labels)
    model = xception.fit(paths, labels, balanced=bool(options))
    kernel, bias = model.get_weights()[-2:]
    np.testing.assert_allclose(classifier.coef_, kernel.T, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(classifier.intercept_, bias, rtol=1e-5)
    probabilities = classifier.predict_proba(paths)
    np.testing.assert_allclose(probabilities, xception.Classifier(model).probabilities(
        np.stack([xception.load_image(path) for path in paths])), atol=2e-5)  # fmt: skip
    assert list(classifier.classes_) == ["animal", "thing"]
    assert list(classifier.predict(paths)) == labels
    assert classifier.score(paths, labels) == 1


def test_classes_may_be_numbers_whose_order_as_texts_is_another(many, small_classifier):
    X, names = many
    labels = np.where(np.array(names) == "dark", 10, 9)
    numbered = XceptionClassifier(small_classifier).fit(X, labels)
    named = XceptionClassifier(small_classifier).fit(X, ["10" if label == 10 else "9" for label in labels])
    assert list(numbered.classes_) == [9, 10]
    assert list(named.classes_) == ["10", "9"]
    np.testing.assert_array_equal(numbered.predict_proba(X), named.predict_proba(X)[:, ::-1])
    assert numbered.score(X, labels) == 1
    assert numbered.predict(X).dtype == labels.dtype


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, None, "requires y to be passed"),
        ({}, ["a", "a", "b"], "expected a class in y for each photograph in X, got 3 for 4"),
        ({}, ["a"] * 4, "at least two classes, got one class: a"),
        ({}, ["a", "a", "a", "b"], "at least two photographs; there is one of b"),
        ({}, [0.1, 0.2, 0.3, 0.4], "Unknown label type"),
        ({"alpha": 0}, ["a", "a", "b", "b"], "alpha must be None or a positive number, got 0"),
        ({"alpha": "1"}, ["a", "a", "b", "b"], "alpha must be None or a positive number, got '1'"),
        ({"class_weight": {"a": 2}}, ["a", "a", "b", "b"], 'class_weight must be None or "balanced"'),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_photographs_are_read(parameters, y, message):
    photographs = ["missing.jpg"] * 4
    with pytest.raises(ValueError, match=message):
        XceptionClassifier(**parameters).fit(photographs, y)


def test_a_fit_that_fails_leaves_the_classifier_as_it_was(many, small_classifier):
    X, y = many
    classifier = XceptionClassifier(small_classifier).fit(X, y)
    before = classifier.predict_proba(X)
    with pytest.raises(FileNotFoundError):
        classifier.set_params(pooling="max").fit(["missing.jpg"] * 4, ["a", "a", "b", "b"])
    np.testing.assert_array_equal(classifier.predict_proba(X), before)


def test_a_stronger_penalty_gives_less_certain_answers(many, small_classifier):
    X, y = many
    certain, unsure = (
        XceptionClassifier(small_classifier, alpha=alpha).fit(X, y).predict_proba(X).max(axis=1).mean()
        for alpha in (1e-4, 100)
    )
    assert unsure < certain - 0.1


def test_pipeline_grid_search_and_cross_validation(many, small_classifier):
    X, y = many
    pipeline = make_pipeline(XceptionFeatures(small_classifier), StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=2).shape == (2,)
    search = GridSearchCV(XceptionClassifier(small_classifier), {"pooling": ["avg", "max"]}, cv=2)
    search.fit(X, y)
    assert search.best_score_ == 1
    assert search.predict(X[:2]).tolist() == y[:2]
    searched = GridSearchCV(pipeline, {"xceptionfeatures__pooling": ["avg", "none"]}, cv=2).fit(X, y)
    assert searched.best_params_["xceptionfeatures__pooling"] in ("avg", "none")


@pytest.mark.parametrize("form", ["arrays", "4-D", "paths", "objects", "Series"])
def test_cross_validation_divides_each_form(form, many, tmp_path, small_classifier):
    images, y = many
    paths = [str(tmp_path / f"{number}.png") for number in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    if form == "Series":
        X = pytest.importorskip("pandas", reason="pandas is not installed").Series(paths)
    else:
        pixels = list(map(np.asarray, images))
        X = {"arrays": pixels, "4-D": np.stack(pixels), "paths": paths, "objects": objects(paths)}[form]
    assert cross_val_score(XceptionClassifier(small_classifier), X, y, cv=2).mean() == 1
