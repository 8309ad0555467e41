import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from xception import layers
from xception.layers.core import BINARY, UNARY
from xception.layers.costs import count
from xception.layers.operations.reductions import REDUCTIONS

MAP = (90, 80, 16)
SEQUENCE = (3000, 32)
MERGES = layers.Add, layers.Average, layers.Multiply, layers.Maximum, layers.Minimum
#: Python objects, index arrays, and buffers of NumPy's iterators.
OVERHEAD_BYTES = 200_000

CASES = [
    (layers.Input(MAP), MAP), (layers.Identity(), MAP), (layers.Dropout(0.5), MAP),
    (layers.TrainingOnly("GaussianNoise"), MAP),
    *((layers.Activation(name), MAP) for name in layers.ACTIVATIONS),
    (layers.ReLU(6.0, 0.1, 0.5), MAP), (layers.LeakyReLU(), MAP), (layers.PReLU(), MAP), (layers.ELU(), MAP),
    (layers.ThresholdedReLU(), MAP), (layers.Cube(), MAP), (layers.RationalTanh(), MAP),
    (layers.LocalResponseNormalization(), MAP), (layers.GlobalPNormPooling2D(3), MAP),
    *((layers.PaddedPooling2D(3, 2, 1, mode), MAP) for mode in ("max", "avg", "sum", "pnorm")),
    (layers.Softmax(), MAP), (layers.Softmax((1, 2)), MAP),
    (layers.Conv2D(8, 3), MAP), (layers.Conv2D(8, 3, padding="same", activation="gelu"), MAP),
    (layers.Conv2D(64, 1), MAP),
    (layers.Conv2D(8, 3, 2, "same"), MAP), (layers.Conv2D(4, 3, padding="same", dilation_rate=9), MAP),
    (layers.Conv2D(8, 3, padding="same", groups=4), MAP), (layers.Conv2D(32, 3, groups=16), MAP),
    (layers.Conv2D(2, (60, 50), padding="same"), (40, 30, 3)), (layers.Conv2D(1, 7, 7), MAP),
    (layers.SeparableConv2D(8, 3), MAP),
    (layers.SeparableConv2D(8, 5, padding="same", depth_multiplier=3), MAP),
    (layers.SeparableConv2D(64, 3, 2, "same", activation="relu"), MAP),
    (layers.DepthwiseConv2D(3), MAP), (layers.DepthwiseConv2D(3, 2, "same", 4), MAP),
    (layers.DepthwiseConv2D(40, padding="same"), MAP),
    (layers.Conv2DTranspose(8, 3, 2, "same"), MAP), (layers.Conv2DTranspose(3, (9, 2), (2, 7)), MAP),
    (layers.Conv2DTranspose(3, 300, 1, "same"), (30, 20, 2)),
    (layers.MaxPooling2D(3, 2, "same"), MAP), (layers.MaxPooling2D(40, 1, "same"), MAP),
    (layers.MaxPooling2D(2), MAP),
    (layers.AveragePooling2D(3, 1, "same"), MAP), (layers.AveragePooling2D(40, 1, "same"), MAP),
    (layers.AveragePooling2D(2), MAP), (layers.AveragePooling2D(3, 1, "same"), (500, 600, 1)),
    (layers.GlobalAveragePooling2D(), MAP), (layers.GlobalMaxPooling2D(keepdims=True), MAP),
    (layers.Dense(32, "softmax"), MAP), (layers.Dense(1000), (2000,)),
    (layers.Arithmetic("add"), (MAP, MAP)), (layers.Arithmetic("power", 2.0), MAP),
    (layers.Arithmetic("floor_divide", 2.0), MAP),
    (layers.Arithmetic("exp"), MAP),
    *((merge(), (MAP, MAP, MAP)) for merge in MERGES),
    (layers.Subtract(), (MAP, (1, 1, 16))), (layers.Add(), ((90, 1, 16), (1, 80, 16))),
    (layers.Concatenate(), (MAP, MAP)),
    (layers.Dot(3, normalize=True), ((20, 20, 16), (20, 20, 16))), (layers.Dot(1), ((50,), (50,))),
    (layers.BatchNormalization(), MAP), (layers.LayerNormalization(), MAP),
    (layers.GroupNormalization(4), MAP),
    (layers.UnitNormalization(), MAP), (layers.Normalization(), MAP), (layers.Rescaling(2.0, 1.0), MAP),
    (layers.SimpleRNN(16), (300, 40)), (layers.LSTM(64, return_sequences=True), (300, 40)),
    (layers.LSTM(200, "mish", "softplus"), (20, 500)), (layers.LSTM(1, return_sequences=True), (20_000, 1)),
    (layers.GRU(64, "softmax", go_backwards=True), (300, 40)), (layers.GRU(64, reset_after=False), (300, 40)),
    (layers.GRU(64, return_sequences=True), ((300, 40), (300,))),
    (layers.RNN((layers.LSTMCell(30), layers.GRUCell(70))), (300, 40)),
    (layers.Bidirectional(layers.LSTM(64, return_sequences=True), "mul"), (300, 40)),
    (layers.Bidirectional(layers.GRU(64)), (300, 40)),
    (layers.LayerNormalization(axis=(1, 2)), MAP), (layers.LayerNormalization(axis=1, rms_scaling=True), MAP),
    (layers.RMSNormalization(), MAP), (layers.RMSNormalization(axis=(1, 3)), MAP),
    (layers.GlobalAveragePooling1D(), SEQUENCE), (layers.GlobalMaxPooling1D(), SEQUENCE),
    (layers.GlobalAveragePooling3D(), (9, 30, 40, 6)), (layers.GlobalMaxPooling3D(), (9, 30, 40, 6)),
    (layers.Conv1D(32, 5, padding="causal", dilation_rate=20), SEQUENCE), (layers.Conv1D(8, 5, 2), SEQUENCE),
    (layers.SeparableConv1D(32, 5, padding="causal"), SEQUENCE),
    (layers.DepthwiseConv1D(5, padding="same"), SEQUENCE),
    (layers.Conv1DTranspose(8, 5, 3), SEQUENCE), (layers.UpSampling1D(3), SEQUENCE),
    (layers.MaxPooling1D(3, padding="same"), SEQUENCE), (layers.AveragePooling1D(9, 1), SEQUENCE),
    (layers.ZeroPadding1D(500), SEQUENCE), (layers.Cropping1D(500), SEQUENCE),
    (layers.MultiHeadAttention(4, 16), (SEQUENCE, (700, 8))),
    (layers.MultiHeadAttention(2, 300), ((90, 9), (9, 90))),
    (layers.MultiHeadAttention(2, 8, 40, output_shape_setting=(30, 50)), ((500, 8), (500, 8))),
    (layers.MultiHeadAttention(2, 8, use_causal_mask=True), ((500, 8), (600, 8))),
    (layers.MultiHeadAttention(2, 8), ((20, 30, 8), (10, 30, 8))),
    (layers.GroupedQueryAttention(16, 8, 2, use_causal_mask=True), ((600, 32), (500, 32))),
    (layers.Attention(), ((500, 64), (900, 64))),
    (layers.Attention(use_causal_mask=True), ((700, 8), (800, 8))),
    (layers.Attention(use_scale=True, score_mode="concat"), ((100, 16), (120, 16))),
    (layers.AdditiveAttention(), ((100, 16), (120, 16))),
    (layers.AdditiveAttention(use_scale=False), ((100, 16), (120, 16))),
    (layers.EinsumDense("abc,cd->abd", (None, 300), "gelu", "d"), SEQUENCE),
    (layers.EinsumDense("abc,bcd->ad", 3), (200, 300)),
    (layers.EinsumDense("abc,bd->abdc", (None, 20, None)), (300, 40)),
    (layers.LayerScale(0.1, 16), MAP), (layers.StochasticDepth(0.1), MAP),
    (layers.CustomScaleLayer(0.1), (MAP, MAP)),
    (layers.Flatten(), MAP), (layers.Reshape((-1, 16)), MAP), (layers.Permute((3, 1, 2)), MAP),
    (layers.RepeatVector(50), (500,)),
    (layers.ZeroPadding2D(30), MAP), (layers.Cropping2D(20), MAP), (layers.CenterCrop(60, 60), MAP),
    (layers.CenterCrop(300, 100), MAP),
    *((layers.UpSampling2D((3, 2), i), MAP) for i in ("nearest", "bilinear", "bicubic", "lanczos5", "area")),
    *((layers.Resizing(20, 10, i, antialias=True), MAP) for i in ("nearest", "bilinear", "lanczos3", "area")),
    (layers.Resizing(400, 1, pad_to_aspect_ratio=True), MAP),
    (layers.Resizing(50, 90, crop_to_aspect_ratio=True), MAP),
    (layers.TimeDistributed(layers.Conv2D(8, 3)), (5, *MAP)),
    (layers.TimeDistributed(layers.Add()), ((3, *MAP), (3, *MAP))),
    (layers.Resizing(1, 4000), MAP), (layers.Resizing(4000, 1), MAP),
    *((layers.Arithmetic(name), MAP) for name in UNARY),
    *((layers.Arithmetic(name), (MAP, MAP)) for name in BINARY),
    *((layers.Reduction(name, axis), MAP) for name in REDUCTIONS for axis in (-1, 1)),
    (layers.Reduction("std", (1, 2), keepdims=True), MAP), (layers.Reduction("sum", -1), (200_000, 1)),
    (layers.Normalize(), MAP), (layers.Normalize(1, order=1), MAP),
    (layers.GetItem(("...", (None, None, -1))), MAP), (layers.GetItem(((None,) * 3, 3)), MAP),
    (layers.Split(2), MAP), (layers.Take((2, 1, 0)), MAP), (layers.Take((5,) * 3000, 1), MAP),
    (layers.ExpandDims(1), MAP), (layers.Squeeze(), (1, 90, 1)), (layers.Stack(), (MAP, MAP, MAP)),
    (layers.Roll(3, 1), MAP), (layers.Roll((1, 2, 3), (1, 2, 3)), MAP), (layers.Roll(1, -1), (200_000, 2)),
    (layers.Cumsum(1), MAP), (layers.Cumsum(-1), MAP), (layers.Cumsum(-1), (200_000, 2)),
    (layers.Tile((2, 3, 4)), MAP), (layers.Repeat(5), MAP), (layers.Repeat(5, 1), MAP),
    (layers.Pad(((0, 0), (20, 30), (0, 9), (0, 4)), constant=1.0), MAP),
    (layers.Pad(((0, 0), (20, 30), (0, 9), (0, 4)), "reflect"), MAP),
    (layers.Matmul(), ((90, 80, 16), (90, 16, 20))), (layers.Matmul(((1.0,) * 1000,)), (3000, 1)),
    (layers.Matmul(), ((300, 1, 30, 1), (1, 300, 1, 30))),
    *((layers.Reduction(name, 1), (2, 1_000_000)) for name in ("argmax", "argmin")),
    (layers.LSTM(1, return_sequences=True), (2, 300_000)),
    (layers.Matmul(transpose_b=True), (MAP, MAP)),
    (layers.Matmul(((1.0,), (2.0,)) * 8), MAP),
    (layers.Matmul(((1.0,) * 90,) * 2, constant_first=True), (90, 4000)),
    (layers.Einsum("bhwc,bhwd->bcd"), (MAP, MAP)), (layers.Einsum("bhwc->bcw"), MAP),
    (layers.Einsum("bhc,bwc->bhcw"), ((90, 16), (80, 16))),
    (layers.Einsum("bic,bjd->bij"), (MAP[1:], MAP[1:])),
    (layers.Where(), (MAP, MAP, MAP)),
    (layers.Where(1.0, 2.0), MAP),
    (layers.Cast(), MAP), (layers.Cast("bool"), MAP),
    (layers.Cast("uint8"), MAP), (layers.Cast("int64"), MAP),
]  # fmt: skip


