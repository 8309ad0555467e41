"""Xception, the whole network, in pure Python on NumPy.

>>> import xception
>>> xception.predict("examples/chelsea.jpg", top=1)  # doctest: +SKIP
[[Prediction(class_id='n02124075', class_name='Egyptian_cat', score=0.83)]]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import architecture, engine, errors, gradients, graph, kernels, layers, training
    from .data.class_names import read_class_names
    from .data.imagenet import Prediction, decode_predictions, preprocess_input
    from .data.images import load_image
    from .engine.cpus import get_num_threads, set_num_threads
    from .errors import (
        DownloadError,
        GraphError,
        ImageError,
        ModelFileError,
        NoGradientError,
        XceptionError,
    )
    from .explanation.explainer import explain
    from .explanation.result import Explanation
    from .graph import Graph
    from .models.factory import Xception, load_model
    from .models.model import Model
    from .models.pretrained import download_weights, verify_weights, weights_path
    from .prediction.classifier import predict
    from .training.transfer import fit

__version__ = "0.1.0"

# Every public name, and the module it is loaded from when it is first used: a start should be quick.
_HOMES = {
    "DownloadError": "errors",
    "Explanation": "explanation.result",
    "Graph": "graph",
    "GraphError": "errors",
    "ImageError": "errors",
    "Model": "models.model",
    "ModelFileError": "errors",
    "NoGradientError": "errors",
    "Prediction": "data.imagenet",
    "Xception": "models.factory",
    "XceptionError": "errors",
    "decode_predictions": "data.imagenet",
    "download_weights": "models.pretrained",
    "explain": "explanation.explainer",
    "fit": "training.transfer",
    "get_num_threads": "engine.cpus",
    "load_image": "data.images",
    "load_model": "models.factory",
    "predict": "prediction.classifier",
    "preprocess_input": "data.imagenet",
    "read_class_names": "data.class_names",
    "set_num_threads": "engine.cpus",
    "verify_weights": "models.pretrained",
    "weights_path": "models.pretrained",
}
_ROOMS = ("architecture", "engine", "errors", "gradients", "graph", "kernels", "layers", "training")

__all__ = [*_HOMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _ROOMS:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
