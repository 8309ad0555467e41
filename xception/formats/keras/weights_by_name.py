"""Weights stored by layer name: `.h5` files of Keras 1 and 2, and whole models of Keras 3 in `.h5`.

The file holds a list of stored layers (`stored_layers`), which are assigned to the members of a network
in two steps:

1. By name, where the user chose it: "block1_conv1" is "block1_conv1". An automatic name ("conv2d_5")
   identifies no layer, because its number depends on what else was created in the session.
2. By creation. The remaining members and stored layers of each kind are paired in the order in which
   Keras creates them: the lowest number in the file belongs to the first member
   (`layer_names.creation_order`).

The second step covers the four unnamed projections of Xception, whose numbers may start anywhere. It also
covers the weights of 2016 that Keras publishes, in which every layer is numbered ("convolution2d_1",
"batchnormalization_36", "dense_2").

A network used as a layer is one stored layer with the arrays of all its layers: see `_match_nested`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ...graph import Graph, GraphParameters, Member, Network
from ..hdf5.file import File
from ..matching import Match
from .layer_names import (
    OLD_STEMS,
    creation_order,
    has_automatic_name,
    kind_of_member,
    kind_of_name,
    number_of,
)
from .stored_layers import (
    StoredLayer,
    has_stored_layers,
    may_hold,
    read_stored_layers,
)

#: Kinds that have automatic names in every Xception: the projections and their normalizations.
PROJECTION_KINDS = ("conv2d", "batch_normalization")


def recognizes(file: File) -> bool:
    """Return True if a file stores weights by layer name."""
    return has_stored_layers(file)


def match(network: Network, graph: Graph, file: File, by_name: bool = False) -> Match:
    """Assign the arrays of a file to the parameters of a network.

    Args:
        network: The model as Keras nests it.
        graph: The same model, flat.
        file: The weights.
        by_name: Assign only layers of the same name, and those with automatic names in every Xception.

    Returns:
        What fits and what does not.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    members = {member.name: member for member in network.in_order()}
    stored_layers = read_stored_layers(file)
    result = _match_members(members, stored_layers, graph, by_name)
    if result.unused and network.loose_ends:
        used = [layer for layer in stored_layers if layer.name not in network.loose_ends]
        without = _match_members(members, used, graph, by_name)
        result = without if without.is_complete else result
    return result


def match_nested(network: Network, graph: Graph, file: File) -> Iterator[tuple[str, Match]]:
    """Match a network with each network that is a layer of the model in a file.

    Args:
        network: The network to look for, as Keras nests it.
        graph: The same network, flat.
        file: The weights of a larger model.

    Yields:
        (name of the layer in the file, match).
    """
    for layer in read_stored_layers(file):
        if len(layer.inner_layers()) > 1:
            yield layer.name, _match_nested(network, "", layer, graph)


def list_layers(file: File) -> list[str]:
    """Return the names of the layers in a file that have weights."""
    return [layer.name for layer in read_stored_layers(file)]


def count_classes(file: File) -> int | None:
    """Return the number of outputs of the first dense layer in a file; None if there is none."""
    for layer in read_stored_layers(file):
        if layer.is_dense:
            return next(array.shape[-1] for array in layer.arrays.values() if len(array.shape) == 2)
    return None


# --- members and stored layers --------------------------------------------------------------


def _match_members(
    members: Mapping[str, Member], stored_layers: Sequence[StoredLayer], graph: Graph, by_name: bool
) -> Match:
    """Assign stored layers to members, one to one.

    `members` are the layers of one network by their paths in the graph.
    """
    # Keras also stores the state of random generators, for example of dropout. It is not a parameter.
    without_parameters = {
        member.name for path, member in members.items() if not _nodes_with_parameters(path, member, graph)
    }
    members = {path: member for path, member in members.items() if member.name not in without_parameters}
    remaining = {layer.name: layer for layer in stored_layers if layer.name not in without_parameters}

    pairs = _pair_by_name(members, remaining, by_name)
    for layer in pairs.values():
        del remaining[layer.name]
    unpaired = {path: member for path, member in members.items() if path not in pairs}
    for path, layer in _pair_by_creation(unpaired, remaining, by_name).items():
        pairs[path] = remaining.pop(layer.name)

    result = Match(graph)
    for path, member in members.items():
        if path not in pairs:
            result.missing += _nodes_with_parameters(path, member, graph)
        elif isinstance(member.layer, Network):
            result.merge(_match_nested(member.layer, f"{path}/", pairs[path], graph))
        else:
            result.assign(path, pairs[path].by_parameter(graph.nodes[path]), pairs[path].name)
    result.unused += remaining
    result.unused_is_classifier = [layer.is_dense for layer in remaining.values()] == [True]
    return result


def _pair_by_name(
    members: Mapping[str, Member], stored: Mapping[str, StoredLayer], by_name: bool
) -> dict[str, StoredLayer]:
    """Pair members with stored layers of the same name: {path: stored layer}.

    Automatic names count only if all names agree, or if the caller asks for `by_name`.
    """
    same_names = {member.name for member in members.values()} == set(stored)
    return {
        path: stored[member.name]
        for path, member in members.items()
        if member.name in stored and (same_names or by_name or not has_automatic_name(member))
    }


def _pair_by_creation(
    members: Mapping[str, Member], stored: Mapping[str, StoredLayer], by_name: bool
) -> dict[str, StoredLayer]:
    """Pair members with stored layers of the same kind, in the order of creation: {path: stored layer}.

    A kind is skipped if the numbers of members and stored layers differ.
    """
    is_layout_of_2016 = any(stem in name for name in stored for stem in OLD_STEMS)
    pairs: dict[str, StoredLayer] = {}
    for kind in dict.fromkeys(map(kind_of_member, members.values())):
        of_kind = {path: member for path, member in members.items() if kind_of_member(member) == kind}
        layers = [layer for name, layer in stored.items() if kind_of_name(name) == kind]
        if len(of_kind) != len(layers):
            continue
        if by_name and not is_layout_of_2016 and kind not in PROJECTION_KINDS:
            continue
        layers.sort(key=lambda layer: number_of(layer.name))
        pairs |= zip(creation_order(of_kind), layers, strict=False)  # none if the order is unknown
    return pairs


