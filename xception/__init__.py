"""Xception, the whole network, in pure Python on NumPy.

>>> import xception
>>> xception.predict("cat.jpg", top=1)
[[Prediction(class_id='n02123045', label='tabby', score=0.8)]]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .files import ModelFileError
from .graph import Graph, GraphError
from .imagenet import Prediction, decode_predictions, preprocess_input
from .images import ImageError, load_image
from .labels import read_labels
from .model import Model, Xception, load_model
from .plan.threads import get_num_threads, set_num_threads
from .prediction import predict
from .pretrained import DownloadError

if TYPE_CHECKING:
    from .explaining import Explanation, explain
    from .teaching import fit

#: What not every program needs is loaded when it is asked for: a start should be quick.
_LATER = {"Explanation": "explaining", "explain": "explaining", "fit": "teaching"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = "0.1.0"

__all__ = [
    "DownloadError",
    "Explanation",
    "Graph",
    "GraphError",
    "ImageError",
    "Model",
    "ModelFileError",
    "Prediction",
    "Xception",
    "decode_predictions",
    "explain",
    "fit",
    "get_num_threads",
    "load_image",
    "load_model",
    "predict",
    "preprocess_input",
    "read_labels",
    "set_num_threads",
]
