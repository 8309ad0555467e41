"""Layers of Deeplearning4j as layers of this library, with the order of their stored parameters.

The order and the shapes are the same in all versions and layouts. They are not those of `variables` in the
configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from ...kernels import Array, Padding
from ...layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Identity,
    Layer,
    LayerNormalization,
    LocalResponseNormalization,
    PReLU,
    SeparableConv2D,
    Shape,
    UpSampling2D,
    ZeroPadding2D,
)
from .activations import activation_steps, read_activation
from .chains import Chain, Context, Slot, chain, constant, transposed
from .pooling_kinds import global_pooling, subsampling
from .records import Record

Reading = Callable[[Record, Shape, Context], Chain]
FROM_OIHW = transposed(2, 3, 1, 0)  #: (out, in, h, w) -> (h, w, in, out)


def _expect_maps(record: Record, shape: Shape, channels: int | None = None) -> None:
    if len(shape) != 3:
        raise record.refuse(f"takes maps, got an input of shape {shape}")
    _expect_channels(record, shape, channels)


def _expect_channels(record: Record, shape: Shape, channels: int | None) -> None:
    if channels is not None and shape[-1] is not None and shape[-1] != channels:
        raise record.refuse(f"takes {channels} channels, got an input of shape {shape}")


def _geometry(record: Record) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return (kernel size, strides, dilation)."""
    return (
        record.pair("kernelSize", minimum=1),
        record.pair("stride", 1, minimum=1),
        record.pair("dilation", 1, minimum=1),
    )


def explicit_padding(record: Record) -> tuple[int, int] | None:
    """Return the padding on both sides, (vertical, horizontal); None if it is TensorFlow's "same"."""
    mode = record.text("convolutionMode", "Truncate")
    if mode == "Same":
        return None
    if mode not in ("Truncate", "Strict"):
        raise record.refuse(f"convolutionMode {mode} is not supported")
    return record.pair("padding", 0)


def _pad(record: Record) -> tuple[list[Layer], Padding]:
    """Return the layers before a convolution, and its padding."""
    padding = explicit_padding(record)
    if padding is None:
        return [], "same"
    kernel, strides, dilation = _geometry(record)
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    if strides == (1, 1) and all(2 * p == extent - 1 for p, extent in zip(padding, extents, strict=True)):
        return [], "same"
    return ([ZeroPadding2D(padding)] if any(padding) else []), "valid"


def _convolution(record: Record, shape: Shape, context: Context) -> Chain:
    inputs, outputs = record.integer("nin", minimum=1), record.integer("nout", minimum=1)
    _expect_maps(record, shape, inputs)
    kernel, strides, dilation = _geometry(record)
    before, padding = _pad(record)
    activation, after = read_activation(record.child("activationFn"), context, 3)
    has_bias = record.boolean("hasBias", True)
    layer = Conv2D(outputs, kernel, strides, padding, activation, has_bias, dilation)
    step = len(before)
    weights = Slot(step, "kernel", (outputs, inputs, *kernel), FROM_OIHW)
    return chain(*before, layer, *after, slots=(*_bias(step, outputs, has_bias), weights))


def _bias(step: int, units: int, has_bias: bool) -> tuple[Slot, ...]:
    return (Slot(step, "bias", (units,)),) if has_bias else ()


def _separable(record: Record, shape: Shape, context: Context) -> Chain:
    inputs, outputs = record.integer("nin", minimum=1), record.integer("nout", minimum=1)
    _expect_maps(record, shape, inputs)
    kernel, strides, dilation = _geometry(record)
    multiplier = record.integer("depthMultiplier", 1, minimum=1)
    before, padding = _pad(record)
    activation, after = read_activation(record.child("activationFn"), context, 3)
    has_bias = record.boolean("hasBias", True)
    layer = SeparableConv2D(
        outputs, kernel, strides, padding, multiplier, activation, has_bias, dilation_rate=dilation
    )
    step = len(before)
    slots = (
        *_bias(step, outputs, has_bias),
        Slot(step, "depthwise_kernel", (multiplier, inputs, *kernel), FROM_OIHW),
        Slot(step, "pointwise_kernel", (outputs, inputs * multiplier, 1, 1), FROM_OIHW),
    )
    return chain(*before, layer, *after, slots=slots)


