"""Model and weights files: one door for every format.

Each framework has a package that reads and writes its files: `keras`. `hdf5` reads the container format
that several of them use. `reading` and `writing` choose the package for a path. Files are data from
strangers: `limits` says how much they may cost.
"""

from .options import ReadOptions
from .reading import count_classes, read_model, read_training, read_weights
from .stored import StoredModel
from .writing import write_model, write_training, write_weights

__all__ = [
    "ReadOptions", "StoredModel",
    "count_classes", "read_model", "read_training", "read_weights", "write_model",
    "write_training", "write_weights",
]  # fmt: skip
