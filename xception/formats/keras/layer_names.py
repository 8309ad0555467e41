"""Automatic layer names, "conv2d", "conv2d_1", …, and the order of creation that follows from them.

Keras names a layer that the user did not name after its class, and numbers the layers of a class in the
order in which they are created. The counters continue from model to model within a session: the same
layer is "conv2d_1" in one file and "conv2d_5" in another. Only the order of the numbers has a meaning.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from ... import architecture
from ...graph import Member, Network
from ...graph.names import automatic_stem, is_automatic

#: Class names in the layer names of Keras 1, and those of Keras 2.
OLD_STEMS = {
    "convolution2d": "conv2d",
    "separableconvolution2d": "separable_conv2d",
    "batchnormalization": "batch_normalization",
}
NETWORK_STEMS = ("functional", "model", "sequential")
NETWORK = "network"  #: the kind of all networks, whose class names differ between versions of Keras


def stem_of(name: str) -> str:
    """Return a name without its number, as Keras 2 spells it: "conv2d" for "convolution2d_1"."""
    stem = re.sub(r"_\d+$", "", name)
    return OLD_STEMS.get(stem, stem)


def number_of(name: str) -> int:
    """Return the number in a name: 5 for "conv2d_5", 0 for "conv2d"."""
    match = re.search(r"_(\d{1,9})$", name)
    return int(match[1]) if match else 0


def kind_of_member(member: Member) -> str:
    """Return the kind of a member, which a stored layer must have too: the stem of its automatic name."""
    return NETWORK if _is_plain_network(member) else automatic_stem(member.kind)


def kind_of_name(name: str) -> str:
    """Return the kind of a stored layer with an automatic name; see `kind_of_member`."""
    stem = stem_of(name)
    return NETWORK if stem in NETWORK_STEMS else stem


def has_automatic_name(member: Member) -> bool:
    """Return True if the name of a member is automatic."""
    if _is_plain_network(member):
        return stem_of(member.name) in NETWORK_STEMS
    return is_automatic(member.name, member.kind)


def _is_plain_network(member: Member) -> bool:
    """Return True for a network that is not within `TimeDistributed`, which names are made of otherwise."""
    return isinstance(member.layer, Network) and not member.layer.frame_axes


def creation_order(members: Mapping[str, Member]) -> list[str]:
    """Sort members of one kind in the order in which Keras created them.

    If all have automatic names, the numbers give the order. Otherwise they must be layers of Xception,
    and the order is that of Keras's script: named layers are found in it by name, and automatic names
    stand for its unnamed layers, the four projections and their normalizations.

    Args:
        members: The members by their paths in the graph.

    Returns:
        The paths in order; an empty list if the order cannot be determined.
    """
    by_number = sorted(
        (path for path, member in members.items() if has_automatic_name(member)),
        key=lambda path: number_of(members[path].name),
    )
    if len(by_number) == len(members):
        return by_number
    kind = next(iter(members.values())).kind
    script = [name for name, script_kind in _script().items() if script_kind == kind]
    unnamed = [name for name in script if is_automatic(name, kind)]
    if by_number and len(by_number) != len(unnamed):
        return []
    names_in_script = dict(zip(by_number, unnamed, strict=False))
    for path, member in members.items():
        names_in_script.setdefault(path, member.name)
    if not set(names_in_script.values()) <= set(script):
        return []
    return sorted(members, key=lambda path: script.index(names_in_script[path]))


@functools.cache
def _script() -> dict[str, str]:
    """Return Xception's layers in the order of Keras's script, with their kinds."""
    return {node.name: node.kind for node in architecture.xception().nodes.values()}
