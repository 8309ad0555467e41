"""Table of the layers that act at random in training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...kernels import Array
from ...layers import Dropout, Layer, StochasticDepth, TimeDistributed, TrainingOnly
from ...layers.sequences.time_distributed import fold_frames, unfold_frames
from . import colors, filters, geometry, units
from .rule import RandomRule, TrainedOutput
from .settings import read_settings

#: The rules of Keras's layers that are read as `TrainingOnly`.
RULES: dict[str, type[RandomRule]] = {
    "AlphaDropout": units.AlphaDropRule,
    "GaussianDropout": units.GaussianDropRule,
    "GaussianNoise": units.GaussianNoiseRule,
    "RandomBrightness": colors.BrightnessRule,
    "RandomColorDegeneration": colors.ColorDegenerationRule,
    "RandomColorJitter": colors.ColorJitterRule,
    "RandomContrast": colors.ContrastRule,
    "RandomErasing": filters.ErasingRule,
    "RandomFlip": geometry.FlipRule,
    "RandomGaussianBlur": filters.GaussianBlurRule,
    "RandomGrayscale": colors.GrayscaleRule,
    "RandomHue": colors.HueRule,
    "RandomInvert": filters.InvertRule,
    "RandomPerspective": geometry.PerspectiveRule,
    "RandomPosterization": filters.PosterizationRule,
    "RandomRotation": geometry.RotationRule,
    "RandomSaturation": colors.SaturationRule,
    "RandomSharpness": filters.SharpnessRule,
    "RandomShear": geometry.ShearRule,
    "RandomTranslation": geometry.TranslationRule,
    "RandomZoom": geometry.ZoomRule,
    "Solarization": filters.SolarizationRule,
    "SpatialDropout1D": units.SpatialDropRule,
    "SpatialDropout2D": units.SpatialDropRule,
    "SpatialDropout3D": units.SpatialDropRule,
}

#: Why other layers of training do not act.
REASONS = {
    "ActivityRegularization": "its penalty on activations is not added to the loss",
    "AugMix": "it is not supported; fine_tune has augmentations of its own",
    "CutMix": "it mixes labels, which a layer does not have",
    "MixUp": "it mixes labels, which a layer does not have; fine_tune(augment='mixup') does so",
    "RandAugment": "it is not supported; fine_tune has augmentations of its own",
    "RandomElasticTransform": "it is not supported; fine_tune has augmentations of its own",
    "RandomHeight": "it changes the size of images; Keras 3 has no such layer",
    "RandomWidth": "it changes the size of images; Keras 3 has no such layer",
}


class FramesRule(RandomRule):
    """A rule within `TimeDistributed`: each frame is an example, with a draw of its own.

    Args:
        rule: The rule of the layer within.
    """

    def __init__(self, rule: RandomRule) -> None:
        self._rule = rule

    @property
    def acts(self) -> bool:
        return self._rule.acts

    def range_problem(self, low: float, high: float) -> str | None:
        return self._rule.range_problem(low, high)

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        n, frames = x.shape[:2]
        y, backward = self._rule.run(fold_frames(x), [rng for rng in generators for _ in range(frames)])
        return unfold_frames(y, n, frames), lambda dy: unfold_frames(backward(fold_frames(dy)), n, frames)


def random_rule(layer: Layer) -> RandomRule | None:
    """Return what a layer does at random in training; None if it does nothing.

    Args:
        layer: Any layer.

    Raises:
        ValueError: A setting is one that Keras refuses, or cannot act by.
    """
    if isinstance(layer, TimeDistributed):
        inner = random_rule(layer.layer)
        return None if inner is None else FramesRule(inner)
    if isinstance(layer, Dropout):
        return units.DropRule(layer.rate, layer.noise_shape)
    if isinstance(layer, StochasticDepth):
        return units.StochasticDepthRule(layer.drop_path_rate)
    if isinstance(layer, TrainingOnly) and layer.kind in RULES:
        return _read_rule(layer)
    return None


@lru_cache(maxsize=256)  # a model has fewer; each step asks again
def _read_rule(layer: TrainingOnly) -> RandomRule:
    return read_settings(RULES[layer.kind], json.loads(layer.settings))


def acts_in_training(layer: Layer) -> bool:
    """Return True if a layer does something else in training than at inference, at random.

    Args:
        layer: Any layer. One whose settings are invalid does not act: see `idle_reason`.
    """
    try:
        rule = random_rule(layer)
    except ValueError:
        return False
    return rule is not None and rule.acts


def idle_reason(layer: Layer) -> str | None:
    """Return why a layer that acts in Keras's training does nothing here; None if it acts, or never does.

    Args:
        layer: Any layer.

    Returns:
        A clause such as "its rate must be less than 1", to follow the layer's name.

    Examples:
        >>> from xception.gradients.randomness import idle_reason
        >>> from xception.layers import Dropout, TrainingOnly
        >>> idle_reason(TrainingOnly("RandomWidth", '{"factor": 0.2}'))
        'it changes the size of images; Keras 3 has no such layer'
        >>> idle_reason(Dropout(0.5)) is None
        True
    """
    if isinstance(layer, TimeDistributed):
        return idle_reason(layer.layer)
    if isinstance(layer, TrainingOnly) and layer.kind in REASONS:
        return REASONS[layer.kind]
    if getattr(layer, "dropout", 0) and not acts_in_training(layer):
        return "its dropout of attention weights is left out"
    try:
        random_rule(layer)
    except ValueError as error:
        return str(error)
    return None


def run_in_training(
    layer: Layer, x: Array, generators: Sequence[np.random.Generator]
) -> TrainedOutput | None:
    """Compute what a layer does at random in training.

    Args:
        layer: Any layer.
        x: The input (n, …).
        generators: A generator for each of the n examples.

    Returns:
        The output, and the function that propagates dL/dy to dL/dx; None if the layer does nothing at random.

    Raises:
        ValueError: The layer does not accept this input, or a setting is invalid.
    """
    rule = random_rule(layer)
    return None if rule is None or not rule.acts else rule.run(x, generators)


def value_range_problem(layer: Layer, low: float, high: float) -> str | None:
    """Return why a layer that augments pixels does not fit their range; None if it does.

    Args:
        layer: Any layer.
        low: The smallest value of a batch of its input.
        high: The largest value.

    Returns:
        A clause such as "its value_range is 0…255, but its input is within -1…1; …".
    """
    try:
        rule = random_rule(layer)
    except ValueError:
        return None
    return None if rule is None else rule.range_problem(low, high)
