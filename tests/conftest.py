from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import xception

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture(scope="session")
def real() -> Path:
    """A model that somebody trained, photographs, and Keras's answers; not part of the project."""
    if not REAL.is_dir():
        pytest.skip("the real model and photographs (shared/real) are not beside this checkout")
    return REAL


@pytest.fixture(scope="session")
def full_model() -> xception.Model:
    """The whole network with fresh weights, at the smallest size that it takes."""
    return xception.Xception(weights=None, input_shape=(71, 71, 3), seed=0)


@pytest.fixture(scope="session")
def weights_file(full_model: xception.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "full.h5"
    full_model.save_weights(path)
    return path


@pytest.fixture(scope="session")
def base() -> xception.Model:
    """The shipped ImageNet base, pooled, for images of any size."""
    return xception.Xception(include_top=False, pooling="avg")


@pytest.fixture
def images() -> np.ndarray:
    """Two images as the network takes them: (2, 71, 71, 3), −1…1."""
    return np.random.default_rng(7).uniform(-1, 1, (2, 71, 71, 3)).astype(np.float32)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command; (status, what stood on stdout, what stood on stderr)."""

    from xception.cli.main import main

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's
            status = int(str(stop.code))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return status, captured.out, captured.err

    return call
