"""The quick forward pass, judged by the plain one in float64, and what it does to the process."""

import copy
import gc
import multiprocessing
import os
import pickle
import threading
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import xception
from xception import layers
from xception.engine.cpus import cgroup_quota
from xception.engine.plan import Plan
from xception.engine.team import Barrier, Team
from xception.graph import Graph
from xception.models.parameters import initial_parameters


@pytest.fixture(autouse=True)
def _threads_as_they_were():
    yield
    xception.set_num_threads(None)


def trained(graph, seed=0):
    """Parameters as training leaves them: no two normalisations alike, some gammas negative."""
    rng = np.random.default_rng(seed)
    parameters = initial_parameters(graph, seed)
    for arrays in parameters.values():
        for name, array in arrays.items():
            if name == "moving_variance":
                array[...] = rng.uniform(0.5, 2, array.shape)
            elif name == "gamma":
                array[...] = rng.uniform(0.5, 1.5, array.shape) * rng.choice(
                    [-1, 1], array.shape, p=[0.1, 0.9]
                )
            elif array.ndim == 1:
                array[...] = rng.normal(0, 0.3, array.shape)
    return parameters


def exactly(graph, parameters, x, wanted=None):
    """The plain pass in float64."""
    double = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in parameters.items()
    }
    return graph.evaluate(double, x.astype(np.float64), wanted)


def assert_agree(found, expected, tolerance=2e-5):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == value.shape
        assert np.abs(found[name] - value).max(initial=0) <= tolerance * np.abs(value).max(initial=0), name


@pytest.fixture(scope="module")
def network():
    graph = xception.Xception(include_top=False, weights=None, pooling="avg").graph
    return graph, trained(graph)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [(71, 71), (96, 160), (129, 72)])
def test_every_node_agrees_with_the_plain_pass(network, size, threads):
    graph, parameters = network
    xception.set_num_threads(threads)
    x = np.random.default_rng(1).uniform(-1, 1, (2, *size, 3)).astype(np.float32)
    plan = Plan(graph, parameters)
    assert_agree(plan.run(x, graph.nodes), exactly(graph, parameters, x, graph.nodes))
    # What nobody asks for is computed in place, or not kept at all.
    assert_agree(plan.run(x), exactly(graph, parameters, x))
    for name in ("add_5", "block13_sepconv2_bn", "block1_conv2_act", "input_layer"):
        assert_agree(plan.run(x, [name]), exactly(graph, parameters, x, [name]))


@pytest.mark.parametrize("threads", [1, 2])
def test_at_the_networks_own_size(network, threads):
    graph, parameters = network
    xception.set_num_threads(threads)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 299, 299, 3)).astype(np.float32)
    wanted = ["block2_pool", "add_2", "block14_sepconv2_act"]
    assert_agree(Plan(graph, parameters).run(x, wanted), exactly(graph, parameters, x, wanted))


def test_with_weights_that_have_seen_the_world(base, examples):
    """Trained normalisations differ by orders of magnitude, which fresh ones do not show."""
    x = xception.preprocess_input(xception.load_image(examples / "chelsea.jpg", (120, 180))[np.newaxis])
    graph, parameters = base.graph, base.parameters
    for threads in (1, 2):
        xception.set_num_threads(threads)
        found = Plan(graph, parameters).run(x, graph.nodes)
        assert_agree(found, exactly(graph, parameters, x, graph.nodes))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_every_batch_size(network, count):
    graph, parameters = network
    x = np.random.default_rng(count).uniform(-1, 1, (count, 71, 75, 3)).astype(np.float32)
    expected = exactly(graph, parameters, x)
    for threads in (1, 2, 3):
        xception.set_num_threads(threads)
        assert_agree(Plan(graph, parameters).run(x), expected)


