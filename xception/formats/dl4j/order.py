"""The order of vertices in which Deeplearning4j stores parameters, where a file does not state it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from ...errors import ModelFileError

MIN_TABLE_SIZE = 16  #: of java.util.HashSet, which doubles it at three quarters


def stored_order(names: object, inputs: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the order that a file states, after checking it.

    Args:
        names: What JSON gave.
        inputs: The network's inputs.
        sources: The inputs of each vertex.

    Raises:
        ModelFileError: It does not list each once, after those that it reads.
    """
    expected = {*inputs, *sources}
    if not isinstance(names, list) or len(names) != len(expected) or set(map(str, names)) != expected:
        raise ModelFileError("its topologicalOrderStr does not list each input and each vertex once")
    seen: set[str] = set()
    for name in names:
        if not seen.issuperset(sources.get(name, ())):
            raise ModelFileError(f"its topologicalOrderStr lists {name} before a vertex that it reads")
        seen.add(name)
    return list(names)


def computed_order(inputs: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the order that Deeplearning4j computes: Kahn's algorithm with a queue.

    Vertices are numbered, the inputs first. The readers of a vertex are taken in the order in which a Java
    HashSet of their numbers iterates.

    Args:
        inputs: The network's inputs.
        sources: The inputs of each vertex, in the order of the file.

    Raises:
        ModelFileError: The vertices form a cycle.
    """
    names = [*inputs, *sources]
    numbers = {name: number for number, name in enumerate(names)}
    missing = {name: {numbers[source] for source in sources.get(name, ())} for name in names}
    readers: list[set[int]] = [set() for _ in names]
    for name, needed in missing.items():
        for source in needed:
            readers[source].add(numbers[name])
    queue = deque(number for number, name in enumerate(names) if not missing[name])
    order: list[str] = []
    while queue:
        number = queue.popleft()
        order.append(names[number])
        for reader in _as_hash_set(readers[number]):
            missing[names[reader]].discard(number)
            if not missing[names[reader]]:
                queue.append(reader)
    if len(order) != len(names):
        raise ModelFileError("its vertices form a cycle")
    return order


def _as_hash_set(numbers: Collection[int]) -> list[int]:
    """Return numbers in the order in which a Java HashSet of them iterates."""
    size = MIN_TABLE_SIZE
    while 4 * len(numbers) > 3 * size:
        size *= 2
    return sorted(numbers, key=lambda number: (number % size, number))
