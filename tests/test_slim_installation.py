"""What runs without SciPy, tqdm, requests and urllib3, and what says that it needs them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

#: What the description of the package requires, but a slim installation leaves out; and what is optional.
LEFT_OUT = ("scipy", "tqdm", "requests", "urllib3", "pooch", "pyarrow", "matplotlib")

BLOCK = f"import sys; sys.modules.update(dict.fromkeys({LEFT_OUT}))"

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def slim(tmp_path: Path) -> Program:
    """Run a program, given arguments, in a process that cannot import these packages."""

    def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "-c", f"{BLOCK}\n{program}", *map(str, arguments)], capture_output=True,
            text=True,
            env=os.environ | {"XCEPTION_CACHE_DIR": str(tmp_path / "cache"), "KERAS_HOME": str(tmp_path)},
        )  # fmt: skip
        assert "Traceback" not in result.stderr, result.stderr
        return result

    return run


COMMAND = "from xception.cli.main import main; raise SystemExit(main())"


def test_python(slim: Program, small_classifier: Path, examples: Path) -> None:
    program = """
import numpy as np, xception
from xception.console import progress
progress.FIRST_LINE_SECONDS = 0
model = xception.load_model(sys.argv[1])
print(model.predict(np.zeros((2, 16, 16, 3))).shape)
print(len(xception.predict(sys.argv[2], model=model)[0]))
print(xception.features(sys.argv[2], model=model, verbose=1).values.shape)
print(xception.explain(sys.argv[2], model=model).picture().size > (0, 0))
from xception.layers import ACTIVATIONS
from xception.gradients.activations import DERIVATIVES
x = np.linspace(-3, 3, 7, dtype=np.float32)
print(all(np.isfinite(function(x)).all() for function in (*ACTIVATIONS.values(), *DERIVATIVES.values())))
"""
    result = slim(program, small_classifier, examples / "coffee.jpg")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n") == ["(2, 3)", "3", "(1, 8)", "True", "True", ""]


def test_command_line(slim: Program, small_classifier: Path, examples: Path, tmp_path: Path) -> None:
    photograph = examples / "coffee.jpg"
    for arguments in (
        ("predict", photograph, "--model", small_classifier),
        ("features", photograph, "--model", small_classifier, "--output", tmp_path / "features.csv"),
        ("explain", photograph, "--model", small_classifier, "--output", tmp_path / "map.png"),
        ("inspect", small_classifier), ("summary",),
    ):  # fmt: skip
        assert slim(COMMAND, *arguments).returncode == 0, arguments
    assert (tmp_path / "features.csv").stat().st_size
    assert (tmp_path / "map.png").stat().st_size


def test_fit_says_that_it_needs_scipy(slim: Program, two_folders: Path, tmp_path: Path) -> None:
    result = slim(COMMAND, "fit", two_folders, "--output", tmp_path / "mine.keras")
    assert result.returncode == 1
    assert "fitting a classifier needs scipy, which is not installed: pip install scipy" in result.stderr


def test_a_download_says_that_it_needs_requests(slim: Program, examples: Path) -> None:
    result = slim(COMMAND, "predict", examples / "coffee.jpg")
    assert result.returncode == 1
    assert "a download needs requests, which is not installed: pip install requests" in result.stderr
    assert "  to:     " in result.stderr


def test_parquet_says_that_it_needs_pyarrow(slim: Program, examples: Path, tmp_path: Path) -> None:
    result = slim(COMMAND, "features", examples / "coffee.jpg", "--output", tmp_path / "features.parquet")
    assert result.returncode == 1
    assert "needs pyarrow, which is not installed: pip install 'xception[parquet]'" in result.stderr


def test_errors_of_missing_packages_are_import_errors(
    slim: Program, small_classifier: Path, examples: Path
) -> None:
    program = """
import xception
explanation = xception.explain(sys.argv[2], model=sys.argv[1])
try:
    explanation.figure()
except ImportError as error:
    print(type(error) is xception.MissingPackageError, error)
"""
    expected = "True a figure needs matplotlib, which is not installed: pip install 'xception[plots]'\n"
    assert slim(program, small_classifier, examples / "coffee.jpg").stdout == expected
