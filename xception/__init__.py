"""Xception, the whole network, in pure Python on NumPy.

>>> import xception
>>> xception.predict("examples/chelsea.jpg", top=1)  # doctest: +SKIP
[[Prediction(class_id='n02124075', class_name='Egyptian_cat', score=0.83)]]
"""

from __future__ import annotations

import os
import sys


def _end_when_interrupted() -> None:
    """End the program `xception`, or `python -m xception`, at an interrupt during its imports.

    It does nothing in any other program that imports the library. When the imports are done,
    `cli/interrupts.py` takes over.
    """
    frame = sys._getframe()
    while frame.f_back and (
        frame.f_globals is globals() or frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        frame = frame.f_back
    # The script that pip installs imports `xception.__main__`; Python's -m has the name in a variable.
    if "xception.__main__" in (*frame.f_code.co_names, frame.f_locals.get("mod_name")):
        import _signal  # type: ignore[import-not-found]  # `signal` would import other modules first

        def end(*_: object) -> None:
            os.write(2, b"xception: interrupted\n")
            os._exit(130)

        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, end)


_end_when_interrupted()

from importlib import import_module  # noqa: E402

from .version import __version__  # noqa: E402

TYPE_CHECKING = False  # type checkers know the name; importing `typing` is a tenth of the time of --help
if TYPE_CHECKING:
    from typing import Any

    from . import (
        architecture,
        distributed,
        engine,
        errors,
        gradients,
        graph,
        kernels,
        layers,
        plot,
        server,
        training,
    )
    from .conversion.converter import convert
    from .conversion.report import ConversionReport
    from .data.class_names import read_class_names
    from .data.failures import Failure
    from .data.imagenet import Prediction, decode_predictions, preprocess_input
    from .data.images import load_image
    from .data.preprocessing import Preprocessing
    from .engine.cpus import get_num_threads, set_num_threads
    from .errors import (
        DownloadError,
        GraphError,
        ImageError,
        JobError,
        LimitError,
        MissingPackageError,
        ModelFileError,
        NoGradientError,
        RemoteError,
        TrainingError,
        XceptionError,
    )
    from .explanation.explainer import explain
    from .explanation.result import Explanation
    from .feature_extraction.extraction import features
    from .feature_extraction.result import Features
    from .feature_extraction.similarity import SimilarPhotographs, similar
    from .graph import Graph
    from .inspection.inspector import inspect
    from .limits import Limits, get_limits, set_limits
    from .models.factory import Xception, load_model
    from .models.local_weights import download_weights, verify_weights, weights_path
    from .models.model import Model
    from .prediction.classifier import Classifier
    from .prediction.evaluation import Evaluation
    from .prediction.label_evaluation import LabelEvaluation
    from .prediction.measurement import evaluate
    from .prediction.naming import iter_predict, predict
    from .prediction.regression_evaluation import RegressionEvaluation
    from .prediction.results import Predictions, WrittenPredictions
    from .storage.budget import CacheInfo, cache_info, clear_cache
    from .training.fine_tuning.preview import preview_augmentation
    from .training.fine_tuning.report import FineTuning
    from .training.fine_tuning.tuning import fine_tune
    from .training.report import FitReport
    from .training.transfer import fit, fit_with_report

# Where each public name is loaded from when it is first used: importing xception must be quick.
_HOMES = {
    "CacheInfo": "storage.budget",
    "Classifier": "prediction.classifier",
    "ConversionReport": "conversion.report",
    "DownloadError": "errors",
    "Evaluation": "prediction.evaluation",
    "Explanation": "explanation.result",
    "Failure": "data.failures",
    "Features": "feature_extraction.result",
    "FineTuning": "training.fine_tuning.report",
    "FitReport": "training.report",
    "Graph": "graph",
    "GraphError": "errors",
    "ImageError": "errors",
    "JobError": "errors",
    "LabelEvaluation": "prediction.label_evaluation",
    "LimitError": "errors",
    "Limits": "limits",
    "MissingPackageError": "errors",
    "Model": "models.model",
    "ModelFileError": "errors",
    "NoGradientError": "errors",
    "Prediction": "data.imagenet",
    "Predictions": "prediction.results",
    "Preprocessing": "data.preprocessing",
    "RegressionEvaluation": "prediction.regression_evaluation",
    "RemoteError": "errors",
    "SimilarPhotographs": "feature_extraction.similarity",
    "TrainingError": "errors",
    "WrittenPredictions": "prediction.results",
    "Xception": "models.factory",
    "XceptionError": "errors",
    "cache_info": "storage.budget",
    "clear_cache": "storage.budget",
    "convert": "conversion.converter",
    "decode_predictions": "data.imagenet",
    "download_weights": "models.local_weights",
    "evaluate": "prediction.measurement",
    "explain": "explanation.explainer",
    "features": "feature_extraction.extraction",
    "fine_tune": "training.fine_tuning.tuning",
    "fit": "training.transfer",
    "fit_with_report": "training.transfer",
    "get_limits": "limits",
    "get_num_threads": "engine.cpus",
    "inspect": "inspection.inspector",
    "iter_predict": "prediction.naming",
    "load_image": "data.images",
    "load_model": "models.factory",
    "predict": "prediction.naming",
    "preview_augmentation": "training.fine_tuning.preview",
    "preprocess_input": "data.imagenet",
    "read_class_names": "data.class_names",
    "set_limits": "limits",
    "set_num_threads": "engine.cpus",
    "similar": "feature_extraction.similarity",
    "verify_weights": "models.local_weights",
    "weights_path": "models.local_weights",
}
_ROOMS = (
    "architecture", "distributed", "engine", "errors", "gradients", "graph", "kernels", "layers", "plot",
    "server", "training",
)  # fmt: skip

# Written out, not computed from the above: type checkers read it.
__all__ = [
    "CacheInfo", "Classifier", "ConversionReport", "DownloadError", "Evaluation", "Explanation",
    "Failure", "Features", "FineTuning", "FitReport", "Graph", "GraphError", "ImageError", "JobError",
    "LabelEvaluation", "LimitError", "Limits", "MissingPackageError", "Model", "ModelFileError",
    "NoGradientError", "Prediction", "Predictions", "Preprocessing", "RegressionEvaluation",
    "RemoteError", "SimilarPhotographs", "TrainingError", "WrittenPredictions", "Xception",
    "XceptionError", "architecture", "cache_info", "clear_cache", "convert", "decode_predictions",
    "distributed", "download_weights", "engine", "errors", "evaluate", "explain", "features", "fine_tune",
    "fit", "fit_with_report", "get_limits", "get_num_threads", "gradients", "graph", "inspect",
    "iter_predict", "kernels", "layers", "load_image", "load_model", "plot", "predict", "preprocess_input",
    "preview_augmentation", "read_class_names", "server", "set_limits", "set_num_threads", "similar",
    "training", "verify_weights", "weights_path",
]  # fmt: skip


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
    return [*__all__, "__version__"]
