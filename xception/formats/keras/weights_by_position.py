"""The layout of Keras 3's `.weights.h5`, which stands in every `.keras` file too.

`layers/<class>[_N]/vars/0, 1, …`, and for a network among the layers
`layers/functional/layers/…`. Layers bear the name of their class; N counts those of one class in
the order of `model.layers`. Arrays bear their position.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ...graph import Graph, GraphParameters
from ...graph.names import automatic_stem
from ...graph.network import Member, Network, is_input
from ..hdf5 import arrays
from ..hdf5 import file as hdf5
from ..hdf5.arrays import StoredArray
from ..matching import Match
from .layer_names import number_of, stem_of

#: The first version, of TensorFlow 2.12, called it otherwise, and counted layers with weights by twos.
LAYERS = ("layers", "_layer_checkpoint_dependencies")
DEEPEST = 8  #: networks within networks that are searched for the one that is wanted


def recognises(file: hdf5.Group) -> bool:
    return _layers(file) is not None


def match(network: Network, graph: Graph, file: hdf5.File) -> Match:
    """Where the network's parameters are. Every layer is looked up at the place due to it."""
    found = Match(graph)
    _walk(network, "", file, found)
    _share(found)
    return found


def _share(found: Match) -> None:
    """A layer that stands in two networks is one object to Keras, which writes it where it comes
    first and leaves it out where it comes again: there it is looked for by its name."""
    for name in list(found.missing):
        node = found.graph.nodes[name]
        alike = [
            other
            for other in found.graph.nodes.values()
            if other.name != name and _own_name(other.name) == _own_name(name)
            and (other.layer, other.parameters) == (node.layer, node.parameters)
            and all((other.name, parameter) in found.found for parameter in other.parameters)
        ]  # fmt: skip
        if len(alike) == 1:
            for parameter in node.parameters:
                found.found[name, parameter] = found.found[alike[0].name, parameter]
            found.missing.remove(name)


def _own_name(path: str) -> str:
    return path.rpartition("/")[2]


def parts(file: hdf5.File) -> Iterator[tuple[str, hdf5.Group]]:
    """The networks within the file's network, at any depth, with their places."""
    waiting = [("", file, 0)]
    while waiting:
        place, holder, depth = waiting.pop(0)
        root = _layers(holder)
        for name in hdf5.entries(root):
            if depth < DEEPEST and name.split("_")[0] in ("functional", "model", "sequential"):
                inner = hdf5.group(root, name)
                if recognises(inner):
                    yield f"{place}{name}", inner
                    waiting.append((f"{place}{name}/", inner, depth + 1))


def match_part(network: Network, graph: Graph, part: hdf5.Group) -> Match:
    """Where the network's parameters are in a group that holds a whole network."""
    found = Match(graph)
    _walk(network, "", part, found)
    return found


def listed(file: hdf5.File) -> list[str]:
    """The file's layers that have weights, as far as these stand in the outermost network."""
    root = _layers(file)
    return [name for name in hdf5.entries(root) if _has_weights(hdf5.group(root, name))]


def count_classes(file: hdf5.File) -> int | None:
    """How many classes the one dense layer tells apart."""
    root = _layers(file)
    if root is None or "dense" not in root.keys():  # noqa: SIM118
        return None
    kernel = next(iter(_variables(hdf5.group(root, "dense")).values()), None)
    return kernel.shape[-1] if kernel is not None and len(kernel.shape) == 2 else None


def write(file: hdf5.File, network: Network, graph: Graph, parameters: GraphParameters) -> None:
    """As Keras 3 writes `save_weights("x.weights.h5")`."""
    _write(file, network, "", graph, parameters)


def _write(
    holder: hdf5.Group, network: Network, path: str, graph: Graph, parameters: GraphParameters
) -> None:
    holder.create_group("vars")  # of the network itself: there are none, but Keras 2 looks
    for key, member in keyed(network):
        name = f"{path}{member.name}"
        if isinstance(member.layer, Network):
            _write(holder.create_group(f"{LAYERS[0]}/{key}"), member.layer, f"{name}/", graph, parameters)
            continue
        variables = holder.create_group(f"{LAYERS[0]}/{key}/vars")
        for position, parameter in enumerate(graph.nodes[name].parameters):
            variables.create_dataset(str(position), data=parameters[name][parameter])


def keyed(network: Network, by_twos: Collection[str] = ()) -> Iterator[tuple[str, Member]]:
    """The members with the names of their groups. by_twos: the classes whose numbers grow so."""
    numbers: dict[str, int] = {}
    for member in network.in_order():
        if not is_input(member):
            stem = automatic_stem(member.kind)
            step = 2 if stem in by_twos else 1
            number = numbers[stem] = numbers.get(stem, -step) + step
            yield f"{stem}_{number}" if number else stem, member


def _has_weights(layer: hdf5.Group) -> bool:
    return bool(_variables(layer)) or _layers(layer) is not None


def _walk(network: Network, path: str, holder: hdf5.Group, found: Match) -> None:
    root = _layers(holder)
    left = dict.fromkeys(hdf5.entries(root))
    by_twos = set()
    if root is not None and root.name.endswith(LAYERS[1]):
        odd = {stem_of(key) for key in left if number_of(key) % 2}
        by_twos = {stem_of(key) for key in left} - odd
    for key, member in keyed(network, by_twos):
        name, layer = f"{path}{member.name}", None
        if root is not None and key in left:
            del left[key]
            layer = hdf5.group(root, key)
        if isinstance(member.layer, Network):
            if layer is not None:
                _walk(member.layer, f"{name}/", layer, found)
            else:
                leaves = (leaf for leaf, _ in member.layer.leaves(f"{name}/"))
                found.missing += [leaf for leaf in leaves if found.graph.nodes[leaf].parameters]
        elif found.graph.nodes[name].parameters:
            stored = _variables(layer) if layer is not None else {}
            if stored:
                found.pair(name, stored, key)
            else:
                found.missing.append(name)
    for key in left:
        assert root is not None  # from which the groups came
        layer = hdf5.group(root, key)
        if _has_weights(layer):
            found.left.append(key)
            shapes = [array.shape for array in _variables(layer).values()]
            found.left_classifier = [len(shape) for shape in shapes] in ([2], [2, 1])


def _layers(holder: hdf5.Group) -> hdf5.Group | None:
    for name in LAYERS:
        if name in holder.keys():  # noqa: SIM118, `in holder` would follow a link
            return hdf5.group(holder, name)
    return None


def _variables(layer: hdf5.Group) -> dict[str, StoredArray]:
    if "vars" not in layer.keys():  # noqa: SIM118
        return {}
    group = hdf5.group(layer, "vars")
    return {
        key: arrays.find(group, key) for key in sorted(hdf5.entries(group), key=lambda key: (len(key), key))
    }
