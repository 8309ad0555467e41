"""Local paths and URLs behind one interface."""

import errno
import os
import pickle
import threading
import tracemalloc
import uuid

import pytest

from xception import errors
from xception.data import locations, remote_files
from xception.data.url_schemes import SCHEMES, Scheme

pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture(params=["local", "file", "memory", "s3"])
def folder(request, tmp_path):
    """A folder of each kind, which does not exist yet where folders need not."""
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"
    return {
        "local": str(tmp_path),
        "file": tmp_path.as_uri(),
        "memory": f"memory://{uuid.uuid4().hex}",
    }[request.param]


def test_what_is_written_can_be_read(folder):
    location = locations.join(folder, "a.bin")
    assert not locations.exists(location)
    locations.make_folder(folder)
    locations.write_bytes(location, b"0123456789")
    assert locations.exists(location)
    assert locations.read_bytes(location) == b"0123456789"
    assert locations.read_bytes(location, 2, 5) == b"234"
    assert locations.read_bytes(location, 8) == b"89"
    assert locations.read_bytes(location, 8, 100) == b"89"
    assert locations.read_bytes(location, 10, 20) == b""
    assert locations.split(location)[1] == "a.bin"
    locations.write_bytes(location, b"")
    assert locations.read_bytes(location, 0, 100) == locations.read_bytes(location) == b""


def test_reading_up_to_a_limit_takes_no_more_memory_than_the_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    locations.read_bytes(tmp_path / "a.bin", 0, 1)  # imports what it needs, which is not counted
    tracemalloc.start()
    try:
        assert locations.read_bytes(tmp_path / "a.bin", 4, 1 << 30) == b"456789"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (
        locations.read_bytes(tmp_path / "a.bin", 20, 30)
        == locations.read_bytes(tmp_path / "a.bin", 20)
        == b""
    )


def test_an_open_file_can_be_positioned(folder):
    location = locations.join(folder, "a.bin")
    locations.write_bytes(location, bytes(range(256)))
    with locations.open_file(location) as stream, locations.open_file(location) as other:
        assert stream.seek(-2, os.SEEK_END) == 254
        assert other.read(2) == b"\x00\x01"  # each has its own position
        assert stream.read() == b"\xfe\xff"
        assert stream.seek(3) == 3
        assert stream.read(2) == b"\x03\x04"
        assert stream.tell() == 5


def test_new_files_are_seen_at_once(folder):
    assert locations.list_names(locations.join(folder, "none")) == []
    locations.write_bytes(locations.join(folder, "b.bin"), b"b")
    assert locations.list_names(folder) == ["b.bin"]
    locations.make_folder(locations.join(folder, "sub"))
    locations.write_bytes(locations.join(folder, "sub", "c.bin"), b"c")
    locations.write_bytes(locations.join(folder, "a.bin"), b"a")
    assert locations.list_names(folder) == ["a.bin", "b.bin", "sub"]
    assert locations.is_folder(folder)
    assert locations.is_folder(locations.join(folder, "sub"))
    assert not locations.is_folder(locations.join(folder, "a.bin"))
    locations.remove_file(locations.join(folder, "b.bin"))
    locations.remove_file(locations.join(folder, "b.bin"))
    assert locations.list_names(folder) == ["a.bin", "sub"]


def test_a_file_appears_whole_or_not_at_all(folder):
    location = locations.join(folder, "a.parquet")
    locations.write_bytes(location, b"before")

    def interrupted():
        with locations.replace(location) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert locations.read_bytes(location) == b"before"
    assert locations.list_names(folder) == ["a.parquet"]
    with locations.replace(location) as temporary:
        assert temporary.suffix == ".parquet"
        temporary.write_bytes(b"after")
        assert locations.read_bytes(location) == b"before"
    assert locations.read_bytes(location) == b"after"


def test_of_several_writers_one_creates_a_file(folder):
    location = locations.join(folder, "job.json")
    outcomes = []

    def write(number):
        try:
            outcomes.append((number, locations.create_file(location, bytes([number]) * 9)))
        except FileExistsError:
            return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ((number, is_exclusive),) = outcomes
    assert is_exclusive
    assert locations.read_bytes(location) == bytes([number]) * 9
    assert locations.list_names(folder) == ["job.json"]


def test_a_missing_file_is_named(folder):
    location = locations.join(folder, "none.bin")
    for function in (locations.read_bytes, locations.open_file):
        with pytest.raises(FileNotFoundError, match=r"none\.bin: there is no such file"):
            function(location)


