"""Settings of a job: everything that decides its results, checked, compared and described."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..data.class_names import ClassNames
from ..data.preprocessing import (
    ASPECTS,
    DECODE_OPTIONS,
    EXIF_OPTIONS,
    INTERPOLATIONS,
    SCALINGS,
    Aspect,
    Decode,
    Exif,
    Interpolation,
    Scaling,
    check_option,
)
from ..data.tasks import TASKS, Task
from ..errors import JobError
from ..models.feature_maps import Pooling, check_pooling
from ..prediction.decoding import check_threshold
from ..version import __version__

#: A model that is kept in the job's folder.
MODEL_NAME = re.compile(r"model\.(keras|h5|hdf5)", re.ASCII)
MAX_SHOWN_CHARACTERS = 60  #: of a setting in a message

#: What messages call the settings that have other names here.
DESCRIPTIONS = {"model": "the model", "pillow": "Pillow", "class_names": "class names"}


@dataclass(frozen=True)
class Settings:
    """Everything that decides the results of a job.

    Attributes:
        xception: The version of this library, which computes them.
        pillow: The version of Pillow, which decodes photographs.
        model: The `fingerprint` of the model that was given.
        kept: The name of the file of the model in the job's folder; None for the shipped ImageNet base.
        kept_model: The `fingerprint` of the model in that file, which may say the same in other words.
        scaling: See `Preprocessor`.
        interpolation: See `Preprocessor`.
        aspect: See `Preprocessor`.
        exif: See `Preprocessor`.
        decode: See `Preprocessor`.
        layers: Of features: see `xception.features`.
        pooling: Of features: see `xception.features`.
        top: Of predictions: classes or labels per photograph; 0 for all.
        class_names: Of predictions: the (class id, class name) of each class.
        from_logits: Of predictions: whether the model's scores become probabilities.
        task: Of predictions: what the model's outputs mean; see `Classifier`.
        threshold: Of predictions of labels: the score from which on a photograph gets one.
    """

    xception: str
    pillow: str
    model: str
    kept: str | None
    kept_model: str
    scaling: Scaling
    interpolation: Interpolation
    aspect: Aspect
    exif: Exif
    decode: Decode
    layers: tuple[str, ...] | None = None
    pooling: Pooling = "avg"
    top: int = 0
    class_names: ClassNames = ()
    from_logits: bool = False
    task: Task = "classes"
    threshold: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Build settings from what `to_dict` returned.

        Raises:
            JobError: They are not valid.
        """
        try:
            # Jobs of earlier versions lack the last two.
            given = {"task": "classes", "threshold": None} | values
            given = {field.name: given[field.name] for field in fields(cls)}
            if given["layers"] is not None:
                given["layers"] = tuple(given["layers"])
            given["class_names"] = tuple((id_, name) for id_, name in given["class_names"])
            settings = cls(**given)
            settings.check()
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise JobError(f"job.json: its settings are damaged ({reason})") from None
        return settings

    def check(self) -> None:
        """Raise TypeError or ValueError for settings that are not valid."""
        texts = [self.xception, self.pillow, self.model, self.kept_model, *(self.layers or ())]
        texts += [text for pair in self.class_names for text in pair]
        texts += [] if self.kept is None else [self.kept]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("expected texts")
        if self.kept is not None and not MODEL_NAME.fullmatch(self.kept):
            raise ValueError("the model's file has an unknown name")
        check_option("scaling", self.scaling, SCALINGS)
        check_option("interpolation", self.interpolation, INTERPOLATIONS)
        check_option("aspect", self.aspect, ASPECTS)
        check_option("exif", self.exif, EXIF_OPTIONS)
        check_option("decode", self.decode, DECODE_OPTIONS)
        check_pooling(self.pooling)
        if not isinstance(self.top, int) or isinstance(self.top, bool) or self.top < 0:
            raise ValueError(f"top must be an integer, got {self.top!r:.20}")
        if not isinstance(self.from_logits, bool):
            raise TypeError("from_logits must be true or false")
        check_option("task", self.task, TASKS)
        check_threshold(self.threshold, self.task)


def versions() -> tuple[str, str]:
    """Return the versions of this library, which computes, and of Pillow, which decodes."""
    import PIL

    return __version__, PIL.__version__


def check_versions(settings: Settings) -> None:
    """Raise JobError unless this process has the versions that a job was prepared with."""
    recorded = (settings.xception, settings.pillow)
    differing = [
        f"{name} {own} instead of {former}"
        for name, own, former in zip(("xception", "Pillow"), versions(), recorded, strict=True)
        if own != former
    ]
    if differing:
        raise JobError(
            f"this process has {' and '.join(differing)}, with which the job was prepared: other versions "
            "may give other numbers. Install the same versions everywhere, or begin a new job elsewhere"
        )


def differences(settings: Settings, recorded: Settings) -> list[str]:
    """Return how settings differ from those that a job was prepared with, for messages."""
    texts = []
    has_same_versions = (settings.xception, settings.pillow) == (recorded.xception, recorded.pillow)
    for field in fields(Settings):
        own, former = getattr(settings, field.name), getattr(recorded, field.name)
        if own == former or field.name in ("kept", "kept_model"):
            continue
        name = DESCRIPTIONS.get(field.name, field.name)
        if field.name != "model":
            texts.append(f"{name}: {_show(former)} there, {_show(own)} here")
        elif has_same_versions:  # which a fingerprint contains
            texts.append("the model: it has other layers or weights")
    return texts


def _show(value: Any) -> str:
    if value is None:
        return "the default"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{text[:MAX_SHOWN_CHARACTERS]}…" if len(text) > MAX_SHOWN_CHARACTERS else text
