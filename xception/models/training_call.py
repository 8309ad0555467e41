"""Forward pass of a model in training mode, which leaves the model unchanged."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Collection, Mapping

import numpy as np

from ..gradients.randomness import Randomness, acts_in_training, describe_idle_layers, run_in_training
from ..gradients.steps.batch_statistics import normalize_batch
from ..graph import Graph, GraphParameters, Node
from ..graph.evaluation import evaluate_nodes
from ..kernels import Array
from ..layers import BatchNormalization, Parameters
from ..layers.validation import as_int

SEED_BITS = 64  #: of a seed that is drawn


def run_in_training_mode(
    graph: Graph,
    parameters: GraphParameters,
    x: Mapping[str, Array],
    trained: Collection[str],
    seed: int | None,
) -> dict[str, Array]:
    """Compute the outputs as Keras does in training.

    Layers such as `Dropout` act, and trainable `BatchNormalization` layers normalize by the statistics of the
    batch. Their moving statistics stay as they are.

    Args:
        graph: The graph.
        parameters: {node: {parameter: array}}.
        x: The inputs (n, …) by name.
        trained: The nodes that are trainable.
        seed: Seed of the random layers; None for another draw at each call.

    Returns:
        The outputs (n, …), by node.

    Raises:
        ValueError: `seed` is negative, or a random layer does not accept its input.
        LimitError: It would take more memory or work than the limits allow.
    """
    seed = secrets.randbits(SEED_BITS) if seed is None else as_int("seed", seed, minimum=0)
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in x.items()}
    examples = len(next(iter(arrays.values())))
    randomness = Randomness([(seed, example) for example in range(examples)])
    numbers = {name: number for number, name in enumerate(graph.nodes)}
    _warn_of_idle_layers(graph)

    def forward(node: Node, arrays: Parameters, *inputs: Array) -> Array:
        if acts_in_training(node.layer):
            try:
                trained_output = run_in_training(
                    node.layer, inputs[0], randomness.generators(numbers[node.name])
                )
            except ValueError as error:
                raise ValueError(f"{node.name} ({node.kind}): {error}") from None
            if trained_output is not None:
                return trained_output[0]
        if isinstance(node.frame_layer, BatchNormalization) and node.owner in trained and inputs[0].size:
            y = np.empty_like(inputs[0])
            normalize_batch(node.frame_layer, arrays, inputs[0], y)
            return y
        return node.layer.forward(arrays, *inputs)

    needed = graph.ancestors(graph.outputs)
    order = [node for node in graph.topological_order() if node.name in needed]
    return evaluate_nodes(graph.name, order, parameters, arrays, graph.outputs, forward)


def _warn_of_idle_layers(graph: Graph) -> None:
    idle = describe_idle_layers(graph.nodes.values())
    if idle:
        warnings.warn(f"layers that do nothing here in training: {'; '.join(idle)}", stacklevel=4)
