"""Weights stored by class and position: `.weights.h5` of Keras 3, alone or in a `.keras` archive.

A layer is the group `layers/<class>[_N]`, where N counts the layers of the class in the order of
`model.layers`; layer names do not occur. Its arrays are `vars/0`, `vars/1`, … A network used as a layer
has `layers` of its own: `layers/functional/layers/…`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ...errors import ModelFileError
from ...graph import Graph, GraphParameters, Member, Network
from ...graph.names import automatic_stem
from ...layers import Layer
from ..hdf5.arrays import StoredArray, find_array
from ..hdf5.file import File, Group, list_entries, open_group
from ..limits import MAX_SEARCH_DEPTH, MAX_WRAPPING_DEPTH
from ..matching import Match
from .layer_names import NETWORK_STEMS, number_of, stem_of

#: The group of the layers, and its name in TensorFlow 2.12, which numbers layers with weights 0, 2, 4, …
LAYERS, OLD_LAYERS = "layers", "_layer_checkpoint_dependencies"

#: Groups inside the group of a layer whose own arrays are those of a layer that it wraps.
INNER_GROUPS = ("cell", "forward_layer/cell", "layer", "layer/cell", "query_dense")


def recognizes(file: Group) -> bool:
    """Return True if a file, or the group of a network in one, stores weights by position."""
    return _layers_group(file) is not None


def match(network: Network, graph: Graph, file: File, by_name: bool = False) -> Match:
    """Assign the arrays of a file to the parameters of a network.

    Args:
        network: The model as Keras nests it.
        graph: The same model, flat.
        file: The weights.
        by_name: Must be False: the file has no layer names.

    Returns:
        What fits and what does not.

    Raises:
        ModelFileError: The file is damaged or hostile, or `by_name` is True.
    """
    if by_name:
        file_name = Path(file.filename).name
        raise ModelFileError(f"{file_name}: holds no layer names, so nothing can be loaded by name")
    result = Match(graph)
    _match_network(network, "", file, result)
    _fill_shared_layers(result)
    return result


def match_nested(network: Network, graph: Graph, file: File) -> Iterator[tuple[str, Match]]:
    """Match a network with each network inside the model of a file, at any depth.

    Args:
        network: The network to look for, as Keras nests it.
        graph: The same network, flat.
        file: The weights of a larger model.

    Yields:
        (path of the inner network in the file, match).
    """
    queue: list[tuple[str, Group, int]] = [("", file, 0)]
    for path, holder, depth in queue:  # grows while it is iterated over
        root = _layers_group(holder)
        for name in list_entries(root):
            if depth < MAX_SEARCH_DEPTH and stem_of(name) in (*NETWORK_STEMS, "time_distributed"):
                inner = _network_within(open_group(root, name))
                if inner is not None:
                    result = Match(graph)
                    _match_network(network, "", inner, result)
                    yield f"{path}{name}", result
                    queue.append((f"{path}{name}/", inner, depth + 1))


def list_layers(file: File) -> list[str]:
    """Return the layers with weights of the outermost network in a file."""
    root = _layers_group(file)
    return [name for name in list_entries(root) if _has_weights(open_group(root, name))]


def count_classes(file: File) -> int | None:
    """Return the number of outputs of the layer "dense" in a file; None if there is none."""
    root = _layers_group(file)
    if root is None or "dense" not in root.keys():  # noqa: SIM118, `in root` would follow a link
        return None
    kernel = next(iter(find_variables(open_group(root, "dense")).values()), None)
    return kernel.shape[-1] if kernel is not None and len(kernel.shape) == 2 else None


# --- matching -------------------------------------------------------------------------------


def _match_network(network: Network, prefix: str, holder: Group, result: Match) -> None:
    """Add the arrays of a network, which is stored in `holder`, to `result`.

    `prefix` is that of the names of the network's nodes.
    """
    root = _layers_group(holder)
    unused = dict.fromkeys(list_entries(root))
    for key, member in member_groups(network, _kinds_by_twos(root)):
        node_name, layer = f"{prefix}{member.name}", None
        if root is not None and key in unused:
            del unused[key]
            layer = open_group(root, key)
        if isinstance(member.layer, Network):
            layer = _open_path(layer, _path_within(member.layer))
            if layer is not None:
                _match_network(member.layer, f"{node_name}/", layer, result)
            else:
                leaves = (leaf for leaf, _ in member.layer.leaves(f"{node_name}/"))
                result.missing += [leaf for leaf in leaves if result.graph.nodes[leaf].parameters]
        elif result.graph.nodes[node_name].parameters:
            parameters = result.graph.nodes[node_name].parameters
            stored = {} if layer is None else _find_parameters(layer, member.layer, parameters)
            if stored:
                result.assign(node_name, stored, key)
            else:
                result.missing.append(node_name)
    # Keras lists loose ends last, so that the numbers of the other layers are as without them.
    loose_ends = Counter(automatic_stem(kind) for kind in network.loose_ends.values())
    for key in unused:
        layer = open_group(root, key)
        if loose_ends[stem_of(key)]:
            loose_ends[stem_of(key)] -= 1
        elif _has_weights(layer):
            result.unused.append(key)
            shapes = [array.shape for array in find_variables(layer).values()]
            result.unused_is_classifier = [len(shape) for shape in shapes] in ([2], [2, 1])


def member_groups(network: Network, by_twos: Collection[str] = ()) -> Iterator[tuple[str, Member]]:
    """Yield the members of a network with the names of their groups.

    Args:
        network: The network.
        by_twos: Stems whose numbers are 0, 2, 4, …
    """
    numbers: dict[str, int] = {}
    for member in network.in_order():
        if not member.is_input:
            stem = automatic_stem(member.kind)
            step = 2 if stem in by_twos else 1
            number = numbers[stem] = numbers.get(stem, -step) + step
            yield f"{stem}_{number}" if number else stem, member


def _kinds_by_twos(root: Group | None) -> set[str]:
    """Return the stems that have only even numbers, in a file of TensorFlow 2.12."""
    if root is None or not root.name.endswith(OLD_LAYERS):
        return set()
    keys = list_entries(root)
    return {stem_of(key) for key in keys} - {stem_of(key) for key in keys if number_of(key) % 2}


def _fill_shared_layers(result: Match) -> None:
    """Take the arrays of missing layers from layers of the same name in other networks.

    A layer that is shared by two networks is stored only in the first.
    """
    for name in list(result.missing):
        node = result.graph.nodes[name]
        same = [
            other
            for other in result.graph.nodes.values()
            if other.name != name
            and _last_part(other.name) == _last_part(name)
            and (other.layer, other.parameters) == (node.layer, node.parameters)
            and all((other.name, parameter) in result.arrays for parameter in other.parameters)
        ]
        if len(same) == 1:
            for parameter in node.parameters:
                result.arrays[name, parameter] = result.arrays[same[0].name, parameter]
            result.missing.remove(name)


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]


# --- groups ---------------------------------------------------------------------------------


def _layers_group(holder: Group) -> Group | None:
    for name in (LAYERS, OLD_LAYERS):
        if name in holder.keys():  # noqa: SIM118, `in holder` would follow a link
            return open_group(holder, name)
    return None


def _has_weights(layer: Group) -> bool:
    """Return True if a layer, or one of the layers inside it, has arrays."""
    groups = [layer, *(_open_path(layer, path) for path in INNER_GROUPS)]
    return any(
        group is not None and (find_variables(group) or _layers_group(group) is not None) for group in groups
    )


def find_variables(layer: Group | None) -> dict[str, StoredArray]:
    """Return a layer's arrays by position: "0", "1", …"""
    if layer is None or "vars" not in layer.keys():  # noqa: SIM118
        return {}
    group = open_group(layer, "vars")
    positions = sorted(list_entries(group), key=lambda key: (len(key), key))
    return {key: find_array(group, key) for key in positions}


