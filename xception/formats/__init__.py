"""Model and weights files: one door for every format.

A package per framework (`keras`) knows its files; `hdf5` reads the container that several of them use.
`reading` and `writing` decide which package a path belongs to. Files are data from strangers: all
limits are in `limits`.
"""

from .reading import count_classes, read_model, read_weights
from .stored import StoredModel
from .writing import write_model, write_weights

__all__ = ["StoredModel", "count_classes", "read_model", "read_weights", "write_model", "write_weights"]
