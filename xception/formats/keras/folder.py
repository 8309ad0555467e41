"""`.keras` folders: the members of a `.keras` archive as files, as `save_model(…, zipped=False)` writes them.

A folder may come from a stranger: links out of it, named pipes and devices are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.regular_files import check_regular_file
from ...errors import ModelFileError
from ..hdf5.source import Source
from .archive import CONFIG, METADATA, WEIGHTS
from .json_files import read_json_file
from .training_record import OLD_RECORD, RECORD, TrainingRecord, read_training_record


@dataclass(frozen=True)
class Folder:
    """A `.keras` folder: its checked texts, and where its weights are. A stand-in for `Archive`.

    Attributes:
        path: The folder.
        config: `config.json`.
        metadata: `metadata.json`.
        record: The training record, which only this library knows.
    """

    path: Path
    config: dict[str, Any]
    metadata: dict[str, Any]
    record: TrainingRecord

    def locate_weights(self, parameter_count: int) -> Source:
        """Return the source of the weights file's bytes."""
        return Source(f"{self.path.name}/{WEIGHTS}", locate_member(self.path, WEIGHTS))


def is_folder(path: Path) -> bool:
    """Return True if `path` is a folder with a config and weights of Keras."""
    return path.is_dir() and all((path / name).exists() for name in (CONFIG, WEIGHTS))


def open_folder(path: Path) -> Folder:
    """Read the texts of a `.keras` folder.

    Args:
        path: A folder for which `is_folder` is true.

    Raises:
        OSError: A member is not a regular file, or cannot be read.
        ModelFileError: A member is a link out of the folder, or damaged.
    """
    members: dict[str, dict[str, Any]] = {}
    for name in (CONFIG, METADATA, RECORD, OLD_RECORD):
        if name == CONFIG or (path / name).exists():
            members[name] = read_json_file(locate_member(path, name), f"{path.name}/{name}")
    record = read_training_record(members, path.name)
    return Folder(path, members[CONFIG], members.get(METADATA, {}), record)


def locate_member(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, with links followed.

    Args:
        folder: The folder.
        name: The file's name. It has been checked to be a plain name.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It is not a regular file.
        ModelFileError: It is a link out of the folder.
    """
    member = folder / name
    check_regular_file(member)
    resolved = member.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise ModelFileError(
            f"{folder.name}/{name}: is a link out of the folder; refused. If you trust it, copy the file "
            "itself to its place, for example with 'cp -rL'"
        )
    return resolved
