"""How stages are divided among threads, whatever the sizes of maps and strips."""

import numpy as np
import pytest
from forward_passes import assert_agree, evaluate_exactly, random_graph, trained

import xception
from xception.engine.plan import Plan


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_agree_with_the_plain_pass(seed, monkeypatch):
    """Whatever is fused, split and kept, every node has the plain pass's activation."""
    rng = np.random.default_rng(seed)
    for _ in range(30):
        graph = random_graph(rng)
        parameters = trained(graph, seed)
        if rng.random() < 0.5:  # scales move into the next kernel only if all are positive
            for arrays in parameters.values():
                arrays.update({name: abs(array) for name, array in arrays.items() if name == "gamma"})
        nodes = list(graph.nodes)
        outputs = [nodes, list(graph.outputs), rng.permutation(nodes)[:2].tolist()][rng.integers(3)]
        x = rng.normal(size=(rng.integers(1, 4), *graph.nodes[graph.inputs[0]].output_shape)).astype(
            np.float32
        )
        expected = evaluate_exactly(graph, parameters, x, outputs)
        # Small maps are also split as large ones are.
        monkeypatch.setattr(
            "xception.engine.schedule.MIN_PIXELS_PER_THREAD", int(rng.choice([1, 8, 32, 512]))
        )
        monkeypatch.setattr("xception.engine.lowering.STRIP_PIXELS", int(rng.choice([4, 16, 64, 1024])))
        monkeypatch.setattr("xception.engine.fusion.MAX_FOLDED_ELEMENTS", int(rng.choice([0, 1 << 18])))
        xception.set_num_threads(int(rng.integers(1, 6)))
        plan = Plan(graph, parameters)
        for _ in range(2):
            assert_agree(plan.run(x, outputs), expected, tolerance=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_call_is_labelled_with_its_node_and_kind_of_work(network, threads):
    steps = Plan(*network).schedule_for((99, 99, 3), threads)
    assert len(steps.programs) == len(steps.labels) == threads
    kinds = {"plain", "gather", "product", "scale", "bias", "carry", "pool", "add", "copy", "relu", "wait"}
    seen = set()
    for program, labels in zip(steps.programs, steps.labels, strict=True):
        assert len(program) == len(labels)
        assert {node for node, _ in labels} <= set(network[0].nodes)
        seen |= {kind for _, kind in labels}
    assert seen - {"copy", "carry"} == kinds - {"copy", "carry"} - ({"wait"} if threads == 1 else set())


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_meet_equally_often(network, threads):
    labels = Plan(*network).schedule_for((99, 99, 3), threads).labels
    waits = [[node for node, kind in each if kind == "wait"] for each in labels]
    assert all(each == waits[0] for each in waits)
    per_stage = {node: waits[0].count(node) for node in waits[0]}
    assert max(per_stage.values()) <= 2


def test_a_schedule_can_be_fed_and_read_by_hand(network):
    graph, parameters = network
    steps = Plan(graph, parameters).schedule_for((71, 72, 3), 1)
    for seed in range(2):
        image = np.random.default_rng(seed).uniform(-1, 1, (71, 72, 3)).astype(np.float32)
        steps.feed({graph.inputs[0]: image[np.newaxis]})
        for step in steps.programs[0]:
            step()
        assert_agree(steps.results(), evaluate_exactly(graph, parameters, image[np.newaxis]))