def _nodes_with_parameters(path: str, member: Member, graph: Graph) -> list[str]:
    """Return the names of the nodes with parameters of a layer, or of all layers of a network."""
    leaves = member.layer.leaves(f"{path}/") if isinstance(member.layer, Network) else [(path, member)]
    return [name for name, _ in leaves if graph.nodes[name].parameters]


# --- networks stored as one layer -----------------------------------------------------------


def _match_nested(network: Network, prefix: str, stored: StoredLayer, graph: Graph) -> Match:
    """Assign the arrays of one stored layer to all layers of a network.

    The folders of the arrays name the inner layers. If these names are unique, they are matched as in
    any network. If they are not unique, or some array remains, the arrays are assigned in the order in
    which Keras writes them, provided that every shape and parameter name agrees.

    `prefix` is that of the names of the network's nodes.
    """
    leaves = dict(network.leaves(prefix))
    inner_layers = stored.inner_layers()
    if network.loose_ends:
        inner_layers = [layer for layer in inner_layers if layer.name not in network.loose_ends]
    by_name = Match(graph)
    if _are_unique([layer.name for layer in inner_layers]) and _are_unique(
        [member.name for member in leaves.values()]
    ):
        by_name = _match_members(leaves, inner_layers, graph, by_name=False)
        if by_name.is_complete:
            return by_name
    else:
        by_name.missing = [path for path in leaves if graph.nodes[path].parameters]
    return _match_in_order(network, prefix, stored, graph) or by_name


def _match_in_order(network: Network, prefix: str, stored: StoredLayer, graph: Graph) -> Match | None:
    """Assign arrays by position. Return None if a shape or a parameter name does not agree."""
    expected = list(training_order(network, graph, prefix))
    if len(expected) != len(stored.arrays):
        return None
    result = Match(graph)
    for (node_name, parameter), (path, array) in zip(expected, stored.arrays.items(), strict=True):
        if not may_hold(path, parameter) or array.shape != graph.nodes[node_name].parameters[parameter].shape:
            return None
        result.arrays[node_name, parameter] = array
    return result


def training_order(network: Network, graph: Graph, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the parameters of a network in the order in which Keras stores it as one layer.

    Trainable parameters come first, then the others: moving means and variances, and all parameters of
    frozen layers.

    Args:
        network: The network.
        graph: The graph that contains its nodes.
        prefix: Prefix of the names of its nodes.

    Yields:
        (node name, parameter name).
    """
    parameters = [
        (name, parameter, graph.nodes[name].parameters[parameter].trainable and trainable)
        for name, trainable in _leaves_with_trainable(network, prefix, True)
        for parameter in graph.nodes[name].parameters
    ]
    yield from ((name, parameter) for name, parameter, is_trainable in parameters if is_trainable)
    yield from ((name, parameter) for name, parameter, is_trainable in parameters if not is_trainable)


def _leaves_with_trainable(network: Network, prefix: str, trainable: bool) -> Iterator[tuple[str, bool]]:
    """Yield every layer's path, and whether it is trainable: not frozen, nor any network around it."""
    for member in network.in_order():
        is_trainable = trainable and member.trainable
        if isinstance(member.layer, Network):
            yield from _leaves_with_trainable(member.layer, f"{prefix}{member.name}/", is_trainable)
        else:
            yield f"{prefix}{member.name}", is_trainable


def _are_unique(names: list[str]) -> bool:
    return len(set(names)) == len(names)


# --- writing --------------------------------------------------------------------------------


def write(
    file: File,
    network: Network,
    graph: Graph,
    parameters: GraphParameters,
    float16_kernels: bool = False,
    rename: Callable[[str], str] = str,
) -> None:
    """Write weights in the layout of Keras 2, as its `save_weights("x.h5")` does.

    Args:
        file: An empty HDF5 file, or an empty group.
        network: The model as Keras nests it.
        graph: The same model, flat.
        parameters: {node name: {parameter name: float32 array}}.
        float16_kernels: Round kernels to float16, which halves the file. Vectors stay exact: they take
            half a per cent of the space, and some variances are too small for float16. Compression
            would make the file an eighth smaller, and start-up a fifth slower.
        rename: Returns the name in the file of a layer.
    """
    members = network.in_order()
    file.attrs["layer_names"] = np.array([rename(member.name).encode() for member in members])
    file.attrs["backend"] = b"tensorflow"
    file.attrs["keras_version"] = b"2.15.0"  # of the layout; loaders convert what looks older
    for member in members:
        group = file.create_group(rename(member.name))
        if isinstance(member.layer, Network):
            order = list(training_order(member.layer, graph, f"{member.name}/"))
        else:
            order = [(member.name, parameter) for parameter in graph.nodes[member.name].parameters]
        inner_names = [rename(name.removeprefix(f"{member.name}/")) for name, _ in order]
        paths = [f"{name}/{order[i][1]}:0" for i, name in enumerate(inner_names)]
        group.attrs["weight_names"] = np.array([path.encode() for path in paths], dtype="S")
        for (name, parameter), path in zip(order, paths, strict=True):
            array = parameters[name][parameter]
            dtype = "<f2" if float16_kernels and array.ndim > 1 else None
            group.create_dataset(path, data=array, dtype=dtype)