def _find_parameters(holder: Group, layer: Layer, parameters: Iterable[str]) -> dict[str, StoredArray]:
    """Return a layer's arrays by parameter name; by position in groups that hold more or fewer."""
    groups = variable_groups(layer, parameters)
    arrays = {} if "" in groups else find_variables(holder)
    for path, names_in_group in groups.items():
        stored = find_variables(_open_path(holder, path))
        in_order = len(stored) == len(names_in_group)
        names = names_in_group if in_order else [f"{path}/{key}" if path else key for key in stored]
        arrays |= zip(names, stored.values(), strict=True)
    return arrays


def variable_groups(layer: Layer, parameters: Iterable[str]) -> dict[str, list[str]]:
    """Return the groups of a layer's arrays inside its own group: {path: parameters in order}."""
    groups: dict[str, list[str]] = {}
    for parameter in parameters:
        groups.setdefault(layer.variable_group(parameter), []).append(parameter)
    return groups


def _network_within(group: Group) -> Group | None:
    """Return the group of the network that a member is, or that is within its `TimeDistributed`, or None."""
    paths = ("/layer" * depth for depth in range(MAX_WRAPPING_DEPTH + 1))
    groups = (_open_path(group, path) for path in paths)
    return next((inner for inner in groups if inner is not None and recognizes(inner)), None)


def _path_within(network: Network) -> str:
    """Return the path from the group of a member to that of the network which it is."""
    return "/layer" * network.frame_axes


def _open_path(group: Group | None, path: str) -> Group | None:
    """Return a group inside a group; None if there is none."""
    for part in filter(None, path.split("/")):
        # Keras 2 calls the group of a private layer "_query_dense".
        names = [] if group is None else [name for name in (part, f"_{part}") if name in group.keys()]  # noqa: SIM118
        if group is None or not names:
            return None
        group = open_group(group, names[0])
    return group


# --- writing --------------------------------------------------------------------------------


def write(file: File, network: Network, graph: Graph, parameters: GraphParameters) -> None:
    """Write weights in the layout of Keras 3, as its `save_weights("x.weights.h5")` does.

    Args:
        file: An empty HDF5 file.
        network: The model as Keras nests it.
        graph: The same model, flat.
        parameters: {node name: {parameter name: float32 array}}.
    """
    _write_network(file, network, "", graph, parameters)


def _write_network(
    holder: Group, network: Network, prefix: str, graph: Graph, parameters: GraphParameters
) -> None:
    holder.create_group(LAYERS)  # even if none of them is written
    holder.create_group("vars")  # the network's own variables: none, but Keras 2 expects the group
    for key, member in member_groups(network):
        node_name = f"{prefix}{member.name}"
        if isinstance(member.layer, Network):
            inner = holder.create_group(f"{LAYERS}/{key}{_path_within(member.layer)}")
            _write_network(inner, member.layer, f"{node_name}/", graph, parameters)
            continue
        layer = holder.create_group(f"{LAYERS}/{key}")
        layer.create_group("vars")  # the layer's own variables, even if there are none
        for path, names in variable_groups(member.layer, graph.nodes[node_name].parameters).items():
            variables = layer.require_group(f"{path}/vars" if path else "vars")
            for position, parameter in enumerate(names):
                variables.create_dataset(str(position), data=parameters[node_name][parameter])
