"""The search for a learning rate: it finds one that works, and changes nothing."""

import numpy as np
import pytest

import xception
from xception.layers import Dense, Input
from xception.training import SGD, Trainer, find_rate


@pytest.fixture
def trainer():
    graph = xception.Graph("small")
    graph.add(Dense(2, "softmax"), graph.add(Input((4,))))
    model = xception.Model(graph, seed=0)
    return Trainer(model, SGD(0.123, momentum=0.9), "sparse_categorical_crossentropy")


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def test_neither_model_nor_optimizer_change(trainer, data):
    trainer.train_on_batch(*data)
    weights, slots = trainer.model.get_weights(), trainer.optimizer.slots["momentum"].copy()
    find_rate(trainer, *data, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(weights, trainer.model.get_weights(), strict=True))
    assert np.array_equal(slots, trainer.optimizer.slots["momentum"])
    assert (trainer.optimizer.learning_rate, trainer.optimizer.iterations) == (0.123, 1)


def test_the_suggestion_lies_below_the_rate_of_the_smallest_loss(trainer, data):
    search = find_rate(trainer, *data, highest=1e4, verbose=0)
    assert len(search.rates) == len(search.losses) == len(search.smoothed) <= 100
    best = search.rates[search.smoothed.argmin()]
    assert search.suggestion == pytest.approx(best / 10)
    assert f"{search.suggestion:.1e}" in str(search)
    trainer.optimizer.learning_rate = search.suggestion
    assert trainer.fit(*data, epochs=5, verbose=0).history["loss"][-1] < search.losses[0]


def test_rates_in_the_wrong_order_are_refused(trainer, data):
    with pytest.raises(ValueError, match="lowest must be above 0 and below highest"):
        find_rate(trainer, *data, lowest=1.0, highest=0.1)
