"""Coverage-guided fuzzing of model files; not part of the tests. Needs `pip install atheris`.

    python tests/safety/fuzz_atheris.py description -max_total_time=600
    python tests/safety/fuzz_atheris.py file folder-with-model-files -max_total_time=600

`description` changes the JSON in a `.keras` file, `file` a whole file of any form.
Anything but a model or ModelFileError ends the run; the input is kept as `crash-…`. Further arguments
are libFuzzer's.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xception"]):
    import xception
    from xception.graph import Graph
    from xception.layers import BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input
    from xception.models.parameters import initial_parameters

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))


def small_file() -> bytes:
    """Return a small model in its file, the first seed."""
    graph = Graph("small")
    x = graph.add(Input((8, 8, 3)), name="pixels")
    x = graph.add(Conv2D(4, 3), x)
    x = graph.add(BatchNormalization(), x)
    x = graph.add(GlobalAveragePooling2D(), x)
    graph.add(Dense(2, "softmax"), x, name="predictions")
    path = FOLDER / "small.keras"
    xception.Model(graph, initial_parameters(graph, 0)).save(path)
    return path.read_bytes()


SMALL = small_file()
with zipfile.ZipFile(io.BytesIO(SMALL)) as opened:
    PARTS = {name: opened.read(name) for name in opened.namelist()}
MODEL = xception.load_model(FOLDER / "small.keras")


def description(data: bytes) -> None:
    path = FOLDER / "x.keras"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (PARTS | {"config.json": data}).items():
            file.writestr(name, content)
    load(path)


def whole_file(data: bytes) -> None:
    path = FOLDER / "x.h5"
    path.write_bytes(data)
    load(path)
    with contextlib.suppress(xception.ModelFileError):
        MODEL.load_weights(path)


def load(path: Path) -> None:
    with contextlib.suppress(xception.ModelFileError):
        xception.load_model(path)


if __name__ == "__main__":
    target = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if target not in ("description", "file"):
        sys.exit(__doc__)
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    (seeds / "small").write_bytes(SMALL if target == "file" else PARTS["config.json"])
    # libFuzzer writes new inputs to the first folder.
    atheris.Setup(
        [sys.argv[0], str(seeds), *sys.argv[1:]], description if target == "description" else whole_file
    )
    atheris.Fuzz()
