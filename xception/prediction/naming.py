"""Names of what photographs show, in one call: all at once, as a stream, or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, overload

from ..console.progress import Verbose
from ..data.failures import Failure, FailureLog, OnError
from ..data.photographs import Photograph, find_photographs
from ..data.preprocessing import Aspect, Exif, Interpolation, ScalingArgument
from ..kernels import Array
from ..layers.validation import as_int
from .classifier import Classifier, ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from .results import PhotographPredictions, Predictions, PredictionsFile

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


@overload
def predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int = 5,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    from_logits: bool | None = None,
    output_name: str | None = None,
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
    top: int = 5,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    from_logits: bool | None = None,
    output_name: str | None = None,
    output: str | os.PathLike[str],
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> PredictionsFile: ...


def predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int = 5,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    from_logits: bool | None = None,
    output_name: str | None = None,
    output: str | os.PathLike[str] | None = None,
    verify: bool = False,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Predictions | PredictionsFile:
    """Name what photographs show: the best classes of each, with their scores.

    Args:
        images: A path, a folder, a pattern, the bytes of a file, an open file, a PIL image, an array of
            pixels 0…255 (h, w, 3) or (n, h, w, 3); or a list or generator of these. Photographs become
            gray or RGBA where the model has 1 or 4 channels. A model with another number takes arrays with
            that number, which are not scaled unless `scaling` says so.
        model: A Model, a Classifier, or the path of a model file, which is loaded anew at each call. By
            default Xception with the ImageNet classifier, which is loaded once and kept.
        top: Classes per photograph, at least 1.
        class_names: Names of the classes in the order of the model's outputs, or a file that holds them
            (see `read_class_names`). By default the model's own, ImageNet's for 1000 classes, else
            class_0, class_1, …
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255; "auto"
            infers it from the model (see `Classifier`).
        interpolation: How photographs are resized, by Pillow's filter or as by TensorFlow. None: as the
            model's `preprocessing` records, else "bilinear" (see `Classifier`).
        aspect: "stretch", "crop" or "pad", as for `load_image`. None: as recorded, else "stretch".
        exif: "upright" or "ignore", as for `load_image`. None: as recorded, else "upright".
        from_logits: Whether the model's scores are logits, which are converted to probabilities; None
            infers it from the model.
        output_name: Which output holds the scores, where a model has several; see `Model.output_names`.
        output: A file to write the predictions to, whole or not at all. Its suffix chooses the format:
            `.jsonl` (a JSON object per line, also for photographs that cannot be read), `.csv` (a row per
            class), `.json`, or `.parquet` (a row per photograph, with lists of its classes). Until the
            file is complete, the scores of all classes are in the hidden folder `.NAME.progress` beside
            it. After an interruption the same call resumes there, also with another `top` or other class
            names; photographs that could not be read are tried again, and images that did not come from
            a file are computed again.
        verify: Whether to read the photographs that were computed before an interruption, and compute
            those again whose content has changed. By default those whose size or date has changed are
            computed again.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if it takes long, 0 for none, 1 for one at once.

    Returns:
        For each photograph that could be read, a list of its `top` best classes, best first. A single
        output of the model is the probability of the second of two classes if it is a sigmoid's, or if
        there are two class names. With `output`, the number of photographs in the file, and the failures.
        If no photograph could be read, nothing is written.

    Raises:
        TypeError: `images` or `model` is of another type.
        ValueError: The model does not take a photograph alone, has no classifier, or several outputs of
            which none is named; the number of class names is wrong, or an option is unknown.
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
    top = as_int("top", top)
    path = None if output is None else Path(output)
    log = FailureLog(on_error)
    if path is not None:
        from .files import check_target, predict_to_file  # only here: a first prediction needs no files

        check_target(path)  # before a model is loaded
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, from_logits=from_logits, output_name=output_name,
    )  # fmt: skip
    if path is not None:
        return predict_to_file(classifier, images, path, top, log, verbose, verify)
    predictions = Predictions()
    for photograph, scores in _stream(classifier, find_photographs(images, log), log, verbose):
        predictions.append(photograph, classifier.decode(scores[None], top)[0])
    predictions.failures = log.failures
    return predictions


def iter_predict(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    top: int = 5,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    from_logits: bool | None = None,
    output_name: str | None = None,
    verbose: Verbose = "auto",
) -> Iterator[tuple[str | None, PhotographPredictions | Exception]]:
    """Name what photographs show, one after the other, as they are computed.

    Memory use does not grow with the number of photographs; of a generator, which may be endless, only the
    names of files are kept. Arguments are checked, and folders listed, at the call.

    Args:
        images: As for `predict`.
        model: As for `predict`.
        top: Classes per photograph, at least 1.
        class_names: As for `predict`.
        scaling: As for `predict`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        from_logits: As for `predict`.
        output_name: As for `predict`.
        verbose: "auto" for a progress bar if it takes long, 0 for none, 1 for one at once.

    Returns:
        An iterator over (path, predictions), in the order of the photographs. The path is None for images
        that did not come from a file. In place of the predictions stands the exception if a photograph
        cannot be read; it is not raised. A folder or pattern without photographs is such an error, too.

    Raises:
        TypeError: `images` or `model` is of another type.
        ValueError: The model does not take a photograph alone, has no classifier, or several outputs of
            which none is named; the number of class names is wrong, or an option is unknown.
        OSError: The model file cannot be read, or the ImageNet weights are not available.
        ModelFileError: The model file is damaged or not supported.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0)
        >>> for path, predictions in iter_predict(["examples/coffee.jpg", "no.jpg"], model, top=1):
        ...     print(path, "failed" if isinstance(predictions, Exception) else len(predictions))
        examples/coffee.jpg 1
        no.jpg failed
    """
    check_no_model("iter_predict(images, model)", images=images)
    top = as_int("top", top)
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, from_logits=from_logits, output_name=output_name,
    )  # fmt: skip
    classifier.preprocessor.check_only_input()
    log = FailureLog("skip")
    stream = _stream(classifier, find_photographs(images, log), log, verbose)
    return _iterate(classifier, stream, log.failures, top)


def _stream(
    classifier: Classifier, photographs: Iterable[Photograph], log: FailureLog, verbose: Verbose
) -> Iterator[tuple[Photograph, Array]]:
    """Yield photographs with their scores (classes,)."""
    total = len(photographs) if isinstance(photographs, list) else None
    for batch, probabilities in classifier.stream_photographs(photographs, total, log, verbose):
        yield from zip(batch, probabilities, strict=True)


def _iterate(
    classifier: Classifier, stream: Iterator[tuple[Photograph, Array]], failures: list[Failure], top: int
) -> Iterator[tuple[str | None, PhotographPredictions | Exception]]:
    """Yield predictions and, at their places, the failures that the stream records; remove these."""
    for photograph, scores in stream:
        due = 0
        while due < len(failures) and _is_before(failures[due], photograph):
            due += 1
        for failure in failures[:due]:
            yield failure.path, failure.error
        del failures[:due]
        # Pixels are not kept, as a caller may keep the predictions.
        source = photograph.source if photograph.source is photograph.path else None
        yield photograph.path, PhotographPredictions(classifier.decode(scores[None], top)[0], source)
    for failure in failures:
        yield failure.path, failure.error


def _is_before(failure: Failure, photograph: Photograph) -> bool:
    return failure.index is None or failure.index < photograph.index
