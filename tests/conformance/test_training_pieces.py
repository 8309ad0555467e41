"""Losses, optimizers, schedules, metrics and callbacks against Keras 3, in float64."""

from types import SimpleNamespace

import numpy as np
import pytest

from xception.gradients.training_pass import Variable
from xception.training.callbacks.base import CallbackList
from xception.training.callbacks.monitoring import EarlyStopping, ReduceLROnPlateau
from xception.training.objectives.losses import get_loss
from xception.training.objectives.metrics import get_metric
from xception.training.optimization.optimizers import SGD, Adam, AdamW, get_optimizer
from xception.training.optimization.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay
from xception.training.variables import Variables

pytestmark = pytest.mark.conformance

SHAPES = {"kernel": (6, 4), "bias": (4,)}

LOSSES = [
    ("CategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
]
#: Keras rounds its constants to float32, also in float64: these are exact there.
OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.125}),
    ("SGD", {"learning_rate": 0.125, "momentum": 0.875, "weight_decay": 2.0**-7, "clipvalue": 2.0**-5}),
    ("SGD", {"learning_rate": 0.0625, "momentum": 0.875, "nesterov": True, "clipnorm": 0.125}),
    ("Adam", {"beta_1": 0.875, "beta_2": 0.984375}),
    ("Adam", {"beta_1": 0.875, "beta_2": 0.984375, "global_clipnorm": 0.125, "epsilon": 2.0**-10}),
    ("Adam", {"beta_1": 0.5, "beta_2": 0.9375, "clipnorm": 0.0625}),
    ("AdamW", {"weight_decay": 0.125, "beta_1": 0.875, "beta_2": 0.984375, "global_clipnorm": 0.25}),
]
DEFAULTS = [("SGD", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {}), ("AdamW", {})]
SCHEDULES = [
    CosineDecay(0.0, 12, warmup_target=0.1, warmup_steps=5),
    CosineDecay(0.1, 12, alpha=0.25),
    PiecewiseConstantDecay([3, 9], [0.1, 0.01, 0.001]),
    ExponentialDecay(0.1, 4, 0.5),
    ExponentialDecay(0.1, 4, 0.5, staircase=True),
]


@pytest.fixture(autouse=True)
def float64(keras):
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def targets_of(name, rng, count=8):
    if name.startswith("Sparse"):
        return rng.integers(0, 4, count)
    if name.startswith("Categorical"):
        return np.eye(4)[rng.integers(0, 4, count)]
    return rng.integers(0, 2, (count, 4)).astype(float)


@pytest.mark.parametrize(("name", "settings"), LOSSES, ids=str)
def test_losses_and_their_gradients(keras, name, settings):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    outputs, y = rng.uniform(0.05, 0.95, (8, 4)), targets_of(name, rng)
    outputs[0] = 1e-9, 1 - 1e-9, 1e-12, 0.5  # beyond the clip, where no gradient passes
    theirs = getattr(keras.losses, name)(**settings, reduction="none")
    with tf.GradientTape() as tape:
        x = tf.constant(outputs)
        tape.watch(x)
        losses = theirs(y, x)
        total = tf.reduce_sum(losses)
    ours = get_loss({"class_name": name, "config": settings})
    np.testing.assert_allclose(ours(outputs, y), losses, rtol=1e-9)
    np.testing.assert_allclose(ours.gradient(outputs, y), tape.gradient(total, x), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "settings"), LOSSES, ids=str)
def test_losses_are_configured_as_in_keras(keras, name, settings):
    ours = get_loss({"class_name": name, "config": settings})
    theirs = getattr(keras.losses, name)(**settings)
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()) == ours


def test_names_mean_what_they_mean_in_keras(keras):
    for name in ("categorical_crossentropy", "sparse_categorical_crossentropy", "bce", "mse", "mae"):
        rng = np.random.default_rng(1)
        outputs, loss = rng.uniform(0.1, 0.9, (8, 4)), get_loss(name)
        y = targets_of(type(loss).__name__, rng)
        np.testing.assert_allclose(loss(outputs, y), keras.losses.get(name)(y, outputs), rtol=1e-9)


def softmax_regression(rng):
    """Return inputs, labels and parameters of a small model that learns slowly enough for twenty steps."""
    x, y = rng.normal(size=(32, 6)), rng.integers(0, 4, 32)
    return x, y, {name: rng.normal(0, 0.5, shape) for name, shape in SHAPES.items()}


