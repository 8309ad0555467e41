"""A classifier: a model, its class names, and its preprocessing, decided once."""

from __future__ import annotations

import functools
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..console.progress import ProgressBar, Verbose
from ..data.class_names import ClassNames, ClassNamesLike
from ..data.failures import FailureLog
from ..data.imagenet import Prediction
from ..data.photographs import Photograph, find_photographs
from ..data.pipeline import Progress, log_unreadable, stream_outcomes
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, Scaling, ScalingArgument
from ..data.tasks import Task
from ..kernels import Array
from ..models.factory import Xception, load_model
from ..models.model import Model
from ..models.outputs import select_output
from .decoding import Decoder
from .preprocessing import Preprocessor

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

#: Class names, or the path of a file that holds them; None for the model's own.
ClassNamesArgument = ClassNamesLike | str | os.PathLike[str] | None


class Classifier:
    """A model with its class names and preprocessing.

    `predict`, `explain` and `evaluate` all use a classifier, so that they agree.

    Args:
        model: A model that takes a photograph and gives the scores of its classes, or the path of its
            file. By default Xception with the ImageNet classifier.
        class_names: Names of the classes in the order of the model's outputs, or a file that holds them
            (see `read_class_names`). By default the model's own, ImageNet's for 1000 classes, else
            class_0, class_1, …
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255. "auto":
            as the model's `preprocessing` records; else "none" if the model begins with layers that
            scale pixels ("unit" if these would enlarge them); else "tf".
        interpolation: How photographs are resized: by Pillow's filter "nearest", "bilinear", "bicubic",
            "hamming", "box" or "lanczos", or by "tf-bilinear" or "tf-dataset"; see `load_image`.
            None: as recorded, else "bilinear".
        aspect: How they are fitted into the model's size: "stretch", "crop" or "pad"; see `load_image`.
            None: as recorded, else "stretch".
        exif: "upright" turns photographs as their EXIF orientation says, "ignore" does not, as in Keras.
            None: as recorded, else "upright".
        decode: "exact", or "fast" to let the decoder reduce large JPEG files; see `load_image`. It is not
            recorded.
        from_logits: Whether the scores are logits, which are converted to probabilities. None: as
            recorded, else as the model's last layers say.
        output_name: Which output holds the scores, where a model has several; see `Model.output_names`.
        task: What the outputs mean: "classes", of which one is right; "labels", any number of which are; or
            "regression", numbers. None: as the model records (`Model.task`), else "classes".
        threshold: Of labels: the score from which on a photograph gets one, 0…1; by default 0.5.

    Attributes:
        model: The model. If it had several outputs, only the part that computes this output.
        preprocessor: Reads, resizes and scales photographs.
        decoder: Converts outputs to probabilities, and names the classes.

    Raises:
        TypeError: `model` is neither a model nor a path.
        ValueError: The model does not take a photograph, has no classifier, or several outputs of which
            none is named; the number of class names is wrong, or an option is unknown.
        OSError: There is no such file, or the ImageNet weights are not available.
        ModelFileError: The model file is damaged or not supported.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
        >>> classifier = Classifier(model, class_names=["cat", "dog"])
        >>> classifier.scaling, classifier.size
        ('tf', (71, 71))
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        class_names: ClassNamesArgument = None,
        scaling: ScalingArgument = "auto",
        interpolation: Interpolation | None = None,
        aspect: Aspect | None = None,
        exif: Exif | None = None,
        decode: Decode = "exact",
        from_logits: bool | None = None,
        output_name: str | None = None,
        task: Task | None = None,
        threshold: float | None = None,
    ) -> None:
        if isinstance(model, Classifier):
            raise TypeError(
                "model must be a Model or the path of a model file, got a Classifier: use its .model"
            )
        self.model = select_output(as_model(model), output_name)
        self.preprocessor = Preprocessor(self.model, scaling, interpolation, aspect, exif, decode)
        self.decoder = Decoder(self.preprocessor, class_names, from_logits, task, threshold)

    def __repr__(self) -> str:
        kinds = "targets" if self.task == "regression" else self.task
        return (
            f"<Classifier {self.model.name}: {len(self.class_names)} {kinds}, photographs "
            f"{self.size[0]}×{self.size[1]}, scaling {self.scaling!r}>"
        )

    @property
    def class_names(self) -> ClassNames:
        """(class id, class name) of each class, label or target."""
        return self.decoder.class_names

    @property
    def task(self) -> Task:
        """What the outputs mean: one of several "classes", any number of "labels", or a "regression"."""
        return self.decoder.task

    @property
    def threshold(self) -> float:
        """The score from which on a photograph gets a label."""
        return self.decoder.threshold

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the photographs that the model takes."""
        return self.preprocessor.size

    @property
    def scaling(self) -> Scaling:
        """Range of the pixels that the model takes."""
        return self.preprocessor.scaling

    @property
    def fingerprint(self) -> str:
        """A digest that is the same for classifiers that compute the same scores, whatever their names.

        It is computed anew each time, as the model's weights may change.
        """
        from ..storage.identity import fingerprint  # only here: a first prediction needs no digests

        decoder = self.decoder
        return fingerprint(
            self.model, "scores", self.model.graph.outputs, decoder.activation, decoder.is_binary,
            *self.preprocessor.settings,
        )  # fmt: skip

    def probabilities(self, pixels: NDArray[Any]) -> Array:
        """Compute the scores of photographs that have been read.

        Args:
            pixels: (n, height, width, channels), 0…255, of the classifier's `size`.

        Returns:
            (n, classes) float32: probabilities; or the model's own scores where `from_logits=False`.

        Raises:
            TypeError: `pixels` is a generator, a path, or another object that is no array.
            ValueError: `pixels` has another shape, or holds something other than finite real numbers.
        """
        outputs = self.preprocessor.compute(pixels, functools.partial(self.model.predict, verbose=0))
        return self.decoder.probabilities(outputs)

    def stream(
        self, images: ImagesLike, log: FailureLog, verbose: Verbose = "auto"
    ) -> Iterator[tuple[Photograph, Array]]:
        """Compute the scores of photographs one after the other, as they are read.

        Args:
            images: Photographs, as `predict` takes them.
            log: Records the photographs that cannot be read.
            verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

        Yields:
            Each photograph that could be read, in order, and its scores (classes,).

        Raises:
            ValueError: The model has other inputs besides the photograph.
        """
        photographs = find_photographs(images, log)
        total = len(photographs) if isinstance(photographs, Sequence) else None
        yield from self.stream_photographs(photographs, total, log, verbose)

    def stream_photographs(
        self, photographs: Iterable[Photograph], total: int | None, log: FailureLog, verbose: Verbose = "auto"
    ) -> Iterator[tuple[Photograph, Array]]:
        """Compute what `stream` does, for photographs that have been listed; `total` is their number."""
        with ProgressBar(total, "photo", verbose) as bar:
            yield from log_unreadable(self.stream_outcomes(photographs, bar), log)

    def stream_outcomes(
        self, photographs: Iterable[Photograph], progress: Progress
    ) -> Generator[tuple[Photograph, Array | Exception]]:
        """Compute the scores of photographs that have been listed, and advance the progress by each.

        Yields:
            Each photograph, in order, and its scores (classes,), or why it cannot be read.
        """
        used = self.preprocessor
        used.check_only_input()
        return stream_outcomes(photographs, used.load, self._score, progress, used.at_once)

    def _score(self, pixels: NDArray[Any]) -> Array:
        return self.probabilities(pixels[np.newaxis])[0]  # (h, w, c) -> (classes,)

    def decode(self, probabilities: Array, top: int | None = None) -> list[list[Prediction]]:
        """Name what each row of scores says.

        Args:
            probabilities: (n, classes) as `probabilities` returned them.
            top: Classes or labels per row; None for 5 classes, or all labels.

        Returns:
            The best classes of each row, best first; or the labels that reach the threshold, best first; or
            every target in order, with its number as the score.

        Raises:
            ValueError: `top` is given, and the model's task is "regression".
        """
        return self.decoder.decode(probabilities, top)


