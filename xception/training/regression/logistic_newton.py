"""Newton's method for many logistic regressions on the same features at once.

Each regression is a column, with labels, weights of the rows and a penalty of its own. All of them share the
products with the features, which take the time: a product with fifty columns takes about as long as five
with one. The equations of a Newton step are solved by conjugate gradients. Features along principal axes make
the Hessian nearly diagonal, so that a few iterations suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels import Array, sigmoid

MAX_NEWTON_STEPS = 100  #: usually fewer than ten
#: Usually fewer than ten, too. A step of an unfinished solution still goes down.
MAX_CONJUGATE_STEPS = 100
#: Conjugate gradients end when the residual is this share of what it was: each Newton step then brings the
#: loss a hundred times closer to its minimum, and more precise ones bring no more.
RESIDUAL_SHARE = 0.1
MIN_DECREASE = 1e-4  #: of the loss, as a share of what the slope promises: Armijo's condition
MIN_STEP = 2.0**-30  #: a shorter one means that the loss cannot be computed any better
MIN_CURVATURE = 1e-12  #: of the bias, where all probabilities are 0 or 1


@dataclass(frozen=True, eq=False)
class Regressions:
    """k logistic regressions on n rows of r features along principal axes.

    The loss of a column is Σ share · cross-entropy + decay / 2 · Σ kernel².

    Attributes:
        x: (n, r) features. Their columns are orthogonal.
        y: (n, k) 0 or 1.
        share: (n, k) weights of the rows; 0 for those that are left out.
        decay: (k,) the penalties.
    """

    x: Array
    y: Array
    share: Array
    decay: Array

    def columns(self, chosen: NDArray[np.intp]) -> Regressions:
        """Return some of the regressions."""
        return Regressions(self.x, self.y[:, chosen], self.share[:, chosen], self.decay[chosen])

    def logits(self, w: Array) -> Array:
        """Return (n, k) of kernels and biases (r + 1, k)."""
        return self.x @ w[:-1] + w[-1]

    def loss(self, w: Array, logits: Array) -> Array:
        """Return (k,) the losses."""
        losses = self.share * (np.logaddexp(0, logits) - self.y * logits)
        penalties: Array = 0.5 * self.decay * (w[:-1] ** 2).sum(axis=0)
        return losses.sum(axis=0) + penalties

    def transposed(self, residual: Array, w: Array) -> Array:
        """Return (r + 1, k) the gradient for dL/dlogits (n, k), with that of the penalties."""
        product = np.empty((len(w), residual.shape[1]))
        product[:-1] = self.x.T @ residual + self.decay * w[:-1]
        product[-1] = residual.sum(axis=0)
        return product


def solve_regressions(problem: Regressions, start: Array, tolerance: float) -> tuple[Array, bool]:
    """Minimize the loss of each regression.

    Args:
        problem: The regressions.
        start: (r + 1, k) where to begin: the kernels, and the biases in the last row.
        tolerance: How far each loss may be above its minimum, as a share of it.

    Returns:
        (r + 1, k) the solutions; and whether all of them are as close as that.
    """
    solution = start.copy()
    spread = (problem.x**2).sum(axis=0) / len(problem.x)  # (r,)
    remaining = np.arange(start.shape[1])
    part, w, logits = problem, start.copy(), problem.logits(start)
    for _ in range(MAX_NEWTON_STEPS):
        p = sigmoid(logits)
        gradient = part.transposed(part.share * (p - part.y), w)
        curvature = part.share * p * (1 - p)  # (n, k)
        step, step_logits = _newton_step(part, gradient, curvature, spread)
        slope = (gradient * step).sum(axis=0)  # (k,), negative
        loss = part.loss(w, logits)
        is_last = -0.5 * slope <= tolerance * loss
        length = _step_length(part, w, logits, step, step_logits, loss, slope)
        w = w + length * step
        logits = logits + length * step_logits
        solution[:, remaining] = w
        going_on = np.flatnonzero(~is_last & (length > 0))
        if not len(going_on):
            return solution, True
        if len(going_on) < len(remaining):
            part, remaining = part.columns(going_on), remaining[going_on]
            w, logits = w[:, going_on], logits[:, going_on]
    return solution, False


def _newton_step(
    problem: Regressions, gradient: Array, curvature: Array, spread: Array
) -> tuple[Array, Array]:
    """Return (r + 1, k) the steps, by preconditioned conjugate gradients, and what they add to the logits."""
    total = curvature.sum(axis=0)  # (k,)
    diagonal = np.empty_like(gradient)
    # As if all rows had the same curvature: the Hessian of orthogonal features is diagonal then.
    diagonal[:-1] = spread[:, np.newaxis] * total + problem.decay
    diagonal[-1] = total
    np.maximum(diagonal, MIN_CURVATURE * max(1.0, float(diagonal.max())), out=diagonal)
    step, step_logits = np.zeros_like(gradient), np.zeros_like(curvature)
    residual = -gradient
    scaled = residual / diagonal
    direction = scaled.copy()
    size = (residual * scaled).sum(axis=0)  # (k,)
    enough = RESIDUAL_SHARE**2 * size
    for _ in range(MAX_CONJUGATE_STEPS):
        is_open = size > enough
        if not is_open.any():
            break
        along = problem.logits(direction)  # (n, k)
        product = problem.transposed(curvature * along, direction)
        bend = (direction * product).sum(axis=0)
        is_open &= bend > 0
        length = np.where(is_open, size / np.where(bend > 0, bend, 1), 0)
        step += length * direction
        step_logits += length * along
        residual -= length * product
        scaled = residual / diagonal
        following = (residual * scaled).sum(axis=0)
        ratio = np.where(is_open, following / np.where(size > 0, size, 1), 0)
        direction = scaled + ratio * direction
        size = np.where(is_open, following, 0)
    return step, step_logits


def _step_length(
    problem: Regressions, w: Array, logits: Array, step: Array, step_logits: Array, loss: Array, slope: Array
) -> Array:
    """Return (k,) how much of each step to take: all of it, or half as much until the loss falls enough."""
    length = np.ones(len(loss))
    while True:
        reached = problem.loss(w + length * step, logits + length * step_logits)
        is_bad = (reached > loss + MIN_DECREASE * length * slope) & (length > 0)
        if not is_bad.any():
            return length
        length[is_bad] /= 2
        length[length < MIN_STEP] = 0