def train_ours(optimizer, x, y, start, steps):
    variables = Variables([Variable("dense", name, shape) for name, shape in SHAPES.items()], np.float64)
    variables.fill({"dense": start})
    optimizer.build(variables)
    gradient, loss = Variables(variables.variables, np.float64), get_loss("sparse_categorical_crossentropy")
    loss = type(loss)(from_logits=True)
    curve = []
    for _ in range(steps):
        weights, slopes = variables.by_node["dense"], gradient.by_node["dense"]
        logits = x @ weights["kernel"] + weights["bias"]
        dy = loss.gradient(logits, y) / len(y)
        slopes["kernel"][...], slopes["bias"][...] = x.T @ dy, dy.sum(axis=0)
        curve.append(loss(logits, y).mean())
        optimizer.apply(variables.flat, gradient.flat)
    return curve, variables.by_node["dense"]


def train_theirs(keras, optimizer, x, y, start, steps):
    import tensorflow as tf

    weights = {name: keras.Variable(value, name=name) for name, value in start.items()}
    loss, curve = keras.losses.SparseCategoricalCrossentropy(from_logits=True), []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = loss(y, tf.matmul(tf.constant(x), weights["kernel"].value) + weights["bias"].value)
        curve.append(float(value))
        gradients = tape.gradient(value, [weight.value for weight in weights.values()])
        optimizer.apply(gradients, list(weights.values()))
    return curve, {name: np.asarray(weight) for name, weight in weights.items()}


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=str)
def test_twenty_steps_of_each_optimizer(keras, name, settings):
    problem = softmax_regression(np.random.default_rng(2))
    ours = train_ours(get_optimizer({"class_name": name, "config": settings}), *problem, 20)
    theirs = train_theirs(keras, getattr(keras.optimizers, name)(**settings), *problem, 20)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    for parameter, values in ours[1].items():
        np.testing.assert_allclose(values, theirs[1][parameter], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("name", "settings"), DEFAULTS, ids=str)
def test_twenty_steps_with_the_defaults(keras, name, settings):
    problem = softmax_regression(np.random.default_rng(2))
    ours = train_ours(get_optimizer({"class_name": name, "config": settings}), *problem, 20)[0]
    theirs = train_theirs(keras, getattr(keras.optimizers, name)(**settings), *problem, 20)[0]
    np.testing.assert_allclose(ours, theirs, rtol=5e-8)
    assert theirs[-1] < theirs[0] - 0.02


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_twenty_steps_of_each_schedule(keras, schedule):
    theirs = getattr(keras.optimizers.schedules, type(schedule).__name__).from_config(schedule.get_config())
    expected = [float(theirs(step)) for step in range(20)]
    np.testing.assert_allclose([schedule(step) for step in range(20)], expected, rtol=1e-6, atol=1e-9)
    assert schedule.get_config() == theirs.get_config()
    assert schedule.serialize() == keras.optimizers.schedules.serialize(theirs)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_an_optimizer_with_a_schedule_trains_as_in_keras(keras, schedule):
    problem = softmax_regression(np.random.default_rng(3))
    ours = Adam(schedule)
    theirs = keras.optimizers.Adam.from_config(ours.get_config())
    curves = train_ours(ours, *problem, 20)[0], train_theirs(keras, theirs, *problem, 20)[0]
    np.testing.assert_allclose(*curves, rtol=1e-5)  # Keras computes the rate in float32


def test_variables_excluded_from_decay(keras):
    problem = softmax_regression(np.random.default_rng(4))
    settings = {"learning_rate": 0.125, "weight_decay": 0.5, "beta_1": 0.875, "beta_2": 0.984375}
    ours, theirs = AdamW(**settings), keras.optimizers.AdamW(**settings)
    for optimizer in (ours, theirs):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    weights = train_ours(ours, *problem, 5)[1], train_theirs(keras, theirs, *problem, 5)[1]
    for parameter in SHAPES:
        np.testing.assert_allclose(weights[0][parameter], weights[1][parameter], rtol=1e-8)


@pytest.mark.parametrize(("name", "settings"), [*OPTIMIZERS, *DEFAULTS], ids=str)
def test_optimizers_are_configured_as_in_keras(keras, name, settings):
    ours = get_optimizer({"class_name": name, "config": settings})
    keras.backend.clear_session()  # names without numbers
    theirs = getattr(keras.optimizers, name)(**settings)
    expected = theirs.get_config()
    assert list(ours.get_config()) == list(expected)
    for setting, value in ours.get_config().items():
        assert value == (pytest.approx(expected[setting]) if isinstance(value, float) else expected[setting])
    assert type(ours).from_config(expected).get_config() == pytest.approx(ours.get_config())


