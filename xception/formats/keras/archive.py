"""A `.keras` file: a zip archive of `config.json`, `metadata.json` and `model.weights.h5`.

Nothing is unpacked to disk. Weights that the archive stores as they are, as Keras does, are read
from where they lie in it.
"""

from __future__ import annotations

import io
import itertools
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
from ...data.class_names import ClassNames, as_class_names
from ...data.preprocessing import Preprocessing
from ...errors import ModelFileError
from ..hdf5 import file as hdf5
from ..hdf5.file import Source
from .config_reader import MOST_TEXT, parse

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
OWN = "xception.json"  #: what this library adds: class names and preprocessing; Keras ignores it
OLD_LABELS = "labels.json"  #: class names as version 0.1 wrote them, before xception.json
PARTS = (CONFIG, METADATA, OWN, OLD_LABELS, WEIGHTS)
OWN_VERSION = 1
MOST_MEMBERS = 10_000
MOST_DIRECTORY = 4 << 20  #: bytes
LOCAL_HEADER = 30  #: bytes before the name of a member, where its content is
WEIGHTS_SLACK = 64 << 20  #: bytes; HDF5's own, beside the numbers
MOST_COMPRESSION = 32  #: trained weights compress by a tenth; a bomb by a thousand
BLOCK = 1 << 18  #: bytes that are checked at a time
BYTES_A_PARAMETER = 32  #: at most: a float64, and what an optimizer keeps beside it


@dataclass
class Archive:
    """The parts of a `.keras` file, checked; the weights not read yet."""

    path: Path
    file: zipfile.ZipFile
    config: dict[str, Any]
    metadata: dict[str, Any]
    class_names: ClassNames | None
    preprocessing: Preprocessing

    def weights(self, parameters: int) -> Source:
        """The weights file in the archive. parameters: how many numbers the model needs of it."""
        info = self.file.getinfo(WEIGHTS)
        name = f"{self.path.name}:{WEIGHTS}"
        with _damage_told(self.path):
            if info.compress_type == zipfile.ZIP_STORED:
                return Source(name, self.path, _start(self.file, info, self.path), info.file_size)
            most = WEIGHTS_SLACK + min(BYTES_A_PARAMETER * parameters, MOST_COMPRESSION * info.compress_size)
            return Source(name, self.path, content=_unpack(self.file, info, most, name))


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A `.keras` file for reading. Raises ModelFileError for what is damaged, or made to do harm."""
    with ExitStack() as stack:
        stream = stack.enter_context(_Stream(path))
        with _damage_told(path):
            file = stack.enter_context(zipfile.ZipFile(stream))
            stream.most = sys.maxsize
            _check(file, path)
            texts = {
                name: parse(
                    _unpack(file, file.getinfo(name), MOST_TEXT, f"{path.name}:{name}"), f"{path.name}:{name}"
                )
                for name in (CONFIG, METADATA, OWN, OLD_LABELS)
                if name == CONFIG or name in file.namelist()
            }
        yield Archive(path, file, texts[CONFIG], texts.get(METADATA, {}), *_own(texts, path))


@contextmanager
def write_archive(
    path: Path,
    config: dict[str, Any],
    metadata: dict[str, Any],
    class_names: ClassNames | None,
    preprocessing: Preprocessing,
) -> Iterator[hdf5.File]:
    """The HDF5 file of the weights, to be filled; the archive takes its name when it is whole."""
    with replace_file(path) as unfinished:
        weights = unfinished.with_name(f"{unfinished.name}.h5")
        try:
            with hdf5.create(weights) as file:
                yield file
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(METADATA, json.dumps(metadata))
                archive.writestr(CONFIG, json.dumps(config))
                archive.write(weights, WEIGHTS)
                own: dict[str, Any] = {"version": OWN_VERSION}
                if class_names is not None:
                    own["class_names"] = class_names
                if preprocessing != Preprocessing():
                    own["preprocessing"] = preprocessing.to_dict()
                if len(own) > 1:
                    archive.writestr(OWN, json.dumps(own))
        finally:
            weights.unlink(missing_ok=True)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Whatever is wrong with an archive comes as one clear error."""
    try:
        yield
    except ModelFileError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, LookupError,
        ValueError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        # All these are how zipfile reports a broken one.
        raise ModelFileError(
            f"{path.name}: a damaged .keras archive; fetch or copy it again ({error})"
        ) from None


