"""Regularization and augmentation layers, which act during training only."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass

from .core import Identity
from .validation import check_choice, check_number

#: Keras's other layers that return their input unchanged unless they are training.
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
    """Dropout: the identity at inference. The shape does not change.

    Keras scales the remaining units by 1 / (1 − rate) during training ("inverted dropout"), so inference
    needs no scaling.

    Srivastava et al., "Dropout: A simple way to prevent neural networks from overfitting" (JMLR 2014).

    Attributes:
        rate: Fraction of units that training drops, from 0 to 1.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        check_number(self, "rate", minimum=0, maximum=1)


@dataclass(frozen=True)
class TrainingOnly(Identity):
    """Any layer in `TRAINING_ONLY`: the identity at inference. The shape does not change.

    Attributes:
        kind_name: Keras's class name.
        settings: The layer's settings as the text of a JSON object, so that a saved model has them.
    """

    kind_name: str
    settings: str = "{}"

    def __post_init__(self) -> None:
        check_choice(self, "kind_name", sorted(TRAINING_ONLY))
        try:
            settings = json.loads(self.settings)
        except (TypeError, ValueError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise ValueError(f"settings must be the text of a JSON object, got {reprlib.repr(self.settings)}")

    @property
    def kind(self) -> str:
        return self.kind_name