def odd_graph():
    """What Xception has not: other windows and strides, biases, sums and readers of all kinds."""
    net = Graph("odd")
    x = net.add(layers.Input((None, None, 2)))
    x = net.add(layers.Conv2D(5, (3, 2), strides=(2, 1), padding="same"), x, name="uneven")
    a = net.add(layers.SeparableConv2D(6, 5, padding="same"), x, name="wide")
    b = net.add(layers.Conv2D(6, 1), x, name="beside")
    x = net.add(layers.Add(), a, b, name="sum")
    x = net.add(layers.Conv2D(6, 3, padding="same"), x, name="onto_itself")
    x = net.add(layers.Add(), x, "sum", name="sum_of_itself")
    net.add(layers.Activation("relu"), x, name="first_relu")
    net.add(layers.Activation("relu"), x, name="second_relu")
    x = net.add(layers.Add(), "first_relu", "second_relu", "sum", name="three")
    x = net.add(layers.BatchNormalization(scale=False), x, name="lone_norm")
    x = net.add(layers.SeparableConv2D(4, 3, strides=2, activation="tanh"), x, name="strided")
    x = net.add(layers.Conv2D(3, 3, padding="same", activation="sigmoid"), x, name="curved")
    x = net.add(layers.SeparableConv2D(4, 2, padding="same", depth_multiplier=2), x, name="doubled")
    x = net.add(layers.Conv2D(7, 2, use_bias=False), x, name="last")
    x = net.add(layers.BatchNormalization(center=False), x, name="last_norm")
    x = net.add(layers.MaxPooling2D((2, 3), strides=(3, 1), padding="same"), x, name="pool")
    x = net.add(layers.Activation("relu"), x, name="after_pool")
    x = net.add(layers.Flatten(), x)
    x = net.add(layers.Dropout(0.3), x)
    net.add(layers.Activation("softmax"), x, name="end")
    return net


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("size", [(17, 12), (40, 61)])
def test_graphs_unlike_xception(size, threads):
    graph = odd_graph()
    parameters = trained(graph)
    xception.set_num_threads(threads)
    x = np.random.default_rng(2).normal(size=(3, *size, 2)).astype(np.float32)
    expected = exactly(graph, parameters, x, graph.nodes)
    assert_agree(Plan(graph, parameters).run(x, graph.nodes), expected)
    assert_agree(Plan(graph, parameters).run(x), {"end": expected["end"]})
    for name, value in expected.items():
        assert_agree(Plan(graph, parameters).run(x, [name]), {name: value})


def random_graph(rng):
    """Up to twenty nodes, wired by chance: branches, sums, windows and strides of all kinds."""
    net = Graph("random")
    names = [net.add(layers.Input(tuple(int(size) for size in rng.integers(1, (26, 26, 7)))))]
    for _ in range(rng.integers(2, 14)):
        source = names[-1] if rng.random() < 0.7 else names[rng.integers(len(names))]
        alike = [n for n in names if net.nodes[n].output_shape == net.nodes[source].output_shape]
        window = tuple(int(size) for size in rng.integers(1, 5, 2))
        strides = tuple(int(size) for size in rng.integers(1, 4, 2)) if rng.random() < 0.4 else 1
        padding, filters = ("same", "valid")[rng.integers(2)], int(rng.integers(1, 9))
        channels, relu = net.nodes[source].output_shape[-1], layers.Activation("relu")
        chain = [
            [layers.Conv2D(filters, window, strides, padding)],
            [layers.Conv2D(filters, 1, strides, padding, use_bias=False)],
            [layers.SeparableConv2D(filters, window, strides, padding)],
            [layers.SeparableConv2D(filters, 3, 1, "same"), layers.BatchNormalization(), relu],
            [relu, layers.SeparableConv2D(channels, 3, 1, "same"), layers.BatchNormalization()],
            [layers.MaxPooling2D(window, strides, padding)],
            [relu],
            [layers.BatchNormalization()],
        ][rng.integers(8)]  # fmt: skip
        try:
            last = source
            for layer in chain:
                last = net.add(layer, last)
            if net.nodes[last].output_shape == net.nodes[source].output_shape and rng.random() < 0.6:
                last = net.add(
                    layers.Add(), *rng.permutation([last, alike[rng.integers(len(alike))]]).tolist()
                )
            names.append(last)
        except ValueError:
            continue  # a window that does not fit
    return net


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs(seed, monkeypatch):
    """However stages are cut, shared out and kept, at every node: the plain pass's answer."""
    rng = np.random.default_rng(seed)
    for _ in range(30):
        graph = random_graph(rng)
        parameters = trained(graph, seed)
        if rng.random() < 0.5:  # scales can be passed on only where none is negative
            for arrays in parameters.values():
                arrays.update({name: abs(array) for name, array in arrays.items() if name == "gamma"})
        nodes = list(graph.nodes)
        wanted = [nodes, list(graph.outputs), rng.permutation(nodes)[:2].tolist()][rng.integers(3)]
        x = rng.normal(size=(rng.integers(1, 4), *graph.nodes[graph.inputs[0]].output_shape)).astype(
            np.float32
        )
        expected = exactly(graph, parameters, x, wanted)
        # Small maps are cut as large ones are, too.
        monkeypatch.setattr("xception.engine.schedule.LEAST_ROWS", int(rng.choice([1, 8, 32, 512])))
        monkeypatch.setattr("xception.engine.lowering.STRIP", int(rng.choice([4, 16, 64, 1024])))
        monkeypatch.setattr("xception.engine.fusion.FOLDED_SIZE", int(rng.choice([0, 1 << 18])))
        xception.set_num_threads(int(rng.integers(1, 6)))
        plan = Plan(graph, parameters)
        for _ in range(2):
            assert_agree(plan.run(x, wanted), expected, tolerance=1e-4)