def classes(base: type = layers.Layer) -> Iterator[type]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from classes(subclass)


def test_every_layer_states_its_cost() -> None:
    concrete = {
        cls for cls in classes() if cls.forward is not layers.Layer.forward and not cls.__subclasses__()
    }
    assert concrete <= {type(layer) for layer, _ in CASES}
    assert all(cls.cost is not layers.Layer.cost for cls in concrete)


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=lambda value: str(value)[:70])
def test_a_layer_takes_no_more_memory_than_it_states(layer: layers.Layer, shapes: tuple[object, ...]) -> None:
    shapes = shapes if isinstance(shapes[0], tuple) else (shapes,)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(1, *shape)).astype(np.float32) for shape in shapes]
    parameters = {name: parameter.initial_value(rng) for name, parameter in layer.parameters(*shapes).items()}
    cost = layer.cost(*shapes)
    layer.forward(parameters, *inputs)  # imports what it needs
    tracemalloc.start()
    try:
        y = layer.forward(parameters, *inputs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 4 * cost.elements + OVERHEAD_BYTES
    assert cost.elements <= 8 * (
        peak / 4 + math.prod(y.shape) + sum(x.size for x in inputs)
    )  # not out of all proportion


def test_the_work_of_products_is_counted_in_floating_point_operations() -> None:
    """Two for each multiplication and addition; what surrounds a large product adds little."""
    product = 2 * 100 * 100 * 9 * 256 * 256
    assert product < layers.Conv2D(256, 3, padding="same").cost((100, 100, 256)).operations < 2 * product
    assert 2e9 < layers.Dense(100_000).cost((10_000,)).operations < 2.1e9


def test_shared_weights_of_a_large_window_count() -> None:
    """A kernel of zeros takes no room in a file, but its windows do in memory."""
    cost = layers.Conv2D(1, 640, padding="same").cost((299, 299, 3))
    assert cost.elements > count((299, 299, 640, 640, 3))
