"""scikit-learn's own checks.

They feed rows of numbers, which the estimators do not take. So the honest classes pass the checks that need
no data; and subclasses, which turn rows into small pictures, pass all others.
"""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.utils import estimator_checks
from sklearn.utils.validation import validate_data

import xception
from xception.layers import Conv2D, Input, Rescaling
from xception.sklearn import XceptionClassifier, XceptionFeatures
from xception.sklearn.columns import list_column

SIDE = 4  #: pixels of a small picture, each way

NEED_NO_DATA = (
    "check_estimator_cloneable", "check_estimator_repr", "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params", "check_get_params_invariance", "check_set_params",
    "check_parameters_default_constructible", "check_mixin_order", "check_estimator_tags_renamed",
    "check_valid_tag_types", "check_estimators_unfitted",
)  # fmt: skip


def small_model():
    graph = xception.Graph("small")
    x = graph.add(Input((SIDE, SIDE, 3)))
    x = graph.add(Rescaling(1 / 127.5, -1.0), x)
    graph.add(Conv2D(4, 1), x)
    return xception.Model(graph, seed=0)


MODEL = small_model()


class PicturesOfRows:
    """Takes rows of numbers, as scikit-learn's checks feed them: each becomes the pixels of a picture."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = tags.input_tags.string = False
        return tags

    def _list_photographs(self, X, reset):
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        pixels = np.zeros((len(X), SIDE * SIDE * 3))
        count = min(X.shape[1], pixels.shape[1])
        pixels[:, :count] = 127.5 * (1 + np.tanh(X[:, :count] / 4))
        return list_column(pixels.reshape(-1, SIDE, SIDE, 3))


class RowFeatures(PicturesOfRows, XceptionFeatures):
    def __init__(self, model=MODEL, pooling="none", n_jobs=1):
        super().__init__(model, pooling=pooling, n_jobs=n_jobs, cache=False)


class RowClassifier(PicturesOfRows, XceptionClassifier):
    def __init__(self, model=MODEL, pooling="none", alpha=0.01, class_weight=None, n_jobs=1):
        super().__init__(
            model, pooling=pooling, alpha=alpha, class_weight=class_weight, n_jobs=n_jobs, cache=False
        )


EXPECTED_FAILURES = {
    "check_class_weight_classifiers": "the regression knows no weights of single classes, only 'balanced'",
}


@pytest.mark.parametrize("estimator", [XceptionFeatures(), XceptionClassifier()], ids=repr)
@pytest.mark.parametrize("name", NEED_NO_DATA)
def test_the_estimators_pass_the_checks_that_need_no_data(name, estimator):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("estimator", [XceptionFeatures(), XceptionClassifier()], ids=repr)
def test_the_tags_say_what_the_estimators_take(estimator):
    tags = estimator.__sklearn_tags__().input_tags
    assert (tags.two_d_array, tags.three_d_array, tags.string) == (False, True, True)
    estimator_checks.check_estimator(estimator)  # what the tags leave of it


@pytest.mark.filterwarnings("ignore")  # of scikit-learn's own, about what the checks do
@pytest.mark.parametrize("estimator", [RowFeatures(), RowClassifier()], ids=lambda row: type(row).__name__)
def test_with_rows_as_pictures_the_estimators_pass_every_check(estimator):
    results = estimator_checks.check_estimator(
        estimator, expected_failed_checks=EXPECTED_FAILURES, on_skip=None
    )
    passed = [result for result in results if result["status"] == "passed"]
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert len(passed) >= 40
    assert failed == (set(EXPECTED_FAILURES) if isinstance(estimator, RowClassifier) else set())
    assert skipped <= {"check_array_api_input"}  # which has to be switched on
