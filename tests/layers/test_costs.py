import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

import xception.layers as L
from xception.layers.costs import count

MAP = (90, 80, 16)
#: Python objects, index arrays, and buffers of NumPy's iterators.
OVERHEAD_BYTES = 200_000

CASES = [
    (L.Input(MAP), MAP), (L.Identity(), MAP), (L.Dropout(0.5), MAP), (L.TrainingOnly("GaussianNoise"), MAP),
    *((L.Activation(name), MAP) for name in L.ACTIVATIONS),
    (L.ReLU(6.0, 0.1, 0.5), MAP), (L.LeakyReLU(), MAP), (L.PReLU(), MAP), (L.ELU(), MAP), (L.ThresholdedReLU(), MAP),
    (L.Softmax(), MAP), (L.Softmax((1, 2)), MAP),
    (L.Conv2D(8, 3), MAP), (L.Conv2D(8, 3, padding="same", activation="gelu"), MAP), (L.Conv2D(64, 1), MAP),
    (L.Conv2D(8, 3, 2, "same"), MAP), (L.Conv2D(4, 3, padding="same", dilation_rate=9), MAP),
    (L.Conv2D(8, 3, padding="same", groups=4), MAP), (L.Conv2D(32, 3, groups=16), MAP),
    (L.Conv2D(2, (60, 50), padding="same"), (40, 30, 3)), (L.Conv2D(1, 7, 7), MAP),
    (L.SeparableConv2D(8, 3), MAP), (L.SeparableConv2D(8, 5, padding="same", depth_multiplier=3), MAP),
    (L.SeparableConv2D(64, 3, 2, "same", activation="relu"), MAP),
    (L.DepthwiseConv2D(3), MAP), (L.DepthwiseConv2D(3, 2, "same", 4), MAP),
    (L.DepthwiseConv2D(40, padding="same"), MAP),
    (L.Conv2DTranspose(8, 3, 2, "same"), MAP), (L.Conv2DTranspose(3, (9, 2), (2, 7)), MAP),
    (L.Conv2DTranspose(3, 300, 1, "same"), (30, 20, 2)),
    (L.MaxPooling2D(3, 2, "same"), MAP), (L.MaxPooling2D(40, 1, "same"), MAP), (L.MaxPooling2D(2), MAP),
    (L.AveragePooling2D(3, 1, "same"), MAP), (L.AveragePooling2D(40, 1, "same"), MAP), (L.AveragePooling2D(2), MAP),
    (L.GlobalAveragePooling2D(), MAP), (L.GlobalMaxPooling2D(keepdims=True), MAP),
    (L.Dense(32, "softmax"), MAP), (L.Dense(1000), (2000,)),
    (L.Arithmetic("add"), (MAP, MAP)), (L.Arithmetic("power", 2.0), MAP), (L.Arithmetic("floor_divide", 2.0), MAP),
    (L.Arithmetic("exp"), MAP),
    *((merge(), (MAP, MAP, MAP)) for merge in (L.Add, L.Average, L.Multiply, L.Maximum, L.Minimum)),
    (L.Subtract(), (MAP, (1, 1, 16))), (L.Add(), ((90, 1, 16), (1, 80, 16))), (L.Concatenate(), (MAP, MAP)),
    (L.Dot(3, normalize=True), ((20, 20, 16), (20, 20, 16))), (L.Dot(1), ((50,), (50,))),
    (L.BatchNormalization(), MAP), (L.LayerNormalization(), MAP), (L.GroupNormalization(4), MAP),
    (L.UnitNormalization(), MAP), (L.Normalization(), MAP), (L.Rescaling(2.0, 1.0), MAP),
    (L.Flatten(), MAP), (L.Reshape((-1, 16)), MAP), (L.Permute((3, 1, 2)), MAP), (L.RepeatVector(50), (500,)),
    (L.ZeroPadding2D(30), MAP), (L.Cropping2D(20), MAP), (L.CenterCrop(60, 60), MAP), (L.CenterCrop(300, 100), MAP),
    *((L.UpSampling2D((3, 2), i), MAP) for i in ("nearest", "bilinear", "bicubic", "lanczos5", "area")),
    *((L.Resizing(20, 10, i, antialias=True), MAP) for i in ("nearest", "bilinear", "lanczos3", "area")),
    (L.Resizing(4000, 1, pad_to_aspect_ratio=True), MAP), (L.Resizing(50, 90, crop_to_aspect_ratio=True), MAP),
    (L.Resizing(1, 4000), MAP), (L.Resizing(4000, 1), MAP),
]  # fmt: skip


def classes(base: type = L.Layer) -> Iterator[type]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from classes(subclass)


def test_every_layer_states_its_cost() -> None:
    concrete = {cls for cls in classes() if cls.forward is not L.Layer.forward and not cls.__subclasses__()}
    assert concrete <= {type(layer) for layer, _ in CASES}
    assert all(cls.cost is not L.Layer.cost for cls in concrete)


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=lambda value: str(value)[:70])
def test_a_layer_takes_no_more_memory_than_it_states(layer: L.Layer, shapes: tuple[object, ...]) -> None:
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
    assert product < L.Conv2D(256, 3, padding="same").cost((100, 100, 256)).operations < 1.1 * product
    assert 2e9 < L.Dense(100_000).cost((10_000,)).operations < 2.1e9


def test_shared_weights_of_a_large_window_count() -> None:
    """A kernel of zeros takes no room in a file, but its windows do in memory."""
    cost = L.Conv2D(1, 640, padding="same").cost((299, 299, 3))
    assert cost.elements > count((299, 299, 640, 640, 3))
