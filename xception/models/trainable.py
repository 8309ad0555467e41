"""Trainable flags of the layers of a model."""

from __future__ import annotations

from dataclasses import replace

from ..graph import Member, Network


class TrainableFlags:
    """Whether each layer of a network is trainable. A frozen network freezes all its layers.

    Args:
        network: The network, with the flags to begin with.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def network(self) -> Network:
        """The network with the present flags."""
        return self._network

    def get(self, path: str) -> bool:
        """Return whether training changes a layer.

        Args:
            path: The layer's name in the graph, such as "base/block1_conv1".
        """
        network, flag = self._network, True
        for member in _members_along(network, path):
            flag = flag and member.trainable
        return flag

    def set(self, path: str, trainable: bool) -> None:
        """Change the flag of a layer; of a network, those of all its layers, as in Keras.

        A layer of a frozen network becomes trainable alone: the other layers of that network stay frozen.

        Args:
            path: The layer's name in the graph.
            trainable: The new flag.

        Raises:
            TypeError: `trainable` is not a bool.
        """
        if not isinstance(trainable, bool):
            raise TypeError(f"trainable must be True or False, got {trainable!r:.80}")
        names = [member.name for member in _members_along(self._network, path)]
        self._network = _with_flag(self._network, names, trainable)

    def leaves(self) -> dict[str, bool]:
        """Return the flag of each layer that is no network, by its name in the graph."""
        return self._network.leaf_flags()


def _members_along(network: Network, path: str) -> list[Member]:
    """Return the networks around a layer, outermost first, and the layer. Names may contain slashes."""
    for name, member in network.members.items():
        if path == name:
            return [member]
        if isinstance(member.layer, Network) and path.startswith(f"{name}/"):
            inner = _members_along(member.layer, path[len(name) + 1 :])
            if inner:
                return [member, *inner]
    return []


def _with_flag(network: Network, names: list[str], trainable: bool) -> Network:
    name, *inner = names
    member = network.members[name]
    if not inner:
        changed = _with_all(member, trainable)
    else:
        assert isinstance(member.layer, Network)
        # A frozen network is opened for this layer, so that the others must be frozen one by one.
        opened = member if member.trainable or not trainable else _with_all(member, False)
        assert isinstance(opened.layer, Network)
        layer = _with_flag(opened.layer, inner, trainable)
        changed = replace(opened, layer=layer, trainable=opened.trainable or trainable)
    return replace(network, members={**network.members, name: changed})


def _with_all(member: Member, trainable: bool) -> Member:
    """Return a member with this flag, and within a network all its members."""
    layer = member.layer
    if isinstance(layer, Network):
        members = {name: _with_all(inner, trainable) for name, inner in layer.members.items()}
        layer = replace(layer, members=members)
    return replace(member, layer=layer, trainable=trainable)
