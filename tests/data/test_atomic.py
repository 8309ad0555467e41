"""Files that are written whole or not at all, and what killed writers leave behind."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import zipfile

import h5py
import pytest

from xception.data.atomic import check_writable, replace_file

needs_locks = pytest.mark.skipif(os.name == "nt", reason="there are no locks on files")

WRITER = """
import sys
from pathlib import Path
from xception.data.atomic import replace_file
with replace_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
    temporary.write_text("whole")
"""


@contextlib.contextmanager
def writer(path):
    """Another process, which has written half of a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def write(path, text):
    with replace_file(path) as temporary:
        temporary.write_text(text)


def names_in(folder):
    return sorted(os.listdir(folder))


def test_a_file_gets_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "x.txt"
    with replace_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names_in(tmp_path) == ["x.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_former_file_is_unchanged(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("before")

    def interrupted():
        with replace_file(path) as temporary:
            temporary.write_text("half")
            temporary.with_name("more").write_text("a part of it")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "before"
    assert names_in(tmp_path) == ["x.txt"]


@pytest.mark.skipif(os.name == "nt", reason="modes of files are others there")
def test_a_file_has_the_mode_that_the_user_gives_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "x", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["HDF5", "zip"])
def test_libraries_write_to_the_temporary_path(tmp_path, kind):
    with replace_file(tmp_path / "x") as temporary:
        if kind == "HDF5":  # which locks the file, too
            with h5py.File(temporary, "w") as file:
                file["a"] = [1, 2]
        else:
            with zipfile.ZipFile(temporary, "w") as archive:
                archive.writestr("a", "text")
    assert h5py.is_hdf5(tmp_path / "x") if kind == "HDF5" else zipfile.is_zipfile(tmp_path / "x")


def test_a_link_is_replaced_and_what_it_points_to_is_unchanged(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "x").symlink_to(tmp_path / "victim")
    write(tmp_path / "x", "new")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "x").read_text() == "new"


@needs_locks
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    for _ in range(2):
        with writer(tmp_path / "x") as process:
            process.send_signal(signal.SIGKILL)
            process.wait()
    (left,) = names_in(tmp_path)  # of the second: it has removed that of the first
    assert (tmp_path / left).is_dir()
    write(tmp_path / "other", "")
    assert names_in(tmp_path) == [left, "other"]
    write(tmp_path / "x", "whole")
    assert names_in(tmp_path) == ["other", "x"]


@needs_locks
def test_a_writer_that_is_alive_keeps_its_temporary_file(tmp_path):
    path = tmp_path / "x"
    with writer(path) as process:
        write(path, "mine")
        assert len(names_in(tmp_path)) == 2
        assert path.read_text() == "mine"
        process.communicate("")
        assert process.returncode == 0
    assert path.read_text() == "whole"
    assert names_in(tmp_path) == ["x"]


@needs_locks
def test_temporary_files_of_earlier_versions_are_removed_unless_they_are_locked(tmp_path):
    import fcntl

    for name in (".x.0123abcd.part", ".x.0123abcd.part.h5", ".x.89abcdef.part"):
        (tmp_path / name).write_text("half")
    kept = [".x.notes.part", ".x.y.0123abcd.part", ".xx0123abcd.part", "x.0123abcd.part"]
    for name in kept:
        (tmp_path / name).write_text("somebody's")
    with (tmp_path / ".x.89abcdef.part").open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        write(tmp_path / "x", "")
    assert names_in(tmp_path) == sorted([".x.89abcdef.part", "x", *kept])


@needs_locks
def test_links_and_pipes_with_the_name_of_a_temporary_file_are_left_alone(tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "lock").write_text("")
    (tmp_path / "victim" / "file").write_text("precious")
    (tmp_path / ".x.00000000.part").symlink_to(tmp_path / "victim")
    (tmp_path / ".x.00000001.part").symlink_to(tmp_path / "victim" / "file")
    os.mkfifo(tmp_path / ".x.00000002.part")
    write(tmp_path / "x", "")
    assert names_in(tmp_path / "victim") == ["file", "lock"]
    assert (tmp_path / "victim" / "file").read_text() == "precious"


@needs_locks
def test_a_temporary_folder_that_was_never_locked_is_removed_if_it_is_empty(tmp_path):
    (tmp_path / ".x.00000000.part").mkdir()
    (tmp_path / ".x.00000001.part").mkdir()
    (tmp_path / ".x.00000001.part" / "mine").write_text("")
    write(tmp_path / "x", "")
    assert names_in(tmp_path) == [".x.00000001.part", "x"]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="paths lead to open folders on Linux only")
def test_a_temporary_folder_that_is_exchanged_does_not_lead_elsewhere(tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "x").write_text("precious")
    with contextlib.suppress(OSError), replace_file(tmp_path / "x") as temporary:
        (own,) = tmp_path.glob(".x.*")
        own.rename(tmp_path / "away")
        own.symlink_to(tmp_path / "victim")
        temporary.write_text("new")
    assert (tmp_path / "victim" / "x").read_text() == "precious"
    assert (tmp_path / "x").read_text() == "new"


def test_a_name_that_is_too_long_is_refused_at_once(tmp_path):
    check_writable(tmp_path / ("n" * 240))
    write(tmp_path / ("n" * 240), "")
    with pytest.raises(OSError, match="the name is too long to write a file; expected at most 240 bytes"):
        check_writable(tmp_path / ("é" * 121))
