import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import small_models

import xception

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"


@pytest.fixture(autouse=True, scope="session")
def default_interrupts() -> None:
    """A process in the background of a shell ignores interrupts, and so would those that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_late_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine short work takes long, and its progress would be part of the output."""
    monkeypatch.setattr("xception.console.progress.FIRST_LINE_SECONDS", float("inf"))


@pytest.fixture(autouse=True)
def plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed does not depend on where the tests run; pytest-xdist sets COLUMNS."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def default_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a test sets holds for that test alone."""
    monkeypatch.setattr("xception.limits._requested", {})


@pytest.fixture(autouse=True)
def no_cache_of_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither find the features of earlier ones, nor leave any in the user's folder."""
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "0")


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


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own, in which features are kept."""
    monkeypatch.delenv("XCEPTION_MAX_CACHE")
    monkeypatch.setattr("xception.storage.budget.MIN_FREE_BYTES", 0)
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def small_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small classifier of photographs."""
    from xception.layers import Dense, GlobalAveragePooling2D, Input, Rescaling, SeparableConv2D

    model = small_models.model(
        small_models.row(
            "small", ("image", Input((16, 16, 3))), ("scaled", Rescaling(1 / 127.5, -1.0)),
            ("maps", SeparableConv2D(8, 3, padding="same")), ("pool", GlobalAveragePooling2D()),
            ("classes", Dense(3, "softmax")),
        )
    )  # fmt: skip
    model.class_names = (("0", "cat"), ("1", "cup"), ("2", "rocket"))
    path = tmp_path_factory.mktemp("small") / "small.keras"
    model.save(path)
    return path


@pytest.fixture
def two_folders(examples: Path, tmp_path: Path) -> Path:
    """A folder with two photographs of each of two classes, in sub-folders."""
    for label, names in (("animals", ("chelsea", "astronaut")), ("things", ("coffee", "rocket"))):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for name in names:
            shutil.copy(examples / f"{name}.jpg", tmp_path / "photos" / label)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server on this machine that answers as S3 does."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto, which answers as S3, is not installed")
    thread = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    thread.start()
    host, port = thread.get_host_and_port()
    yield f"http://{host}:{port}"
    thread.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a new bucket, which this process and those that it starts reach by s3://."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    return name


@pytest.fixture
def killing(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photograph that kills each process started from now on that opens it.

    Python runs `sitecustomize` before everything else, and the hook sees every file that is opened.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('killing.jpg'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return Path(shutil.copy(examples / "coffee.jpg", tmp_path / "killing.jpg"))
