"""Class names: read from files, converted from Python objects, and looked up."""

from __future__ import annotations

import io
import json
import os
import re
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .regular_files import open_regular_file

#: (class id, class name) of each class, in the order of the model's outputs.
ClassNames = tuple[tuple[str, str], ...]

#: Names or (class id, class name) pairs in order; or a mapping of either to or from their indices.
ClassNamesLike = Iterable[Any] | Mapping[Any, Any]

#: Not printable to Python, but part of names in some scripts: zero-width joiners, no-break spaces.
HARMLESS = "\u200c\u200d\u00a0\u202f"

#: A larger file holds something else; reading it would only fill memory.
MAX_FILE_BYTES = 16 << 20

#: The beginning of a pickle of protocol 2 or later, such as that of a LabelEncoder.
PICKLE = re.compile(rb"\x80[\x02-\x05]")
SAVING_ADVICE = (
    "save the names as text: np.save(path, classes.astype(str)); those of an encoder are encoder.classes_"
)


def read_class_names(path: str | os.PathLike[str]) -> ClassNames:
    """Read class names from a file.

    The file is one of these:

    - UTF-8 text with one name per line. If every line begins with its own number, from 0 on, as Teachable
      Machine writes `0 cat`, the numbers are not part of the names.
    - JSON: a list of names, Keras's class index `{"0": ["n01440764", "tench"], …}`, or a generator's
      `class_indices` `{"cat": 0, "dog": 1}`.
    - `.npy`: an array of texts (n,), such as `np.save(path, encoder.classes_.astype(str))` writes. Arrays
      of Python objects are pickles, which are not read.

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
    with open_regular_file(path) as stream:
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
    if isinstance(names, str | bytes | set | frozenset) or not isinstance(names, Iterable):
        raise ValueError(f"expected a list of class names, got {names!r}")
    listed = _in_order(names) if isinstance(names, Mapping) else list(names)
    if not listed:
        raise ValueError("no class names, expected at least one")
    pairs = []
    for index, name in enumerate(listed):
        pair = tuple(name) if isinstance(name, list | tuple) else (str(index), name)
        if len(pair) != 2 or not all(isinstance(part, str) and part for part in pair):
            raise ValueError(f"class {index} should have a name, got {name!r}")
        pairs.append(pair)
    return tuple(pairs)


def check_printable(class_names: ClassNames) -> None:
    """Raise ValueError if a name or id has control characters, which no saved model may have.

    Such a name in a stranger's file could move the cursor of a terminal.
    """
    for pair in class_names:
        for text in pair:
            if not all(character.isprintable() or character in HARMLESS for character in text):
                raise ValueError(f"a class name should be printable text, got {text!r}")


def find_by_name(name: str, class_names: ClassNames) -> list[int]:
    """Return the indices of the classes that a name or id stands for.

    Classes with exactly this name come before one with this id, and that before classes whose name
    differs in case, blanks or underscores only. Several classes may share a name.

    Args:
        name: A name, or an id that was given to a class. An id that is only the class's index in digits
            does not count: folders named "0", "1", … would match by position.
        class_names: (class id, class name) of each class.

    Examples:
        >>> find_by_name("egyptian cat", (("n02123045", "tabby"), ("n02124075", "Egyptian_cat")))
        [1]
    """
    exact = [i for i, (_, class_name) in enumerate(class_names) if class_name == name]
    exact = exact or [i for i, (class_id, _) in enumerate(class_names) if class_id == name != str(i)]
    folded = fold_name(name)
    return exact or [i for i, (_, class_name) in enumerate(class_names) if fold_name(class_name) == folded]


def fold_name(name: str) -> str:
    """Return a name as it is compared: without case, "_" as a blank, blanks collapsed."""
    return " ".join(name.replace("_", " ").casefold().split())


def ambiguity(name: str, indices: Iterable[int], class_names: ClassNames) -> str:
    """Return the error message for a name that several classes share."""
    options = ", ".join(f"{class_names[index][0]!r} or {index}" for index in indices)
    return f"several classes are named {name!r}; give the id or the index of one: {options}"


def _parse(content: bytes) -> Any:
    """Return one name per line, the texts of an array, or the value of the JSON."""
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        return _parse_array(content)
    if PICKLE.match(content) or content.startswith(b"PK\x03\x04"):
        kind = "an archive" if content.startswith(b"PK") else "a pickle of Python objects, which is not read"
        raise ValueError(f"is {kind}; {SAVING_ADVICE}")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text, expected class names") from None
    if text[:1] not in ("[", "{"):
        return _without_numbers([line.strip() for line in text.splitlines()])
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON ({error})") from None


def _without_numbers(lines: list[str]) -> list[str]:
    """Return lines without the numbers of Teachable Machine: "0 cat", "1 dog", …, on each line its own."""
    parts = [line.split(maxsplit=1) for line in lines]
    is_numbered = all(len(part) == 2 and part[0] == str(index) for index, part in enumerate(parts))
    return [name for _, name in parts] if is_numbered else lines


def _parse_array(content: bytes) -> list[str]:
    """Return the texts of a `.npy` file. What its header declares is compared with what the file holds."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = headers[version](stream)
    except Exception:  # whatever NumPy raises
        raise ValueError("is a damaged .npy file") from None
    if dtype.hasobject:
        raise ValueError(f"is an array of Python objects, which is a pickle and not read; {SAVING_ADVICE}")
    if dtype.kind not in "US" or len(shape) != 1:
        raise ValueError(f"expected an array of texts (n,), got {dtype.name} {shape}; {SAVING_ADVICE}")
    if not 0 < shape[0] * dtype.itemsize == len(content) - stream.tell():
        raise ValueError(f"is a damaged .npy file: it declares {shape[0]} texts of {dtype.itemsize} bytes")
    try:
        texts = np.frombuffer(content, dtype, offset=stream.tell()).tolist()
        return [text if isinstance(text, str) else text.decode() for text in texts]
    except (ValueError, SystemError):  # numbers that are no code points
        raise ValueError("holds bytes that are not UTF-8 text, expected class names") from None


def _in_order(names: Mapping[Any, Any]) -> list[Any]:
    """Return the names of {"0": name, "1": name, …} or {name: 0, name: 1, …} as a list."""
    items = list(names.items())
    if all(isinstance(value, int) and not isinstance(value, bool) for value in names.values()):
        items = [(index, name) for name, index in items]
    by_index = {str(index): name for index, name in items}
    expected = [str(index) for index in range(len(items))]
    if set(by_index) != set(expected):
        raise ValueError(
            f"expected the classes to be numbered from 0 to {len(items) - 1}, each once; got "
            f"{reprlib.repr(sorted(by_index))}"
        )
    return [by_index[index] for index in expected]
