"""Optimizers: gradient descent, Adam and AdamW, by the formulas and with the defaults of Keras 3.15."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...kernels import Array
from ...layers.validation import as_bool, as_float
from ..objectives.named import get_named
from .base import Optimizer
from .flat_blocks import Segment
from .schedules import Schedule


class SGD(Optimizer):
    """Gradient descent, with optional momentum. Keras's `optimizers/sgd.py`.

    The learning rate is inside the velocity: a lower rate acts on it gradually, unlike in PyTorch.

    Args:
        learning_rate: The learning rate, or a schedule of it.
        momentum: The share of the velocity that is kept, from 0 to 1.
        nesterov: Whether to step by the velocity that the next step would have.
        weight_decay: As in `Optimizer`.
        clipnorm: As in `Optimizer`.
        clipvalue: As in `Optimizer`.
        global_clipnorm: As in `Optimizer`.
        name: As in `Optimizer`.
    """

    default_name = "sgd"

    def __init__(
        self,
        learning_rate: float | Schedule | Mapping[str, Any] = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            name=name,
        )
        self.momentum = as_float("momentum", momentum, 0, 1)
        self.nesterov = as_bool("nesterov", nesterov)

    def _slot_names(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def _update(
        self, w: Array, g: Array, block: slice, learning_rate: float, segment: Segment, scratch: Array
    ) -> None:
        if not self.momentum:
            w -= np.multiply(g, learning_rate * segment.rate, out=scratch[0])
            return
        velocity, step = self.slots["momentum"][block], scratch[0]
        velocity *= self.momentum
        velocity -= np.multiply(g, learning_rate, out=step)
        if self.nesterov:
            np.subtract(np.multiply(velocity, self.momentum, out=scratch[1]), step, out=step)
        else:
            step = velocity
        w += step if segment.rate == 1 else np.multiply(step, segment.rate, out=scratch[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class Adam(Optimizer):
    """Adam. Keras's `optimizers/adam.py`, where epsilon is outside the bias correction, unlike in PyTorch.

    `w −= learning_rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + epsilon)`

    Args:
        learning_rate: The learning rate, or a schedule of it.
        beta_1: The share of the mean gradient m that is kept, from 0 to below 1.
        beta_2: The share of the mean squared gradient v that is kept, from 0 to below 1.
        epsilon: Added to the root of v.
        weight_decay: As in `Optimizer`.
        clipnorm: As in `Optimizer`.
        clipvalue: As in `Optimizer`.
        global_clipnorm: As in `Optimizer`.
        name: As in `Optimizer`.
    """

    default_name = "adam"

    def __init__(
        self,
        learning_rate: float | Schedule | Mapping[str, Any] = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            name=name,
        )
        below_1 = math.nextafter(1, 0)
        self.beta_1, self.beta_2 = (
            as_float("beta_1", beta_1, 0, below_1),
            as_float("beta_2", beta_2, 0, below_1),
        )
        self.epsilon = as_float("epsilon", epsilon, minimum=0)

    def _slot_names(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def _update(
        self, w: Array, g: Array, block: slice, learning_rate: float, segment: Segment, scratch: Array
    ) -> None:
        step = self.iterations + 1 + segment.age
        # As in Keras of any precision, rounded to float32 here: 1 − β₂ of the first step changes by 1e-5.
        beta_1, beta_2 = float(np.float32(self.beta_1)), float(np.float32(self.beta_2))
        correction = math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        m, v, t = self.slots["momentum"][block], self.slots["velocity"][block], scratch[0]
        np.subtract(g, m, out=t)
        t *= 1 - self.beta_1
        m += t
        np.multiply(g, g, out=t)
        t -= v
        t *= 1 - self.beta_2
        v += t
        np.sqrt(v, out=t)
        t += self.epsilon
        np.divide(m, t, out=t)
        t *= learning_rate * correction * segment.rate
        w -= t

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": False}
        return {**super().get_config(), **own}


class AdamW(Adam):
    """Adam with weight decay apart from the gradient. Keras's `optimizers/adamw.py`.

    Every variable decays, biases and normalization included: see `exclude_from_weight_decay`.

    Args:
        learning_rate: The learning rate, or a schedule of it.
        weight_decay: As in `Optimizer`.
        beta_1: As in `Adam`.
        beta_2: As in `Adam`.
        epsilon: As in `Adam`.
        clipnorm: As in `Optimizer`.
        clipvalue: As in `Optimizer`.
        global_clipnorm: As in `Optimizer`.
        name: As in `Optimizer`.
    """

    default_name = "adam_w"

    def __init__(
        self,
        learning_rate: float | Schedule | Mapping[str, Any] = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay=as_float("weight_decay", weight_decay, minimum=0),
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            name=name,
        )


#: The optimizers by the names that Keras has for them.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: kind for kind in (SGD, Adam, AdamW) for name in (kind.__name__.lower(), kind.__name__)
}


def get_optimizer(identifier: object) -> Optimizer:
    """Return an optimizer.

    Args:
        identifier: An `Optimizer`, a name ("sgd", "adam" or "adamw"), or Keras's
            `{"class_name": …, "config": …}`.

    Raises:
        TypeError: It is none of these.
        ValueError: No optimizer has this name, or a setting is unknown.
    """
    return get_named(identifier, Optimizer, OPTIMIZERS, "optimizer")
