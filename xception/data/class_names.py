"""Class names: the files and objects in which people keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: (class id, class name) of each class, in the order of the model's outputs.
ClassNames = tuple[tuple[str, str], ...]

#: Names or (class id, class name) pairs in order; or a mapping of either to or from their indices.
ClassNamesLike = Iterable[Any] | Mapping[Any, Any]

#: A larger file holds something else; reading it would only fill memory.
MAX_FILE_BYTES = 16 << 20


def read_class_names(path: str | os.PathLike[str]) -> ClassNames:
    """Read class names from a file.

    The file is UTF-8 text with one name per line, or JSON: a list of names, Keras's class index
    `{"0": ["n01440764", "tench"], …}`, or a generator's `class_indices` `{"cat": 0, "dog": 1}`.

    Args:
        path: The file.

    Returns:
        One (class id, class name) pair per class, in the order of the model's outputs. The id of a
        class without one is its index.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file does not hold class names; the message says why.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.txt"
        >>> _ = path.write_text("cat\\ndog\\n")
        >>> read_class_names(path)
        (('0', 'cat'), ('1', 'dog'))
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file of class names")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file of class names")
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path.name}: has more than {MAX_FILE_BYTES:,} bytes, too many for class names")
    try:
        return as_class_names(_parse(content))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def as_class_names(names: ClassNamesLike) -> ClassNames:
    """Convert names to (class id, class name) pairs, in the order of the model's outputs.

    Args:
        names: What `read_class_names` finds in a file, as Python objects.

    Returns:
        One pair per class.

    Raises:
        ValueError: `names` is empty, holds something other than names, or does not number the classes
            from 0.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise ValueError(f"expected a list of class names, got {names!r}")
    listed = _in_order(names) if isinstance(names, Mapping) else list(names)
    if not listed:
        raise ValueError("there are no class names in it")
    pairs = []
    for index, name in enumerate(listed):
        pair = tuple(name) if isinstance(name, list | tuple) else (str(index), name)
        if len(pair) != 2 or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"class {index} should have a name, got {name!r}")
        pairs.append(pair)
    return tuple(pairs)


def _parse(content: bytes) -> Any:
    """Return one name per line, or whatever the JSON holds."""
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text, expected class names") from None
    if text[:1] not in ("[", "{"):
        return [line.strip() for line in text.splitlines()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON ({error})") from None


def _in_order(names: Mapping[Any, Any]) -> list[Any]:
    """Return the names of {"0": name, "1": name, …} or {name: 0, name: 1, …} as a list."""
    items = list(names.items())
    if all(isinstance(value, int) and not isinstance(value, bool) for value in names.values()):
        items = [(index, name) for name, index in items]
    by_index = {str(index): name for index, name in items}
    expected = [str(index) for index in range(len(items))]
    if set(by_index) != set(expected):
        raise ValueError(f"its classes should be numbered from 0 to {len(items) - 1}, each once")
    return [by_index[index] for index in expected]
