"""Border activations: the same values from memory, from the cache, and computed again."""

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.photographs import Photograph
from xception.layers import Add, BatchNormalization, Conv2D, Dense, Flatten, Input, ReLU
from xception.training.fine_tuning.borders import Border, BorderStore, Example, RowBudget


@pytest.fixture
def model():
    """A frozen convolution, and a residual block behind it, as Xception's exit flow begins."""
    net = xception.Graph("net")
    x = net.add(Input((6, 6, 3)), name="pixels")
    residual = net.add(Conv2D(4, 3, padding="same"), x, name="frozen")
    x = net.add(ReLU(), residual, name="act")
    x = net.add(BatchNormalization(), net.add(Conv2D(4, 3, padding="same"), x, name="trained"), name="bn")
    x = net.add(Add(), x, residual, name="sum")
    net.add(Dense(2), net.add(Flatten(), x), name="head")
    return xception.Model(net, seed=0)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))
    rng, listed = np.random.default_rng(0), []
    for number in range(5):
        path = str(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).save(path)
        listed.append(Photograph(number, path, path))
    return listed


class Counter:
    """Reads photographs, with an offset that depends on the variant, and counts."""

    def __init__(self, photographs):
        self.photographs, self.count = photographs, 0

    def load(self, example):
        self.count += 1
        pixels = np.asarray(Image.open(self.photographs[example.number].path))
        return pixels // (2 + (example.variant or 0))


def make_store(model, photographs, counter, **options):
    border = Border(model.graph, ("act", "frozen"), (6, 6, 3))
    return BorderStore(
        border, model.plan, photographs, counter.load, lambda pixels: pixels.astype(np.float32) / 255,
        lambda variant: f"{variant}", **options,
    )  # fmt: skip


def expected(model, counter, examples):
    pixels = np.stack([counter.load(example) for example in examples]).astype(np.float32) / 255
    return model.activations(pixels, ["act", "frozen"])


EXAMPLES = [Example(number, variant) for variant in (None, 0, 1) for number in range(5)]


@pytest.mark.parametrize("max_bytes", [1 << 20, 0, 1500])
@pytest.mark.parametrize("limit", ["1MB", "0"])
def test_values_are_the_same_wherever_they_are_kept(model, photographs, monkeypatch, max_bytes, limit):
    monkeypatch.setenv("XCEPTION_MAX_CACHE", limit)
    counter = Counter(photographs)
    right = expected(model, counter, EXAMPLES)
    with make_store(model, photographs, counter, budget=RowBudget(max_bytes)) as store:
        for _ in range(2):
            counter.count = 0
            values = store.values(EXAMPLES)
            for node in ("act", "frozen"):
                np.testing.assert_allclose(values[node], right[node], rtol=1e-5, atol=1e-6)
    kept = max_bytes // (6 * 6 * 4 * 4)
    is_all_kept = kept >= 15 or limit != "0"
    assert counter.count == (0 if is_all_kept else 15 - kept)


def test_a_relu_of_another_border_node_takes_no_room(model):
    border = Border(model.graph, ("act", "frozen"), (6, 6, 3))
    assert border.stored == ("frozen",)
    assert border.columns == 6 * 6 * 4


def test_where_everything_trains_pixels_are_kept_as_bytes(model, photographs):
    counter = Counter(photographs)
    border = Border(model.graph, ("pixels",), (6, 6, 3))
    assert border.is_pixels
    store = BorderStore(
        border, model.plan, photographs, counter.load, lambda pixels: pixels.astype(np.float32),
        lambda variant: "", budget=RowBudget(1 << 20),
    )  # fmt: skip
    values = store.values([Example(3)])["pixels"]
    np.testing.assert_array_equal(values[0], counter.load(Example(3)))
    assert store.kept_bytes == 6 * 6 * 3


def test_fresh_variants_are_not_kept_and_forgotten_ones_make_room(model, photographs):
    counter = Counter(photographs)
    with make_store(model, photographs, counter, keeps_variants=False, budget=RowBudget(1 << 20)) as store:
        store.values(EXAMPLES)
        assert store.kept_bytes == 5 * 6 * 6 * 4 * 4
        store.forget([Example(number) for number in range(4)])
        assert store.kept_bytes == 6 * 6 * 4 * 4


def test_the_first_pass_gives_features_and_names_what_cannot_be_read(model, photographs):
    counter = Counter(photographs)
    with open(photographs[2].path, "wb") as file:
        file.write(b"no photograph")
    with make_store(model, photographs, counter) as store:
        outcomes = dict(store.first_pass([Example(number) for number in range(5)], "head"))
    assert isinstance(outcomes.pop(Example(2)), Exception)
    assert [example.number for example in outcomes] == [0, 1, 3, 4]
    pixels = np.stack([counter.load(example) for example in outcomes]).astype(np.float32) / 255
    np.testing.assert_allclose(list(outcomes.values()), model.predict(pixels), rtol=1e-5, atol=1e-6)
