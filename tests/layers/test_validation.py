"""Invalid settings and shapes are refused with a ValueError, since they may come from an untrusted file."""

import contextlib
import dataclasses
import inspect
import itertools
import json

import numpy as np
import pytest

from xception import layers


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be at least 1, got 0"),
        (lambda: layers.Conv2D(8, 0), "kernel_size must be a positive integer or a pair of them, got 0"),
        (lambda: layers.Conv2D(8, 3, padding="full"), "padding must be 'same' or 'valid', got 'full'"),
        (lambda: layers.MaxPooling2D(3, strides=0), "strides must be"),
        (lambda: layers.Activation("crelu"), "unknown activation 'crelu'; known are linear, relu"),
        (lambda: layers.Dense(-1), "units must be at least 1, got -1"),
        (lambda: layers.Input((0, 4, 3)), "at least 1 each way"),
        (lambda: layers.Dense("x"), "units must be a positive integer, got 'x'"),
        (lambda: layers.Dense(True), "units must be a positive integer, got True"),
        (lambda: layers.Dense(2**31), "units must be at most 2147483647"),
        (lambda: layers.Dense(2, use_bias=1), "use_bias must be True or False, got 1"),
        (lambda: layers.Dense(2, layers.PReLU()), "a PReLU layer cannot be the activation of another layer"),
        (lambda: layers.Conv2D(6, 3, groups=4), "6 filters cannot be divided into 4 groups"),
        (
            lambda: layers.Conv2D(8, 3, data_format="channels_first"),
            "data_format 'channels_first' is not supported: ",
        ),
        (
            lambda: layers.Conv2DTranspose(8, 3, 2, output_padding=2),
            "output_padding must be less than strides",
        ),
        (lambda: layers.Conv2DTranspose(8, 3, dilation_rate=2), "dilation_rate must be 1"),
        (lambda: layers.BatchNormalization(axis=[1, 2]), "axis must be a single axis, the channels, got"),
        (
            lambda: layers.BatchNormalization(axis=1).parameters((3, 4, 5)),
            "normalizes along the last axis, the channels, got axis 1",
        ),
        (lambda: layers.BatchNormalization(axis=0).parameters((3, 4, 5)), "there is no axis 0"),
        (lambda: layers.BatchNormalization(epsilon=float("nan")), "epsilon must be a finite number, got nan"),
        (lambda: layers.Normalization(mean=1), "mean and variance must be given together"),
        (lambda: layers.Rescaling([[1, 2], [3]]), "scale must be nested evenly"),
        (
            lambda: layers.Rescaling([1, 2]).output_shape((4, 4, 3)),
            r"its scale, of shape \(2,\), does not fit",
        ),
        (lambda: layers.Resizing(4, 4, "hamming"), "interpolation must be 'nearest' or 'area'"),
        (lambda: layers.Cropping2D(2).output_shape((4, 9, 1)), "nothing remains of an input"),
        (
            lambda: layers.ZeroPadding2D([1, 2, 3]),
            "padding must be a non-negative integer, a pair of them, or",
        ),
        (lambda: layers.Reshape([-1, -1]), "at most one -1"),
        (lambda: layers.Reshape([7]).output_shape((4, 2)), r"of shape \(4, 2\) does not fit into \(7,\)"),
        (lambda: layers.Permute([1, 1]), "dims must be a permutation of the axes from 1 on"),
        (
            lambda: layers.Multiply().output_shape((3, 4), (2, 4)),
            r"inputs must have compatible shapes, got \(3, 4\) and \(2, 4\)",
        ),
        (
            lambda: layers.Concatenate().output_shape((3, 4), (2, 4)),
            "inputs must have the same sizes except along axis -1",
        ),
        (lambda: layers.Concatenate(0).output_shape((3, 4), (3, 4)), "there is no axis 0"),
        (
            lambda: layers.PReLU().parameters((None, 4)),
            "needs known sizes along the axes that share no slope",
        ),
        (lambda: layers.TrainingOnly("Dense"), "kind_name must be 'ActivityRegularization' or"),
        (lambda: layers.Arithmetic("exp", 2), "exp takes no constant"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


#: Values of every kind that JSON holds, and some of NumPy's.
ODD_VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 2**31, -(2**31), 10**400, 0.0, 0.5, -1.5, 1e300, float("nan"),
    float("inf"), "", "x", "same", "relu", "divide", "bicubic", "channels_first", "RandomFlip", "{",
    [], [1], [1, 2], [2, 1, 3], [-1], [0, 0], [1.5], [None], [None, None, 3], ["a", "b"], [True, True],
    [[1, 2], [3, 4]], [[1], [2, 3]], [[[]]], json.loads("[" * 500 + "]" * 500), {}, {"a": 1}, b"x",
    np.int64(3), np.float32(0.5), np.array(2.0), np.array([1, 2]), layers.ReLU(),
]  # fmt: skip
SHAPES = [(), (None,), (6,), (4, 6), (None, None, 6), (4, 6, None), (8, 6, 6), (1, 1, 1), (2, 3, 4, 5)]
REQUIRED = {
    "pool_size": 2, "strides": 2,
    "filters": 6, "kernel_size": 3, "units": 4, "activation": "relu", "target_shape": [-1], "dims": [1],
    "n": 2, "axes": 1, "scale": 0.5, "height": 4, "width": 5, "kind_name": "RandomFlip",
    "operation": "add", "shape": [None, None, 3], "num_heads": 2, "key_dim": 3, "head_dim": 3,
    "num_query_heads": 4, "num_key_value_heads": 2, "equation": "abc,cd->abd",
    "output_shape_setting": [None, 5], "init_values": 0.1, "projection_dim": 3, "drop_path_rate": 0.1,
    "axis": 1, "key": ["...", [None, None, -1]], "sections": 2,
    "indices": [2, 1, 0], "repeats": 2, "shift": 1,
    "pad_width": [[0, 0], [1, 2]], "subscripts": "bij,bjk->bik",
    "layer": layers.Dense(4), "cell": layers.GRUCell(4), "cells": [layers.GRUCell(4), layers.LSTMCell(3)],
}  # fmt: skip
CLASSES = [
    kind
    for kind in (getattr(layers, name) for name in layers.__all__)
    if inspect.isclass(kind) and issubclass(kind, layers.Layer) and kind is not layers.Layer
]


def holds_layers(value):
    return isinstance(value, layers.Layer) or (isinstance(value, tuple) and any(map(holds_layers, value)))


def attempt(kind, settings):
    """Create a layer and query shapes. Nothing but ValueError may be raised."""
    try:
        layer = kind(**settings)
    except ValueError:
        return
    hash(layer)
    assert dataclasses.replace(layer) == layer  # stored settings are valid settings
    if not any(map(holds_layers, vars(layer).values())):
        assert kind(**json.loads(json.dumps(dataclasses.asdict(layer)))) == layer
    for shape in SHAPES:
        shapes = (shape,) * next((count for count in (1, 2, 3) if layer.accepts(count)), 1)
        for query in (layer.output_shape, layer.parameters):
            with contextlib.suppress(ValueError):
                query(*shapes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_odd_settings_raise_nothing_but_value_errors(kind):
    fields = dataclasses.fields(kind)
    required = {field.name: REQUIRED[field.name] for field in fields if field.default is dataclasses.MISSING}
    required |= {"operation": "mean"} if kind is layers.Reduction else {}
    required |= {"layer": layers.GRU(4)} if kind is layers.Bidirectional else {}
    attempt(kind, required)
    assert kind(**required).kind
    for field, value in itertools.product(fields, ODD_VALUES):
        attempt(kind, required | {field.name: value})
