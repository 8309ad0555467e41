"""Comparison of a layer's gradient rule with central differences, in float64."""

import numpy as np

from xception.gradients import backward, parameter_gradients

STEP = 1e-6
MAP, VECTOR = (5, 6, 4), (7,)  # shapes of inputs, without the batch axis

#: Operations that are differentiated at positive numbers.
POSITIVE = (
    "sqrt", "rsqrt", "reciprocal", "log", "log1p", "power", "divide", "divide_no_nan", "mod", "floor_divide",
)  # fmt: skip


def layer_id(value):
    """Return a short test id of a layer or a list of shapes."""
    return str(value)[:60]


def with_parameters(cases):
    """Return those of the pairs (layer, shapes) whose layer has trainable parameters."""
    return [
        (layer, shapes)
        for layer, shapes in cases
        if any(each.trainable for each in layer.parameters(*shapes).values())
    ]


def draw(layer, shapes):
    """Draw inputs, positive ones for functions that require them, and parameters by name."""
    rng = np.random.default_rng(1)
    positive = getattr(layer, "operation", "") in POSITIVE
    inputs = [rng.uniform(0.5, 2, (2, *s)) if positive else rng.normal(size=(2, *s)) for s in shapes]
    parameters = {
        name: rng.uniform(0.5, 1.5, parameter.shape)
        if name in ("gamma", "moving_variance", "variance")
        else rng.normal(size=parameter.shape)
        for name, parameter in layer.parameters(*shapes).items()
    }
    return inputs, parameters


def differentiate(f, x):
    """Return the gradient of a scalar function by central differences in each element of x."""
    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += STEP
        above = f(moved)
        moved[index] -= 2 * STEP
        dx[index] = (above - f(moved)) / (2 * STEP)
    return dx


def gradients_of(layer, parameters, dy, *inputs):
    """Return a tuple with the gradient of each input."""
    dx = backward(layer, parameters, dy, *inputs)
    return dx if isinstance(dx, tuple) else (dx,)


def check_differences(layer, shapes):
    """Compare the gradient with respect to each input with central differences."""
    inputs, parameters = draw(layer, shapes)
    y = layer.forward(parameters, *inputs)
    dy = np.random.default_rng(2).normal(size=y.shape)
    all_dx = gradients_of(layer, parameters, dy, *inputs)
    assert len(all_dx) == len(inputs)
    for i, (dx, x) in enumerate(zip(all_dx, inputs, strict=True)):

        def loss(moved, i=i):
            return (dy * layer.forward(parameters, *inputs[:i], moved, *inputs[i + 1 :])).sum()

        assert dx.dtype == np.float64
        expected = differentiate(loss, x)
        assert (dx.shape, dx.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(dx, expected, rtol=1e-6, atol=1e-7)


def check_parameter_differences(layer, shapes):
    """Compare the gradient of each trainable parameter with central differences."""
    inputs, parameters = draw(layer, shapes)
    dy = np.random.default_rng(2).normal(size=layer.forward(parameters, *inputs).shape)
    before = [array.copy() for array in (*inputs, *parameters.values(), dy)]
    gradients = parameter_gradients(layer, parameters, dy, *inputs)
    for array, copy in zip((*inputs, *parameters.values(), dy), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    trainable = [name for name, each in layer.parameters(*shapes).items() if each.trainable]
    assert list(gradients) == trainable
    for name, dw in gradients.items():

        def loss(moved, name=name):
            return (dy * layer.forward({**parameters, name: moved}, *inputs)).sum()

        expected = differentiate(loss, parameters[name])
        assert (dw.shape, dw.dtype) == (expected.shape, np.float64)
        np.testing.assert_allclose(dw, expected, rtol=1e-6, atol=1e-7)


def check_float32(layer, shapes):
    """Check that float32 inputs give float32 gradients."""
    inputs, parameters = draw(layer, shapes)
    inputs = [x.astype(np.float32) for x in inputs]
    parameters = {name: array.astype(np.float32) for name, array in parameters.items()}
    dy = np.ones_like(layer.forward(parameters, *inputs))
    for dx in gradients_of(layer, parameters, dy, *inputs):
        assert dx.dtype == np.float32


def check_parameter_float32(layer, shapes):
    """Check that float32 parameters have float32 gradients."""
    inputs, parameters = draw(layer, shapes)
    inputs = [x.astype(np.float32) for x in inputs]
    parameters = {name: array.astype(np.float32) for name, array in parameters.items()}
    dy = np.ones_like(layer.forward(parameters, *inputs))
    for dw in parameter_gradients(layer, parameters, dy, *inputs).values():
        assert dw.dtype == np.float32
