"""What a prediction may take: counted exactly before it begins, and kept to."""

import re
import tracemalloc

import numpy as np
import pytest
from forward_passes import assert_agree, evaluate_exactly, odd_graph, trained

import xception
from xception import architecture
from xception.engine.fusion import fuse
from xception.engine.measuring import measure_schedule
from xception.engine.plan import Plan
from xception.graph import Graph
from xception.graph.budget import check_work, node_costs
from xception.layers import (
    Add,
    AveragePooling2D,
    Conv2D,
    Cropping2D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    UpSampling2D,
)


def decoder() -> Graph:
    """Maps in the middle of the network that are much larger than input and output, some computed plainly."""
    net = Graph("decoder")
    x = image = net.add(Input((64, 64, 3)))
    x = net.add(Conv2D(16, 3, padding="same"), x)
    x = skip = net.add(UpSampling2D(4, "bilinear"), x)
    x = net.add(Conv2D(16, 3, padding="same"), x)
    x = net.add(Add(), x, skip)
    x = net.add(AveragePooling2D(4), x)
    net.add(Add(), net.add(Conv2D(3, 1), x), image)
    return net


def branches() -> Graph:
    """Several large maps that are alive at once."""
    net = Graph("branches")
    x = net.add(Input((32, 32, 3)))
    maps = [net.add(UpSampling2D(10), x) for _ in range(5)]
    net.add(GlobalMaxPooling2D(), net.add(Add(), *maps))
    return net


def figure(error: xception.LimitError) -> int:
    return int(re.search(r"set_limits\(max_\w+=(\d+)\)", str(error))[1])


GRAPHS = {
    "decoder": (decoder, (64, 64, 3)),
    "branches": (branches, (32, 32, 3)),
    "odd": (odd_graph, (150, 140, 2)),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("everything", [False, True])
def test_the_figure_of_a_refusal_is_the_least_that_suffices(name: str, everything: bool) -> None:
    make, shape = GRAPHS[name]
    graph = make()
    parameters = trained(graph)
    outputs = tuple(graph.nodes) if everything else None
    x = np.random.default_rng(0).uniform(0, 1, (1, *shape)).astype(np.float32)
    xception.set_num_threads(2)
    xception.set_limits(max_memory_bytes=1000)
    with pytest.raises(
        xception.LimitError, match=f"{graph.name}: takes .* of memory; the limit is 1kB"
    ) as caught:
        Plan(graph, parameters).run(x, outputs)
    needed = figure(caught.value)
    xception.set_limits(max_memory_bytes=needed - 1)
    with pytest.raises(xception.LimitError):
        Plan(graph, parameters).run(x, outputs)
    xception.set_limits(max_memory_bytes=needed)
    assert_agree(
        Plan(graph, parameters).run(x, outputs), evaluate_exactly_unlimited(graph, parameters, x, outputs)
    )


def evaluate_exactly_unlimited(graph, parameters, x, outputs=None):
    limits = xception.get_limits()
    xception.set_limits(max_memory_bytes=10**12)
    try:
        return evaluate_exactly(graph, parameters, x, outputs)
    finally:
        xception.set_limits(max_memory_bytes=limits.max_memory_bytes)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 4])
