"""Regular files are opened; named pipes, devices and sockets are refused at once."""

import os
import socket
import threading

import pytest

from xception.data.regular_files import check_regular_file, open_regular_file


@pytest.fixture(params=["check", "open"])
def use(request):
    return {"check": check_regular_file, "open": open_regular_file}[request.param]


def test_a_regular_file_is_opened_under_its_name(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    link = tmp_path / "link"
    link.symlink_to(path)
    for name in (path, str(path), link):
        check_regular_file(name)
        with open_regular_file(name) as stream:
            assert stream.read() == b"content"
            assert stream.name == os.fspath(name)
            assert not os.get_inheritable(stream.fileno())
            if os.name == "posix":
                assert os.get_blocking(stream.fileno())


def test_an_empty_file_is_an_empty_stream(tmp_path):
    (tmp_path / "file").touch()
    with open_regular_file(tmp_path / "file") as stream:
        assert stream.read() == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux")
def test_files_of_the_kernel_that_claim_to_be_empty_are_not_read():
    with open_regular_file("/proc/self/status") as stream:
        assert stream.read() == b""


def test_missing_files_and_folders(tmp_path, use):
    for name in ("missing", "missing/file", "nul\0"):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            use(tmp_path / name)
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file"):
        use(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_named_pipe_is_refused_without_waiting(tmp_path, use):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match=r"is not a regular file \(a named pipe\)"):
            use(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_named_pipe_that_replaces_the_file_after_the_check_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("xception.data.regular_files.check_regular_file", lambda path: None)
    os.mkfifo(tmp_path / "pipe")
    descriptors = len(os.listdir("/dev/fd"))
    errors = []

    def work():
        try:
            open_regular_file(tmp_path / "pipe")
        except OSError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert "is not a regular file (a named pipe)" in errors[0]
    assert len(os.listdir("/dev/fd")) == descriptors


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="POSIX")
def test_devices_and_sockets_are_refused(tmp_path, use, monkeypatch):
    with pytest.raises(OSError, match=r"is not a regular file \(a device\)"):
        use("/dev/zero")
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(OSError, match=r"is not a regular file \(a socket\)"):
            use("socket")