def test_slots_are_those_of_keras_in_its_order(keras):
    problem = softmax_regression(np.random.default_rng(5))
    for name, settings in (OPTIMIZERS[0], OPTIMIZERS[1], OPTIMIZERS[3]):
        ours = get_optimizer({"class_name": name, "config": settings})
        theirs = getattr(keras.optimizers, name)(**settings)
        train_ours(ours, *problem, 3)
        train_theirs(keras, theirs, *problem, 3)
        assert int(theirs.variables[0]) == ours.iterations
        slots = [slot for variable in ours.slots_by_variable() for slot in variable.values()]
        for slot, expected in zip(slots, theirs.variables[2:], strict=True):
            np.testing.assert_allclose(slot, np.asarray(expected), rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("categorical_accuracy", "Categorical"),
        ("sparse_categorical_accuracy", "Sparse"),
        ("top_k_categorical_accuracy", "Categorical"),
        ("sparse_top_k_categorical_accuracy", "Sparse"),
        ("binary_accuracy", "Binary"),
        ("mean_squared_error", "Binary"),
        ("mae", "Binary"),
    ],
)
def test_metrics_over_batches(keras, name, forms):
    rng = np.random.default_rng(6)
    settings = {"k": 2} if "top_k" in name else {}
    ours, theirs = get_metric(name), keras.metrics.get({"class_name": name, "config": settings})
    for setting, value in settings.items():
        setattr(ours, setting, value)
    for count in (8, 5):
        outputs = rng.uniform(size=(count, 4)).astype(np.float32)  # TensorFlow's in_top_k takes no other
        y = targets_of(forms, rng, count)
        ours.update(outputs, y)
        theirs.update_state(y, outputs)
    assert ours.result() == pytest.approx(float(theirs.result()))


def test_the_area_is_what_keras_approaches_with_many_thresholds(keras):
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, (200, 3))
    outputs = np.clip(rng.normal(0.4 + 0.2 * y, 0.15), 0, 1)
    metric = get_metric("auc")
    metric.update(outputs, y)
    theirs = keras.metrics.AUC(num_thresholds=20_000, multi_label=True)
    theirs.update_state(y, outputs)
    assert metric.result() == pytest.approx(float(theirs.result()), abs=1e-4)


def callback_runs(keras, ours, theirs, figures):
    """Run both callbacks over figures; yield for each epoch the rates, and whether training ended."""
    model = SimpleNamespace(optimizer=keras.optimizers.SGD(1.0), stop_training=False)
    theirs.set_model(model)
    trainer = SimpleNamespace(model=None, optimizer=SGD(1.0), metrics=[], stop_training=False)
    listed = CallbackList([ours], trainer, ["val_loss"])
    listed.on_train_begin()
    theirs.on_train_begin()
    for epoch, figure in enumerate(figures):
        listed.on_epoch_end(epoch, {"val_loss": figure})
        theirs.on_epoch_end(epoch, {"val_loss": figure})
        yield (
            (trainer.optimizer.learning_rate, trainer.stop_training),
            (float(model.optimizer.learning_rate), model.stop_training),
        )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 0},
        {"patience": 2},
        {"patience": 1, "min_delta": 0.15},
        {"patience": 2, "baseline": 0.5},
        {"patience": 1, "start_from_epoch": 4},
        {"patience": 3, "mode": "max"},
    ],
    ids=str,
)
def test_training_ends_after_the_same_epoch(keras, settings, seed):
    figures = np.random.default_rng(seed).integers(0, 10, 20) / 10
    ours = EarlyStopping(**settings, verbose=0, restore_best_weights=False)
    theirs = keras.callbacks.EarlyStopping(**settings)
    for (_, ended), (_, expected) in callback_runs(keras, ours, theirs, figures):
        assert ended == expected
        if ended:
            break
    assert ours.best == theirs.best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 0},
        {"patience": 2, "factor": 0.5},
        {"patience": 1, "cooldown": 3},
        {"patience": 1, "cooldown": 1, "min_delta": 0.15},
        {"patience": 1, "min_lr": 0.05, "mode": "max"},
    ],
    ids=str,
)
def test_the_rate_is_lowered_after_the_same_epochs(keras, settings, seed):
    figures = np.random.default_rng(seed).integers(0, 10, 20) / 10
    figures[7] = np.nan
    runs = callback_runs(
        keras, ReduceLROnPlateau(**settings), keras.callbacks.ReduceLROnPlateau(**settings), figures
    )
    for (rate, _), (expected, _) in runs:
        assert rate == pytest.approx(expected, rel=1e-6)
