"""A model in training: borders, steps, states, and what is written back."""

import copy
import functools
import operator
import tracemalloc

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
)
from xception.training import Adam, SparseCategoricalCrossentropy
from xception.training.feeding.sources import ArraySource, batch_parts, epoch_order
from xception.training.objectives.heads import build_head, final_activation
from xception.training.running.border_values import compute_border
from xception.training.running.run import Batch, TrainingRun

INPUT = "input_layer"


def build():
    """Two branches, of which the border holds both ends when only the head trains."""
    graph = xception.Graph("small")
    image = graph.add(Input((8, 8, 3)))
    x = graph.add(Conv2D(6, 3, padding="same"), image, name="first")
    x = graph.add(BatchNormalization(), x, name="bn")
    y = graph.add(Conv2D(6, 3, padding="same", activation="relu"), x, name="second")
    x = graph.add(Add(), x, y)
    x = graph.add(Dropout(0.3), graph.add(GlobalAveragePooling2D(), x))
    graph.add(Dense(3), x, name="dense")
    graph.add(Activation("softmax"), "dense", name="probabilities")
    return xception.Model(graph, seed=0)


def start(model, **options):
    head = build_head(model.graph, "softmax")
    return TrainingRun(model, Adam(), SparseCategoricalCrossentropy(from_logits=True), head, **options)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (6, 8, 8, 3)).astype(np.float32)
    keys = [(0, 0, i) for i in range(6)]
    return Batch({INPUT: x}, np.arange(6) % 3, keys=keys, names=[f"{i}.jpg" for i in range(6)])


def test_the_softmax_is_removed_wherever_it_stands(batch):
    model = build()
    head = build_head(model.graph, "softmax")
    assert (head.units, head.output, final_activation(model.graph)) == (3, "probabilities", "softmax")
    assert final_activation(head.graph) == "linear"
    run = start(model)
    outputs = run.forward_tail().run(batch.values)
    np.testing.assert_allclose(head.finish(outputs), model.predict(batch.values[INPUT]), atol=1e-6)


def test_kept_activations_of_the_border_give_the_same_step(batch):
    frozen = ("first", "bn")
    runs = []
    for keep in (False, True):
        model = build()
        for name in frozen:
            model.get_layer(name).trainable = False
        run = start(model)
        assert INPUT not in run.border
        values = compute_border(run.model.plan, run.border, batch.values) if keep else batch.values
        outcome = run.step(Batch(values, batch.targets, keys=batch.keys))
        run.write_back()
        outputs = run.forward_tail().run(compute_border(run.model.plan, run.border, batch.values))
        np.testing.assert_allclose(run.head.finish(outputs), model.predict(batch.values[INPUT]), atol=1e-6)
        runs.append((outcome.loss, model.get_weights()))
    assert runs[0][0] == runs[1][0]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))


def test_the_model_changes_only_when_the_run_is_written_back(batch):
    model = build()
    run = start(model)
    before = model.get_weights()
    run.step(batch)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    run.write_back()
    written = model.get_weights()
    assert not all(np.array_equal(a, b) for a, b in zip(before, written, strict=True))
    run.step(batch)  # does not change what was written
    assert all(np.array_equal(a, b) for a, b in zip(written, model.get_weights(), strict=True))


def test_a_run_goes_on_from_its_state_to_the_same_bits(batch, tmp_path):
    model = build()
    run = start(model)
    run.step(batch)
    run.write_back()
    state = copy.deepcopy(run.state())
    model.save(tmp_path / "model.keras")
    run.step(batch)
    run.write_back()

    loaded = xception.load_model(tmp_path / "model.keras")
    resumed = start(loaded)
    resumed.restore(state)
    resumed.step(batch)
    resumed.write_back()
    assert resumed.optimizer.iterations == 2
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))


def test_a_state_of_other_layers_is_refused(batch):
    model = build()
    state = start(model).state()
    model.get_layer("first").trainable = False
    with pytest.raises(ValueError, match="state is of 8 variables, but 6 train here"):
        start(model).restore(state)