def _depthwise(record: Record, shape: Shape, context: Context) -> Chain:
    inputs = record.integer("nin", minimum=1)
    _expect_maps(record, shape, inputs)
    kernel, strides, dilation = _geometry(record)
    multiplier = record.integer("depthMultiplier", 1, minimum=1)
    before, padding = _pad(record)
    activation, after = read_activation(record.child("activationFn"), context, 3)
    has_bias = record.boolean("hasBias", True)
    layer = DepthwiseConv2D(
        kernel, strides, padding, multiplier, activation, has_bias, dilation_rate=dilation
    )
    step = len(before)
    weights = Slot(step, "kernel", (*kernel, inputs, multiplier))
    slots = (*_bias(step, inputs * multiplier, has_bias), weights)
    return chain(*before, layer, *after, slots=slots)


def _deconvolution(record: Record, shape: Shape, context: Context) -> Chain:
    inputs, outputs = record.integer("nin", minimum=1), record.integer("nout", minimum=1)
    _expect_maps(record, shape, inputs)
    kernel, strides, dilation = _geometry(record)
    if dilation != (1, 1):
        raise record.refuse(f"a dilation of {dilation} is not supported")
    padding = explicit_padding(record)
    activation, after = read_activation(record.child("activationFn"), context, 3)
    has_bias = record.boolean("hasBias", True)
    slots = (
        *_bias(0, outputs, has_bias),
        Slot(0, "kernel", (inputs, outputs, *kernel), transposed(2, 3, 1, 0)),
    )
    mode: Padding = "same" if padding is None else "valid"
    layer = Conv2DTranspose(outputs, kernel, strides, mode, activation=activation, use_bias=has_bias)
    if padding is None:
        return chain(layer, *after, slots=slots)
    # Keras does not let a window smaller than the stride shrink the map, Deeplearning4j does.
    surplus = [max(stride - size, 0) for size, stride in zip(kernel, strides, strict=True)]
    borders = tuple((p, p + extra) for p, extra in zip(padding, surplus, strict=True))
    cropping = [Cropping2D(borders)] if any(map(any, borders)) else []  # type: ignore[arg-type]
    return chain(layer, *cropping, *after, slots=slots)


def _batch_normalization(record: Record, shape: Shape, context: Context) -> Chain:
    channels = record.integer("nout", minimum=1)
    _expect_channels(record, shape, channels)
    # Up to beta, it adds no epsilon to images when it answers.
    epsilon = record.number("eps", 1e-5)
    if context.mode == "JAVACPP" and len(shape) == 3:
        epsilon = 0.0
    momentum = record.number("decay", 0.9)
    layer = BatchNormalization(epsilon=epsilon, momentum=min(max(momentum, 0.0), 1.0))
    per_channel = (channels,)
    if record.boolean("lockGammaBeta", False):
        scales = (
            constant(0, "gamma", per_channel, record.number("gamma", 1.0)),
            constant(0, "beta", per_channel, record.number("beta", 0.0)),
        )
    else:
        scales = Slot(0, "gamma", per_channel), Slot(0, "beta", per_channel)
    is_logarithm = record.boolean("useLogStd", False)  # of the deviation, to base 10
    variance = Slot(0, "moving_variance", per_channel, _square_of_power if is_logarithm else _unchanged)
    # Its activation, which is often sigmoid, is never applied.
    return chain(layer, slots=(*scales, Slot(0, "moving_mean", per_channel), variance))


def _square_of_power(array: Array) -> Array:
    return 10 ** (2 * array)


def _unchanged(array: Array) -> Array:
    return array


def _dense(record: Record, shape: Shape, context: Context) -> Chain:
    inputs, outputs = record.integer("nin", minimum=1), record.integer("nout", minimum=1)
    if len(shape) != 1:
        raise record.refuse(f"takes vectors, got an input of shape {shape}")
    _expect_channels(record, shape, inputs)
    activation, after = read_activation(record.child("activationFn"), context, 1)
    has_bias = record.boolean("hasBias", True)
    kernel = Slot(0, "kernel", (outputs, inputs), transposed(1, 0))  # stored by columns
    if not record.boolean("hasLayerNorm", False):
        slots = (kernel, *_bias(0, outputs, has_bias))
        return chain(Dense(outputs, activation, has_bias), *after, slots=slots)
    bias = (Slot(1, "beta", (outputs,)),) if has_bias else ()
    steps = (
        Dense(outputs, "linear", use_bias=False),
        LayerNormalization(epsilon=0.0, center=has_bias),
        *activation_steps(record.child("activationFn"), context, 1),
    )
    return chain(*steps, slots=(kernel, *bias, Slot(1, "gamma", (outputs,))))


