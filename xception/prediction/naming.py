"""Names of what photographs show, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console.progress import Verbose
from ..data.failures import FailureLog, OnError
from ..data.imagenet import best_classes
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..layers.validation import as_int
from .classifier import ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from .results import Predictions

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


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
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Predictions:
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
        decode: "exact", or "fast" to let the decoder reduce large JPEG files, which is three to four times
            quicker and changes pixels by about 0.3 gray levels; see `load_image`.
        from_logits: Whether the model's scores are logits, which are converted to probabilities; None
            infers it from the model.
        output_name: Which output holds the scores, where a model has several; see `Model.output_names`.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        For each photograph that could be read, a list of its `top` best classes, best first. A single
        output of the model is the probability of the second of two classes if it is a sigmoid's, or if
        there are two class names.

    Raises:
        TypeError: `images` or `model` is of another type.
        ValueError: The model does not take a photograph alone, has no classifier, or several outputs of
            which none is named; the number of class names is wrong, or an option is unknown.
        OSError: A photograph or model file cannot be read, or the ImageNet weights are not available
            (ImageError, FileNotFoundError, DownloadError).
        ModelFileError: The model file is damaged or not supported.

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
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
    )  # fmt: skip
    log = FailureLog(on_error)
    predictions = Predictions()
    for photograph, scores in classifier.stream(images, log, verbose):
        predictions.append(photograph, best_classes(scores, classifier.class_names, top))
    predictions.failures = log.failures
    return predictions
