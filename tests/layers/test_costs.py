import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from layer_cases import CASES

from xception import layers
from xception.layers.costs import count

#: Python objects, index arrays, and buffers of NumPy's iterators.
OVERHEAD_BYTES = 200_000


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