def test_a_graph_deeper_than_pythons_stack():
    net = Graph("deep")
    x = net.add(layers.Input((3, 3, 2)))
    for _ in range(1200):
        x = net.add(layers.Activation("tanh"), x)
    image = np.ones((1, 3, 3, 2), np.float32)
    assert_agree(Plan(net, {}).run(image), net.evaluate({}, image))


def test_many_shapes_one_after_the_other(network):
    graph, parameters = network
    plan = Plan(graph, parameters)
    for height in (71, 72, 73, 74, 75, 76, 71):
        x = np.random.default_rng(height).uniform(-1, 1, (1, height, 80, 3)).astype(np.float32)
        assert_agree(plan.run(x), graph.evaluate(parameters, x))
    assert len(plan._steps) <= 4


def test_new_weights_are_used_at_once(images):
    model = xception.Xception(weights=None, include_top=False, pooling="avg", seed=1)
    before = model.predict(images)
    model.set_weights([2 * array if array.ndim == 1 else array for array in model.get_weights()])
    after = model.predict(images)
    assert np.abs(before - after).max() > 0.5 * np.abs(after).max()
    assert_agree({"y": after}, {"y": model.graph.evaluate(model.parameters, images)[model.graph.outputs[0]]})


# --- threads --------------------------------------------------------------------------------


def test_how_many_threads(monkeypatch):
    monkeypatch.delenv("XCEPTION_NUM_THREADS", raising=False)
    default = xception.get_num_threads()
    assert 1 <= default <= (os.cpu_count() or 1)
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "3")
    assert xception.get_num_threads() == 3
    xception.set_num_threads(5)
    assert xception.get_num_threads() == 5
    xception.set_num_threads(None)
    assert xception.get_num_threads() == 3
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "many")
    with pytest.raises(
        ValueError, match="XCEPTION_NUM_THREADS must be a whole number from 1 to 256, got 'many'"
    ):
        xception.get_num_threads()
    for wrong in (0, -1, 1.5, "2", True, 10**20):
        with pytest.raises(ValueError, match="the number of threads must be a whole number from 1"):
            xception.set_num_threads(wrong)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity to set")
def test_affinity_counts(monkeypatch):
    monkeypatch.delenv("XCEPTION_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert xception.get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"a/cpu.max": "4000 1000", "a/b/cpu.max": "max 1000", "cpu.max": "8000 1000"}, "0::/a/b\n", 4),
        ({"cpu.max": "50000 100000"}, "0::/of/the/host\n", 0.5),
        ({"cpu/x/cpu.cfs_quota_us": "20", "cpu/x/cpu.cfs_period_us": "10"}, "3:cpu,cpuacct:/x\n2:io:/y", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu,cpuacct:/\n", None),
        ({"cpu.max": "nonsense"}, "0::/\n", None),
        ({}, "nonsense", None),
    ],
)  # fmt: skip
def test_quota_of_a_control_group(tmp_path, files, own, expected):
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert cgroup_quota(tmp_path / "fs", tmp_path / "own") == expected
    assert cgroup_quota(tmp_path / "fs", tmp_path / "missing") is None


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_keeps_its_settings(full_model, images):
    before = blas_threads()
    xception.set_num_threads(2)
    full_model.predict(images)
    assert blas_threads() == before
    with pytest.raises(ValueError, match="expected images"):
        full_model.predict(images[0])
    assert blas_threads() == before


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
    for i, (one, _, several) in answers.items():
        np.testing.assert_allclose(one, expected[i : i + 1], atol=1e-7)
        np.testing.assert_allclose(several, expected[: i + 1], atol=1e-7)
    np.testing.assert_allclose(answers[2][1], other.predict(x[2:4]), rtol=1e-5, atol=1e-6)


