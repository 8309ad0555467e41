"""Selection of one output of a model with several."""

from __future__ import annotations

from ..console.text import count_of
from ..graph import flatten
from .model import Model


def select_output(model: Model, name: str | None) -> Model:
    """Return a model with one of a model's outputs alone, and the same arrays as parameters.

    Inputs and layers that the output does not depend on are left out. The class names of a model with
    several outputs are those of its only output with as many classes.

    Args:
        model: The model.
        name: One of `model.output_names`. None for the only output.

    Raises:
        TypeError: `name` is not a text.
        ValueError: There is no such output; or there are several, and no name is given. The message
            lists them.
    """
    names = model.output_names
    if name is None and len(names) == 1:
        return model
    if not isinstance(name, str | None):
        raise TypeError(f"output_name must be the name of an output, got {type(name).__name__}")
    nodes = [model.graph.nodes[node] for node in model.graph.outputs]
    if name not in names:
        listed = ", ".join(
            f"{name} {(None, *node.output_shape)}" for name, node in zip(names, nodes, strict=True)
        )
        problem = (
            "name one of them, with output_name or --output-name"
            if name is None
            else f"there is none called {name!r}"
        )
        raise ValueError(f"{model.name} has {count_of(len(names), 'output')}: {listed}; {problem}")
    if len(names) == 1:
        return model
    index = names.index(name)
    network = model.network.with_output(index)
    graph = flatten(network)
    parameters = {node: model.parameters[node] for node in graph.nodes if node in model.parameters}
    class_names = model.class_names
    if class_names is not None:
        fitting = [node.name for node in nodes if node.output_shape[-1:] == (len(class_names),)]
        if fitting != [nodes[index].name]:
            class_names = None
    return Model(graph, parameters, network, class_names, model.preprocessing, task=model.task)
