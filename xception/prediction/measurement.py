"""Measurement of a model: its answers for photographs against the right ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..console.progress import Verbose
from ..data.failures import FailureLog, OnError
from ..data.photographs import Photograph
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..graph.budget import check_memory
from ..kernels import Array
from .classifier import Classifier, ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from .evaluation import TOP, Evaluation
from .label_arrays import list_label_arrays
from .label_evaluation import LabelEvaluation
from .labels import label_photographs
from .regression_evaluation import RegressionEvaluation

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

#: The class of each photograph; or labels or numbers, as an array, as lists of names, or in a `.csv` file.
LabelsArgument = Iterable[Any] | NDArray[Any] | str | os.PathLike[str] | None


def evaluate(
    images: ImagesLike,
    labels: LabelsArgument = None,
    model: ModelArgument = None,
    *,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    threshold: float | None = None,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Evaluation | LabelEvaluation | RegressionEvaluation:
    """Measure how often a classifier is right, or how far a regression is from the right numbers.

    Args:
        images: A folder with a sub-folder of photographs per class, whose name is the label; or
            photographs as `predict` takes them, together with `labels`.
        labels: The class of each photograph, in order: its name, its id, or its index. Of a model whose
            `task` is "labels": an array (n, labels) of 0 and 1, or a list with the names of each
            photograph's labels. Of one whose task is "regression": numbers, (n,) or (n, targets). For both
            of them also a `.csv` file, if `images` is the folder: photograph, then a column for each label or
            target, whose names are those of the model; only the photographs that it lists are read.
        model: A Model, a Classifier, or the path of a model file. By default Xception with the ImageNet
            classifier.
        class_names: As for `predict`.
        scaling: As for `predict`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        from_logits: As for `predict`.
        output_name: As for `predict`.
        threshold: As for `predict`.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        Accuracy with its 95 % interval, balanced accuracy, precision and recall of each class, the
        confusion matrix, and the most confident mistakes. `print` shows it as a table. For labels: area
        under the ROC curve, precision and recall of each. For a regression: the mean absolute error, and that
        of always answering with the median.

    Raises:
        TypeError: An argument is of another type.
        ValueError: There are no labels, a label is not a class of the model, labels and photographs
            differ in number, or a score is not finite; and what `predict` raises.
        OSError: A photograph or model file cannot be read.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
        >>> classifier = xception.Classifier(model, class_names=["cat", "cup"])
        >>> photographs = ["examples/chelsea.jpg", "examples/coffee.jpg"]
        >>> evaluation = evaluate(photographs, ["cat", "cup"], classifier)
        >>> len(evaluation), evaluation.accuracy in (0.0, 0.5, 1.0)
        (2, True)
    """
    check_no_model("evaluate(images, labels, model)", images=images, labels=labels)
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
        threshold=threshold,
    )  # fmt: skip
    log = FailureLog(on_error)
    if classifier.task == "classes":
        return _evaluate_classes(classifier, images, labels, log, verbose)
    photographs, truth = list_label_arrays(images, labels, classifier.task, classifier.class_names, log)
    check_memory("the scores of all photographs", 4 * truth.size)
    read, scores = [], []
    for photograph, row in _stream(classifier, photographs, len(truth), log, verbose):
        read.append(photograph)
        scores.append(row)
    _check_any(read)
    indices = [photograph.index for photograph in read]
    paths = [photograph.path for photograph in read]
    if classifier.task == "labels":
        return LabelEvaluation(
            classifier.class_names, truth[indices] == 1, np.stack(scores), classifier.threshold, paths,
            indices, log.failures,
        )  # fmt: skip
    return RegressionEvaluation(
        classifier.class_names, truth[indices], np.stack(scores), paths, indices, log.failures
    )


def _evaluate_classes(
    classifier: Classifier, images: ImagesLike, labels: Any, log: FailureLog, verbose: Verbose
) -> Evaluation:
    if isinstance(labels, str | os.PathLike) and os.fspath(labels).endswith(".csv"):
        raise ValueError(
            f"{os.fspath(labels)}: a file of labels goes with a model whose task is 'labels' or "
            "'regression', and the task of this one is 'classes' (task= or --task would change it): give a "
            "sub-folder for each class, or a list"
        )
    check_memory("the confusion matrix", 8 * len(classifier.class_names) ** 2)
    photographs, truth = label_photographs(images, labels, classifier.class_names, log)
    paths: list[str | None] = []  # of the photographs that could be read
    indices: list[int] = []
    parts: list[tuple[Any, ...]] = []
    for photograph, scores in _stream(classifier, photographs, len(truth), log, verbose):
        label, order = truth[photograph.index], np.argsort(-scores, kind="stable")  # (classes,)
        parts.append((label, order[0], scores[order[0]], label in order[:TOP], scores[-1]))
        paths.append(photograph.path)
        indices.append(photograph.index)
    _check_any(parts)
    expected, predicted, best, in_top, last = map(np.array, zip(*parts, strict=True))
    count = len(classifier.class_names)
    return Evaluation(
        classifier.class_names, expected, predicted, best,
        in_top if count > TOP else None, last if count == 2 else None, paths, indices, log.failures,
    )  # fmt: skip


def _stream(
    classifier: Classifier, photographs: Iterable[Photograph], total: int, log: FailureLog, verbose: Verbose
) -> Iterator[tuple[Photograph, Array]]:
    """Yield each photograph that could be read with its scores (classes,), which are finite."""
    for photograph, scores in classifier.stream_photographs(photographs, total, log, verbose):
        if not np.isfinite(scores).all():
            name = photograph.path or f"photograph {photograph.index}"
            raise ValueError(f"{name}: the model's scores are not finite (NaN or infinity)")
        yield photograph, scores


def _check_any(read: Sequence[Any]) -> None:
    if not read:
        raise ValueError("there are no photographs to evaluate: none could be read")
