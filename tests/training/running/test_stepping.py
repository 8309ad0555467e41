"""Gradients of a batch on threads and in chunks: the same bits, or the same numbers but for rounding."""

import numpy as np
import pytest

import xception
from xception.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    SeparableConv2D,
)
from xception.training import SGD, Trainer

LOSS = "sparse_categorical_crossentropy"
COUNT, CLASSES = 7, 3  # seven examples: threads and chunks have unequal parts
STATISTICS = pytest.mark.parametrize("statistics", ["frozen", "batch"])


def build():
    """A network with all kinds of steps."""
    graph = xception.Graph("small")
    x = graph.add(Input((17, 18, 3)))
    x = graph.add(Conv2D(6, 3, strides=2, use_bias=False), x)
    x = graph.add(BatchNormalization(), x)
    x = graph.add(Activation("relu"), x)
    residual = graph.add(BatchNormalization(), graph.add(Conv2D(8, 1, 2, "same", use_bias=False), x))
    x = graph.add(SeparableConv2D(8, 3, padding="same", use_bias=False), x)
    x = graph.add(BatchNormalization(), x)
    x = graph.add(Activation("relu"), x)
    x = graph.add(SeparableConv2D(8, 3, padding="same"), x)
    x = graph.add(MaxPooling2D(3, strides=2, padding="same"), x)
    x = graph.add(Add(), x, residual)
    x = graph.add(Dropout(0.3), graph.add(GlobalAveragePooling2D(), x))
    graph.add(Dense(CLASSES, "softmax"), x)
    return xception.Model(graph, seed=0)


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    xception.set_num_threads(None)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (COUNT, 17, 18, 3)).astype(np.float32), np.arange(COUNT) % CLASSES


def gradients(data, statistics, threads):
    """Return the gradients of all arrays, with Dropout."""
    xception.set_num_threads(threads)
    found = xception.training.gradients(build(), *data, LOSS, batch_statistics=statistics == "batch", seed=1)
    return [array for arrays in found.values() for array in arrays.values()]


def step(data, statistics, threads):
    """Take three steps, and return the losses and the weights."""
    xception.set_num_threads(threads)
    model = build()
    trainer = Trainer(model, SGD(0.1, 0.9, nesterov=True), LOSS, statistics=statistics, seed=1)
    losses = [trainer.train_on_batch(*data)["loss"] for _ in range(3)]
    return [np.array(losses), *model.get_weights()]


def assert_close(found, expected, tolerance=1e-5):
    for array, other in zip(found, expected, strict=True):
        assert np.linalg.norm(array - other) <= tolerance * np.linalg.norm(other)


@STATISTICS
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_steps_give_the_same_bits_with_the_same_number_of_threads(data, statistics, threads):
    first, second = (step(data, statistics, threads) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@STATISTICS
@pytest.mark.parametrize("threads", [2, 3, 16])
def test_steps_differ_by_rounding_only_with_other_numbers_of_threads(data, statistics, threads):
    assert_close(gradients(data, statistics, threads), gradients(data, statistics, 1))
    assert_close(step(data, statistics, threads), step(data, statistics, 1))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk_bytes", [1, 60_000])  # one example at a time, and two or more
def test_chunks_of_a_batch_add_up_to_its_gradients(data, monkeypatch, threads, chunk_bytes):
    whole = gradients(data, "frozen", threads), step(data, "frozen", threads)
    monkeypatch.setattr("xception.training.running.stepping.MAX_CHUNK_BYTES", chunk_bytes)
    assert_close(gradients(data, "frozen", threads), whole[0])
    assert_close(step(data, "frozen", threads), whole[1])


def test_statistics_of_a_batch_are_not_those_of_its_chunks(data, monkeypatch):
    whole = gradients(data, "batch", 1)
    monkeypatch.setattr("xception.training.running.stepping.MAX_CHUNK_BYTES", 1)
    assert_close(gradients(data, "batch", 1), whole, tolerance=0)
