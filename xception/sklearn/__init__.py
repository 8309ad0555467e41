"""Estimators for scikit-learn: photographs in, features or classes out.

They work in a `Pipeline`, a `ColumnTransformer`, a grid search, and wherever else scikit-learn takes an
estimator. The extra is `xception[sklearn]`.
"""

from importlib import import_module

from ..errors import requires

with requires("xception.sklearn", "scikit-learn", "'xception[sklearn]'"):
    import_module("sklearn")  # scikit-learn itself; no name in this module stands for it

from .estimators import XceptionClassifier, XceptionFeatures

__all__ = ["XceptionClassifier", "XceptionFeatures"]
