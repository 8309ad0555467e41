"""Training: solved classifiers on features, and networks trained by gradients.

The names are Keras's: losses, optimizers, schedules of the learning rate, metrics and callbacks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.augmentation import Augmentation
    from .callbacks.base import Callback
    from .callbacks.csv_log import CSVLogger
    from .callbacks.history import History
    from .callbacks.monitoring import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
    from .gradient_of_loss import gradients
    from .objectives.losses import (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        Loss,
        MeanAbsoluteError,
        MeanSquaredError,
        SparseCategoricalCrossentropy,
    )
    from .objectives.metrics import (
        AUC,
        Accuracy,
        BinaryAccuracy,
        CategoricalAccuracy,
        Metric,
        SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    )
    from .optimization.base import Optimizer
    from .optimization.optimizers import SGD, Adam, AdamW
    from .optimization.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay, Schedule
    from .rate_finder import RateSearch, find_rate
    from .trainer import Trainer

# Where each public name is loaded from when it is first used: `xception.fit` needs none of them.
_HOMES = {
    "AUC": "objectives.metrics",
    "Accuracy": "objectives.metrics",
    "Adam": "optimization.optimizers",
    "AdamW": "optimization.optimizers",
    "Augmentation": ".data.augmentation",
    "BinaryAccuracy": "objectives.metrics",
    "BinaryCrossentropy": "objectives.losses",
    "CSVLogger": "callbacks.csv_log",
    "Callback": "callbacks.base",
    "CategoricalAccuracy": "objectives.metrics",
    "CategoricalCrossentropy": "objectives.losses",
    "CosineDecay": "optimization.schedules",
    "EarlyStopping": "callbacks.monitoring",
    "ExponentialDecay": "optimization.schedules",
    "History": "callbacks.history",
    "Loss": "objectives.losses",
    "MeanAbsoluteError": "objectives.losses",
    "MeanSquaredError": "objectives.losses",
    "Metric": "objectives.metrics",
    "ModelCheckpoint": "callbacks.monitoring",
    "Optimizer": "optimization.base",
    "PiecewiseConstantDecay": "optimization.schedules",
    "RateSearch": "rate_finder",
    "ReduceLROnPlateau": "callbacks.monitoring",
    "SGD": "optimization.optimizers",
    "Schedule": "optimization.schedules",
    "SparseCategoricalAccuracy": "objectives.metrics",
    "SparseCategoricalCrossentropy": "objectives.losses",
    "SparseTopKCategoricalAccuracy": "objectives.metrics",
    "TopKCategoricalAccuracy": "objectives.metrics",
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
    "Augmentation",
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
