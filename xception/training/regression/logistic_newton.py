"""Newton's method for many logistic regressions on the same features at once.

Each regression is a column, with labels, weights of the rows and a penalty of its own. All of them share the
products with the features, which take the time: a product with fifty columns takes about as long as five
with one. The equations of a Newton step are solved by conjugate gradients, in float32, since a tenth of the
error may remain. Features along principal axes make the Hessian nearly diagonal, so that ten iterations
suffice.
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
        product = np.empty_like(w)
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
    x32 = problem.x.astype(np.float32)
    remaining = np.arange(start.shape[1])
    part, w, logits = problem, start.copy(), problem.logits(start)
    for _ in range(MAX_NEWTON_STEPS):
        p = sigmoid(logits)
        gradient = part.transposed(part.share * (p - part.y), w)
        curvature = part.share * p * (1 - p)  # (n, k)
        step = _newton_step(x32, curvature, part.decay, gradient, spread)
        step_logits = part.logits(step)
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


def _newton_step(x: Array, curvature: Array, decay: Array, gradient: Array, spread: Array) -> Array:
    """Return (r + 1, k) the steps, by preconditioned conjugate gradients.

    Args:
        x: (n, r) float32.
        curvature: (n, k) dL/dlogits² of each row.
        decay: (k,) the penalties.
        gradient: (r + 1, k).
        spread: (r,) the mean squares of the features.
    """
    total = curvature.sum(axis=0)  # (k,)
    # As if all rows had the same curvature: the Hessian of orthogonal features is diagonal then.
    diagonal = np.vstack([spread[:, np.newaxis] * total + decay, total])
    np.maximum(diagonal, MIN_CURVATURE * max(1.0, float(diagonal.max())), out=diagonal)
    # In units of the preconditioner's root, so that float32 has room for the smallest.
    unit = 1 / np.sqrt(diagonal)
    residual = (-gradient * unit).astype(np.float32)
    length_of_gradient = np.maximum(np.sqrt((residual**2).sum(axis=0)), np.finfo(np.float32).tiny)
    residual /= length_of_gradient
    unit32, curvature, decay = (array.astype(np.float32) for array in (unit, curvature, decay))
    step, direction = np.zeros_like(residual), residual.copy()
    size = (residual**2).sum(axis=0)  # (k,)
    enough = RESIDUAL_SHARE**2 * size
    product = np.empty_like(residual)
    for _ in range(MAX_CONJUGATE_STEPS):
        is_open = size > enough
        if not is_open.any():
            break
        v = unit32 * direction
        along = curvature * (x @ v[:-1] + v[-1])  # (n, k)
        product[:-1] = x.T @ along + decay * v[:-1]
        product[-1] = along.sum(axis=0)
        product *= unit32
        bend = (direction * product).sum(axis=0)
        is_open &= bend > 0
        length = np.where(is_open, size / np.where(bend > 0, bend, 1), 0)
        step += length * direction
        residual -= length * product
        following = (residual**2).sum(axis=0)
        direction = residual + np.where(is_open, following / np.where(size > 0, size, 1), 0) * direction
        size = np.where(is_open, following, 0)
    return step * length_of_gradient * unit


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
