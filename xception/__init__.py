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
    from .feature_extraction.extraction import features
    from .feature_extraction.result import Features
    from .feature_extraction.similarity import SimilarPhotographs, similar
    from .graph import Graph
    from .models.model import Model, Xception, load_model
    from .prediction.classifier import predict
    from .training.report import FitReport
    from .training.transfer import fit, fit_with_report

__version__ = "0.1.0"

# Every public name, and the module it is loaded from when it is first used: a start should be quick.
_HOMES = {
    "DownloadError": "errors",
    "Explanation": "explanation.result",
    "Classifier": "prediction.classifier",
    "Evaluation": "prediction.evaluation",
    "Features": "feature_extraction.result",
    "FitReport": "training.report",
    "Graph": "graph",
    "GraphError": "errors",
    "ImageError": "errors",
    "Model": "models.model",
    "ModelFileError": "errors",
    "NoGradientError": "errors",
    "Prediction": "data.imagenet",
    "Xception": "models.model",
    "SimilarPhotographs": "feature_extraction.similarity",
    "XceptionError": "errors",
    "Predictions": "prediction.results",
    "Preprocessing": "data.preprocessing",
    "decode_predictions": "data.imagenet",
    "evaluate": "prediction.evaluation",
    "explain": "explanation.explainer",
    "features": "feature_extraction.extraction",
    "fit": "training.transfer",
    "fit_with_report": "training.transfer",
    "get_num_threads": "engine.cpus",
    "load_image": "data.images",
    "load_model": "models.model",
    "predict": "prediction.classifier",
    "preprocess_input": "data.imagenet",
    "read_class_names": "data.class_names",
    "set_num_threads": "engine.cpus",
    "similar": "feature_extraction.similarity",
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
