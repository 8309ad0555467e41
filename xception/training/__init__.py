"""Training: a classifier on features, and all layers of a network by gradients.

The names are Keras's: losses, optimizers, schedules of the learning rate, metrics and callbacks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callbacks import Callback
    from .csv_log import CSVLogger
    from .gradient_of_loss import gradients
    from .history import History
    from .losses import (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        Loss,
        MeanAbsoluteError,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
    )
    from .metrics import (
        AUC,
        Accuracy,
        BinaryAccuracy,
        CategoricalAccuracy,
        Metric,
        SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    )
    from .monitoring import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
    from .optimizer_base import Optimizer
    from .optimizers import SGD, Adam, AdamW
    from .rate_finder import RateSearch, find_rate
    from .schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay, Schedule
    from .trainer import Trainer

# Where each public name is loaded from when it is first used: `xception.fit` needs none of them.
_HOMES = {
    "AUC": "metrics",
    "Accuracy": "metrics",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "BinaryAccuracy": "metrics",
    "BinaryCrossentropy": "losses",
    "CSVLogger": "csv_log",
    "Callback": "callbacks",
    "CategoricalAccuracy": "metrics",
    "CategoricalCrossentropy": "losses",
    "CosineDecay": "schedules",
    "EarlyStopping": "monitoring",
    "ExponentialDecay": "schedules",
    "History": "history",
    "Loss": "losses",
    "MeanAbsoluteError": "losses",
    "MeanSquaredError": "losses",
    "Metric": "metrics",
    "ModelCheckpoint": "monitoring",
    "Optimizer": "optimizer_base",
    "PiecewiseConstantDecay": "schedules",
    "RateSearch": "rate_finder",
    "ReduceLROnPlateau": "monitoring",
    "SGD": "optimizers",
    "Schedule": "schedules",
    "SparseCategoricalAccuracy": "metrics",
    "SparseCategoricalCrossentropy": "losses",
    "SparseTopKCategoricalAccuracy": "metrics",
    "TopKCategoricalAccuracy": "metrics",
    "Trainer": "trainer",
    "find_rate": "rate_finder",
    "gradients": "gradient_of_loss",
}

# Written out, not computed from the above: type checkers read it.
__all__ = [
    "AUC",
    "SGD",
    "Accuracy",
    "Adam",
    "AdamW",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CSVLogger",
    "Callback",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CosineDecay",
    "EarlyStopping",
    "ExponentialDecay",
    "History",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "ModelCheckpoint",
    "Optimizer",
    "PiecewiseConstantDecay",
    "RateSearch",
    "ReduceLROnPlateau",
    "Schedule",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "Trainer",
    "find_rate",
    "gradients",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