def _activation(record: Record, shape: Shape, context: Context) -> Chain:
    over_channels = record.kind == "CnnLossLayer"
    return chain(*activation_steps(record.child("activationFn"), context, len(shape), over_channels))


def _dropout(record: Record, shape: Shape, context: Context) -> Chain:
    """A dropout layer: p is the probability to keep a unit. Its activation is not applied."""
    dropout = record.child("idropout")
    if dropout is None or dropout.kind != "Dropout":
        return chain(Identity())
    keep = dropout.number("p", 1.0)
    return chain(Dropout(1 - keep if 0 < keep <= 1 else 0.0))


def _borders(record: Record, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) of a border [top, bottom, left, right]."""
    widths = record.integers(name, lengths=(2, 4))
    if len(widths) == 2:
        return (widths[0], widths[0]), (widths[1], widths[1])
    top, bottom, left, right = widths
    return (top, bottom), (left, right)


def _zero_padding(record: Record, shape: Shape, context: Context) -> Chain:
    _expect_maps(record, shape)
    return chain(ZeroPadding2D(_borders(record, "padding")))


def _cropping(record: Record, shape: Shape, context: Context) -> Chain:
    _expect_maps(record, shape)
    return chain(Cropping2D(_borders(record, "cropping")))


def _upsampling(record: Record, shape: Shape, context: Context) -> Chain:
    _expect_maps(record, shape)
    return chain(UpSampling2D(record.pair("size", minimum=1)))


def _local_response(record: Record, shape: Shape, context: Context) -> Chain:
    _expect_maps(record, shape)
    layer = LocalResponseNormalization(
        record.number("k", 2.0), record.integer("n", 5, minimum=1), record.number("alpha", 1e-4),
        record.number("beta", 0.75),
    )  # fmt: skip
    return chain(layer)


def _prelu(record: Record, shape: Shape, context: Context) -> Chain:
    stored = record.integers("inputShape", minimum=1, lengths=(1, 3))
    if len(stored) != len(shape):
        raise record.refuse(f"inputShape is {list(stored)}, got an input of shape {shape}")
    is_turned = context.layout == "NCHW" and len(stored) == 3
    sizes = (stored[1], stored[2], stored[0]) if is_turned else stored
    shared = tuple(axis for axis, size in enumerate(sizes, start=1) if size == 1)
    for axis, (size, actual) in enumerate(zip(sizes, shape, strict=True), start=1):
        if axis not in shared and actual is not None and size != actual:
            raise record.refuse(f"inputShape is {list(stored)}, got an input of shape {shape}")
    slot = Slot(0, "alpha", tuple(reversed(stored)), _from_columns(is_turned))
    expected = (sizes[0], sizes[1]) if len(sizes) == 3 and 1 not in sizes[:2] else None
    return Chain((PReLU(shared or None),), (slot,), expected)


def _from_columns(is_turned: bool) -> Callable[[Array], Array]:
    """Return what makes our array of one that is stored by columns, and maybe channels first."""
    return lambda array: array.T.transpose(1, 2, 0) if is_turned else array.T


#: What reads a layer, by the name of its class.
LAYERS: dict[str, Reading] = {
    "ConvolutionLayer": _convolution,
    "Convolution2D": _convolution,
    "SeparableConvolution2D": _separable,
    "DepthwiseConvolution2D": _depthwise,
    "Deconvolution2D": _deconvolution,
    "BatchNormalization": _batch_normalization,
    "SubsamplingLayer": subsampling,
    "GlobalPoolingLayer": global_pooling,
    "DenseLayer": _dense,
    "OutputLayer": _dense,
    "ActivationLayer": _activation,
    "LossLayer": _activation,
    "CnnLossLayer": _activation,
    "DropoutLayer": _dropout,
    "ZeroPaddingLayer": _zero_padding,
    "Cropping2D": _cropping,
    "Upsampling2D": _upsampling,
    "PReLULayer": _prelu,
    "LocalResponseNormalization": _local_response,
}
