"""The names of a model's classes, from the files in which people keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: (class id, name) of each class, in the order of the model's outputs.
Labels = tuple[tuple[str, str], ...]

LONGEST = 16 << 20  #: bytes


def read_labels(path: str | os.PathLike[str]) -> Labels:
    """The classes in a file: a text file with a name a line; or JSON, which is a list of names,
    Keras's index {"0": ["n01440764", "tench"], …}, or a generator's {"cat": 0, "dog": 1}.

    Raises OSError, or ValueError that says what is wrong.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file with the names of classes")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file of labels")
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path.name}: has {path.stat().st_size:,} bytes, too many for the names of classes")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: is not text in UTF-8, expected the names of classes") from None
    try:
        if text.lstrip()[:1] in ("[", "{"):
            return named(_from_json(text))
        return named([line.strip() for line in text.strip().splitlines()])
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def named(names: Sequence[Any]) -> Labels:
    """Names, or pairs (class id, name), as labels: a class without an id bears its number."""
    if not names:
        raise ValueError("there are no names of classes in it")
    labels = []
    for number, name in enumerate(names):
        pair = tuple(name) if isinstance(name, list | tuple) else (str(number), name)
        if len(pair) != 2 or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"class {number} should have a name, got {name!r}")
        labels.append(pair)
    return tuple(labels)


def _from_json(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if isinstance(found, list):
        return found
    if all(isinstance(value, int) and not isinstance(value, bool) for value in found.values()):
        found = {str(number): name for name, number in found.items()}
    expected = [str(number) for number in range(len(found))]
    if set(found) != set(expected):
        raise ValueError(f"its classes should be numbered from 0 to {len(found) - 1}, each once")
    return [found[number] for number in expected]
