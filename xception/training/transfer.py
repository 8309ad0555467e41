"""Transfer learning: a classifier for your own classes on features of the ImageNet base."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..console.progress import Verbose
from ..data.class_names import as_class_names, check_printable, fold_name
from ..data.failures import FailureLog, OnError
from ..data.photographs import Photograph, find_photographs
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, Preprocessing
from ..feature_extraction.extraction import Extractor, extract_cached
from ..graph import flatten
from ..layers import Dense
from ..models.model import Model
from ..prediction.classifier import check_no_model
from ..prediction.labels import check_count, label_by_folder, list_labels
from ..storage.cache import CacheStore
from .pixel_models import build_pixel_network
from .regression.softmax_regression import SoftmaxRegression, fit_softmax_regression, import_minimize
from .report import FitReport

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike


def fit(
    images: ImagesLike,
    labels: Iterable[str | int] | None = None,
    *,
    balanced: bool = False,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Model:
    """Make a model for your own classes, from a few photographs of each.

    The ImageNet base that is shipped with the library is left as it is. On its pooled features a softmax
    regression is fitted, whose L2 penalty is chosen by cross-validation. `fit_with_report` does the same
    and also returns what cross-validation found. Features of files are kept in the library's cache
    folder, by the content of the file.

    Args:
        images: A folder with a sub-folder of photographs per class, whose name is the label; or
            photographs as `predict` takes them, together with `labels`.
        labels: The class of each photograph, in order. Integers become texts.
        balanced: Whether each class weighs the same, however many photographs it has.
        interpolation: How photographs are resized, as for `load_image`. None is "bilinear". The model
            records it, as the two options below.
        aspect: "stretch", "crop" or "pad", as for `load_image`. None is "stretch".
        exif: "upright" or "ignore", as for `load_image`. None is "upright".
        decode: "exact", or "fast" to let the decoder reduce large JPEG files, as for `load_image`. The model
            does not record it.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        A model that takes pixels 0…255 (n, 299, 299, 3), gives probabilities, and has the sorted names
        of its classes. `save` writes it for Keras, too.

    Raises:
        TypeError: An argument is of another type.
        ValueError: There are no labels, labels and photographs differ in number, there are fewer than
            two classes or fewer than two photographs of a class, two folders differ only in spelling, or
            a label is empty or has control characters.
        OSError: A photograph cannot be read.
        MissingPackageError: SciPy is not installed. It is an ImportError.

    Examples:
        >>> import xception
        >>> photographs = [f"examples/{name}.jpg" for name in ("chelsea", "astronaut", "coffee", "rocket")]
        >>> model = fit(photographs, ["animal", "animal", "thing", "thing"])
        >>> model.class_names
        (('0', 'animal'), ('1', 'thing'))
    """
    return fit_with_report(
        images, labels, balanced=balanced, interpolation=interpolation, aspect=aspect, exif=exif,
        decode=decode, on_error=on_error, verbose=verbose,
    ).model  # fmt: skip


def fit_with_report(
    images: ImagesLike,
    labels: Iterable[str | int] | None = None,
    *,
    balanced: bool = False,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> FitReport:
    """Fit a model as `fit` does, and return it together with its cross-validation.

    Args:
        images: As for `fit`.
        labels: As for `fit`.
        balanced: As for `fit`.
        interpolation: As for `fit`.
        aspect: As for `fit`.
        exif: As for `fit`.
        decode: As for `fit`.
        on_error: As for `fit`.
        verbose: As for `fit`.

    Returns:
        The model, accuracy, confusion matrix and least sure photographs. `print` shows it as text.

    Raises:
        TypeError: As for `fit`.
        ValueError: As for `fit`.
        OSError: As for `fit`.
        MissingPackageError: As for `fit`.
    """
    check_no_model("fit(images, labels)", images=images, labels=labels)
    log = FailureLog(on_error)
    if labels is None:
        photographs: Iterable[Photograph] = labelled_by_folder(images, log)
        names = [photograph.label for photograph in photographs]
    else:
        names = [str(label) for label in list_labels(labels, images)]
        photographs = _labelled(images, names, log)
    import_minimize()  # or an error, before features are computed
    extractor = Extractor(interpolation=interpolation, aspect=aspect, exif=exif, decode=decode)
    with CacheStore(lambda: extractor.fingerprint, len(extractor.names)) as store:
        features = extract_cached(extractor, photographs, store, log, verbose)
    unread = sorted(set(names) - set(features.labels))
    if unread:
        raise ValueError(f"no photograph of {', '.join(unread)} could be read")
    regression = fit_softmax_regression(features.values, features.labels, balanced=balanced)
    model = build_model(extractor.model, regression, extractor.preprocessor.record)
    return FitReport(
        model, regression, features.paths, features.indices, features.labels, log.failures, log.notes
    )


def build_model(base: Model, regression: SoftmaxRegression, used: Preprocessing | None = None) -> Model:
    """Build a model from the base and a classifier on its features: pixels 0…255 in, probabilities out.

    Args:
        base: Xception without a classifier.
        regression: A classifier on its pooled features (2048).
        used: How photographs were read, which the model records.
    """
    head = Dense(len(regression.class_names), "softmax")
    network = build_pixel_network(head=head, trainable_base=False)
    parameters: dict[str, Any] = {f"xception/{name}": arrays for name, arrays in base.parameters.items()}
    parameters["predictions"] = {"kernel": regression.kernel, "bias": regression.bias}
    # The model scales pixels itself.
    preprocessing = replace(
        used or Preprocessing(interpolation="bilinear"), scaling="none", from_logits=False
    )
    class_names = as_class_names(regression.class_names)
    return Model(flatten(network), parameters, network, class_names, preprocessing)


# --- labels ---------------------------------------------------------------------------------


def _labelled(images: ImagesLike, names: Sequence[str], log: FailureLog) -> Iterable[Photograph]:
    """Give photographs their labels; those of a generator one at a time, as they come."""
    _check_names(names)
    photographs = check_count(find_photographs(images, log), len(names))
    labelled = (replace(photograph, label=names[photograph.index]) for photograph in photographs)
    return list(labelled) if isinstance(photographs, Sequence) else labelled


def labelled_by_folder(images: ImagesLike, log: FailureLog) -> list[Photograph]:
    """Return the photographs in the sub-folders of a folder, whose names are their labels.

    Args:
        images: The folder.
        log: Records what is left out.

    Raises:
        ValueError: The folders make no classifier; see `check_folders`.
    """
    labelled = [photograph for photograph in label_by_folder(images, log) if photograph.label]
    check_folders([photograph.label for photograph in labelled])
    _check_names(photograph.label for photograph in labelled)
    return labelled


def _check_names(labels: Iterable[str]) -> None:
    """Raise ValueError, before features are computed, for labels that cannot be saved as class names."""
    names = set(labels)
    if names:
        check_printable(as_class_names(sorted(names)))


def check_folders(labels: Sequence[str]) -> None:
    """Check that folders of photographs make a classifier.

    Args:
        labels: The folder of each photograph.

    Raises:
        ValueError: There are fewer than two classes or fewer than two photographs of a class, or two
            names differ only in spelling.
    """
    counts = Counter(labels)
    spellings: dict[str, list[str]] = {}
    for label in sorted(counts):
        spellings.setdefault(fold_name(label), []).append(label)
    alike = [" and ".join(map(repr, names)) for names in spellings.values() if len(names) > 1]
    if alike:
        raise ValueError(f"folders that differ only in spelling: {'; '.join(alike)}. Merge each pair")
    single = sorted(label for label, count in counts.items() if count < 2)
    if single:
        raise ValueError(
            f"every class needs at least two photographs; there is one in {', '.join(single)}. Add some, or "
            "remove the folder"
        )
    if len(counts) < 2:
        raise ValueError(
            "expected a sub-folder of photographs for each of at least two classes; found "
            f"{', '.join(counts) or 'none'}"
        )
