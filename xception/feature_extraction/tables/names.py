"""Names of photographs in .npz files: a check that they fit, before the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...data.photographs import Photograph

#: Of all paths or labels as an array, whose items all take as much as the longest, in a `.npz` file.
MAX_TEXT_ARRAY_BYTES = 256 << 20
#: How many times larger than its texts such an array may be: with ordinary names it is about 2.
MAX_PADDING = 8


def checked_texts(path: Path, photographs: Iterable[Photograph]) -> Iterable[Photograph]:
    """Check whether the paths and labels of photographs fit into a table.

    Args:
        path: The file to write.
        photographs: The photographs. A sequence is checked now, others as they are taken.

    Returns:
        The same photographs.

    Raises:
        ValueError: In a `.npz` file, a few long names would make the array of all names huge.
    """
    if path.suffix != ".npz":
        return photographs
    if isinstance(photographs, Sequence):
        for _ in _checked(path, photographs):
            pass
        return photographs
    return _checked(path, photographs)


class _TextSizes:
    """The size of an array of texts, of which each takes as much as the longest.

    Args:
        name: The name of the file, for the message.
    """

    def __init__(self, name: str) -> None:
        self._name, self._longest = name, ""
        self._count = self._total = 0

    def add(self, text: str) -> None:
        """Count a text.

        Raises:
            ValueError: The array would be huge, because of a few long ones.
        """
        self._count += 1
        self._total += len(text)
        if len(text) > len(self._longest):
            self._longest = text
        array_bytes = 4 * self._count * len(self._longest)
        if array_bytes > max(MAX_TEXT_ARRAY_BYTES, MAX_PADDING * 4 * self._total):
            raise ValueError(
                f"{self._name}: the names of photographs would take {array_bytes >> 20:,} MiB in memory, as "
                f"a .npz file gives each the length of the longest, {len(self._longest):,} characters: "
                f"{self._longest[:100]}…; write .csv, .npy or .parquet, or shorten that name"
            )


def _checked(path: Path, photographs: Iterable[Photograph]) -> Iterator[Photograph]:
    paths, labels = _TextSizes(path.name), _TextSizes(path.name)
    for photograph in photographs:
        paths.add(photograph.path or "")
        labels.add(photograph.label)
        yield photograph
