"""Folders that others may have prepared: links are not followed, and what is somebody else's is refused."""

import os
import stat

import pytest

from xception.data import private_folders
from xception.data.private_folders import PrivateFolder, check_cache, is_own, lock

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files have neither owners nor modes there")
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away"
)
STRANGER = 54321


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def test_a_new_folder_is_closed_to_others(tmp_path):
    with PrivateFolder(tmp_path / "f") as folder:
        with folder.open_file("a", "ab") as stream:
            stream.write(b"text")
        assert folder.names() == ["a"]
        assert (folder.inside / "a").read_bytes() == b"text"
    assert mode_of(tmp_path / "f") == 0o700
    assert mode_of(tmp_path / "f" / "a") == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o777])
def test_a_folder_of_your_own_that_was_open_is_closed(tmp_path, mode):
    (tmp_path / "f").mkdir()
    (tmp_path / "f").chmod(mode)
    PrivateFolder(tmp_path / "f").close()
    assert mode_of(tmp_path / "f") == 0o700


def test_a_link_is_no_folder_but_one_on_the_way_to_it_may_be(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "link").symlink_to("f")
    with pytest.raises(PermissionError, match="link: is a link, which is not followed here; remove it"):
        PrivateFolder(tmp_path / "link")
    with PrivateFolder(tmp_path / "link" / "inner") as inner, PrivateFolder(inner.path / "a", inner):
        assert mode_of(tmp_path / "f" / "inner" / "a") == 0o700
        (tmp_path / "f" / "inner" / "b").symlink_to("a")
        with pytest.raises(PermissionError, match="is a link"):
            PrivateFolder(inner.path / "b", inner)


def test_a_file_is_no_folder(tmp_path, victim):
    with pytest.raises(NotADirectoryError, match="victim: is a file, expected a folder"):
        PrivateFolder(victim)


@pytest.mark.parametrize("mode", ["rb", "r+b", "ab", "xb"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder", "device"])
def test_only_regular_files_with_one_name_are_opened(tmp_path, victim, kind, mode):
    with PrivateFolder(tmp_path / "f") as folder:
        path = folder.path / "a"
        {
            "link": lambda: path.symlink_to(victim),
            "dangling link": lambda: path.symlink_to(tmp_path / "new"),
            "second name": lambda: path.hardlink_to(victim),
            "pipe": lambda: os.mkfifo(path),
            "folder": path.mkdir,
            "device": lambda: path.symlink_to("/dev/zero"),
        }[kind]()
        with pytest.raises(PermissionError, match=r"f/a: expected a regular file of your own.*Remove it"):
            folder.open_file("a", mode)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not private_folders.IS_RELATIVE, reason="needs O_NOFOLLOW")
@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_a_link_that_appears_after_the_check_is_not_followed(tmp_path, victim, monkeypatch, mode):
    opened = os.open

    def exchanged(path, *arguments, **options):
        if path == "a":
            (tmp_path / "f" / "a").unlink()
            (tmp_path / "f" / "a").symlink_to(victim)
        return opened(path, *arguments, **options)

    with PrivateFolder(tmp_path / "f") as folder:
        (folder.path / "a").write_text("")
        monkeypatch.setattr(os, "open", exchanged)
        with pytest.raises(OSError, match="symbolic links"):
            folder.open_file("a", mode)
    assert victim.read_text() == "precious"


def test_files_are_found_in_the_folder_that_was_opened(tmp_path):
    """Somebody who may rename it cannot put another in its place."""
    if not private_folders.IS_RELATIVE:
        pytest.skip("files are found by their path")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("precious")
    with PrivateFolder(tmp_path / "f") as folder:
        (tmp_path / "f").rename(tmp_path / "moved")
        (tmp_path / "f").symlink_to("other")
        folder.open_file("a", "ab").close()
        folder.rename("a", "b")
        folder.open_file("a", "xb").close()
        folder.remove("a", "b")
    assert os.listdir(tmp_path / "moved") == []
    assert (tmp_path / "other" / "a").read_text() == "precious"


@needs_root
def test_what_belongs_to_somebody_else_is_refused(tmp_path):
    (tmp_path / "f").mkdir()
    os.chown(tmp_path / "f", STRANGER, STRANGER)
    with pytest.raises(PermissionError, match="f: belongs to another user"):
        PrivateFolder(tmp_path / "f")
    with PrivateFolder(tmp_path / "mine") as folder:
        (folder.path / "a").write_text("")
        os.chown(folder.path / "a", STRANGER, STRANGER)
        with pytest.raises(PermissionError, match="belongs to somebody else"):
            folder.open_file("a", "ab")


def test_where_every_file_has_one_owner_it_is_ones_own(tmp_path, monkeypatch):
    """As on FAT and network drives."""
    status = tmp_path.stat()
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert is_own(status, tmp_path)
    assert os.listdir(tmp_path) == []
    assert not is_own(status, tmp_path / "nowhere")


@needs_root
def test_the_cache_folder_must_be_ones_own(tmp_path):
    check_cache(tmp_path / "a" / "cache")
    assert mode_of(tmp_path / "a" / "cache") == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "a" / "cache")
    check_cache(tmp_path / "link")
    os.chown(tmp_path / "a" / "cache", STRANGER, STRANGER)
    for path in (tmp_path / "a" / "cache", tmp_path / "link"):
        with pytest.raises(PermissionError, match="belongs to another user; set XCEPTION_CACHE_DIR"):
            check_cache(path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").symlink_to(tmp_path / "mine")
    os.chown(tmp_path / "theirs", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(PermissionError, match="belongs to another user"):
        check_cache(tmp_path / "theirs")


def test_a_lock_ends_with_its_stream(tmp_path):
    with PrivateFolder(tmp_path / "f") as folder:
        with folder.open_file("lock", "ab") as stream:
            assert lock(stream)
            with folder.open_file("lock", "r+b") as other, pytest.raises(BlockingIOError):
                lock(other)
        with folder.open_file("lock", "ab") as stream:
            assert lock(stream)


def test_shared_locks_exclude_only_others_that_are_not(tmp_path):
    pytest.importorskip("fcntl")
    with PrivateFolder(tmp_path / "f") as folder:
        with folder.open_file("a", "xb") as one, folder.open_file("a", "rb") as two:
            assert lock(one, is_shared=True)
            assert lock(two, is_shared=True)
            with folder.open_file("a", "r+b") as three, pytest.raises(BlockingIOError):
                lock(three)
        with folder.open_file("a", "r+b") as three:
            assert lock(three)


@pytest.mark.skipif(not private_folders.IS_RELATIVE, reason="folders are not opened there")
def test_a_folder_can_be_locked(tmp_path):
    with PrivateFolder(tmp_path / "f") as one:
        assert one.lock(is_shared=True)
        with PrivateFolder(tmp_path / "f") as two, pytest.raises(BlockingIOError):
            two.lock()
    with PrivateFolder(tmp_path / "f") as two:
        assert two.lock()


def test_touch_changes_the_date_of_a_file_and_not_of_what_a_link_points_to(tmp_path, victim):
    with PrivateFolder(tmp_path / "f") as folder:
        folder.open_file("a", "xb").close()
        os.utime(folder.path / "a", (1000, 1000))
        assert folder.status("a").st_mtime == 1000
        folder.touch("a")
        assert folder.status("a").st_mtime > 1e9
        (folder.path / "b").symlink_to(victim)
        os.utime(victim, (1000, 1000))
        folder.touch("b")
    assert victim.stat().st_mtime == 1000
