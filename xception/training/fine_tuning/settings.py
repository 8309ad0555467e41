"""Settings of a fine-tuning run, checked before anything is computed, and recorded in its run file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, get_args

from ...data.augmentation import Augmentation
from ...data.preprocessing import DECODE_OPTIONS, Decode, check_option
from ...data.tasks import TASKS, Task
from ...layers.validation import as_float, as_int
from ..optimization.base import Optimizer
from ..optimization.optimizers import get_optimizer
from ..optimization.schedules import CosineDecay
from ..running.moving_statistics import Statistics
from .stages import Stage, Train, check_train, divide_epochs

#: The peak of the learning rate, by optimizer. On digits that are in no other comparison ("other digits" of
#: benchmarks/fine_tuning.py, one seed, 100 for validation) the solved head had an accuracy of 0.90. With Adam
#: and 3e-4 it never fell below 0.86, and was 0.93 after 12 epochs; with 1e-3 it fell to 0.70, and was 0.90;
#: with SGD and 3e-2, 0.25 and 0.87. SGD's 1e-2, and Adam's 1e-4, were not compared there.
LEARNING_RATES = {"Adam": 3e-4, "AdamW": 3e-4, "SGD": 1e-2}
MOMENTUM = 0.9  #: of SGD by name

#: The share of all steps in which the learning rate rises. Adam's first steps have full length however small
#: the gradient is.
WARMUP_SHARE = 0.1
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Settings:
    """The settings of a run; see `fine_tune`. A second run with equal settings does the same.

    Attributes:
        task: See `fine_tune`.
        train: See `fine_tune`.
        statistics: See `fine_tune`.
        epochs: See `fine_tune`.
        batch_size: See `fine_tune`.
        optimizer: The class and settings of the optimizer, as Keras writes them, without the learning rate.
        learning_rate: The peak of the learning rate.
        validation: See `fine_tune`.
        augment: The augmentation as text.
        balanced: See `fine_tune`.
        class_weight: See `fine_tune`.
        label_smoothing: See `fine_tune`.
        patience: See `fine_tune`.
        seed: See `fine_tune`.
        decode: See `fine_tune`. A model does not record it.
    """

    task: Task
    train: Stage | tuple[Stage, ...]
    statistics: Statistics
    epochs: int
    batch_size: int
    optimizer: Mapping[str, Any]
    learning_rate: float
    validation: float
    augment: str
    balanced: bool
    class_weight: Mapping[str, float] | None
    label_smoothing: float
    patience: int
    seed: int
    decode: Decode

    @property
    def augmentation(self) -> Augmentation:
        """What changes the photographs in training."""
        return Augmentation.parse(self.augment)

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether trained batch normalization uses the statistics of the batch."""
        return self.statistics == "batch"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What trains, one after the other."""
        return (self.train,) if isinstance(self.train, str) else self.train

    @property
    def stage_epochs(self) -> list[int]:
        """The epochs of each stage."""
        return divide_epochs(self.epochs, len(self.stages))

    def stage_of(self, epoch: int) -> int:
        """Return the stage, from 0, that an epoch belongs to.

        Args:
            epoch: The epoch, from 1; 0, the solved head, belongs to the first stage.
        """
        ends = accumulate(self.stage_epochs)
        return next((stage for stage, end in enumerate(ends) if epoch <= end), len(self.stages) - 1)

    def build_optimizer(self, steps_per_epoch: int, stage: int = 0) -> Optimizer:
        """Build the optimizer of a stage, with a warm-up and half a cosine as its learning rate.

        Args:
            steps_per_epoch: Batches per epoch.
            stage: The stage, from 0.
        """
        steps = self.stage_epochs[stage] * steps_per_epoch
        warmup = min(max(1, math.ceil(WARMUP_SHARE * steps)), max(1, steps - 1))
        # Keras's schedule begins with the initial rate itself: at 0, the first batch would teach nothing.
        schedule = CosineDecay(
            self.learning_rate / (warmup + 1), max(1, steps - warmup), warmup_target=self.learning_rate,
            warmup_steps=warmup,
        )  # fmt: skip
        config = {**self.optimizer["config"], "learning_rate": schedule}
        return get_optimizer({"class_name": self.optimizer["class_name"], "config": config})

    def check_agreement(self, given: Settings, default: Settings) -> None:
        """Check that the call that resumes a run does not ask for other settings.

        Args:
            given: The settings of the call.
            default: Those of a call without options.

        Raises:
            ValueError: A setting was given that the run does not have.
        """
        for name in (field.name for field in fields(self)):
            value, own = getattr(given, name), getattr(self, name)
            if value not in (getattr(default, name), own):
                raise ValueError(
                    f"resume goes on with the run's own settings: {name} was {own!r}, got {value!r}; "
                    "leave it out"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Return the settings of a dict from `to_dict`, checked.

        Args:
            values: The settings by name. They come from a file.

        Raises:
            ValueError: One is missing, or is not valid.
        """
        missing = [field.name for field in fields(cls) if field.name not in values]
        if missing:
            raise ValueError(f"the settings of the run lack {', '.join(missing)}")
        return check_settings(**{field.name: values[field.name] for field in fields(cls)})


