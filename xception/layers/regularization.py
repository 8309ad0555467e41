"""Regularization and augmentation layers, which act during training only."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass, field

from .core import Identity
from .validation import as_noise_shape, check_choice, check_number, store_setting

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
        noise_shape: Shape of the mask of training, with the batch axis: along an axis of size 1, units are
            dropped together. None is the size of the input, and as a whole its shape.
    """

    rate: float = 0.5
    # Training alone reads it, so that what identifies a model at inference does not contain it.
    noise_shape: tuple[int | None, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_number(self, "rate", minimum=0, maximum=1)
        store_setting(self, "noise_shape", as_noise_shape(self.noise_shape))


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