class _Stream(io.FileIO):
    """A file of which `most` bytes are read at once: zipfile would take in a directory of any length."""

    most = MOST_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.most:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes")
        return super().read(size)


def _own(texts: dict[str, dict[str, Any]], path: Path) -> tuple[ClassNames | None, Preprocessing]:
    """Class names and preprocessing, from `xception.json` or an old `labels.json`."""
    name, key = (OWN, "class_names") if OWN in texts else (OLD_LABELS, "labels")
    own, place = texts.get(name, {}), f"{path.name}:{name}"
    version = own.get("version", OWN_VERSION)
    if not isinstance(version, int) or version > OWN_VERSION:
        raise ModelFileError(f"{place}: its version {version!r} is newer than {OWN_VERSION}; update xception")
    try:
        preprocessing = Preprocessing.from_dict(own.get("preprocessing", {}))
    except (TypeError, AttributeError, ValueError) as error:
        raise ModelFileError(f"{place}: {error}") from None
    if key not in own and name == OWN:
        return None, preprocessing
    if name not in texts:
        return None, preprocessing
    listed = own.get(key)
    if not isinstance(listed, list):
        raise ModelFileError(f"{place}: {key!r} should be a list, found {type(listed).__name__}")
    try:
        class_names = as_class_names(listed)
    except ValueError as error:
        raise ModelFileError(f"{place}: {error}") from None
    for part in itertools.chain.from_iterable(class_names):
        if not part.isprintable():
            raise ModelFileError(f"{place}: a class name should be printable text, found {part!r}")
    return class_names, preprocessing


def _check(file: zipfile.ZipFile, path: Path) -> None:
    members = file.infolist()
    if len(members) > MOST_MEMBERS:
        raise ModelFileError(f"{path.name}: holds {len(members):,} files; a .keras archive holds a few")
    names = [info.filename for info in members]
    if len(set(names)) != len(names):
        raise ModelFileError(f"{path.name}: holds two files of one name; refused")
    for info in members:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise ModelFileError(
                f"{path.name}: holds {info.filename!r}, which leads out of the archive; refused"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ModelFileError(f"{path.name}: holds {info.filename!r}, a link to elsewhere; refused")
        if info.flag_bits & 1:
            raise ModelFileError(f"{path.name}: is encrypted; refused")
        if info.filename in PARTS and info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Of others the file says how much memory unpacking takes.
            raise ModelFileError(
                f"{path.name}: {info.filename} is packed by a method that Keras does not use; deflate is read"
            )
    for wanted in (CONFIG, WEIGHTS):
        if wanted not in names:
            raise ModelFileError(
                f"{path.name}: a zip archive, but no .keras file: there is no {wanted}; found "
                f"{', '.join(names[:5]) or 'nothing'}"
            )


def _start(file: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> int:
    """Where the content of a member that is stored as it is begins, once its checksum is right."""
    with file.open(info):  # which compares the directory with what stands before the content
        pass
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(LOCAL_HEADER)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start, end = info.header_offset + LOCAL_HEADER + lengths, stream.seek(0, io.SEEK_END)
        if info.file_size != info.compress_size or start + info.file_size > end:
            raise zipfile.BadZipFile(f"its directory is wrong about the size of {info.filename}")
        if _checksum(stream, start, info.file_size) != info.CRC:
            raise zipfile.BadZipFile(f"{info.filename} is not what was packed: its checksum differs")
    return start


def _checksum(stream: io.BufferedReader, start: int, size: int) -> int:
    """The CRC-32 of a run of bytes, as zip archives have it."""
    stream.seek(start)
    checksum, buffer = 0, memoryview(bytearray(BLOCK))
    while size > 0 and (count := stream.readinto(buffer[:size])):
        checksum, size = zlib.crc32(buffer[:count], checksum), size - count
    return checksum


def _unpack(file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int, name: str) -> bytes:
    """A member's bytes, at most so many."""
    content = b""
    if info.file_size <= most:
        with file.open(info) as stream:
            content = stream.read(most + 1)
    if info.file_size > most or len(content) > most:
        raise ModelFileError(
            f"{name}: unpacks to {info.file_size:,} bytes or more, where {most:,} are plenty; refused"
        )
    return content
