"""Estimators: features of photographs, and a classifier on them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ..console.progress import Verbose
from ..data.failures import FailureLog
from ..data.photographs import Photograph
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..engine.cpus import limit_threads
from ..feature_extraction.extraction import extract_cached
from ..kernels import Array, softmax
from ..models.feature_maps import Pooling
from ..prediction.classifier import ModelArgument
from ..storage.cache import CacheStore
from ..storage.rows import MemoryStore
from ..training.regression.softmax_regression import L2_VALUES, fit_softmax_regression
from .columns import list_classes, list_column
from .model_files import FittedModel


class _Photographs(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base class of estimators that take photographs, and compute their features."""

    model: ModelArgument
    layers: str | Sequence[str] | None
    pooling: Pooling
    scaling: ScalingArgument
    interpolation: Interpolation | None
    aspect: Aspect | None
    exif: Exif | None
    decode: Decode
    cache: bool
    n_jobs: int | None
    verbose: Verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _list_photographs(self, X: Any, reset: bool) -> Sequence[Photograph]:
        """Return the photographs of X, one for each row. `reset`: in `fit`."""
        return list_column(X)

    def _load_model(self) -> FittedModel:
        return FittedModel(
            self.model, layers=self.layers, pooling=self.pooling, scaling=self.scaling,
            interpolation=self.interpolation, aspect=self.aspect, exif=self.exif, decode=self.decode,
        )  # fmt: skip

    def _compute(self, model: FittedModel, photographs: Sequence[Photograph]) -> Array:
        """Return the features (n, d) of n photographs."""
        extractor, log = model.extractor(self.model), FailureLog("raise")
        with limit_threads(None if self.n_jobs is None else effective_n_jobs(self.n_jobs)):
            if not self.cache:
                store = MemoryStore(len(extractor.names))
                return extract_cached(extractor, photographs, store, log, self.verbose).values
            with CacheStore(lambda: extractor.fingerprint, len(extractor.names)) as cached:
                return extract_cached(extractor, photographs, cached, log, self.verbose).values


