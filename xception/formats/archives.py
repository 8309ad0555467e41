"""Zip archives from strangers: checked members, bounded unpacking. Nothing is unpacked to disk."""

from __future__ import annotations

import io
import stat
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..data.regular_files import open_descriptor, open_regular_file
from ..errors import ModelFileError
from .limits import MAX_ARCHIVE_DIRECTORY_BYTES, MAX_ARCHIVE_MEMBERS

LOCAL_HEADER_BYTES = 30  #: before a member's name, which precedes its content
CHECKSUM_BLOCK_BYTES = 1 << 18

#: How zipfile reports a broken archive.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, LookupError,
    ValueError, OverflowError, MemoryError,
)  # fmt: skip


@contextmanager
def open_zip(path: Path, members_read: Collection[str] | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading, after checking its directory.

    Args:
        path: A zip archive.
        members_read: Names of the members that are going to be read; None for any.

    Yields:
        The open archive. Its members are read by `unpack` or `content_offset`.

    Raises:
        ModelFileError: The archive is damaged or hostile.
    """
    with _LimitedFile(path) as stream:
        with converted_errors(path):
            zip_file = zipfile.ZipFile(stream)
            stream.max_read_bytes = sys.maxsize
            _check_members(zip_file, path, members_read)
        with zip_file:
            yield zip_file


def list_members(path: Path) -> list[str]:
    """Return the names of the members of a zip archive; none if it cannot be read as one."""
    try:
        with open_zip(path, ()) as zip_file:
            return zip_file.namelist()
    except ModelFileError:
        return []


@contextmanager
def converted_errors(path: Path) -> Iterator[None]:
    """Turn every exception of zipfile into a ModelFileError."""
    try:
        yield
    except ModelFileError:
        raise
    except ZIP_ERRORS as error:
        reason = "its end is missing" if str(error) == "File is not a zip file" else str(error)
        raise ModelFileError(f"{path.name}: a damaged archive; fetch or copy it again ({reason})") from None


class _LimitedFile(io.FileIO):
    """A file that limits the size of a single read: zipfile reads the whole directory at once."""

    max_read_bytes = MAX_ARCHIVE_DIRECTORY_BYTES

    def __init__(self, path: Path) -> None:
        super().__init__(path, opener=open_descriptor)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.max_read_bytes:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes")
        return super().read(size)


def _check_members(zip_file: zipfile.ZipFile, path: Path, members_read: Collection[str] | None) -> None:
    """Raise ModelFileError for members that no archive of a model has."""
    members = zip_file.infolist()
    if len(members) > MAX_ARCHIVE_MEMBERS:
        raise ModelFileError(f"{path.name}: holds {len(members):,} files; an archive of a model holds fewer")
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
        is_read = members_read is None or info.filename in members_read
        if is_read and info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            # With LZMA, the file decides how much memory unpacking takes.
            raise ModelFileError(
                f"{path.name}: {info.filename} is compressed by a method that no such file uses; supported "
                "is deflate"
            )


def unpack(zip_file: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int, location: str) -> bytes:
    """Return a member's content.

    Args:
        zip_file: The open archive.
        info: The member.
        max_bytes: Its largest size, unpacked.
        location: The file and the member, for messages.

    Raises:
        ModelFileError: It is larger.
    """
    content = b""
    if info.file_size <= max_bytes:  # the size in the directory, which may be wrong
        with zip_file.open(info) as stream:
            content = stream.read(max_bytes + 1)
    if info.file_size > max_bytes or len(content) > max_bytes:
        raise ModelFileError(
            f"{location}: unpacks to {info.file_size:,} bytes or more; at most {max_bytes:,} are read"
        )
    return content


def content_offset(zip_file: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> int:
    """Return where the content of an uncompressed member begins, after checking its checksum.

    Args:
        zip_file: The open archive.
        info: The member.
        path: The archive.

    Raises:
        zipfile.BadZipFile: The archive is damaged; `converted_errors` makes a ModelFileError of it.
    """
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
