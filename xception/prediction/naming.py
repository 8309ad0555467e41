"""Prediction of many photographs in one call: as a list, as a stream, or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from ..console.progress import ProgressBar, Verbose
from ..data.failures import FailureLog, OnError
from ..data.locations import names_folder
from ..data.overwriting import refuse_overwriting
from ..data.photographs import Photograph, find_photographs
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..layers.validation import as_int
from .classifier import Classifier, ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from .results import PhotographPredictions, Predictions, WrittenPredictions

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


@overload
def predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    threshold: float | None = None,
    output: None = None,
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Predictions: ...


@overload
def predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    threshold: float | None = None,
    output: str | os.PathLike[str],
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> WrittenPredictions: ...


def predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    threshold: float | None = None,
    output: str | os.PathLike[str] | None = None,
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Predictions | WrittenPredictions:
    """Name what photographs show: the best classes of each, with their scores.

    Args:
        images: A path, a folder, a pattern, the bytes of a file, an open file, a PIL image, an array of
            pixels 0…255 (h, w, 3) or (n, h, w, 3); or a list or generator of these. Photographs become
            gray or RGBA where the model has 1 or 4 channels. A model with another number takes arrays with
            that number, which are not scaled unless `scaling` says so.
        model: A Model, a Classifier, or the path of a model file, which is loaded anew at each call. By
            default Xception with the ImageNet classifier, which is loaded once and kept.
        top: Classes or labels per photograph, at least 1; by default 5 classes, or all labels.
        class_names: Names of the classes in the order of the model's outputs, or a file that holds them
            (see `read_class_names`). By default the model's own, ImageNet's for 1000 classes, else
            class_0, class_1, …
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255; "auto"
            infers it from the model (see `Classifier`).
        interpolation: How photographs are resized, by Pillow's filter or as by TensorFlow. None: as the
            model's `preprocessing` records, else "bilinear" (see `Classifier`).
        aspect: "stretch", "crop" or "pad", as for `load_image`. None: as recorded, else "stretch".
        exif: "upright" or "ignore", as for `load_image`. None: as recorded, else "upright".
        decode: "exact", or "fast" to let the decoder reduce large JPEG files, which is two to three times
            quicker and changes pixels by about 0.3 gray levels; see `load_image`.
        from_logits: Whether the model's scores are logits, which are converted to probabilities; None
            infers it from the model.
        output_name: Which output holds the scores, where a model has several; see `Model.output_names`.
        threshold: Of a model that gives several labels at once: the score from which on a photograph gets a
            label, 0…1; by default 0.5. 0 gives all labels with their scores.
        output: A file to write the predictions to, whole or not at all. Its suffix chooses the format:
            `.jsonl` (a JSON object per line, also for photographs that cannot be read), `.csv` (a row per
            class), `.json`, or `.parquet` (a row per photograph, with lists of its classes). Until the
            file is complete, the scores of all classes are in the hidden folder `.NAME.progress` beside
            it. After an interruption the same call resumes there, also with another `top` or other class
            names; photographs that could not be read are tried again, and images that did not come from
            a file are computed again. Of a URL, such as "s3://bucket/F.csv", both are in the cache folder
            until the file is uploaded. A folder, whose name ends in "/" or which exists, gets a file for
            every few thousand photographs, computed by several processes; see
            `xception.distributed.prepare`.
        verify: Whether to read the photographs that were computed before an interruption, and compute
            those again whose content has changed. By default those whose size or date has changed are
            computed again.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        For each photograph that could be read, a list of its `top` best classes, best first. A single
        output of the model is the probability of the second of two classes if it is a sigmoid's, or if
        there are two class names. Of a model whose `task` is "labels", the labels that reach the threshold,
        of which there may be none; of one whose task is "regression", each target with its number as the
        score. With `output`, the number of photographs in the file, and the failures.
        If no photograph could be read, nothing is written.

    Raises:
        TypeError: `images` or `model` is of another type.
        ValueError: The model does not take a photograph alone, has no classifier, or several outputs of
            which none is named; the number of class names is wrong, or an option is unknown, or does not
            apply to the model's task.
        OSError: A photograph or model file cannot be read, the ImageNet weights are not available
            (ImageError, FileNotFoundError, DownloadError), or `output` cannot be written.
        ModelFileError: The model file is damaged or not supported.
        MissingPackageError: `output` needs pyarrow, which is not installed.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0)
        >>> predictions = predict("examples/*.jpg", model, class_names=["cat", "cup", "rocket"], top=1)
        >>> len(predictions), predictions.paths[0]
        (4, 'examples/astronaut.jpg')
        >>> predictions[0][0].class_name in ("cat", "cup", "rocket")
        True
    """
    check_no_model("predict(images, model)", images=images)
    top = None if top is None else as_int("top", top)
    log = FailureLog(on_error)
    if output is not None:
        _check_output(output, verify)  # before a model is loaded
        refuse_overwriting(output, [class_names], "the file of class names")
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
        threshold=threshold,
    )  # fmt: skip
    classifier.decoder.check_top(top)
    if output is not None:
        return _write(classifier, images, output, top, log, verbose, verify)
    predictions = Predictions()
    for photograph, scores in classifier.stream(images, log, verbose):
        predictions.append(photograph, classifier.decode(scores[np.newaxis], top)[0])
    predictions.failures = log.failures
    return predictions


def _check_output(output: str | os.PathLike[str], verify: bool) -> None:
    """Raise an error, before any work, if an output cannot be written."""
    from ..storage.outputs import open_output
    from .files import check_target

    if not names_folder(output):
        with open_output(output) as file:
            check_target(file.path)
    elif verify:
        raise ValueError(f"verify applies to a file, and {os.fspath(output)!r} is a folder")


def _write(
    classifier: Classifier,
    images: ImagesLike,
    output: str | os.PathLike[str],
    top: int | None,
    log: FailureLog,
    verbose: Verbose,
    verify: bool,
) -> WrittenPredictions:
    # Only here: a first prediction needs neither files nor jobs.
    if names_folder(output):
        from ..distributed.folder_results import compute_predictions

        return compute_predictions(classifier, images, output, top, log, verbose)
    from .files import predict_to_file

    return predict_to_file(classifier, images, output, top, log, verbose, verify)


def iter_predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    threshold: float | None = None,
    verbose: Verbose = "auto",
) -> Iterator[tuple[str | None, PhotographPredictions | Exception]]:
    """Name what photographs show, one after the other, as they are computed.

    Memory use does not grow with the number of photographs; of a generator, which may be endless, only the
    names of files are kept. Arguments are checked, and folders listed, at the call.

    Args:
        images: As for `predict`.
        model: As for `predict`.
        top: As for `predict`.
        class_names: As for `predict`.
        scaling: As for `predict`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        from_logits: As for `predict`.
        output_name: As for `predict`.
        threshold: As for `predict`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        An iterator over (path, predictions), in the order of the photographs. The path is None for images
        that did not come from a file. In place of the predictions stands the exception if a photograph
        cannot be read; it is not raised. A folder or pattern without photographs is such an error, too.

    Raises:
        TypeError: `images` or `model` is of another type.
        ValueError: The model does not take a photograph alone, has no classifier, or several outputs of
            which none is named; the number of class names is wrong, or an option is unknown, or does not
            apply to the model's task.
        OSError: The model file cannot be read, or the ImageNet weights are not available.
        ModelFileError: The model file is damaged or not supported.
        RemoteError: While iterating: a store behind a URL cannot be reached.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0)
        >>> for path, predictions in iter_predict(["examples/coffee.jpg", "no.jpg"], model, top=1):
        ...     print(path, "failed" if isinstance(predictions, Exception) else len(predictions))
        examples/coffee.jpg 1
        no.jpg failed
    """
    check_no_model("iter_predict(images, model)", images=images)
    top = None if top is None else as_int("top", top)
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
        threshold=threshold,
    )  # fmt: skip
    classifier.decoder.check_top(top)
    classifier.preprocessor.check_only_input()
    log = FailureLog("skip")
    photographs = find_photographs(images, log)
    return _iterate(classifier, photographs, log, top, verbose)


def _iterate(
    classifier: Classifier,
    photographs: Iterable[Photograph],
    log: FailureLog,
    top: int | None,
    verbose: Verbose,
) -> Iterator[tuple[str | None, PhotographPredictions | Exception]]:
    total = len(photographs) if isinstance(photographs, Sequence) else None
    with ProgressBar(total, "photo", verbose) as bar:
        for photograph, outcome in classifier.stream_outcomes(photographs, bar):
            if isinstance(outcome, Exception):
                log.add(photograph.index, photograph.path, outcome)
            yield from _take_failures(log)
            if not isinstance(outcome, Exception):
                # Pixels are not kept, as a caller may keep the predictions.
                source = photograph.source if photograph.source is photograph.path else None
                entry = classifier.decode(outcome[np.newaxis], top)[0]  # (classes,) -> (1, classes)
                yield photograph.path, PhotographPredictions(entry, source)
    yield from _take_failures(log)


def _take_failures(log: FailureLog) -> Iterator[tuple[str | None, Exception]]:
    """Remove the failures from a log, and yield their paths and errors."""
    failures, log.failures = log.failures, []
    for failure in failures:
        yield failure.path, failure.error