class XceptionFeatures(TransformerMixin, _Photographs):  # type: ignore[misc]
    """Transformer of photographs into features, as `xception.features` computes them.

    `fit` learns nothing from photographs: it loads the model. Features of files are kept in the library's
    cache, by the content of the file, for later calls: the folds of a cross-validation compute each
    photograph once. Parameters are read by `fit`, except `cache`, `n_jobs` and `verbose`.

    Args:
        model: The path of a model file, a Model, a Classifier, or None for the ImageNet base that is shipped
            with the library. A path is pickled as the path and the file's checksum, a Model whole.
        layers: Names of the layers to take features from, as for `xception.features`.
        pooling: How feature maps are pooled: "avg", "max", "min", "sum" or "none", as for
            `xception.features`.
        scaling: As for `xception.features`.
        interpolation: As for `xception.features`.
        aspect: As for `xception.features`.
        exif: As for `xception.features`.
        decode: As for `xception.features`.
        cache: Whether features of files are kept in the cache folder, and found there.
        n_jobs: How many threads compute at most; -1 for no limit. Unlike elsewhere in scikit-learn, None
            stands for as many as `xception.get_num_threads` says, within the share that joblib gives its
            worker processes.
        verbose: 0 for no progress bar, 1 for one, "auto" for one if there are several photographs.

    Attributes:
        n_features_out_: The number of features, d. Set by `fit`.

    Examples:
        >>> transformer = XceptionFeatures().fit(["examples/chelsea.jpg"])
        >>> transformer.transform(["examples/chelsea.jpg", "examples/coffee.jpg"]).shape
        (2, 2048)
    """

    def __init__(
        self,
        model: ModelArgument = None,
        *,
        layers: str | Sequence[str] | None = None,
        pooling: Pooling = "avg",
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
        aspect: Aspect | None = None,
        exif: Exif | None = None,
        decode: Decode = "exact",
        cache: bool = True,
        n_jobs: int | None = None,
        verbose: Verbose = 0,
    ) -> None:
        self.model = model
        self.layers = layers
        self.pooling = pooling
        self.scaling = scaling
        self.interpolation = interpolation
        self.aspect = aspect
        self.exif = exif
        self.decode = decode
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever photographs are
        return tags

    def fit(self, X: Any, y: object = None) -> XceptionFeatures:
        """Load the model.

        Args:
            X: n photographs: paths, PIL images, arrays (h, w, channels) 0…255 of any size or bytes of files,
                in a list, an array (n,) or (n, 1), a column of a table, or a table of one column; or an array
                (n, h, w) or (n, h, w, channels). They are not read. No path stands for a folder or a pattern.
            y: Not used.

        Returns:
            The transformer itself.

        Raises:
            TypeError: A parameter, or `X`, is of another type.
            ValueError: The model does not take a photograph or has no such layer, a parameter is unknown, or
                `X` is empty or has several columns.
            OSError: There is no such model file.
            ModelFileError: The model file is damaged or not supported.
        """
        self._list_photographs(X, reset=True)
        model = self._load_model()
        self.n_features_out_ = len(model.extractor().names)
        self._fitted_model = model
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the features of photographs.

        Args:
            X: n photographs, as for `fit`.

        Returns:
            (n, d) float32, or what `set_output` chose.

        Raises:
            sklearn.exceptions.NotFittedError: `fit` was not called.
            TypeError: `X`, or a photograph in it, is of another type.
            ValueError: `X` is empty or has several columns, or an array does not hold pixels.
            OSError: A photograph cannot be read, or the model's file is gone after unpickling.
            ModelFileError: The model's file is another one than before pickling.
        """
        check_is_fitted(self)
        return self._compute(self._fitted_model, self._list_photographs(X, reset=False))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the name (d,) of each feature: "feature_0", or "block4_pool_0" for layers asked for.

        Args:
            input_features: Not used.

        Raises:
            sklearn.exceptions.NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        return np.array(self._fitted_model.extractor(self.model).names, dtype=object)


class XceptionClassifier(ClassifierMixin, _Photographs):  # type: ignore[misc]
    """Classifier of photographs: the softmax regression of `xception.fit` on features of a fixed network.

    The network is not changed. With the default parameters the classifier is the one that `xception.fit`
    returns for the same photographs and labels, to rounding errors. Features are cached as by
    `XceptionFeatures`.

    Args:
        model: As for `XceptionFeatures`.
        layers: As for `XceptionFeatures`.
        pooling: As for `XceptionFeatures`.
        alpha: The L2 penalty, a positive number, for features whose mean squared length is scaled to 1. None:
            the one of 1e-8, 1e-6, 1e-4 and 1e-2 that has the lowest cross-validated loss.
        class_weight: "balanced" if each class weighs the same, however many photographs it has. None: each
            photograph weighs the same.
        scaling: As for `XceptionFeatures`.
        interpolation: As for `XceptionFeatures`.
        aspect: As for `XceptionFeatures`.
        exif: As for `XceptionFeatures`.
        decode: As for `XceptionFeatures`.
        cache: As for `XceptionFeatures`.
        n_jobs: As for `XceptionFeatures`.
        verbose: As for `XceptionFeatures`.

    Attributes:
        classes_: (c,) the classes, sorted. Set by `fit`, as those below.
        alpha_: The L2 penalty that was used.
        coef_: (c, d) float32.
        intercept_: (c,) float32.
        n_features_out_: The number of features of a photograph, d.

    Examples:
        >>> photographs = [f"examples/{name}.jpg" for name in ("chelsea", "astronaut", "coffee", "rocket")]
        >>> classifier = XceptionClassifier().fit(photographs, ["animal", "animal", "thing", "thing"])
        >>> classifier.predict(["examples/rocket.jpg"])
        array(['thing'], dtype='<U6')
    """

    def __init__(
        self,
        model: ModelArgument = None,
        *,
        layers: str | Sequence[str] | None = None,
        pooling: Pooling = "avg",
        alpha: float | None = None,
        class_weight: Literal["balanced"] | None = None,
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
        aspect: Aspect | None = None,
        exif: Exif | None = None,
        decode: Decode = "exact",
        cache: bool = True,
        n_jobs: int | None = None,
        verbose: Verbose = 0,
    ) -> None:
        self.model = model
        self.layers = layers
        self.pooling = pooling
        self.alpha = alpha
        self.class_weight = class_weight
        self.scaling = scaling
        self.interpolation = interpolation
        self.aspect = aspect
        self.exif = exif
        self.decode = decode
        self.cache = cache
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike) -> XceptionClassifier:
        """Compute the features of photographs, and fit a softmax regression to them.

        Args:
            X: n photographs, as for `XceptionFeatures.fit`.
            y: (n,) the class of each: texts, integers or booleans.

        Returns:
            The classifier itself.

        Raises:
            TypeError: A parameter, `X`, or a photograph in it is of another type.
            ValueError: `y` is missing, is not of n classes, or holds fewer than two classes or fewer than two
                photographs of a class; or as `XceptionFeatures.fit` and `transform` do.
            OSError: A photograph cannot be read, or there is no such model file.
            ModelFileError: The model file is damaged or not supported.
            MissingPackageError: SciPy is not installed.
        """
        penalties = self._penalties()
        photographs = self._list_photographs(X, reset=True)
        classes, labels = list_classes(y, len(photographs))
        model = self._load_model()
        features = self._compute(model, photographs)
        balanced = self.class_weight == "balanced"
        regression = fit_softmax_regression(features, labels, balanced=balanced, l2_values=penalties)
        # It sorts classes as texts, where 10 comes before 9.
        order = [regression.class_names.index(str(label)) for label in classes]
        self.classes_ = classes
        self.coef_ = np.ascontiguousarray(regression.kernel.T[order])
        self.intercept_ = regression.bias[order]
        self.alpha_ = regression.l2
        self.n_features_out_ = features.shape[1]
        self._fitted_model = model
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Compute the probability of each class.

        Args:
            X: n photographs, as for `XceptionFeatures.fit`.

        Returns:
            (n, c) float32, in the order of `classes_`.

        Raises:
            sklearn.exceptions.NotFittedError: `fit` was not called.
            TypeError: As for `XceptionFeatures.transform`.
            ValueError: As for `XceptionFeatures.transform`.
            OSError: As for `XceptionFeatures.transform`.
            ModelFileError: As for `XceptionFeatures.transform`.
        """
        check_is_fitted(self)
        features = self._compute(self._fitted_model, self._list_photographs(X, reset=False))
        return softmax(features @ self.coef_.T + self.intercept_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class (n,) of each photograph.

        Args:
            X: n photographs, as for `XceptionFeatures.fit`.

        Raises:
            sklearn.exceptions.NotFittedError: `fit` was not called.
            TypeError: As for `XceptionFeatures.transform`.
            ValueError: As for `XceptionFeatures.transform`.
            OSError: As for `XceptionFeatures.transform`.
            ModelFileError: As for `XceptionFeatures.transform`.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _penalties(self) -> Sequence[float]:
        if self.class_weight is not None and self.class_weight != "balanced":
            raise ValueError(f'class_weight must be None or "balanced", got {self.class_weight!r}')
        if self.alpha is None:
            return L2_VALUES
        if not isinstance(self.alpha, Real) or isinstance(self.alpha, bool) or not 0 < self.alpha < np.inf:
            raise ValueError(f"alpha must be None or a positive number, got {self.alpha!r}")
        return (float(self.alpha),)
