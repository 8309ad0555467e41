"""The table of gradient rules, one for each class of layer."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ..errors import NoGradientError
from ..kernels import Array
from ..layers import Layer, Parameters


@singledispatch
def backward(layer: Layer, parameters: Parameters, dy: Array, *inputs: Array) -> Array | tuple[Array, ...]:
    """Compute the vector-Jacobian product of a layer: dL/dy -> dL/dx.

    Args:
        layer: The layer; its class selects the rule.
        parameters: The arrays of the layer.
        dy: dL/dy, with the shape of the output y = layer.forward(parameters, *inputs).
        *inputs: The inputs from which y was computed.

    Returns:
        dL/dx with the shape of the input and the floating-point type of `dy`. A layer that accepts
        several inputs gives a tuple with one array for each.

    Raises:
        NoGradientError: There is no rule for this layer.

    Examples:
        >>> import numpy as np
        >>> from xception.gradients import backward
        >>> from xception.layers import Activation
        >>> x = np.array([[-1.0, 0.0, 2.0]])
        >>> backward(Activation("relu"), {}, np.ones((1, 3)), x)
        array([[0., 0., 1.]])
    """
    raise NoGradientError("this kind of layer has no gradient rule")


@singledispatch
def parameter_gradients(layer: Layer, parameters: Parameters, dy: Array, *inputs: Array) -> dict[str, Array]:
    """Compute the gradients of a layer's trainable parameters: dL/dy -> dL/dw.

    Args:
        layer: The layer; its class selects the rule.
        parameters: The arrays of the layer.
        dy: dL/dy, with the shape of the output y = layer.forward(parameters, *inputs).
        *inputs: The inputs from which y was computed.

    Returns:
        dL/dw of each trainable parameter, by name, with the parameter's shape. The gradient is summed over
        the batch.

    Raises:
        NoGradientError: There is no rule for this layer.
    """
    raise NoGradientError("the parameters of this kind of layer have no gradient rule")


def has_parameter_gradients(layer: Layer) -> bool:
    """Return True if a layer's parameters can be trained. Those of recurrent and attention layers cannot.

    Args:
        layer: A layer with parameters.
    """
    has_rule = parameter_gradients.dispatch(type(layer)) is not parameter_gradients.dispatch(object)
    return has_rule and all(has_parameter_gradients(getattr(layer, name)) for name in layer.wraps)


def sum_to_shape(dy: Array, shape: tuple[int, ...]) -> Array:
    """Sum `dy` along the axes on which an input of this shape was broadcast; the ranks are equal.

    Each of the copies of an element contributes to the element's gradient.
    """
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and dy.shape[axis] > 1)
    return dy.sum(axis=repeated, keepdims=True) if repeated else dy


def matmul_last_axis(x: Array, matrix: Array) -> Array:
    """Multiply the last axis by a matrix: (…, c) · (c, d) -> (…, d).

    It is one product of two matrices; `x @ matrix` would be a loop of small ones in NumPy.
    """
    return (x.reshape(-1, len(matrix)) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


def sum_other_axes(dy: Array, axes: tuple[int, ...]) -> Array:
    """Sum `dy` along all its axes but some: the gradient of a parameter that varies along those.

    One axis after the other, so that rounding errors grow with the lengths of the axes, not their product.

    Args:
        dy: The terms of the sum.
        axes: The axes that are kept, ascending.
    """
    for axis in reversed(range(dy.ndim)):
        if axis not in axes:
            dy = dy.sum(axis=axis)
    return dy


def sum_channels(dy: Array) -> Array:
    """Sum each channel: (…, c) -> (c,)."""
    return sum_other_axes(dy, (dy.ndim - 1,))


def bias_gradient(layer: Any, dy: Array) -> dict[str, Array]:
    """Return {"bias": its gradient}, or nothing where the layer has no bias.

    Args:
        layer: A layer with a setting `use_bias`.
        dy: dL/dy (…, c) of the sum that the bias is part of.
    """
    return {"bias": sum_channels(dy)} if layer.use_bias else {}
