"""`.keras` archives: zip files of `config.json`, `metadata.json` and `model.weights.h5`.

Nothing is unpacked to disk. Uncompressed weights, which Keras writes, are read in place.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.atomic import replace_file
from ...errors import ModelFileError
from ...limits import format_bytes, format_limit, get_limits, memory_advice
from ..archives import content_offset, converted_errors, open_zip, unpack
from ..foreign import identify_archive
from ..hdf5.file import File, create_file
from ..hdf5.source import Source
from ..limits import (
    MAX_BYTES_PER_PARAMETER,
    MAX_HDF5_OVERHEAD_BYTES,
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_COMPRESSION_RATIO,
)
from .json_reader import read_json_object
from .training_record import OLD_RECORD, RECORD, TrainingRecord, read_training_record

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS_READ = (CONFIG, METADATA, RECORD, OLD_RECORD, WEIGHTS)


class NotKerasError(ModelFileError):
    """A zip archive that is not a `.keras` archive."""


@dataclass(frozen=True)
class Archive:
    """An open `.keras` archive: its checked texts, and where its weights are.

    Attributes:
        path: The file.
        zip_file: The open archive.
        config: `config.json`.
        metadata: `metadata.json`.
        record: The training record, which only this library writes.
    """

    path: Path
    zip_file: zipfile.ZipFile
    config: dict[str, Any]
    metadata: dict[str, Any]
    record: TrainingRecord

    def locate_weights(self, parameter_count: int) -> Source:
        """Return the source of the weights file's bytes. Compressed weights are unpacked into memory.

        Args:
            parameter_count: Number of parameters of the model, which bounds the unpacked size.

        Raises:
            ModelFileError: The weights are damaged, or unpack to more than the model can need.
        """
        info = self.zip_file.getinfo(WEIGHTS)
        name = f"{self.path.name}:{WEIGHTS}"
        with converted_errors(self.path):
            if info.compress_type == zipfile.ZIP_STORED:
                return Source(name, self.path, content_offset(self.zip_file, info, self.path), info.file_size)
            max_bytes = MAX_HDF5_OVERHEAD_BYTES + min(
                MAX_BYTES_PER_PARAMETER * parameter_count, MAX_WEIGHTS_COMPRESSION_RATIO * info.compress_size
            )
            limit = get_limits().max_memory_bytes
            if limit < min(info.file_size, max_bytes):
                raise ModelFileError(
                    f"{name}: unpacks to {format_bytes(info.file_size)}; the limit is {format_limit(limit)}. "
                    f"If you trust the file, store it uncompressed, or raise the limit: "
                    f"{memory_advice(info.file_size)}"
                )
            return Source(name, self.path, content=unpack(self.zip_file, info, max_bytes, name))


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a `.keras` archive for reading.

    Args:
        path: A zip archive.

    Yields:
        The archive. Its weights have not been read.

    Raises:
        NotKerasError: The archive is not one of Keras.
        ModelFileError: The archive is damaged or hostile.
    """
    with ExitStack() as stack:
        zip_file = stack.enter_context(open_zip(path, MEMBERS_READ))
        with converted_errors(path):
            _check_keras(zip_file.namelist(), path)
            texts = [CONFIG]
            texts += [name for name in (METADATA, RECORD) if name in zip_file.namelist()]
            if RECORD not in texts and OLD_RECORD in zip_file.namelist():
                texts.append(OLD_RECORD)
            members = {name: _read_json(zip_file, name, path) for name in texts}
        record = read_training_record(members, path.name)
        yield Archive(path, zip_file, members[CONFIG], members.get(METADATA, {}), record)


@contextmanager
def create_archive(
    path: Path, config: dict[str, Any], metadata: dict[str, Any], record: TrainingRecord
) -> Iterator[File]:
    """Write a `.keras` archive, whole or not at all.

    Args:
        path: The file to write.
        config: `config.json`.
        metadata: `metadata.json`.
        record: The training record. An empty one is not written.

    Yields:
        An empty HDF5 file, which the caller fills with the weights.

    Raises:
        OSError: The file cannot be written.
    """
    with replace_file(path) as unfinished:
        content = io.BytesIO()
        with create_file(content) as file:
            yield file
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as zip_file:
            zip_file.writestr(METADATA, json.dumps(metadata))
            zip_file.writestr(CONFIG, json.dumps(config))
            with content.getbuffer() as weights, zip_file.open(WEIGHTS, "w") as member:
                member.write(weights)
            if (text := record.to_json()) is not None:
                zip_file.writestr(RECORD, text)


def _check_keras(names: list[str], path: Path) -> None:
    """Raise NotKerasError unless an archive has the members of a `.keras` archive."""
    for required in (CONFIG, WEIGHTS):
        if required not in names:
            foreign = identify_archive(names)
            raise NotKerasError(
                f"{path.name}: {foreign}"
                if foreign
                else f"{path.name}: a zip archive, but no .keras file: there is no {required}; found "
                f"{', '.join(names[:5]) or 'nothing'}"
            )


def _read_json(zip_file: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    location = f"{path.name}:{name}"
    return read_json_object(unpack(zip_file, zip_file.getinfo(name), MAX_TEXT_BYTES, location), location)
