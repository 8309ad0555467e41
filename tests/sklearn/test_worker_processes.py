"""Estimators in the worker processes of joblib."""

import os

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import joblib
from joblib.externals import loky

import xception
from xception.sklearn import XceptionFeatures


@pytest.fixture
def workers(monkeypatch):
    """Two workers, started with what the test sets; they end with it."""
    for name in ("XCEPTION_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield joblib.Parallel(n_jobs=2, backend="loky", timeout=120)
    loky.get_reusable_executor().shutdown(wait=True)


def test_a_worker_uses_no_more_threads_than_its_share(workers):
    counts = workers(joblib.delayed(xception.get_num_threads)() for _ in range(4))
    share = max(joblib.cpu_count() // 2, 1)
    assert counts == [min(share, xception.get_num_threads())] * 4
    assert xception.get_num_threads() >= min(os.cpu_count() or 1, share)  # here it is not limited


def test_a_fitted_transformer_works_in_a_worker(workers, examples, small_classifier):
    paths = [str(examples / f"{name}.jpg") for name in ("chelsea", "coffee")]
    transformer = XceptionFeatures(str(small_classifier)).fit(paths)
    rows = workers(joblib.delayed(transformer.transform)([path]) for path in paths)
    np.testing.assert_array_equal(np.concatenate(rows), transformer.transform(paths))
