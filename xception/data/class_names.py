"""The names of a model's classes, from the files and objects in which people keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: (class id, name) of each class, in the order of the model's outputs.
Labels = tuple[tuple[str, str], ...]

#: What they may be made of: names or pairs (class id, name) in order, or by or with their numbers.
Names = Iterable[Any] | Mapping[Any, Any]

LONGEST = 16 << 20  #: bytes


def read_class_names(path: str | os.PathLike[str]) -> Labels:
    """The classes in a file, as pairs (class id, name) in the order of the model's outputs.

    The file is text in UTF-8 with a name a line; or JSON, which is a list of names, Keras's index
    {"0": ["n01440764", "tench"], …}, or a generator's `class_indices` {"cat": 0, "dog": 1}. A class
    without an id bears its number.

    Raises OSError, or ValueError that says what is wrong.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file with the names of classes")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file of labels")
    with path.open("rb") as stream:
        content = stream.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"{path.name}: has more than {LONGEST:,} bytes, too many for the names of classes")
    try:
        return named(_parse(content))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def named(names: Names) -> Labels:
    """Names as labels: what `read_class_names` finds in a file, and the same as Python has it."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise ValueError(f"expected the names of classes, got {names!r}")
    listed = _in_order(names) if isinstance(names, Mapping) else list(names)
    if not listed:
        raise ValueError("there are no names of classes in it")
    labels = []
    for number, name in enumerate(listed):
        pair = tuple(name) if isinstance(name, list | tuple) else (str(number), name)
        if len(pair) != 2 or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"class {number} should have a name, got {name!r}")
        labels.append(pair)
    return tuple(labels)


def _parse(content: bytes) -> Any:
    """Names by line, or whatever the JSON holds."""
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8, expected the names of classes") from None
    if text[:1] not in ("[", "{"):
        return [line.strip() for line in text.splitlines()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None


def _in_order(names: Mapping[Any, Any]) -> list[Any]:
    """{"0": name, "1": name, …} or {name: 0, name: 1, …} as a list."""
    pairs = list(names.items())
    if all(isinstance(value, int) and not isinstance(value, bool) for value in names.values()):
        pairs = [(number, name) for name, number in pairs]
    by_number = {str(number): name for number, name in pairs}
    expected = [str(number) for number in range(len(pairs))]
    if set(by_number) != set(expected):
        raise ValueError(f"its classes should be numbered from 0 to {len(pairs) - 1}, each once")
    return [by_number[number] for number in expected]
