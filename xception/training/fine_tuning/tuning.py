"""Fine-tuning of a network for your own classes, labels or numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from ...console.progress import Verbose
from ...data.augmentation import Augmentation
from ...data.failures import FailureLog, OnError
from ...data.preprocessing import Aspect, Decode, Exif, Interpolation
from ...data.tasks import Task
from ...layers.validation import as_int
from ...prediction.classifier import ModelArgument, check_no_model
from ...prediction.preprocessing import Preprocessor
from ..optimization.base import Optimizer
from ..regression.softmax_regression import import_minimize
from ..running.interrupts import first_interrupt_ends_batch
from ..running.moving_statistics import Statistics
from ..splitting.grouping import Groups
from .borders import Example
from .dividing import divide, divide_into_folds
from .folds import run_folds
from .labelling import label_run
from .messages import Console
from .preparation import prepare
from .report import FineTuning
from .run_file import RunFiles
from .saved_run import SavedRun
from .session import begin_loop, run_loop
from .settings import Settings, check_settings
from .stages import Train
from .starting_model import choose_base, make_starting_model

if TYPE_CHECKING:
    from ...data.photographs import ImagesLike


def fine_tune(
    images: ImagesLike,
    labels: Any = None,
    model: ModelArgument = None,
    *,
    task: Task = "classes",
    train: Train = "exit",
    epochs: int = 10,
    batch_size: int = 16,
    size: int | None = None,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | None = None,
    statistics: Statistics = "frozen",
    validation: float = 0.2,
    groups: Groups | None = None,
    folds: int | None = None,
    augment: str | Augmentation | None = None,
    balanced: bool = False,
    class_weight: Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
    patience: int = 5,
    seed: int = 0,
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    output: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    log: str | os.PathLike[str] | None = None,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> FineTuning:
    """Train the last part of a network, or all of it, on your own photographs.

    It begins with the head that `fit` would solve on the training photographs, which competes as epoch 0: on
    the photographs for validation, the result is never worse than it. The model of the best epoch is
    returned. With fewer than 200 photographs, `fit` was as good or better wherever it was measured.

    Augmentation, order and random layers are functions of the seed, the epoch and the photograph, so that the
    same call gives the same model, with the same number of threads. The first Ctrl-C ends training after the
    current batch.

    Args:
        images: A folder with a sub-folder of photographs per class, whose name is the label; or
            photographs as `predict` takes them, together with `labels`.
        labels: For "classes" the class of each photograph, in order. For "labels" and "regression" the
            path of a CSV file, with a column of photographs and one for each label or target; or a dict of
            columns {name: n numbers}.
        model: A Model, a Classifier, or the path of a model file. Its last `Dense` is replaced. By default
            the ImageNet base.
        task: "classes", of which each photograph has one; "labels", of which it may have several;
            "regression" for numbers.
        train: Which layers train: "head", the last one alone; "exit", Xception's exit flow, from block 13;
            "half", from block 8; "all"; "norms", scales and offsets of normalization, and the head; or the
            name of the first layer that trains. Other networks than Xception take a layer's name. Or several
            stages, one after the other, as in `("exit", "half")`: each trains what the one before does, and
            more. They share the epochs equally; where that leaves some over, the last stages have one more.
        epochs: The maximum number of epochs.
        batch_size: Photographs per batch.
        size: Height and width of the photographs, at least 71, where `model` is None: 299 by default, 150
            is four times quicker.
        optimizer: "adam", "adamw", "sgd" (with momentum 0.9), or an optimizer of `xception.training`.
        learning_rate: The peak of the learning rate, which rises in the first tenth of the steps of each
            stage, and then falls to 0 in half a cosine. By default 3e-4 for Adam and AdamW, 1e-2 for SGD.
            Deeper layers have lower rates.
        statistics: "frozen": normalization uses its moving statistics, which do not change. "batch": those
            of the batch, and the moving ones follow, which takes some hundred steps.
        validation: The share of photographs for validation, stratified. Copies, near copies and groups are on
            one side.
        groups: What must not be divided, such as patients, persons or videos: a key for each photograph, or
            a function of its path. A tuple of keys connects all of them.
        folds: The number of folds, instead of one split. A fresh model is trained for each. The result is
            then trained on all photographs, for as many epochs as the folds needed.
        augment: Random changes, such as "flip,rotation=10"; see `xception.training.Augmentation`.
        balanced: Of classes: whether each weighs the same, however many photographs it has.
        class_weight: {name: weight} of classes, scaled to the mean 1; of labels, how much a photograph that
            has the label weighs.
        label_smoothing: From 0 to 1. Validation is without it.
        patience: The number of epochs without improvement, in any stage, after which training ends.
        seed: Decides the split, the order, and what is random.
        interpolation: How photographs are resized, as for `fit`. The model records it, as the two below.
        aspect: As for `fit`.
        exif: As for `fit`.
        decode: As for `fit`.
        output: Where the model of the best epoch is written, each time there is a better one: a path that
            ends in `.keras`. Beside it, `NAME.run.keras` is written after each epoch, for `resume`.
        resume: A `.run.keras` file, which an interrupted run left. The run goes on with its own settings, to
            the same bits as if it had not been interrupted. `images` must be the same.
        log: A CSV file that gets a line for each epoch.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`. All are read before the first step.
        verbose: "auto" for a line an epoch and a progress bar, 0 for none.

    Returns:
        The model, its validation, and the history. `print` shows a summary.

    Raises:
        TypeError: An argument is of another type.
        ValueError: An option is out of range, or does not fit the task or the model; there are too few
            photographs to have every class on both sides; the file to resume is of another run.
        OSError: A photograph cannot be read, or a file cannot be written.
        ModelFileError: The model file, or the file to resume, is damaged or not supported.
        TrainingError: The weights of a resumed run are not finite.
        MissingPackageError: SciPy is not installed. It is an ImportError.
    """
    check_no_model("fine_tune(images, labels, model)", images=images, labels=labels)
    settings = check_settings(
        task=task, train=train, statistics=statistics, epochs=epochs, batch_size=batch_size,
        optimizer=optimizer, learning_rate=learning_rate, validation=validation, augment=augment,
        balanced=balanced, class_weight=class_weight, label_smoothing=label_smoothing, patience=patience,
        seed=seed, decode=decode,
    )  # fmt: skip
    import_minimize()  # or an error, before anything is computed
    if folds is not None and as_int("folds", folds, 2) and resume is not None:
        raise ValueError("folds cannot be resumed: leave out resume, or folds")
    saved = None if resume is None else SavedRun.read(resume)
    if saved is not None:
        if any(option is not None for option in (model, size, interpolation, aspect, exif)):
            raise ValueError(
                "resume goes on with the model of the run, and what it records: leave out model, size, "
                "interpolation, aspect and exif"
            )
        saved.settings.check_agreement(settings, _default_settings())
        settings = saved.settings
    files = RunFiles(output, resume, log, has_state=folds is None)
    failures = FailureLog(on_error)
    photographs, objective = label_run(images, labels, settings, failures)
    table = labels if isinstance(labels, str | os.PathLike) else None
    files.check_inputs([table, model, *(photograph.path for photograph in photographs)])
    if saved is not None:
        starting = saved.starting_model(objective)
    else:
        starting = make_starting_model(choose_base(model, size), objective)
    preprocessor = Preprocessor(starting.model, "auto", interpolation, aspect, exif, settings.decode)
    preprocessor.check_only_input()
    starting.model.preprocessing = replace(preprocessor.record, from_logits=False)
    stage = 0 if saved is None else saved.position.stage
    preparation = prepare(photographs, objective, starting, preprocessor, settings, failures, verbose, stage)
    preparation.is_repeated = folds is not None
    console = Console(verbose)
    with closing(preparation), first_interrupt_ends_batch() as interrupt:
        if folds is not None:
            divided = divide_into_folds(preparation, folds, settings, groups, failures)
            return run_folds(preparation, divided, settings, console, files, failures, interrupt)
        if saved is not None:
            loop = saved.resume(preparation)
            files.on_resume(loop, preparation)
        else:
            split = divide(preparation, settings, groups, failures)
            loop = begin_loop(preparation, split, settings)
        if settings.augmentation.changes_pixels:  # without augmentation, they were for the head only
            loop.store.forget([Example(int(number)) for number in loop.split.training])
        if (note := files.describe_keras_limits(loop)) is not None:
            console.say(note)
        run_loop(loop, preparation, settings, settings.epochs, console, files, interrupt)
    return files.finish(loop, preparation, failures, console)


def _default_settings() -> Settings:
    """Return the settings of `fine_tune` without options."""
    defaults = {name: parameter.default for name, parameter in signature(fine_tune).parameters.items()}
    names = signature(check_settings).parameters
    return check_settings(**{name: defaults[name] for name in names})