#: None is the ImageNet model.
ModelArgument = Model | Classifier | str | os.PathLike[str] | None


def as_classifier(
    model: ModelArgument,
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
) -> Classifier:
    """Return the classifier that a model and options stand for.

    Args:
        model: A Model, a Classifier, the path of a model file, or None for the ImageNet classifier.
        class_names: See `Classifier`.
        scaling: See `Classifier`.
        interpolation: See `Classifier`.
        aspect: See `Classifier`.
        exif: See `Classifier`.
        decode: See `Classifier`.
        from_logits: See `Classifier`.
        output_name: See `Classifier`.
        threshold: See `Classifier`.

    Raises:
        TypeError: `model` is none of these.
        ValueError: Options are given together with a Classifier, which has decided them.
    """
    if isinstance(model, Classifier):
        check_undecided(
            class_names=class_names, scaling=None if scaling == "auto" else scaling,
            interpolation=interpolation, aspect=aspect, exif=exif,
            decode=None if decode == "exact" else decode, from_logits=from_logits, output_name=output_name,
            threshold=threshold,
        )  # fmt: skip
        return model
    return Classifier(
        as_model(model), class_names=class_names, scaling=scaling, interpolation=interpolation,
        aspect=aspect, exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
        threshold=threshold,
    )  # fmt: skip


def check_undecided(**options: object) -> None:
    """Check that no option is given together with a Classifier.

    Args:
        options: The options by name; None if they are not given.

    Raises:
        ValueError: One of them is given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"a Classifier has decided {' and '.join(given)}: pass it to Classifier(…)")


def as_model(model: ModelArgument) -> Model:
    """Return the model that an argument stands for; None is Xception with the ImageNet classifier.

    Raises:
        TypeError: `model` is none of these.
        OSError: There is no such file, or the ImageNet weights are not available.
        ModelFileError: The model file is damaged or not supported.
    """
    if model is None:
        return imagenet_model()
    if isinstance(model, Classifier):
        return model.model
    if isinstance(model, str | os.PathLike):
        return load_model(model)
    if not isinstance(model, Model):
        raise TypeError(
            f"model must be a Model, a Classifier, or the path of a model file; got {type(model).__name__}"
        )
    return model


def check_no_model(call: str, **arguments: object) -> None:
    """Check that arguments are not swapped with the model.

    Args:
        call: The call with its arguments in order, for the error message: "predict(images, model)".
        arguments: Those that are no models, by name.

    Raises:
        TypeError: One of them is a model.
    """
    for name, value in arguments.items():
        if isinstance(value, Model | Classifier):
            expected = "labels" if name == "labels" else f"photographs for {name}"
            raise TypeError(f"{call}: expected {expected}, got a {type(value).__name__}")


@functools.cache
def imagenet_model() -> Model:
    """Return Xception with the ImageNet classifier, built at the first call."""
    return Xception()
