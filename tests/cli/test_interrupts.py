"""Interrupts of the program: status 130 and no traceback, whenever they come."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has other interrupts")

ROOT = Path(__file__).parents[2]

#: What pip installs as `xception`.
SCRIPT = """
import sys
from xception.__main__ import run
if __name__ == '__main__':
    sys.exit(run())
"""
#: Python runs `sitecustomize` before everything else. The hook sees every import and every open file.
HOOK = """
import os, signal, sys
import {extra}
def hook(event, arguments):
    if os.environ.get("AT") == f"{{event}} {{str(arguments[0]).rpartition('/')[2]}}" and not seen:
        seen.append(event)
        os.kill(os.getpid(), signal.SIGINT)
seen = []
sys.addaudithook(hook)
"""


@pytest.fixture
def interrupted(tmp_path, small_classifier, examples):
    """Run the program, with a signal at a moment; return (status, stdout, stderr)."""

    def run(at, *command, as_module=True, extra="os", ignored=False):
        (tmp_path / "sitecustomize.py").write_text(HOOK.format(extra=extra))
        (tmp_path / "xception-script").write_text(SCRIPT)
        command = command or ("predict", examples / "chelsea.jpg", "--model", small_classifier)
        start = ["-m", "xception"] if as_module else [tmp_path / "xception-script"]
        paths = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
        result = subprocess.run(
            [sys.executable, *start, *command],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "AT": at, "PYTHONPATH": paths},
            preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None,
        )  # fmt: skip
        return result.returncode, result.stdout, result.stderr

    return run


INTERRUPTED = (130, "", "xception: interrupted\n")


@pytest.mark.parametrize("as_module", [True, False], ids=["module", "script"])
@pytest.mark.parametrize("name", ["xception.version", "xception.cli.main", "argparse"])
def test_during_the_first_imports(interrupted, name, as_module):
    status, _, err = interrupted(f"import {name}", "--help", as_module=as_module)
    assert (status, err) == (130, "xception: interrupted\n")


@pytest.mark.parametrize(
    "at",
    ["import numpy", "import numpy._core._multiarray_umath", "import h5py.h5", "import PIL.Image",
     "open small.keras", "open chelsea.jpg"],
)  # fmt: skip
def test_during_a_command(interrupted, at):
    # A finalizer or a callback of the import system may swallow the exception: then the command ends first.
    status, _, err = interrupted(at)
    assert (status, err) == INTERRUPTED[::2]


def test_in_a_file_that_is_being_written(interrupted, examples, small_classifier, tmp_path):
    target = tmp_path / "out" / "features.npz"
    target.parent.mkdir()
    command = ("features", examples / "chelsea.jpg", "--model", small_classifier, "--output", target)
    assert interrupted("import zipfile", *command) == INTERRUPTED
    assert not [path for path in target.parent.iterdir() if not path.name.endswith(".progress")]


def test_in_a_stream_of_predictions(interrupted, run, small_classifier, examples, tmp_path):
    """What was printed are whole lines; what was computed for a file is not computed again."""
    (tmp_path / "photos").mkdir()
    for number in range(60):
        shutil.copy(examples / "rocket.jpg", tmp_path / "photos" / f"{number:02}.jpg")
    command = ("predict", tmp_path / "photos", "--model", small_classifier)
    status, out, err = interrupted("open 50.jpg", *command, "--format", "jsonl")
    assert (status, err) == (130, "xception: interrupted\n")
    assert [len(json.loads(line)["predictions"]) for line in out.splitlines()] == [3] * out.count("\n")
    assert 1 <= out.count("\n") <= 50

    output = tmp_path / "out" / "p.csv"
    output.parent.mkdir()
    assert interrupted("open 50.jpg", *command, "--output", output) == INTERRUPTED
    progress = output.with_name(".p.csv.progress")
    assert list(output.parent.iterdir()) == [progress]
    kept = len((progress / "photos.jsonl").read_text().splitlines())
    assert 1 <= kept <= 50
    status, _, err = run(*command, "--output", output, "--top", 2)
    assert (status, err) == (0, f"xception: {output}: 60 photographs ({kept} were there already)\n")
    assert len(output.read_text().splitlines()) == 1 + 2 * 60
    assert list(output.parent.iterdir()) == [output]


def test_a_program_that_was_started_with_interrupts_ignored_goes_on(interrupted):
    status, out, err = interrupted("import h5py.h5", ignored=True)
    assert (status, err) == (0, "")
    assert "chelsea.jpg" in out


CHILD = """
import signal, sys, time
from xception.cli import interrupts
{prepare}
interrupts.install()
try:
    interrupts.working = True
    {work}
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass
    print("lost")
except KeyboardInterrupt:
    print("heard")
finally:
    interrupts.working = False
"""


def run_child(prepare, work):
    program = CHILD.format(prepare=prepare, work=work)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return result.stdout, result.stderr


def test_in_a_finalizer_it_is_neither_lost_nor_printed():
    prepare = "class Finalized:\n    def __del__(self): signal.raise_signal(signal.SIGINT)"
    assert run_child(prepare, "Finalized()") == ("heard\n", "")


def test_one_that_is_mistaken_for_another_error_is_raised_again():
    prepare = """
def read():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        return
"""
    assert run_child(prepare, "read()") == ("heard\n", "")


def test_another_one_does_not_disturb_the_removal_of_files():
    prepare = """
def work():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        print("removed", flush=True)
"""
    assert run_child(prepare, "work()") == ("removed\nheard\n", "")


def test_an_error_that_an_interrupt_has_become_is_not_reported(run, examples, monkeypatch):
    from xception.cli import interrupts
    from xception.prediction import classifier

    def broken(*_, **__):
        monkeypatch.setattr(interrupts, "_first", 1.0)
        raise OSError("x.keras: is damaged")

    monkeypatch.setattr(classifier, "imagenet_model", broken)
    assert run("predict", examples) == (130, "", "xception: interrupted\n")


def test_the_library_leaves_signals_alone():
    program = (
        "import signal, xception, xception.cli.main\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"
