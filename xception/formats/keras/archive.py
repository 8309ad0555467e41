"""`.keras` archives: zip files of `config.json`, `metadata.json` and `model.weights.h5`.

Nothing is unpacked to disk. Uncompressed weights, which Keras writes, are read in place.
"""

from __future__ import annotations

import io
import json
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.atomic import replace_file
from ...data.regular_files import open_descriptor, open_regular_file
from ...errors import ModelFileError
from ...limits import format_bytes, get_limits, memory_advice
from ..foreign import identify_archive
from ..hdf5.file import File, create_file
from ..hdf5.source import Source
from ..limits import (
    MAX_ARCHIVE_DIRECTORY_BYTES,
    MAX_ARCHIVE_MEMBERS,
    MAX_BYTES_PER_PARAMETER,
    MAX_HDF5_OVERHEAD_BYTES,
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_COMPRESSION_RATIO,
)
from .json_reader import read_json_object
from .training_record import OLD_RECORD, RECORD, TrainingRecord, read_training_record

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS_READ = (CONFIG, METADATA, RECORD, OLD_RECORD, WEIGHTS)
LOCAL_HEADER_BYTES = 30  #: before a member's name, which precedes its content
CHECKSUM_BLOCK_BYTES = 1 << 18

#: How zipfile reports a broken archive.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, LookupError,
    ValueError, OverflowError, MemoryError,
)  # fmt: skip


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
        with _converted_errors(self.path):
            if info.compress_type == zipfile.ZIP_STORED:
                return Source(
                    name, self.path, _content_offset(self.zip_file, info, self.path), info.file_size
                )
            max_bytes = MAX_HDF5_OVERHEAD_BYTES + min(
                MAX_BYTES_PER_PARAMETER * parameter_count, MAX_WEIGHTS_COMPRESSION_RATIO * info.compress_size
            )
            limit = get_limits().max_memory_bytes
            if limit < min(info.file_size, max_bytes):
                raise ModelFileError(
                    f"{name}: unpacks to {format_bytes(info.file_size)}; the limit is {format_bytes(limit)}. "
                    f"If you trust the file, store it uncompressed, or raise the limit: "
                    f"{memory_advice(info.file_size)}"
                )
            return Source(name, self.path, content=_unpack(self.zip_file, info, max_bytes, name))


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
        stream = stack.enter_context(_LimitedFile(path))
        with _converted_errors(path):
            zip_file = stack.enter_context(zipfile.ZipFile(stream))
            stream.max_read_bytes = sys.maxsize
            _check_members(zip_file, path)
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


@contextmanager
def _converted_errors(path: Path) -> Iterator[None]:
    """Turn every exception of zipfile into a ModelFileError."""
    try:
        yield
    except ModelFileError:
        raise
    except ZIP_ERRORS as error:
        raise ModelFileError(
            f"{path.name}: a damaged .keras archive; fetch or copy it again ({error})"
        ) from None


class _LimitedFile(io.FileIO):
    """A file that limits the size of a single read: zipfile reads the whole directory at once."""

    max_read_bytes = MAX_ARCHIVE_DIRECTORY_BYTES

    def __init__(self, path: Path) -> None:
        super().__init__(path, opener=open_descriptor)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.max_read_bytes:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes")
        return super().read(size)


def _check_members(zip_file: zipfile.ZipFile, path: Path) -> None:
    """Raise ModelFileError for members that a `.keras` archive does not have."""
    members = zip_file.infolist()
    if len(members) > MAX_ARCHIVE_MEMBERS:
        raise ModelFileError(f"{path.name}: holds {len(members):,} files; a .keras archive holds a few")
    names = [info.filename for info in members]
    if len(set(names)) != len(names):  # programs disagree about which of the two to read
        raise ModelFileError(f"{path.name}: holds two files of one name; refused")
    for info in members:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise ModelFileError(
                f"{path.name}: holds {info.filename!r}, which leads out of the archive; refused"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ModelFileError(f"{path.name}: holds {info.filename!r}, a symbolic link; refused")
        if info.flag_bits & 1:
            raise ModelFileError(f"{path.name}: is encrypted; refused")
        if info.filename in MEMBERS_READ and info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            # With LZMA, the file decides how much memory unpacking takes.
            raise ModelFileError(
                f"{path.name}: {info.filename} is compressed by a method that Keras does not use; supported "
                "is deflate"
            )
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
    return read_json_object(_unpack(zip_file, zip_file.getinfo(name), MAX_TEXT_BYTES, location), location)


def _unpack(zip_file: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int, location: str) -> bytes:
    """Return a member's content, of at most `max_bytes`."""
    content = b""
    if info.file_size <= max_bytes:  # the size in the directory, which may be wrong
        with zip_file.open(info) as stream:
            content = stream.read(max_bytes + 1)
    if info.file_size > max_bytes or len(content) > max_bytes:
        raise ModelFileError(
            f"{location}: unpacks to {info.file_size:,} bytes or more; at most {max_bytes:,} are read"
        )
    return content


def _content_offset(zip_file: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> int:
    """Return where the content of an uncompressed member begins, after checking its checksum."""
    with zip_file.open(info):  # checks the local header against the directory
        pass
    with open_regular_file(path) as stream:
        stream.seek(info.header_offset)
        header = stream.read(LOCAL_HEADER_BYTES)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start, end = info.header_offset + LOCAL_HEADER_BYTES + lengths, stream.seek(0, io.SEEK_END)
        if info.file_size != info.compress_size or start + info.file_size > end:
            raise zipfile.BadZipFile(f"its directory is wrong about the size of {info.filename}")
        if _checksum(stream, start, info.file_size) != info.CRC:
            raise zipfile.BadZipFile(f"{info.filename} is not what was packed: its checksum differs")
    return start


def _checksum(stream: io.BufferedReader, start: int, size: int) -> int:
    """Return the CRC-32 of a byte range."""
    stream.seek(start)
    checksum, buffer = 0, memoryview(bytearray(CHECKSUM_BLOCK_BYTES))
    while size > 0 and (count := stream.readinto(buffer[:size])):
        checksum, size = zlib.crc32(buffer[:count], checksum), size - count
    return checksum
