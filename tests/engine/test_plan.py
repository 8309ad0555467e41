"""The quick forward pass, compared with the plain one in float64; its caches; its use by threads."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from forward_passes import assert_agree, evaluate_exactly, odd_graph, trained

import xception
from xception.engine.plan import Plan
from xception.kernels import NUMPY, Call, NumPyBackend
from xception.layers import Dense, Input


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [(71, 71), (96, 160), (129, 72)])
def test_every_node_agrees_with_the_plain_pass(network, size, threads):
    graph, parameters = network
    xception.set_num_threads(threads)
    x = np.random.default_rng(1).uniform(-1, 1, (2, *size, 3)).astype(np.float32)
    plan = Plan(graph, parameters)
    assert_agree(plan.run(x, graph.nodes), evaluate_exactly(graph, parameters, x, graph.nodes))
    # What is not requested is computed in place, or not stored at all.
    assert_agree(plan.run(x), evaluate_exactly(graph, parameters, x))
    for name in ("add_5", "block13_sepconv2_bn", "block1_conv2_act", "input_layer"):
        assert_agree(plan.run(x, [name]), evaluate_exactly(graph, parameters, x, [name]))


@pytest.mark.parametrize("threads", [1, 2])
def test_images_of_the_original_size(network, threads):
    graph, parameters = network
    xception.set_num_threads(threads)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 299, 299, 3)).astype(np.float32)
    outputs = ["block2_pool", "add_2", "block14_sepconv2_act"]
    assert_agree(Plan(graph, parameters).run(x, outputs), evaluate_exactly(graph, parameters, x, outputs))


def test_trained_weights(base, examples):
    """Trained normalizations differ by orders of magnitude, which fresh ones do not."""
    x = xception.preprocess_input(xception.load_image(examples / "chelsea.jpg", (120, 180))[np.newaxis])
    graph, parameters = base.graph, base.parameters
    for threads in (1, 2):
        xception.set_num_threads(threads)
        activations = Plan(graph, parameters).run(x, graph.nodes)
        assert_agree(activations, evaluate_exactly(graph, parameters, x, graph.nodes))


@pytest.fixture
def sizes(monkeypatch):
    """How many examples a dense layer has been given at once."""
    sizes, forward = [], Dense.forward

    def recorded(layer, parameters, x):
        sizes.append(len(x))
        return forward(layer, parameters, x)

    monkeypatch.setattr(Dense, "forward", recorded)
    return sizes


@pytest.mark.parametrize(
    ("width", "count", "threads", "expected"),
    [
        (64, 9, 1, [9]), (64, 9, 2, [4, 5]), (64, 1, 2, [1]), (64, 0, 2, []),
        (1 << 19, 3, 1, [1, 2]),  # 4 MiB each, with the copy of the output
        (1 << 20, 3, 2, [1, 1, 1]),
    ],
)  # fmt: skip
def test_examples_in_no_map_are_computed_together_within_a_bound(sizes, width, count, threads, expected):
    graph = xception.Graph("vectors")
    graph.add(Dense(width), graph.add(Input((3,))), name="y")
    parameters = trained(graph)
    x = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    xception.set_num_threads(threads)
    sizes.clear()
    y = Plan(graph, parameters).run(x)["y"]
    assert sorted(sizes) == expected
    np.testing.assert_allclose(y, graph.evaluate(parameters, x)["y"], rtol=1e-6, atol=1e-6)


def test_fewer_examples_are_computed_together_where_memory_is_short(sizes):
    graph = xception.Graph("vectors")
    graph.add(Dense(1 << 14), graph.add(Input((3,))), name="y")
    parameters = trained(graph)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    xception.set_num_threads(1)
    plan = Plan(graph, parameters)
    expected = plan.run(x)["y"]
    before = xception.get_limits().max_memory_bytes
    try:
        fixed = sum(array.nbytes for array in parameters["y"].values()) + x.nbytes + expected.nbytes
        xception.set_limits(max_memory_bytes=fixed + 5 * 2 * 4 * (1 << 14))
        sizes.clear()
        np.testing.assert_allclose(plan.run(x)["y"], expected, rtol=1e-6, atol=1e-6)
    finally:
        xception.set_limits(max_memory_bytes=before)
    assert 1 < max(sizes) <= 5
    assert sum(sizes) == 32


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_every_batch_size(network, count):
    graph, parameters = network
    x = np.random.default_rng(count).uniform(-1, 1, (count, 71, 75, 3)).astype(np.float32)
    expected = evaluate_exactly(graph, parameters, x)
    for threads in (1, 2, 3):
        xception.set_num_threads(threads)
        assert_agree(Plan(graph, parameters).run(x), expected)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("size", [(17, 12), (40, 61)])
def test_graphs_unlike_xception(size, threads):
    graph = odd_graph()
    parameters = trained(graph)
    xception.set_num_threads(threads)
    x = np.random.default_rng(2).normal(size=(3, *size, 2)).astype(np.float32)
    expected = evaluate_exactly(graph, parameters, x, graph.nodes)
    assert_agree(Plan(graph, parameters).run(x, graph.nodes), expected)
    assert_agree(Plan(graph, parameters).run(x), {"end": expected["end"]})
    for name, value in expected.items():
        assert_agree(Plan(graph, parameters).run(x, [name]), {name: value})


def test_new_weights_are_used_at_once(images):
    model = xception.Xception(weights=None, include_top=False, pooling="avg", seed=1)
    before = model.predict(images)
    model.set_weights([2 * array if array.ndim == 1 else array for array in model.get_weights()])
    after = model.predict(images)
    assert np.abs(before - after).max() > 0.5 * np.abs(after).max()
    assert_agree({"y": after}, {"y": model.graph.evaluate(model.parameters, images)[model.graph.outputs[0]]})


# --- caches and memory ------------------------------------------------------------------------


def test_many_shapes_one_after_the_other(network):
    graph, parameters = network
    plan = Plan(graph, parameters)
    for height in (71, 72, 73, 74, 75, 76, 71):
        x = np.random.default_rng(height).uniform(-1, 1, (1, height, 80, 3)).astype(np.float32)
        assert_agree(plan.run(x), graph.evaluate(parameters, x))
    assert plan.cached_keys <= 4


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_memory_does_not_grow_with_the_batch(network, threads):
    """A batch takes the memory of one image per thread."""
    xception.set_num_threads(threads)
    reserved = []
    for count in (threads, 4 * threads + 1):
        plan = Plan(*network)
        plan.run(np.zeros((count, 99, 99, 3), np.float32))
        reserved.append(plan.reserved_bytes)
    assert reserved[0] == reserved[1] > 0


def test_memory_of_many_shapes_is_bounded(network, monkeypatch):
    monkeypatch.setattr("xception.engine.schedule_cache.MAX_CACHED_BYTES", 20 << 20)
    plan = Plan(*network)
    for height in (100, 140, 180, 220):
        plan.run(np.zeros((1, height, 100, 3), np.float32))
        assert plan.cached_keys == 1 or plan.reserved_bytes <= 20 << 20


def test_a_deleted_model_is_freed(images):
    model = xception.Xception(include_top=False, weights=None, pooling="avg", seed=1)
    model.predict(images)
    weights = weakref.ref(model.parameters["block1_conv1"]["kernel"])
    del model
    gc.collect()
    assert weights() is None


def test_a_model_in_use_can_be_copied_and_pickled(images):
    model = xception.Xception(include_top=False, weights=None, pooling="avg", seed=1)
    expected = model.predict(images)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(images), expected)


class CountingBackend(NumPyBackend):
    """Counts the products that it prepares."""

    products = 0

    def product(self, left, right, out):
        self.products += 1
        return super().product(left, right, out)


def test_a_plan_keeps_its_backend(network, images):
    plan = Plan(*network, CountingBackend())
    assert_agree(plan.run(images), Plan(*network).run(images))
    assert plan.backend.products >= 40
    assert isinstance(copy.deepcopy(plan).backend, CountingBackend)
    assert Plan(*network).backend is NUMPY


# --- threads and interrupts -------------------------------------------------------------------


def test_predictions_from_several_threads(full_model):
    x = np.random.default_rng(3).uniform(-1, 1, (6, 71, 71, 3)).astype(np.float32)
    expected = full_model.predict(x)
    other = xception.Xception(include_top=False, weights=None, pooling="max", seed=2)
    answers = {}

    def work(i):
        answers[i] = [
            full_model.predict(x[i : i + 1]),
            other.predict(x[i : i + 2]),
            full_model.predict(x[: i + 1]),
        ]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, (single, _, several) in answers.items():
        np.testing.assert_allclose(single, expected[i : i + 1], atol=1e-7)
        np.testing.assert_allclose(several, expected[: i + 1], atol=1e-7)
    np.testing.assert_allclose(answers[2][1], other.predict(x[2:4]), rtol=1e-5, atol=1e-6)


def test_shapes_from_several_threads(network):
    plan, failures = Plan(*network), []

    def work(first):
        try:
            for height in range(first, first + 12):
                assert plan.shapes((71 + height, 80, 3))["input_layer"] == (71 + height, 80, 3)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_interrupt_leaves_the_model_usable(full_model, images):
    xception.set_num_threads(2)
    expected = full_model.predict(images[:1])
    steps = full_model.plan.schedule_for((71, 71, 3), 2)
    program = steps.programs[0]

    def interrupt():
        raise KeyboardInterrupt

    steps.programs[0] = [*program[:50], interrupt, *program[50:]]
    with pytest.raises(KeyboardInterrupt):
        full_model.predict(images[:1])
    steps.programs[0] = program
    np.testing.assert_array_equal(full_model.predict(images[:1]), expected)


class InterruptingBackend(NumPyBackend):
    """Counts images by the last block's second product, and interrupts the third."""

    images = 0

    def product(self, left, right, out):
        calls = super().product(left, right, out)
        return [Call("count", self.count), *calls] if right.shape == (1536, 2048) else calls

    def count(self):
        self.images += 1
        if self.images == 3:
            raise KeyboardInterrupt


def test_an_interrupt_stops_a_batch(full_model):
    xception.set_num_threads(2)
    x = np.zeros((40, 71, 71, 3), np.float32)
    plan = Plan(full_model.graph, full_model.parameters, InterruptingBackend())
    with pytest.raises(KeyboardInterrupt):
        plan.run(x)
    assert 3 <= plan.backend.images < 10
    (y,) = plan.run(x[:1]).values()
    assert y.shape == (1, 1000)
    np.testing.assert_array_equal(y, full_model.predict(x[:1]))
