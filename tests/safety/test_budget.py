"""Small files whose predictions would take gigabytes or hours."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hostile import archive, entry, functional, hdf5_bytes, layer, tensor
from PIL import Image

import xception

SHAPE = (299, 299, 3)


def no_weights(file: h5py.File) -> None:
    file.create_group("layers")


def zeros_of(*shape: int) -> Callable[[h5py.File], None]:
    def fill(file: h5py.File) -> None:
        chunks = (shape[0] // 4, *shape[1:])
        file.create_dataset(
            "layers/conv2d/vars/0", shape, np.float32, data=np.zeros(shape, np.float32), chunks=chunks,
            compression="gzip", compression_opts=9,
        )  # fmt: skip

    return fill


def enlarged(count: int, size: int) -> list[object]:
    """Maps that are alive at once."""
    maps = [layer("UpSampling2D", f"u{i}", "pixels", size=[size, size]) for i in range(count)]
    return [*maps, layer("Add", "sum", [[tensor(f"u{i}") for i in range(count)]])]


def in_a_row(class_name: str, count: int, **settings: object) -> list[object]:
    names = ["pixels", *(f"i{i}" for i in range(count))]
    return [layer(class_name, name, source, **settings) for source, name in pairwise(names)]


def window(size: int) -> dict[str, object]:
    return {"pool_size": [size, size], "strides": [1, 1], "padding": "same"}


#: The layers, the weights, and what is limited.
CASES = {
    "a padded intermediate": (
        in_a_row("Resizing", 1, height=4000, width=1, pad_to_aspect_ratio=True), no_weights, "memory",
    ),
    "a longer one": (
        in_a_row("Resizing", 1, height=30000, width=1, pad_to_aspect_ratio=True), no_weights, "memory",
    ),
    "a large window of zeros": (
        in_a_row("Conv2D", 1, filters=1, kernel_size=[640, 640], padding="same", use_bias=False),
        zeros_of(640, 640, 3, 1), "operations",
    ),
    "many maps at once": (enlarged(10, 20), no_weights, "operations"),
    "few maps at once": (enlarged(4, 18), no_weights, "memory"),
    "a maximum over thousands": (in_a_row("MaxPooling2D", 1, **window(4096)), no_weights, "operations"),
    "an average over thousands": (in_a_row("AveragePooling2D", 1, **window(4096)), no_weights, "operations"),
    "many poolings": (in_a_row("MaxPooling2D", 300, **window(64)), no_weights, "operations"),
    "many slow functions": (in_a_row("Activation", 3000, activation="softplus"), no_weights, "operations"),
    "an enlarged enlargement": (in_a_row("UpSampling2D", 2, size=[8, 8]), no_weights, "memory"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_prediction_that_takes_too_much_is_refused_before_it_begins(tmp_path: Path, name: str) -> None:
    rows, fill, limited = CASES[name]
    path = archive(
        tmp_path / "x.keras", functional(entry(shape=(None, *SHAPE)), *rows), hdf5_bytes(fill), packed=True
    )
    try:
        model = xception.load_model(path)
    except xception.ModelFileError as error:
        assert f"--max-{limited}" in str(error)  # noqa: PT017
        return
    start = time.process_time()
    x = np.zeros((1, *SHAPE), np.float32)
    with pytest.raises(xception.LimitError, match=f"--max-{limited}"):
        model.predict(x)
    with pytest.raises(xception.LimitError):
        model.graph.evaluate(model.parameters, x)
    assert time.process_time() - start < 5


def test_twenty_thousand_layers_in_a_row(tmp_path: Path) -> None:
    described = functional(entry(shape=(None, 8, 8, 3)), *in_a_row("Activation", 19_990, activation="relu"))
    start = time.process_time()
    model = xception.load_model(archive(tmp_path / "x.keras", described, hdf5_bytes(no_weights), packed=True))
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x), np.maximum(x, 0))
    assert time.process_time() - start < 15


def large_input(path: Path, size: int) -> Path:
    def head(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = np.eye(3, 2, dtype=np.float32)
        file["layers/dense/vars/1"] = np.zeros(2, np.float32)

    described = functional(
        entry(shape=(None, size, size, 3)),
        layer("AveragePooling2D", "half", "pixels", pool_size=2),
        layer("GlobalAveragePooling2D", "pool", "half"), layer("Dense", "dense", "pool", units=2),
    )  # fmt: skip
    return archive(path, described, hdf5_bytes(head), packed=True)


def test_few_photographs_at_once_where_they_are_large(tmp_path: Path) -> None:
    """Batches are as large as the limit allows, and the answers the same."""
    model = xception.load_model(large_input(tmp_path / "x.keras", 400))
    photographs = [Image.new("RGB", (40, 40), (i * 16, 255 - i * 16, 0)) for i in range(16)]
    classifier = xception.Classifier(model)
    assert classifier.preprocessor.batch_size == 16
    expected = xception.predict(photographs, classifier)
    xception.set_limits(max_memory_bytes=50_000_000)
    assert classifier.preprocessor.batch_size == 1
    assert xception.predict(photographs, classifier) == expected


@pytest.mark.parametrize("call", [xception.predict, xception.features, xception.explain, xception.similar])
def test_an_input_too_large_for_the_limit(tmp_path: Path, call: Callable[..., object]) -> None:
    path = large_input(tmp_path / "x.keras", 9000)
    photograph = Image.new("RGB", (40, 40))
    arguments = (photograph, [photograph]) if call is xception.similar else (photograph,)
    with pytest.raises((xception.LimitError, xception.ModelFileError), match=r"--max-memory"):
        call(*arguments, model=path)


def test_more_results_than_memory(tmp_path: Path) -> None:
    rows = [layer("UpSampling2D", "u", "pixels", size=[4, 4])]
    described = functional(entry(shape=(None, 100, 100, 3)), *rows)
    model = xception.load_model(archive(tmp_path / "x.keras", described, hdf5_bytes(no_weights)))
    xception.set_limits(max_memory_bytes=40_000_000)
    with pytest.raises(xception.LimitError, match=r"--max-memory 57\.6MB"):
        model.predict(np.zeros((30, 100, 100, 3), np.float32))
    assert model.features(np.zeros((30, 100, 100, 3), np.float32), "u").shape == (30, 3)


def test_more_names_than_memory(tmp_path: Path) -> None:
    rows = [layer("UpSampling2D", "u", "pixels", size=[20, 20]), layer("Flatten", "f", "u")]
    described = functional(entry(shape=(None, 60, 60, 3)), *rows)
    model = xception.load_model(archive(tmp_path / "x.keras", described, hdf5_bytes(no_weights)))
    xception.set_limits(max_memory_bytes=200_000_000)
    with pytest.raises(xception.LimitError, match=r"--max-memory"):
        xception.Classifier(model)
    with pytest.raises(xception.LimitError, match=r"--max-memory"):
        xception.features(Image.new("RGB", (60, 60)), model, layers="f")


def test_the_command_says_which_limit_would_do(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], examples: Path
) -> None:
    path = large_input(tmp_path / "x.keras", 400)
    photograph = examples / "chelsea.jpg"
    status, out, err = run(
        "predict", photograph, "--model", path, "--max-memory", "1MB", "--max-operations", "1e12"
    )
    assert (status, out) == (1, "")
    assert "the limit is 1MB" in err
    for _ in range(2):  # one figure to load the model, another to predict
        needed = err.split("--max-memory ")[1].split()[0]
        status, out, err = run("predict", photograph, "--model", path, "--max-memory", needed)
        if not status:
            break
    assert (status, err) == (0, "")
    assert "chelsea.jpg" in out
    assert run("predict", photograph, "--model", path, "--max-operations", "1e4")[0] == 1
    status, _, err = run("predict", photograph, "--model", path, "--max-memory", "much")
    assert status == 2
    assert "must be a number of bytes such as 2GB" in err
