"""Budget of work and memory: what a pass over a graph takes, checked before it begins.

A file of a few hundred bytes can describe a network whose forward pass takes gigabytes or hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import LimitError
from ..kernels import Array
from ..layers import Cost, Sizes
from ..layers.costs import count, known
from ..limits import format_bytes, format_limit, get_limits, memory_advice
from .node import GraphParameters, Node

#: A name such as "class_123456" in lists and a pair, as long as they are checked.
BYTES_PER_NAME = 400


#: Elements of one activation beyond which no limit can be meant.
MAX_ELEMENTS = 1 << 50
#: What a message says of larger figures. Their digits would fill it.
HOPELESS = 10**18


#: Work of an explanation by many forward passes over the limit on the work of one. Its progress is shown.
#: Occlusion takes 100 passes of Xception at 299×299, which is 4.5 times the default limit.
MAX_PASSES_WORK = 20
#: Frames of a video of which each may take as much work as an image. Bounds the work for an input that
#: calls every pixel a frame.
MAX_FRAMES = 1000
#: Smaller frames are counted by their pixels together: a thousand numbers are no video.
MIN_FRAME_PIXELS = 32 * 32


@dataclass(frozen=True)
class NodeCost:
    """A node with what its layer takes for one example.

    Attributes:
        node: The node.
        shape: Shape of its output, without the batch axis.
        cost: Cost of its layer's plain forward pass.
    """

    node: Node
    shape: Sizes
    cost: Cost


def node_costs(nodes: Iterable[Node], input_shapes: Mapping[str, Sizes]) -> list[NodeCost]:
    """Return what some nodes take for one example.

    Args:
        nodes: The nodes in topological order, with all that they read.
        input_shapes: Shapes of the inputs by name, without the batch axis.

    Raises:
        ValueError: A layer does not accept these shapes.
    """
    shapes: dict[str, Sizes] = {}
    costs = []
    for node in nodes:
        sources = [shapes[source] for source in node.inputs]
        shape = known(node.layer.output_shape(*sources)) if sources else input_shapes[node.name]
        if count(shape) > MAX_ELEMENTS:  # numbers that grow from node to node would become too long
            check_memory(node.name, 4 * count(shape))
        shapes[node.name] = shape
        costs.append(NodeCost(node, shape, node.layer.cost(*sources)))
    return costs


def count_frames(input_shapes: Iterable[Sizes]) -> int:
    """Return how many frames the longest video has among inputs of these shapes, from 1 to MAX_FRAMES.

    Frames of less than MIN_FRAME_PIXELS pixels count as parts of one.

    Args:
        input_shapes: Shapes without the batch axis: (frames, h, w, c) of a video.
    """
    frames = max(
        (
            min(count(shape[:-3]), count(shape[:-1]) // MIN_FRAME_PIXELS)
            for shape in input_shapes
            if len(shape) > 3
        ),
        default=1,
    )
    return max(1, min(frames, MAX_FRAMES))


def check_work(name: str, costs: Sequence[NodeCost], passes: int = 1, frames: int = 1) -> None:
    """Check the work for one example against the limit.

    Args:
        name: Name of the network, for the message.
        costs: The nodes that are computed.
        passes: Number of times that they are computed. If there are several, the limit is
            MAX_PASSES_WORK times as high.
        frames: Number of frames, if an example is a video. Each may take as much work as an image.

    Raises:
        LimitError: It is too much.
    """
    total, limit = sum(each.cost.operations for each in costs), get_limits().max_operations
    total = -(-total // frames)
    if passes > 1:
        total = -(-total * passes // MAX_PASSES_WORK)
    if total > limit:
        total = min(total, HOPELESS)
        most = max(costs, key=lambda each: each.cost.operations).node
        times = (
            "" if passes == 1 else f"{passes:,} passes, of which the limit counts 1 in {MAX_PASSES_WORK}: "
        )
        example = "example" if frames == 1 else "frame"
        raise LimitError(
            f"{name}: {times}takes {total:.2e} operations for one {example}, most of them in {most.name} "
            f"({most.kind}); the limit is {limit:.2e}. If you trust the model, raise it: "
            f"set_limits(max_operations={total}), --max-operations or XCEPTION_MAX_OPERATIONS"
        )


def check_memory(name: str, needed: int) -> None:
    """Check the memory of a pass against the limit.

    Args:
        name: Name of the network, for the message.
        needed: Bytes of parameters and working memory.

    Raises:
        LimitError: It is too much.
    """
    limit = get_limits().max_memory_bytes
    if needed > limit:
        needed = min(needed, HOPELESS)
        raise LimitError(
            f"{name}: takes {format_bytes(needed)} of memory; the limit is "
            f"{format_limit(limit)}. If you trust the model, raise it: {memory_advice(needed)}"
        )


def check_names(name: str, number: int) -> None:
    """Check the memory for names that are made, of classes or features, against the limit.

    Args:
        name: Name of the network, for the message.
        number: How many names.

    Raises:
        LimitError: It is too much.
    """
    check_memory(name, number * BYTES_PER_NAME)


def check_evaluation(
    name: str, costs: Sequence[NodeCost], parameters: GraphParameters, outputs: Iterable[str],
    inputs: Iterable[Array],
) -> None:  # fmt: skip
    """Check a plain forward pass, in which an activation is freed after its last reader has run.

    Args:
        name: Name of the network, for messages.
        costs: The nodes that are computed, in order.
        parameters: The parameters of the network.
        outputs: Nodes whose activations are kept.
        inputs: The inputs, (n, …).

    Raises:
        LimitError: It takes too much work or memory.
    """
    inputs = list(inputs)
    check_work(name, costs, frames=count_frames(x.shape[1:] for x in inputs))
    readers = Counter(source for each in costs for source in each.node.inputs)
    readers.update(outputs)
    sizes = {each.node.name: count(each.shape) for each in costs}
    alive = peak = 0
    for each in costs:
        peak = max(peak, alive + each.cost.elements)
        alive += sizes[each.node.name]
        for source in each.node.inputs:
            readers[source] -= 1
            if not readers[source]:
                alive -= sizes[source]
    bytes_per_element = max((len(x) * x.itemsize for x in inputs), default=0)
    check_memory(name, parameter_bytes(parameters) + max(peak, alive) * bytes_per_element)


def parameter_bytes(parameters: GraphParameters) -> int:
    """Return the bytes of all parameters."""
    return sum(array.nbytes for arrays in parameters.values() for array in arrays.values())
