"""Training: a classifier on features, and all layers of a network by gradients.

The names are Keras's: losses, optimizers, schedules of the learning rate, metrics and callbacks.
"""

from .callbacks import Callback
from .csv_log import CSVLogger
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
from .rate_finder import find_rate
from .schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay, Schedule
from .trainer import Trainer

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
    "ReduceLROnPlateau",
    "Schedule",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "Trainer",
    "find_rate",
]
