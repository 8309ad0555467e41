"""Parts of a graph that compute frames."""

import time

import numpy as np
import small_models

from xception.graph import Graph
from xception.graph.frames import divide, subgraph
from xception.layers import Add, Conv2D, Dense, Flatten, Input, Reshape, TimeDistributed


def chain(*layers, shape=(2, 8, 8, 3)):
    """A graph of layers one behind the other."""
    net = Graph("chain")
    x = net.add(Input(shape), name="frames")
    for number, layer in enumerate(layers):
        x = net.add(layer, x, name=f"layer{number}")
    return net


def computed(part):
    return [name for name, node in part.graph.nodes.items() if node.inputs]


def test_frames_and_whole_examples_alternate():
    each = TimeDistributed(Conv2D(3, 1))
    parts = divide(chain(each, each, Reshape((2, 8, 8, 3)), each, Flatten()))
    assert [computed(part) for part in parts] == [["layer0", "layer1"], ["layer2"], ["layer3"], ["layer4"]]
    assert [part.computes_frames for part in parts] == [True, False, True, False]
    assert parts[0].graph.nodes["layer1"].layer == Conv2D(3, 1)
    assert parts[0].graph.nodes["frames"].output_shape == (8, 8, 3)
    assert parts[1].graph.inputs == ("layer1",)


def test_frames_around_a_whole_example_are_apart():
    """The sum reads the first frames, and what was computed of them together."""
    net = Graph("net")
    frames = net.add(Input((2, 8, 8, 3)), name="frames")
    first = net.add(TimeDistributed(Conv2D(3, 1)), frames, name="first")
    together = net.add(Reshape((2, 8, 8, 3)), first, name="together")
    net.add(TimeDistributed(Add()), first, together, name="sum")
    assert [computed(part) for part in divide(net)] == [["first"], ["together"], ["sum"]]


def test_vectors_are_computed_with_the_whole_example_unless_maps_are_among_them():
    dense, maps = TimeDistributed(Dense(4)), TimeDistributed(Reshape((2, 2, 1)))
    (part,) = divide(chain(dense, Flatten(), shape=(5, 3)))
    assert not part.computes_frames
    parts = divide(chain(dense, maps, Flatten(), shape=(5, 3)))
    assert [part.computes_frames for part in parts] == [True, False]
    assert computed(parts[0]) == ["layer0", "layer1"]


def test_videos_that_do_not_meet_are_parts_of_their_own():
    """They may have different numbers of frames."""
    parts = divide(small_models.model(small_models.video()).graph)
    framed = [computed(part)[0] for part in parts if part.computes_frames]
    assert framed == ["each/input_layer", "clip/per_clip_input", "each:1/input_layer"]


def test_a_part_shares_parameters_as_the_graph_does():
    graph = small_models.model(small_models.siamese()).graph
    whole = subgraph(graph, list(graph.nodes))
    assert {name: node.owner for name, node in whole.nodes.items()} == {
        name: node.owner for name, node in graph.nodes.items()
    }
    second = subgraph(graph, [name for name in graph.nodes if name.startswith("base:1/")])
    assert all(node.owner == node.name for node in second.nodes.values())
    assert second.count_params() == subgraph(graph, [n for n in graph.nodes if "base/" in n]).count_params()
    assert np.prod(second.nodes["base:1/block1_conv1"].parameters["kernel"].shape) == 3 * 3 * 3 * 6


def test_thousands_of_parts_are_one():
    """Each part is planned on its own: thousands of them would take minutes."""
    from xception.graph.limits import MAX_PARTS
    from xception.layers import ReLU

    few = divide(chain(*[TimeDistributed(ReLU()), ReLU()] * (MAX_PARTS // 2)))
    assert len(few) == MAX_PARTS
    (part,) = divide(chain(*[TimeDistributed(ReLU()), ReLU()] * (MAX_PARTS // 2), TimeDistributed(ReLU())))
    assert not part.computes_frames
    assert len(computed(part)) == MAX_PARTS + 1
    start = time.process_time()
    assert len(divide(chain(*[TimeDistributed(ReLU()), ReLU()] * 3000))) == 1
    assert time.process_time() - start < 5
