"""Progress of the commands, and --quiet."""

import hashlib

import pytest

from xception.console.progress import is_silenced
from xception.models import download, pretrained


@pytest.fixture(autouse=True)
def lines_at_once(monkeypatch, cache):
    monkeypatch.setattr("xception.console.progress.FIRST_LINE_SECONDS", 0.0)


@pytest.fixture
def folder(two_folders):
    (two_folders / "animals" / "broken.jpg").write_text("no photograph")
    return two_folders


COMMANDS = {
    "predict": "predict FOLDER --model MODEL",
    "features": "features FOLDER --model MODEL --output OUTPUT/f.npz",
    "similar": "similar FOLDER/things/coffee.jpg FOLDER --model MODEL",
    "explain": "explain FOLDER --model MODEL --output OUTPUT/maps",
    "evaluate": "evaluate FOLDER --model MODEL --class-names NAMES",
}


def words(command, folder, small_classifier, tmp_path):
    (tmp_path / "names.txt").write_text("animals\nthings\nother\n")
    replaced = {
        "FOLDER": folder,
        "MODEL": small_classifier,
        "OUTPUT": tmp_path,
        "NAMES": tmp_path / "names.txt",
    }
    for name, path in replaced.items():
        command = command.replace(name, str(path))
    return command.split()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_progress_where_stderr_is_no_terminal(run, folder, small_classifier, tmp_path, command):
    _, _, err = run(*words(command, folder, small_classifier, tmp_path))
    assert "xception: 0 of 5 photos\n" in err
    assert "xception: 5 photos in 0:" in err
    assert "\r" not in err
    assert all(line.startswith("xception: ") for line in err.splitlines())


@pytest.mark.parametrize("option", ["-q", "--quiet"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_quiet_leaves_results_and_errors(run, folder, small_classifier, tmp_path, command, option):
    arguments = words(command, folder, small_classifier, tmp_path)
    expected = run(*arguments)[:2]
    status, out, err = run(*arguments, option)
    assert (status, len(out.splitlines())) == (1, len(expected[1].splitlines()))
    [line] = err.splitlines()
    assert line.startswith(f"xception: {folder / 'animals' / 'broken.jpg'}: is not an image")
    assert not is_silenced()


def test_fit(run, two_folders, tmp_path):
    arguments = ("fit", two_folders, "--output", tmp_path / "mine.keras")
    _, out, err = run(*arguments)
    assert "xception: 4 photos in 0:" in err
    assert err.endswith(f"xception: {tmp_path / 'mine.keras'}: 2 classes, from 4 photographs\n")
    assert run(*arguments, "--quiet") == (0, out, "")


@pytest.mark.parametrize("command", ["predict", "features"])
def test_a_folder_as_the_output_and_gather(run, folder, small_classifier, tmp_path, command):
    pytest.importorskip("pyarrow")
    suffix = {"predict": "jsonl", "features": "npy"}[command]
    for option, is_quiet in (((), False), (("-q",), True)):
        job = tmp_path / f"job{is_quiet}"
        arguments = (command, folder, "--model", small_classifier, "--output", f"{job}/", *option)
        status, out, err = run(*arguments)
        assert (status, out) == (1, "")
        assert f"{folder / 'animals' / 'broken.jpg'}: is not an image" in err
        assert (f"xception: {job}" in err) == ("5 photos" in err) == (not is_quiet)
        status, out, err = run("gather", job, "--output", tmp_path / f"table.{suffix}", *option)
        assert (status, out) == (0, "")
        assert "could not be read when the job ran" in err
        assert (": 4 photographs" in err) == ("4 photos" in err) == (not is_quiet)


def test_a_warning_stays(run, two_folders, examples, small_classifier, tmp_path):
    (two_folders / "coffee.jpg").write_bytes((examples / "coffee.jpg").read_bytes())
    arguments = words(COMMANDS["evaluate"], two_folders, small_classifier, tmp_path)
    assert run(*arguments, "-q")[2] == "xception: warning: 1 photograph outside any sub-folder left out\n"


def test_downloads(run, monkeypatch, tmp_path):
    content = bytes(3_000_000)

    class Response:
        headers = {"Content-Length": str(len(content))}  # noqa: RUF012
        raw = None

        def __enter__(self):
            self.blocks = iter([content[:1_000_000], content[1_000_000:], b""])
            return self

        def __exit__(self, *_):
            pass

    response = Response()
    monkeypatch.setattr(download, "_open", lambda *_: response)
    monkeypatch.setattr(download, "_read", lambda _: next(response.blocks))
    file = pretrained.WeightsFile("own.h5", hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(pretrained, "CLASSIFIER", file)
    for option, progress in (((), True), (("--quiet",), False)):
        folder = tmp_path / str(progress)
        status, out, err = run("weights", "download", "--cache-dir", folder, *option)
        assert (status, out) == (0, f"{folder / 'own.h5'}\n")
        assert (
            ("xception: download: 0.0 of 3.0 MB\n" in err)
            == ("download: 3.0 MB in 0:00, " in err)
            == progress
        )
        assert progress or not err
