"""Output that cannot be written, and complaints that nobody reads."""

import os
import subprocess
import sys

import pytest

FULL = "/dev/full"
pytestmark = pytest.mark.skipif(not os.path.exists(FULL), reason="this system has no full device")


@pytest.fixture(params=["buffered", "unbuffered"])
def start(request):
    """Run a command with streams of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if request.param == "unbuffered":
        environment["PYTHONUNBUFFERED"] = "1"

    def start(*arguments, **streams):
        command = [sys.executable, "-m", "xception", *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.run(command, env=environment, text=True, timeout=120, check=False, **streams)

    return start


@pytest.fixture
def full():
    with open(FULL, "w") as stream:
        yield stream


def test_a_full_disk_is_an_error_like_others(start, full, small_classifier, examples):
    result = start("predict", examples, "--model", small_classifier, "--format", "json", stdout=full)
    assert (result.returncode, result.stderr) == (1, "xception: no space is left on the disk\n")


def test_a_script_of_completion_too(start, full):
    pytest.importorskip("shtab")
    result = start("--print-completion", "bash", stdout=full)
    assert (result.returncode, result.stderr) == (1, "xception: no space is left on the disk\n")


def test_a_model_is_kept_although_its_report_cannot_be_written(start, full, two_folders, tmp_path):
    result = start("fit", two_folders, "--output", tmp_path / "model.keras", "-q", stdout=full)
    assert (result.returncode, result.stderr) == (1, "xception: no space is left on the disk\n")
    assert (tmp_path / "model.keras").exists()


def test_complaints_that_nobody_reads_do_not_end_the_work(start, full, small_classifier, examples, tmp_path):
    arguments = ("predict", tmp_path / "missing.jpg", examples, "--model", small_classifier, "--top", 1)
    result = start(*arguments, stderr=full)
    assert (result.returncode, len(result.stdout.splitlines())) == (1, len(list(examples.glob("*.jpg"))))
    reading, writing = os.pipe()
    os.close(reading)
    result = start(*arguments, "--output", tmp_path / "p.csv", stderr=writing)
    os.close(writing)
    assert result.returncode == 1
    assert len((tmp_path / "p.csv").read_text().splitlines()) > 1
