"""The command line as a whole: wrong use, errors, interrupts."""

import subprocess
import sys

import pytest

from xception.cli.parser import COMMANDS
from xception.prediction import classifier


@pytest.mark.parametrize(
    "command",
    [
        "", "predict", "classify x", "predict x --top 0", "predict x --format xml", "features x",
        "features x --output f.txt", "weights", "weights fetch", "summary --style html",
        "predict x --from-logits perhaps", "predict x --scaling caffe", "summary m.keras --no-top", "inspect",
        "inspect m.keras --format xml", "evaluate", "evaluate x --format csv", "similar x", "fit x",
    ],
)  # fmt: skip
def test_wrong_use_is_status_2(run, command):
    status, out, err = run(*command.split())
    assert (status, out) == (2, "")
    assert err.startswith("usage: xception")


def test_an_internal_error_is_no_traceback(run, examples, monkeypatch):
    def broken(*_, **__):
        raise KeyError("oops")

    monkeypatch.delenv("XCEPTION_DEBUG", raising=False)
    monkeypatch.setattr(classifier, "imagenet_model", broken)
    status, _, err = run("predict", examples)
    assert status == 1
    assert "internal error, KeyError: 'oops'" in err


def test_an_interruption_is_no_traceback(run, examples, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier, "imagenet_model", interrupted)
    assert run("predict", examples) == (130, "", "xception: interrupted\n")


def test_as_a_module_with_a_reader_that_leaves():
    command = f"{sys.executable} -m xception summary | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert result.stdout == 'Model: "xception"\n'
    assert result.stderr == ""


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(run, command):
    status, out, err = run(*command.split(), "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: xception {command}".rstrip())


def test_help_imports_no_numpy():
    program = (
        "import sys; from xception.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print('numpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout.rstrip().endswith("False")