def test_a_prediction_keeps_to_its_limit(name: str, threads: int, count: int) -> None:
    """The limit is the least that one thread needs, and half as much again."""
    make, shape = GRAPHS[name]
    graph = make()
    parameters, xs = (
        trained(graph),
        np.random.default_rng(0).uniform(0, 1, (count, *shape)).astype(np.float32),
    )
    xception.set_num_threads(threads)
    Plan(graph, parameters).run(xs)  # imports what it needs
    xception.set_limits(max_memory_bytes=1000)
    with pytest.raises(xception.LimitError) as caught:
        Plan(graph, parameters).run(xs)
    for limit in (figure(caught.value), figure(caught.value) * 3 // 2):
        xception.set_limits(max_memory_bytes=limit)
        plan = Plan(graph, parameters)
        held = xs.nbytes + sum(array.nbytes for arrays in parameters.values() for array in arrays.values())
        tracemalloc.start()
        try:
            y = plan.run(xs)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak + held <= limit + 1_000_000  # Python's own objects
        assert_agree(y, evaluate_exactly_unlimited(graph, parameters, xs))


def test_less_memory_takes_fewer_images_at_once_then_fewer_threads() -> None:
    graph = decoder()
    parameters, x = trained(graph), np.zeros((4, 64, 64, 3), np.float32)
    xception.set_num_threads(3)
    reserved = {}
    xception.set_limits(max_memory_bytes=1000)
    with pytest.raises(xception.LimitError) as caught:
        Plan(graph, parameters).run(x)
    xception.set_limits(max_memory_bytes=10**9)
    plan = Plan(graph, parameters)
    plan.run(x)
    reserved[3] = plan.reserved_bytes
    for images in (2, 1):
        xception.set_limits(max_memory_bytes=images * figure(caught.value))
        plan = Plan(graph, parameters)
        plan.run(x)
        reserved[images] = plan.reserved_bytes
    assert reserved[3] > reserved[2] > reserved[1]


def test_a_refusal_leaves_the_plan_usable() -> None:
    graph = decoder()
    parameters, x = trained(graph), np.zeros((2, 64, 64, 3), np.float32)
    plan = Plan(graph, parameters)
    first = plan.run(x)
    xception.set_limits(max_memory_bytes=100_000)
    with pytest.raises(xception.LimitError):
        plan.run(x)
    xception.set_limits(max_memory_bytes=10**9)
    np.testing.assert_array_equal(plan.run(x)["add_1"], first["add_1"])


def test_work_beyond_the_limit_is_refused_with_the_figure_that_allows_it() -> None:
    graph = branches()
    plan, x = Plan(graph, {}), np.zeros((1, 32, 32, 3), np.float32)
    xception.set_limits(max_operations=1000)
    with pytest.raises(xception.LimitError, match="most of them in ") as caught:
        plan.run(x)
    with pytest.raises(xception.LimitError) as plain:
        graph.evaluate({}, x)
    assert figure(plain.value) == figure(caught.value)
    xception.set_limits(max_operations=figure(caught.value))
    plan.run(x)
    graph.evaluate({}, x)


def test_the_plain_pass_keeps_to_its_limit() -> None:
    graph = branches()
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3))
    xception.set_limits(max_memory_bytes=1000)
    with pytest.raises(xception.LimitError) as caught:
        graph.evaluate({}, x)
    xception.set_limits(max_memory_bytes=figure(caught.value))
    tracemalloc.start()
    try:
        graph.evaluate({}, x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= figure(caught.value) + 1_000_000


def test_a_part_of_a_map_does_not_keep_the_whole_map_in_memory() -> None:
    net = Graph("crops")
    x = net.add(Input((16, 16, 3)))
    corners = [net.add(Cropping2D(((0, 319), (0, 319))), net.add(UpSampling2D(20), x)) for _ in range(6)]
    net.add(Add(), *corners)
    tracemalloc.start()
    try:
        Plan(net, {}).run(np.zeros((1, 16, 16, 3), np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 4 * 320 * 320 * 3


@pytest.mark.parametrize(
    ("size", "top", "count"), [((299, 299), True, 32), ((331, 331), False, 64), ((1024, 1024), False, 1)]
)
def test_xception_is_within_the_default_limits(size: tuple[int, int], top: bool, count: int) -> None:
    shape = (*size, 3)
    graph = architecture.xception((299, 299, 3) if top else (None, None, 3), include_top=top)
    check_work("xception", node_costs(graph.nodes.values(), {graph.inputs[0]: shape}))
    parameters = {
        node.name: {name: np.broadcast_to(np.float32(1), p.shape) for name, p in node.parameters.items()}
        for node in graph.nodes.values()
    }
    stages = fuse(graph, parameters, graph.outputs)
    needed = measure_schedule(stages, graph.shapes(shape), graph.outputs)
    assert 2 * needed + count * 4 * 3 * size[0] * size[1] + 4 * graph.count_params() < 5 << 28


def test_the_default_limit_on_work_leaves_room_for_pooling_but_not_for_windows_of_thousands() -> None:
    net = Graph("pools")
    net.add(MaxPooling2D(4096, 1, "same"), net.add(Input((299, 299, 3))))
    with pytest.raises(xception.LimitError, match="most of them in max_pooling2d"):
        Plan(net, {}).run(np.zeros((1, 299, 299, 3), np.float32))
