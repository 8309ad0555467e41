"""What works in training only."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass

from .base import choice, number
from .core import Identity

#: Keras's other classes that hand on what they are given, unless they are in training.
TRAINING_ONLY = frozenset(
    {
        "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "GaussianDropout", "GaussianNoise",
        "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
        "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
        "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective",
        "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
        "RandomTranslation", "RandomWidth", "RandomZoom", "Solarization", "SpatialDropout1D",
        "SpatialDropout2D", "SpatialDropout3D",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Dropout(Identity):
    """Drops nothing: at inference it is the identity."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        number(self, "rate", least=0, most=1)


@dataclass(frozen=True)
class TrainingOnly(Identity):
    """Any of TRAINING_ONLY. Its settings, as JSON, are kept to be written back."""

    kind_name: str
    settings: str = "{}"

    def __post_init__(self) -> None:
        choice(self, "kind_name", sorted(TRAINING_ONLY))
        try:
            settings = json.loads(self.settings)
        except (TypeError, ValueError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise ValueError(
                f"settings must be JSON text that holds an object, got {reprlib.repr(self.settings)}"
            )

    @property
    def kind(self) -> str:
        return self.kind_name
