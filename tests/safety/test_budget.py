"""Small files whose predictions would take gigabytes or hours."""

import contextlib
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hostile import archive, entry, functional, hdf5_bytes, layer, tensor
from PIL import Image

import xception
from xception.engine.plan import Plan
from xception.graph import Graph
from xception.graph.budget import count_frames
from xception.layers import Arithmetic, Conv2D, Dense, Input, MaxPooling2D, Rescaling

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
        in_a_row("Resizing", 1, height=30000, width=1, pad_to_aspect_ratio=True), no_weights, "operations",
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
    """As many as the limit allows, and the answers are the same."""
    model = xception.load_model(large_input(tmp_path / "x.keras", 400))
    photographs = [Image.new("RGB", (40, 40), (i * 16, 255 - i * 16, 0)) for i in range(16)]
    classifier = xception.Classifier(model)
    assert classifier.preprocessor.at_once >= 16
    expected = xception.predict(photographs, classifier)
    xception.set_limits(max_memory_bytes=50_000_000)
    assert classifier.preprocessor.at_once == 1
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
    for _ in range(3):  # a figure to load the model, one to read the photograph, and one to predict
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


def many_outputs(path: Path, size: int) -> Path:
    rows = [layer("AveragePooling2D", "half", "pixels", pool_size=2), layer("Flatten", "f", "half")]
    described = functional(entry(shape=(None, size, size, 3)), *rows)
    return archive(path, described, hdf5_bytes(no_weights))


@pytest.mark.parametrize("method", ["grad-cam", "score-cam", "occlusion"])
def test_more_classes_than_an_explanation_or_evaluation_has_room_for(tmp_path: Path, method: str) -> None:
    """Both have a table of all classes against all classes."""
    model = xception.load_model(many_outputs(tmp_path / "x.keras", 200))  # 30,000 classes
    photograph = Image.new("RGB", (200, 200))
    with pytest.raises(xception.LimitError, match=r"--max-memory 3\.6GB"):
        xception.explain(photograph, model, method=method)
    with pytest.raises(xception.LimitError, match=r"the confusion matrix: takes 7\.2GB"):
        xception.evaluate([photograph], ["class_7"], model)


def test_an_explanation_of_millions_of_predictions(tmp_path: Path) -> None:
    model = xception.load_model(large_input(tmp_path / "x.keras", 3000))
    photograph = Image.new("RGB", (40, 40))
    with pytest.raises(xception.LimitError, match=r"2,250,000 passes, of which the limit counts 1 in 20"):
        xception.explain(photograph, model, method="occlusion")


def test_a_photograph_that_a_model_enlarges_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    model = xception.load_model(large_input(tmp_path / "x.keras", 9000))
    tracemalloc.start()
    try:
        with pytest.raises(xception.LimitError, match=r"--max-memory 3\.5GB"):
            xception.predict(Image.new("RGB", (40, 40)), model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


#: Maps of odd shapes, in which a pass takes many calls or many short inner loops.
ODD = {
    "a pooling of a tall map after a product": (
        (20_000, 1, 3),
        [Conv2D(4, 1), MaxPooling2D((20_000, 1), 1, "same")],
    ),
    "a pooling that skips columns": ((3000, 3000, 3), [Conv2D(16, 1), MaxPooling2D((1500, 1), (1, 3000))]),
    "rows that are strips of their own": ((60_000, 683, 1), [Conv2D(1, 1)] * 30),
    "two channels": ((1, 8_000_000, 2), [Rescaling((2.0, 1.0))] * 300),
    "products of two": ((1, 8_000_000, 2), [Dense(2)] * 200),
    "many groups": ((64, 64, 1024), [Conv2D(1024, 1, groups=512)] * 1000),
    "powers": ((150, 150, 64), [Arithmetic("power", 1.001)] * 578),
}


@pytest.mark.parametrize("name", ODD)
def test_maps_of_odd_shapes_are_refused_or_take_little(name: str) -> None:
    shape, rows = ODD[name]
    net = Graph("odd")
    x = net.add(Input(shape))
    first: dict[object, str] = {}
    for row in rows:
        x = net.add(row, x, shares=first.get(row))
        first.setdefault(row, x)
    rng = np.random.default_rng(0)
    parameters = {
        node.name: {name: p.initial_value(rng) for name, p in node.parameters.items()}
        for node in net.nodes.values()
        if node.owner == node.name and node.parameters
    }
    start = time.process_time()
    tracemalloc.start()
    try:
        with contextlib.suppress(xception.LimitError):
            Plan(net, parameters).run(np.zeros((1, *shape), np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 2**30
    assert time.process_time() - start < 15


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((299, 299, 3), 1), ((16, 112, 112, 3), 16), ((2, 8, 64, 64, 3), 16), ((5000, 64, 64, 3), 1000),
        ((1000, 1, 1, 1), 1), ((1000, 16, 16, 3), 250), ((1000, 3), 1),
    ],
)  # fmt: skip
def test_the_work_for_a_video_is_limited_by_its_frames_and_their_pixels(
    shape: tuple[int, ...], frames: int
) -> None:
    """A thousand single pixels may not take as much work as a thousand photographs."""
    assert count_frames([shape]) == frames