def _answer(model, x, pipe):
    pipe.send(model.predict(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork(full_model, images):
    xception.set_num_threads(2)
    expected = full_model.predict(images)  # the team's threads run, and do not follow into the child
    fork = multiprocessing.get_context("fork")
    for _ in range(2):
        ours, theirs = fork.Pipe()
        child = fork.Process(target=_answer, args=(full_model, images, theirs))
        child.start()
        assert ours.poll(60), "the child gives no answer"
        np.testing.assert_allclose(ours.recv(), expected, atol=1e-7)
        child.join(60)
    np.testing.assert_array_equal(full_model.predict(images), expected)


def test_an_error_in_one_thread_stops_the_others_and_is_raised():
    team, barrier = Team(3), Barrier(3)

    def fail():
        raise RuntimeError("in the middle")

    programs = [[barrier.meet(i), *([fail] if i == 1 else []), barrier.meet(i)] for i in range(3)]
    with pytest.raises(RuntimeError, match="in the middle"):
        team.run(programs, barrier)
    seen = []
    programs = [[barrier.meet(i), lambda i=i: seen.append(i), barrier.meet(i)] for i in range(3)]
    team.run(programs, barrier)
    assert sorted(seen) == [0, 1, 2]
    team.dismiss()


def test_an_interrupt_leaves_the_model_usable(full_model, images, monkeypatch):
    xception.set_num_threads(2)
    expected = full_model.predict(images[:1])
    steps = full_model.plan.steps((71, 71, 3), 2)
    program = steps.programs[0]

    def interrupt():
        raise KeyboardInterrupt

    steps.programs[0] = [*program[:50], interrupt, *program[50:]]
    with pytest.raises(KeyboardInterrupt):
        full_model.predict(images[:1])
    steps.programs[0] = program
    np.testing.assert_array_equal(full_model.predict(images[:1]), expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_memory_does_not_grow_with_the_batch(network, threads):
    """A batch takes the memory of its threads' images, not of its own."""
    xception.set_num_threads(threads)
    reserved = []
    for count in (threads, 4 * threads + 1):
        plan = Plan(*network)
        plan.run(np.zeros((count, 99, 99, 3), np.float32))
        reserved.append(plan._reserved())
    assert reserved[0] == reserved[1]


def test_memory_of_many_shapes_is_bounded(network, monkeypatch):
    monkeypatch.setattr("xception.engine.plan.KEPT_BYTES", 20 << 20)
    plan = Plan(*network)
    for height in (100, 140, 180, 220):
        plan.run(np.zeros((1, height, 100, 3), np.float32))
        assert len(plan._steps) == 1 or plan._reserved() <= 20 << 20


def test_nothing_is_held_on_to(images):
    model = xception.Xception(include_top=False, weights=None, pooling="avg", seed=1)
    model.predict(images)
    weights = weakref.ref(model.parameters["block1_conv1"]["kernel"])
    del model
    gc.collect()
    assert weights() is None


def test_a_model_in_use_can_be_copied_and_sent(images):
    model = xception.Xception(include_top=False, weights=None, pooling="avg", seed=1)
    expected = model.predict(images)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(images), expected)


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


def test_a_team_that_cannot_be_had_leaves_the_old_one(full_model, images, monkeypatch):
    xception.set_num_threads(2)
    expected = full_model.predict(images)

    def no_more(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        xception.set_num_threads(7)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            full_model.predict(images)
    xception.set_num_threads(2)
    np.testing.assert_array_equal(full_model.predict(images), expected)


def test_an_interrupt_stops_a_batch(full_model, monkeypatch):
    xception.set_num_threads(2)
    x = np.zeros((40, 71, 71, 3), np.float32)
    computed = []

    def collect(*_):
        computed.append(1)
        if len(computed) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("xception.engine.plan._collect", collect)
    with pytest.raises(KeyboardInterrupt):
        full_model.predict(x)
    assert len(computed) < 10
    monkeypatch.undo()
    assert full_model.predict(x[:1]).shape == (1, 1000)