def test_large_files_are_uploaded_whole(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(remote_files, "MAX_UPLOAD_BYTES", 10)
    locations.write_bytes(f"s3://{bucket}/large", b"0123456789abcdef")
    assert locations.read_bytes(f"s3://{bucket}/large") == b"0123456789abcdef"


def test_places_that_are_no_object_stores_move_a_complete_file(monkeypatch):
    monkeypatch.setitem(SCHEMES, "memory", Scheme(""))
    folder = f"memory://{uuid.uuid4().hex}"
    assert not locations.create_file(f"{folder}/a", b"a")
    with pytest.raises(FileExistsError):
        locations.create_file(f"{folder}/a", b"b")
    assert locations.read_bytes(f"{folder}/a") == b"a"
    locations.write_bytes(f"{folder}/a", b"c")
    assert locations.read_bytes(f"{folder}/a") == b"c"
    assert locations.list_names(folder) == ["a"]


def test_file_systems_without_hard_links_create_files_too(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert locations.create_file(tmp_path / "a", b"a") is False
    with pytest.raises(FileExistsError, match="exists already"):
        locations.create_file(tmp_path / "a", b"b")
    assert (tmp_path / "a").read_bytes() == b"a"
    assert locations.list_names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("location", "remote"),
    [
        ("s3://bucket/a.jpg", True), ("S3://bucket/a.jpg", True), ("memory://a", True), ("foo://a", True),
        ("simplecache::s3://bucket/a", True), ("zip://a::file:///b.zip", True),
        ("C:\\a.jpg", False), ("C://a.jpg", False), ("a.jpg", False), ("folder/s3://a", False),
        ("file:///a.jpg", False), ("File:///a.jpg", False),
    ],
)  # fmt: skip
def test_what_is_a_url(location, remote):
    assert locations.is_remote(location) is remote


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo://bucket/a", r"foo:// is not read; expected one of abfs, .*, s3, "),
        ("simplecache://bucket/a", "simplecache:// is not read"),
        ("zip://a.jpg::s3://bucket/a.zip", "must not contain '::'"),
        ("simplecache::s3://bucket/a.jpg", "must not contain '::'"),
        ("s3://bucket/a.jpg::file:///etc/passwd", "must not contain '::'"),
        ("reference://a", "reference:// is not read"),
        ("github://user:repository@main/a", "github:// is not read"),
        ("data://a", "data:// is not read"),
        ("s3://", "names no file"),
    ],
)
def test_urls_that_are_refused(url, message):
    for function in (locations.check_location, locations.read_bytes, locations.list_names):
        with pytest.raises(ValueError, match=message):
            function(url)


def test_a_missing_package_is_named(monkeypatch):
    import fsspec.core

    def refuse(url, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(errors.MissingPackageError, match=r"s3:// needs s3fs.*'xception\[remote\]'"):
        locations.check_location("s3://bucket/a.jpg")
    with pytest.raises(errors.MissingPackageError, match=r"az:// needs adlfs.*pip install adlfs"):
        locations.check_location("az://bucket/a.jpg")


def test_a_store_that_cannot_be_reached_is_a_remote_error():
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    for function in (locations.read_bytes, locations.exists, locations.open_file):
        with pytest.raises(
            errors.RemoteError, match=r"^http://127\.0\.0\.1:9/a\.jpg: cannot be read"
        ) as caught:
            function("http://127.0.0.1:9/a.jpg")
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (type(copy), str(copy)) == (errors.RemoteError, str(caught.value))


def answer(code, kind=OSError):
    """An error as s3fs raises it."""
    error = kind("reason")
    error.__cause__ = Exception()
    error.__cause__.response = {"Error": {"Code": code}}
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("NoSuchKey", FileNotFoundError), FileNotFoundError),
        (answer("KeyTooLongError"), FileNotFoundError),
        (answer("AccessDenied", PermissionError), PermissionError),
        (answer("ExpiredToken", PermissionError), errors.RemoteError),
        (answer("InvalidAccessKeyId", PermissionError), errors.RemoteError),
        (answer("SlowDown"), errors.RemoteError),
        (TimeoutError(), errors.RemoteError),
        (ConnectionResetError("reset"), errors.RemoteError),
        (OSError("Forbidden: https://storage.googleapis.com"), PermissionError),
        (IsADirectoryError("a"), IsADirectoryError),
        (RuntimeError("\x1b[2J"), errors.RemoteError),
    ],
)
def test_errors_of_a_photograph_and_of_its_store(monkeypatch, error, kind):
    from fsspec.implementations.memory import MemoryFileSystem

    def fail(self, path, **options):
        raise error

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    with pytest.raises(OSError, match="memory://a") as caught:
        locations.read_bytes("memory://a")
    assert type(caught.value) is kind
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:word@host/a/b.keras?signature=1", "https://host/a/b.keras"),
        ("s3://bucket/a@b.keras", "s3://bucket/a@b.keras"), ("/home/a?b@c.keras", "/home/a?b@c.keras"),
        ("a\nb.keras", "a\\nb.keras"), ("https://host", "https://host"),
    ],
)  # fmt: skip
def test_a_log_holds_no_secret_of_a_url(location, shown):
    assert locations.without_secrets(location) == shown
