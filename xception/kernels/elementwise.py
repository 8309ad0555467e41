"""Activation functions, as Keras defines them.

Each takes an array of any shape and returns an array of the same shape and floating-point type
(`linear` returns its argument). None emits overflow warnings, however large its input.
"""

from __future__ import annotations

import numpy as np

from .geometry import Array

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
#: Of the approximation of gelu: √(2/π), and the factor of x³.
GELU_SCALE, GELU_CUBIC = 0.7978845608028654, 0.044715

Axis = int | tuple[int, ...]


# --- rectifiers -----------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """Return max(x, 0).

    Args:
        x: An array of any shape.

    Returns:
        A new array of the shape and type of `x`.
    """
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def bounded_relu(x: Array, max_value: float | None, negative_slope: float, threshold: float) -> Array:
    """Return Keras's ReLU layer.

    Args:
        x: An array of any shape.
        max_value: Upper bound of the result, or None.
        negative_slope: Slope below the threshold.
        threshold: Values above it are kept (up to `max_value`); the others become
            negative_slope · (x − threshold).

    Returns:
        A new array of the shape and type of `x`.
    """
    y = np.where(x > threshold, x, 0)
    if max_value is not None:
        y = np.minimum(y, max_value)
    return y + negative_slope * np.minimum(x - threshold, 0) if negative_slope else y


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


def selu(x: Array) -> Array:
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Array) -> Array:
    """Return x · Φ(x), with Φ the normal CDF: exact, not the tanh approximation."""
    y = normal_cdf(x)
    return np.multiply(x, y, out=y)


def gelu_tanh(x: Array) -> Array:
    """Return the approximation x · (1 + tanh(u)) / 2, with u = √(2/π) · (x + 0.044715 · x³).

    (1 + tanh(u)) / 2 is sigmoid(2u), which keeps its relative accuracy where it is small.
    """
    with np.errstate(over="ignore"):  # infinity is the right result
        y = np.square(x, out=np.empty(np.shape(x), np.asarray(x).dtype))  # an array, even of one number
        y *= GELU_CUBIC
        y += 1
        y *= x
    y *= 2 * GELU_SCALE
    y = sigmoid(y)
    y *= x
    return y


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def hard_silu(x: Array) -> Array:
    return x * hard_sigmoid(x)


def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


def softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


def squareplus(x: Array) -> Array:
    return (x + np.hypot(x, 2)) / 2


def sparse_plus(x: Array) -> Array:
    return np.where(x < 1, np.square(np.clip(x, -1, 1) + 1) / 4, x)


# --- bounded --------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)).

    Args:
        x: An array of any shape.

    Returns:
        A new array of the shape and type of `x`, between 0 and 1.
    """
    y = np.negative(x, out=np.empty_like(x))
    with np.errstate(over="ignore"):  # 1 / (1 + ∞) is the right result
        np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


#: exp(a²/2) · Φ(−a) / u for a in 0…40 and u = 5 / (a + 5), as a polynomial in u − ½, highest power first.
#: It is the Chebyshev series in u, cut off. Relative error of Φ: 2e-14 above −8, 3e-13 below.
_TAIL = (
    -0.001089854772927133, -0.001038184359787731, 0.004492199030932209, 0.00235488484856877,
    -0.008776892435000641, -0.00657810294890649, 0.013622309362776716, 0.020391929874140333,
    -0.01215640011062304, -0.055798460390465855, -0.04085111132054602, 0.07663048398365174,
    0.26617686109899974, 0.442359286739077, 0.5280651716492978, 0.5016530506851362, 0.3962444927765864,
    0.2661530011559869, 0.15383860995001195,
)  # fmt: skip
#: The same for float32, in half the time: relative error 2e-8.
_SHORT_TAIL = (
    -0.04624366170431382, -0.04457563031026705, 0.07483232886490358, 0.26665097891894257,
    0.44251457248239595, 0.5280400929595233, 0.5016474157421726, 0.3962449362258737, 0.2661530590125031,
    0.15383860883826186,
)  # fmt: skip
_TAIL_SCALE = 5
_MAX_ABS = 40  #: Φ(−40) is 0 in float64

#: Elements computed at once. Three arrays of them, 300 kB, stay in the cache through some fifty passes.
BLOCK_ELEMENTS = 3 << 12


def normal_cdf(x: Array) -> Array:
    """Return Φ(x), the distribution function of the normal distribution.

    It keeps its relative accuracy where it is small: 1 + erf would cancel. It is computed in float64, block
    by block, which is faster than passes over a whole float32 array.

    Args:
        x: An array of any shape.

    Returns:
        A new array of the shape and type of `x`, between 0 and 1.
    """
    flat = np.ravel(x)
    y = np.empty_like(flat)
    coefficients = _SHORT_TAIL if y.itemsize <= 4 else _TAIL
    scratch = np.empty((3, min(BLOCK_ELEMENTS, flat.size)))
    for start in range(0, flat.size, BLOCK_ELEMENTS):
        block = flat[start : start + BLOCK_ELEMENTS]
        a, u, tail = scratch[:, : len(block)]
        np.minimum(np.abs(block, out=a), _MAX_ABS, out=a)
        np.divide(_TAIL_SCALE, np.add(a, _TAIL_SCALE, out=u), out=u)
        u -= 0.5
        tail[:] = coefficients[0]
        for coefficient in coefficients[1:]:
            tail *= u
            tail += coefficient
        u += 0.5
        tail *= u
        a *= a
        a *= -0.5
        tail *= np.exp(a, out=a)  # Φ(−|x|)
        np.subtract(block > 0, tail, out=tail)  # 1 − Φ(−x) above 0; below it −Φ(x)
        y[start : start + BLOCK_ELEMENTS] = np.abs(tail, out=tail)
    return y.reshape(np.shape(x))


def hard_sigmoid(x: Array) -> Array:
    return np.clip(x + 3, 0, 6) / 6


def hard_sigmoid_keras2(x: Array) -> Array:
    """Return Keras 2's variant, which is steeper than Keras 3's."""
    return np.clip(x * 0.2 + 0.5, 0, 1)


def sparse_sigmoid(x: Array) -> Array:
    return np.clip(x / 2 + 0.5, 0, 1)


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def softsign(x: Array) -> Array:
    return x / (np.abs(x) + 1)


# --- unbounded ------------------------------------------------------------------------------


def linear(x: Array) -> Array:
    return x


def exponential(x: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is the right result
        return np.exp(x)


def log_sigmoid(x: Array) -> Array:
    return -softplus(-x)


def tanh_shrink(x: Array) -> Array:
    return x - np.tanh(x)


def soft_shrink(x: Array) -> Array:
    return x - np.clip(x, -0.5, 0.5)


def hard_shrink(x: Array) -> Array:
    return np.where(np.abs(x) > 0.5, x, 0)


# --- along an axis --------------------------------------------------------------------------


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return exp(x), normalized to a sum of 1.

    Args:
        x: Logits.
        axis: Axis or axes along which the result sums to 1.

    Returns:
        A new array of the shape and type of `x`.
    """
    y = np.exp(x - x.max(axis=axis, keepdims=True))  # largest exponent 0: no overflow
    y /= y.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: Array) -> Array:
    y = x - x.max(axis=-1, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    return y
