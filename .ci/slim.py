"""Check of a slim installation: run it in an environment without SciPy, tqdm, requests and urllib3.

It loads a model, predicts, computes features and explains, from Python and from the command line.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import xception
from xception.layers import Activation, BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input

MAX_MEGABYTES = 250  #: of AWS Lambda, unpacked
LEFT_OUT = "scipy", "tqdm", "requests", "urllib3", "pooch"


def command(*arguments: object, status: int = 0) -> str:
    """Run a command of `xception`; return what it prints on stderr."""
    result = subprocess.run(
        [sys.executable, "-m", "xception", *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == status, (arguments, result)
    assert "Traceback" not in result.stderr, (arguments, result)
    return result.stderr


def small_model(path: Path) -> None:
    net = xception.Graph("small")
    x = net.add(Input((64, 64, 3)))
    for filters, activation in ((8, "gelu"), (16, "sigmoid"), (16, "swish")):
        x = net.add(Conv2D(filters, 3, strides=2), x)
        x = net.add(BatchNormalization(), x)
        x = net.add(Activation(activation), x)
    x = net.add(GlobalAveragePooling2D(), x)
    net.add(Dense(3, "softmax"), x)
    model = xception.Model(net, class_names=["cat", "cup", "rocket"], seed=0)
    model.preprocessing = xception.Preprocessing(scaling="tf")
    model.save(path)


def main() -> None:
    present = [name for name in LEFT_OUT if importlib.util.find_spec(name)]
    assert not present, f"this is no slim installation: {present}"
    installed = Path(xception.__file__).parents[1]
    size = sum(path.stat().st_size for path in installed.rglob("*") if path.is_file()) / 1e6
    print(f"unpacked, with the weights of the base: {size:.0f} MB")
    assert size < MAX_MEGABYTES

    photograph, folder = Path(sys.argv[1]).resolve(), Path(tempfile.mkdtemp())
    model = folder / "small.keras"
    small_model(model)
    loaded = xception.load_model(model)
    assert len(xception.predict(photograph, model=loaded)[0]) == 3
    assert xception.features(photograph, model=loaded).values.shape == (1, 16)
    for method in ("grad-cam", "score-cam"):
        assert xception.explain(photograph, model=loaded, method=method).maps.any()

    command("predict", photograph, "--model", model)
    command("features", photograph, "--output", folder / "features.csv")  # of the weights that are shipped
    command("explain", photograph, "--model", model, "--output", folder / "maps.png")
    command("inspect", model)
    for label in ("a", "b"):
        for number in range(3):
            (folder / "photographs" / label).mkdir(parents=True, exist_ok=True)
            copy = folder / "photographs" / label / f"{number}{photograph.suffix}"
            copy.write_bytes(photograph.read_bytes())
    told = command("fit", folder / "photographs", "--output", folder / "mine.keras", status=1)
    assert "pip install scipy" in told


if __name__ == "__main__":
    main()