def check_settings(
    *,
    task: Task,
    train: Train,
    statistics: Statistics,
    epochs: int,
    batch_size: int,
    optimizer: str | Optimizer | Mapping[str, Any],
    learning_rate: float | None,
    validation: float,
    augment: str | Augmentation | None,
    balanced: bool,
    class_weight: Mapping[str, float] | None,
    label_smoothing: float,
    patience: int,
    seed: int,
    decode: Decode,
) -> Settings:
    """Check the options of `fine_tune`, and return them as settings.

    Args:
        task: See `fine_tune`, as all others.
        train: See `fine_tune`.
        statistics: See `fine_tune`.
        epochs: See `fine_tune`.
        batch_size: See `fine_tune`.
        optimizer: See `fine_tune`.
        learning_rate: See `fine_tune`.
        validation: See `fine_tune`.
        augment: See `fine_tune`.
        balanced: See `fine_tune`.
        class_weight: See `fine_tune`.
        label_smoothing: See `fine_tune`.
        patience: See `fine_tune`.
        seed: See `fine_tune`.
        decode: See `fine_tune`.

    Raises:
        TypeError: An option is of another type.
        ValueError: An option is out of range, or two do not go together.
    """
    check_option("task", task, TASKS)
    check_option("decode", decode, DECODE_OPTIONS)
    check_option("statistics", statistics, get_args(Statistics))
    epochs = as_int("epochs", epochs, 0)
    stages = check_train(train, epochs)
    if not isinstance(balanced, bool):
        raise TypeError(f"balanced must be True or False, got {balanced!r:.80}")
    if class_weight is not None and not isinstance(class_weight, Mapping):
        raise TypeError(
            f"class_weight must be a dict of weights by name, got {class_weight!r:.80}; balanced=True lets "
            "each class weigh the same"
        )
    weights = None if class_weight is None else dict(class_weight)
    if balanced and weights:
        raise ValueError("balanced and class_weight both say how much classes weigh: give one of them")
    if balanced and task != "classes":
        raise ValueError(f"balanced applies to classes, and the task is {task!r}")
    batch_size = as_int("batch_size", batch_size)
    if statistics == "batch" and batch_size == 1:
        raise ValueError(
            'statistics="batch" needs a batch_size of at least 2: every channel of one photograph has the '
            "variance of that photograph alone"
        )
    label_smoothing = as_float("label_smoothing", label_smoothing, 0, 1)
    if label_smoothing and task == "regression":
        raise ValueError("label_smoothing applies to classes and labels, and the task is 'regression'")
    validation = as_float("validation", validation, 0, 1)
    if not 0 < validation < 1:
        raise ValueError(f"validation must be a share between 0 and 1, such as 0.2, got {validation}")
    augmentation = augment if isinstance(augment, Augmentation) else Augmentation.parse(augment or "none")
    built = get_optimizer(optimizer)
    name = type(built).__name__
    config = built.get_config()
    if optimizer in ("sgd", "SGD"):
        config["momentum"] = MOMENTUM
    if learning_rate is None:
        if isinstance(optimizer, Optimizer):
            if built.schedule is not None:
                raise ValueError(
                    "the optimizer has a schedule, and fine_tune has its own, a warm-up and a cosine: give a "
                    "number as learning_rate"
                )
            learning_rate = built.learning_rate
        else:
            learning_rate = LEARNING_RATES[name]
    learning_rate = as_float("learning_rate", learning_rate, 0)
    if not learning_rate:
        raise ValueError("learning_rate must be above 0")
    config.pop("learning_rate")
    seed = as_int("seed", seed, 0)
    if seed > MAX_SEED:
        raise ValueError(f"seed must be at most {MAX_SEED}, got {seed}")
    return Settings(
        task, stages, statistics, epochs, batch_size,
        {"class_name": name, "config": config}, learning_rate, validation, str(augmentation), balanced,
        weights, label_smoothing, as_int("patience", patience), seed, decode,
    )  # fmt: skip
