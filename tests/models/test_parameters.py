"""The store of a model's parameters."""

import threading

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Dense, Input
from xception.models.parameters import ParameterStore, initial_parameters


@pytest.fixture
def graph():
    net = xception.Graph("small")
    x = net.add(Input((4,)))
    x = net.add(Dense(3), x, name="hidden")
    net.add(Dense(2), x, name="classes")
    return net


def test_initial_parameters_are_reproducible(graph):
    one, two = initial_parameters(graph, 1), initial_parameters(graph, 1)
    assert {name: sorted(arrays) for name, arrays in one.items()} == {
        "hidden": ["bias", "kernel"], "classes": ["bias", "kernel"],
    }  # fmt: skip
    np.testing.assert_array_equal(one["hidden"]["kernel"], two["hidden"]["kernel"])
    assert np.abs(one["hidden"]["kernel"] - initial_parameters(graph, 2)["hidden"]["kernel"]).max() > 0.01
    assert one["classes"]["kernel"].dtype == np.float32


def test_shared_parameters_are_drawn_once():
    shared = small_models.model(small_models.siamese()).graph
    assert "dense" in initial_parameters(shared)
    assert not [name for name in initial_parameters(shared) if ":" in name]


def change(parameters, node, **arrays):
    return {**parameters, node: {**parameters[node], **arrays}}


def test_missing_parameters_are_named(graph):
    parameters = initial_parameters(graph, 0)
    with pytest.raises(ValueError, match=r"small: no parameters given for classes \(kernel, bias\)$"):
        xception.Model(graph, {"hidden": parameters["hidden"]})
    with pytest.raises(ValueError, match=r"no parameters given for hidden \(bias\)$"):
        ParameterStore(graph, {**parameters, "hidden": {"kernel": parameters["hidden"]["kernel"]}})
    with pytest.raises(ValueError, match=r"block1_conv1 \(kernel\), block1_conv1_bn .* and 75 more nodes"):
        xception.Model(xception.architecture.xception(include_top=False), {})


def test_unknown_parameters_are_named(graph):
    parameters = initial_parameters(graph, 0)
    with pytest.raises(ValueError, match=r"small: has no parameters other \(kernel\)"):
        ParameterStore(graph, {**parameters, "other": {"kernel": np.zeros(3, np.float32)}})
    with pytest.raises(ValueError, match=r"small: has no parameters hidden \(gamma\)"):
        ParameterStore(graph, change(parameters, "hidden", gamma=np.zeros(3)))


def test_wrong_shapes_are_named(graph):
    parameters = change(initial_parameters(graph, 0), "hidden", bias=np.zeros(4, np.float32))
    with pytest.raises(ValueError, match=r"hidden: bias should have shape \(3,\), got \(4,\)"):
        xception.Model(graph, parameters)
    for wrong in ([1, 2], {"hidden": np.zeros(3)}):
        with pytest.raises(TypeError, match="expected parameters as a dict"):
            xception.Model(graph, wrong)


def test_arrays_are_float32_and_read_only(graph):
    parameters = change(initial_parameters(graph, 0), "hidden", bias=[1, 2, 3])
    store = ParameterStore(graph, parameters)
    bias = store.parameters["hidden"]["bias"]
    assert (bias.dtype, bias.tolist()) == (np.float32, [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        bias[0] = 0
    assert store.parameters["classes"]["bias"] is parameters["classes"]["bias"]  # not copied


def test_get_and_set(graph):
    store = ParameterStore(graph, initial_parameters(graph, 0))
    nodes = [graph.nodes["classes"], graph.nodes["hidden"]]
    arrays = store.get(nodes)
    assert [array.shape for array in arrays] == [(3, 2), (2,), (4, 3), (3,)]
    arrays[1][:] = 7  # a copy
    assert store.parameters["classes"]["bias"].tolist() == [0, 0]
    store.set(nodes, arrays)
    assert store.parameters["classes"]["bias"].tolist() == [7, 7]
    arrays[1][:] = 8  # again a copy
    assert store.parameters["classes"]["bias"].tolist() == [7, 7]
    with pytest.raises(ValueError, match="expected 4 arrays, got 3"):
        store.set(nodes, arrays[:3])
    for wrong in (iter(arrays), arrays[0]):
        with pytest.raises(TypeError, match="expected a list of arrays, got a"):
            store.set(nodes, wrong)


def test_parameters_and_plan_change_together(graph):
    store = ParameterStore(graph, initial_parameters(graph, 0))
    x = np.ones((1, 4), np.float32)
    before, plan = store.parameters, store.plan
    expected = plan.run(x)["classes"]
    zeros = [np.zeros_like(array) for array in store.get([graph.nodes["classes"]])]
    store.set([graph.nodes["classes"]], zeros)
    assert store.plan.parameters is store.parameters is not before
    assert store.plan.run(x)["classes"].tolist() == [[0, 0]]
    np.testing.assert_array_equal(plan.run(x)["classes"], expected)  # the old plan keeps its own
    with pytest.raises(ValueError, match="hidden: kernel should have shape"):
        store.update({"hidden": {"kernel": np.zeros((1, 3)), "bias": np.zeros(3)}})
    assert store.plan.run(x)["classes"].tolist() == [[0, 0]]


def test_changes_from_several_threads_are_all_kept():
    net = xception.Graph("wide")
    x = net.add(Input((4,)))
    names = [net.add(Dense(3), x) for _ in range(8)]
    store = ParameterStore(net, initial_parameters(net, 0))

    def work(number):
        for step in range(20):
            store.set([net.nodes[names[number]]], [np.full((4, 3), step), np.full(3, number)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, name in enumerate(names):
        assert store.parameters[name]["kernel"].max() == 19
        assert store.parameters[name]["bias"].tolist() == [number] * 3
