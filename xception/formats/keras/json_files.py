"""JSON files of Keras: the architecture of a model, `model.json`, and the index of sharded weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...data.regular_files import open_regular_file
from ...errors import ModelFileError
from ..foreign import identify_json
from ..limits import MAX_TEXT_BYTES
from .config_reader import major_version
from .json_reader import read_json_object


def is_json(path: Path) -> bool:
    """Return True if a file is JSON by its first character, or by its suffix."""
    with open_regular_file(path) as stream:
        start = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b"{", b'"{')) or (path.suffix == ".json" and not start.startswith(b"\x89HDF"))


def read_json_file(path: Path, location: str = "") -> dict[str, Any]:
    """Read a file that must hold a JSON object.

    Args:
        path: The file.
        location: For messages; by default the file's name.

    Raises:
        OSError: The file cannot be read, or is not a regular file.
        ModelFileError: It is too long, is not JSON, or holds something else.
    """
    location = location or path.name
    with open_regular_file(path) as stream:
        text = stream.read(MAX_TEXT_BYTES + 1)
    value = read_json_object(_unquoted(text), location)
    foreign = identify_json(value)
    if foreign:
        raise ModelFileError(f"{location}: {foreign}")
    return value


def is_index(value: dict[str, Any]) -> bool:
    """Return True if a JSON object is the index of sharded weights."""
    return "weight_map" in value


def read_architecture(path: Path) -> tuple[dict[str, Any], int]:
    """Read `model.json`, as `model.to_json()` writes it.

    Args:
        path: The file.

    Returns:
        The config of the model, and the major version of the Keras that wrote it.

    Raises:
        OSError: The file cannot be read.
        ModelFileError: It is something else, or is damaged.
    """
    value = read_json_file(path)
    if is_index(value):
        raise ModelFileError(
            f"{path.name}: is the index of sharded weights, and holds no model; build the model, and load "
            f"them with model.load_weights({path.name!r}), or give its architecture too: "
            f"load_model('model.json', weights={path.name!r})"
        )
    if "class_name" not in value or "config" not in value:
        raise ModelFileError(
            f"{path.name}: is JSON, but not the architecture of a Keras model, as model.to_json() returns "
            "it: there is no 'class_name' with a 'config'"
        )
    # Keras 3 does not write its version, but the module of each class. The first versions wrote neither.
    version = value.get("keras_version") or ("3" if "module" in value else "1")
    return value, major_version(version)


def _unquoted(text: bytes) -> bytes | str:
    """Return the text that a JSON string holds, as `json.dump(model.to_json(), file)` writes it."""
    if text.lstrip().startswith(b'"') and len(text) <= MAX_TEXT_BYTES:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, str) else text
    return text
