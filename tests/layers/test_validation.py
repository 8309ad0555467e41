"""What layers say of themselves, and what they refuse: settings may come from a stranger's file."""

import contextlib
import dataclasses
import inspect
import itertools
import json

import numpy as np
import pytest

from xception import layers


def test_what_stands_inside_another_network_hands_on():
    layer = layers.Input((None, None, 3), 71)
    assert [layer.accepts(count) for count in range(3)] == [True, True, False]
    assert layer.output_shape() == (None, None, 3)
    assert layer.output_shape((96, None, 3)) == (96, None, 3)
    for shape in ((96, 96, 4), (96, 3), (70, 96, 3)):
        with pytest.raises(ValueError, match=r"takes inputs of shape|at least 71 each way"):
            layer.output_shape(shape)
    x = np.zeros((1, 80, 80, 3))
    assert layer.forward({}, x) is x
    assert layers.Input((None,)).output_shape((7,)) == (7,)


def test_what_does_nothing_at_inference_says_so():
    x = np.ones((2, 3))
    for name in layers.TRAINING_ONLY:
        layer = layers.TrainingOnly(name, '{"factor": 0.2}')
        assert (layer.kind, layer.identity) == (name, True)
        assert layer.forward({}, x) is x
    assert layers.Dropout().identity
    assert layers.Identity().identity
    assert not layers.ReLU().identity


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be at least 1, got 0"),
        (lambda: layers.Conv2D(8, 0), "kernel_size must be one or two whole numbers"),
        (lambda: layers.Conv2D(8, 3, padding="full"), "padding must be 'same' or 'valid', got 'full'"),
        (lambda: layers.MaxPooling2D(3, strides=0), "strides must be"),
        (lambda: layers.Activation("crelu"), "unknown activation 'crelu'; known are linear, relu"),
        (lambda: layers.Dense(-1), "units must be at least 1, got -1"),
        (lambda: layers.Input((0, 4, 3)), "at least 1 each way"),
        (lambda: layers.Dense("x"), "units must be a whole number from 1, got 'x'"),
        (lambda: layers.Dense(True), "units must be a whole number from 1, got True"),
        (lambda: layers.Dense(2**31), "units must be at most 2147483647"),
        (lambda: layers.Dense(2, use_bias=1), "use_bias must be true or false, got 1"),
        (lambda: layers.Dense(2, layers.PReLU()), "a layer PReLU cannot be another's activation"),
        (lambda: layers.Conv2D(6, 3, groups=4), "6 filters cannot be shared out among 4 groups"),
        (lambda: layers.Conv2D(8, 3, data_format="channels_first"), "channels_first models are not read: "),
        (
            lambda: layers.Conv2DTranspose(8, 3, 2, output_padding=2),
            "output_padding must be less than strides",
        ),
        (lambda: layers.Conv2DTranspose(8, 3, dilation_rate=2), "dilation_rate must be 1"),
        (lambda: layers.BatchNormalization(axis=[1, 2]), "axis must be one axis, the channels'"),
        (lambda: layers.BatchNormalization(axis=1).parameters((3, 4, 5)), "here channels come last"),
        (lambda: layers.BatchNormalization(axis=0).parameters((3, 4, 5)), "there is no axis 0"),
        (lambda: layers.BatchNormalization(epsilon=float("nan")), "epsilon must be a finite number, got nan"),
        (lambda: layers.Normalization(mean=1), "mean and variance must be given together"),
        (lambda: layers.Rescaling([[1, 2], [3]]), "scale must be nested evenly"),
        (
            lambda: layers.Rescaling([1, 2]).output_shape((4, 4, 3)),
            r"its scale, of shape \(2,\), does not fit",
        ),
        (lambda: layers.Resizing(4, 4, "hamming"), "interpolation must be 'nearest' or 'area'"),
        (lambda: layers.Cropping2D(2).output_shape((4, 9, 1)), "nothing is left of an input"),
        (
            lambda: layers.ZeroPadding2D([1, 2, 3]),
            "padding must be a whole number from 0, or two, or two pairs",
        ),
        (lambda: layers.Reshape([-1, -1]), "at most one -1"),
        (lambda: layers.Reshape([7]).output_shape((4, 2)), r"of shape \(4, 2\) does not fit into \(7,\)"),
        (lambda: layers.Permute([1, 1]), "dims must be the numbers from 1 on, each once"),
        (lambda: layers.Multiply().output_shape((3, 4), (2, 4)), "multiplies inputs of one shape"),
        (lambda: layers.Concatenate().output_shape((3, 4), (2, 4)), "that differ along axis -1 only"),
        (lambda: layers.Concatenate(0).output_shape((3, 4), (3, 4)), "there is no axis 0"),
        (lambda: layers.PReLU().parameters((None, 4)), "whose size is open"),
        (lambda: layers.TrainingOnly("Dense"), "kind_name must be 'ActivityRegularization' or"),
        (lambda: layers.Arithmetic("exp", 2), "exp takes no constant"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


#: Anything that JSON holds, and a little that NumPy does.
ODD = [
    None, True, False, 0, 1, -1, 2, 3, 2**31, -(2**31), 10**400, 0.0, 0.5, -1.5, 1e300, float("nan"),
    float("inf"), "", "x", "same", "relu", "divide", "bicubic", "channels_first", "RandomFlip", "{",
    [], [1], [1, 2], [2, 1, 3], [-1], [0, 0], [1.5], [None], [None, None, 3], ["a", "b"], [True, True],
    [[1, 2], [3, 4]], [[1], [2, 3]], [[[]]], json.loads("[" * 500 + "]" * 500), {}, {"a": 1}, b"x",
    np.int64(3), np.float32(0.5), np.array(2.0), np.array([1, 2]), layers.ReLU(),
]  # fmt: skip
SHAPES = [(), (None,), (6,), (4, 6), (None, None, 6), (4, 6, None), (8, 6, 6), (1, 1, 1), (2, 3, 4, 5)]
REQUIRED = {
    "filters": 6, "kernel_size": 3, "units": 4, "activation": "relu", "target_shape": [-1], "dims": [1],
    "n": 2, "axes": 1, "scale": 0.5, "height": 4, "width": 5, "kind_name": "RandomFlip",
    "operation": "add", "shape": [None, None, 3],
}  # fmt: skip
CLASSES = [
    found
    for found in vars(layers).values()
    if inspect.isclass(found) and issubclass(found, layers.Layer) and found is not layers.Layer
]


def attempt(kind, settings):
    """Build a layer and ask it about shapes. Only ValueError may come of it."""
    try:
        layer = kind(**settings)
    except ValueError:
        return
    hash(layer)
    assert dataclasses.replace(layer) == layer  # what is stored is accepted again
    if not isinstance(getattr(layer, "activation", None), layers.Layer):
        assert kind(**json.loads(json.dumps(dataclasses.asdict(layer)))) == layer
    for shape in SHAPES:
        shapes = (shape,) * next(count for count in (1, 2) if layer.accepts(count))
        for question in (layer.output_shape, layer.parameters):
            with contextlib.suppress(ValueError):
                question(*shapes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_setting_does_worse_than_a_value_error(kind):
    known = dataclasses.fields(kind)
    usual = {field.name: REQUIRED[field.name] for field in known if field.default is dataclasses.MISSING}
    attempt(kind, usual)
    assert kind(**usual).kind
    for field, value in itertools.product(known, ODD):
        attempt(kind, usual | {field.name: value})