def test_a_step_that_is_not_finite_changes_nothing_and_three_in_a_row_end_training(batch):
    run = start(build())
    run.step(batch)
    before, slots = run.variables.flat.copy(), run.optimizer.slots["velocity"].copy()
    x = batch.values[INPUT].copy()
    x[2] = np.nan
    bad = Batch({INPUT: x}, batch.targets, keys=batch.keys, names=batch.names)
    for _ in range(2):
        outcome = run.step(bad)
        assert outcome.is_skipped
        assert "2.jpg" in outcome.names
    run.step(batch)  # a good one in between
    after = run.variables.flat.copy()
    assert not np.array_equal(before, after)
    run.step(bad)
    run.step(bad)
    with pytest.raises(xception.TrainingError, match="3 batches in a row"):
        run.step(bad)
    assert np.array_equal(after, run.variables.flat)
    assert np.isfinite(slots).all()
    assert run.optimizer.iterations == 2


def test_weights_that_are_not_finite_are_not_written_back(batch):
    model = build()
    run = start(model)
    run.variables.flat[0] = np.inf
    with pytest.raises(xception.TrainingError, match="weights are no longer finite"):
        run.write_back()
    assert all(np.isfinite(array).all() for array in model.get_weights())


def test_a_gradient_is_divided_by_the_number_of_examples_not_by_their_weight(batch):
    run, weighted = start(build()), start(build())
    run.step(batch)
    weighted.step(Batch(batch.values, batch.targets, np.full(6, 2.0), batch.keys))
    np.testing.assert_allclose(weighted.gradient.flat, 2 * run.gradient.flat, rtol=1e-4, atol=1e-6)


def test_moving_statistics_follow_those_of_the_batch(batch):
    model = build()
    run = start(model, batch_statistics=True)
    run.step(batch)
    run.write_back()
    moved = model.parameters["bn"]
    first = build().activations(batch.values[INPUT], "first")["first"]
    np.testing.assert_allclose(moved["moving_mean"], 0.01 * first.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(moved["moving_variance"], 0.99 + 0.01 * first.var((0, 1, 2)), rtol=1e-5)


# --- sources --------------------------------------------------------------------------------


def test_the_order_is_a_function_of_seed_and_epoch():
    x = np.arange(10, dtype=np.float32)[:, None]
    source = ArraySource({"x": x}, np.arange(10), batch_size=4, seed=3)
    later = [batch.targets.tolist() for batch in source.batches(5)]
    assert later == [batch.targets.tolist() for batch in source.batches(5)]
    assert sorted(functools.reduce(operator.iadd, later, [])) == list(range(10))
    assert (
        functools.reduce(operator.iadd, later, [])
        == epoch_order(10, 3, 5).tolist()
        != epoch_order(10, 3, 6).tolist()
    )
    assert [batch.keys[0] for batch in source.batches(5)] == [(0, 5, part[0]) for part in later]


def test_a_single_example_left_over_joins_the_batch_before():
    assert batch_parts(9, 4, joins_single=True) == [slice(0, 4), slice(4, 9)]
    assert batch_parts(9, 4) == [slice(0, 4), slice(4, 8), slice(8, 9)]
    assert batch_parts(10, 4, joins_single=True)[-1] == slice(8, 10)


@pytest.mark.parametrize(("statistics", "batch_size"), [("frozen", 16), ("batch", 6)])
def test_the_memory_that_is_announced_is_what_is_taken(statistics, batch_size):
    """The estimate is within a quarter of what NumPy allocates at the peak of a step."""
    model = xception.Xception(weights=None, classes=3, input_shape=(71, 71, 3), seed=0)
    for path, _ in model.network.leaves():
        if not path.startswith(("block13", "block14", "predictions")):
            model.get_layer(path).trainable = False
    rng = np.random.default_rng(0)
    tracemalloc.start()
    try:
        begun = tracemalloc.get_traced_memory()[0]
        loss, head = SparseCategoricalCrossentropy(from_logits=True), build_head(model.graph, "softmax")
        run = TrainingRun(model, Adam(), loss, head, batch_statistics=statistics == "batch")
        shapes = {name: run.head.graph.nodes[name].output_shape for name in run.border}
        values = {n: rng.normal(size=(batch_size, *s)).astype(np.float32) for n, s in shapes.items()}
        run.step(Batch(values, np.arange(batch_size) % 3))
        peak = tracemalloc.get_traced_memory()[1] - begun
    finally:
        tracemalloc.stop()
    assert run.memory(batch_size) == pytest.approx(peak, rel=0.25)
