"""Training against Keras's `fit`, in the same order: losses, metrics, weights and moving statistics.

Keras computes in float64, so that what is seen is the error of our float32. After a dozen steps Keras's own
float32 is as far away.
"""

import numpy as np
import pytest

import xception
from xception.training import Trainer

pytestmark = pytest.mark.conformance

CLASSES, COUNT, BATCH, EPOCHS = 4, 22, 8, 3
#: Relative, of losses and of the change of each array. Adam's first steps amplify rounding where a gradient
#: is nearly 0: 1e-5 to 1.4e-4 were measured. A wrong rule gives 1e-2 or more.
TOLERANCE = {"loss": 2e-5, "weights": 5e-4}


@pytest.fixture(autouse=True)
def float64(keras):
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def build(keras, outputs=CLASSES, activation="softmax", penalties=False):
    """A small Xception, with Dropout off, and penalties if asked for."""
    layers = keras.layers
    l2 = keras.regularizers.L2(0.01) if penalties else None
    l1l2 = keras.regularizers.L1L2(0.003, 0.02) if penalties else None
    norm = keras.constraints.MaxNorm(0.6) if penalties else None
    image = keras.Input((17, 19, 3))
    x = layers.Conv2D(6, 3, strides=2, use_bias=False, kernel_regularizer=l2)(image)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.Activation("relu")(x)
    y = layers.SeparableConv2D(8, 3, padding="same", use_bias=False, pointwise_regularizer=l1l2)(x)
    y = layers.BatchNormalization(gamma_regularizer=l2)(y)
    x = layers.Add()([y, layers.Conv2D(8, 1, bias_regularizer=l2)(x)])
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    x = layers.Dropout(0.0)(x)
    x = layers.Dense(10, "relu", kernel_constraint=norm)(x)
    model = keras.Model(image, layers.Dense(outputs, activation)(x))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        noise = rng.normal(0, 0.1, variable.shape)
        spread = rng.normal(0, 1 / np.sqrt(np.prod(variable.shape[:-1])), variable.shape)
        is_kernel = len(variable.shape) > 1
        variable.assign(spread if is_kernel else np.abs(np.asarray(variable) + noise))
    return model


def data(outputs=CLASSES, several=False):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (COUNT, 17, 19, 3)).astype(np.float32)
    y = rng.integers(0, 2, (COUNT, outputs)) if several else rng.integers(0, outputs, COUNT)
    return x, y


def compare(keras, tmp_path, model, x, y, *, optimizer, ours, loss, our_loss=None, metrics=("accuracy",),
            statistics="frozen", frozen=(), fit=None, our_fit=None, targets=None):  # fmt: skip
    """Train a model in Keras, and a copy of it here; compare what both report and end with."""
    for layer in model.layers:
        layer.trainable = layer.name not in frozen
        if statistics == "frozen" and isinstance(layer, keras.layers.BatchNormalization):
            # Keras trains gamma and beta only with the statistics of the batch.
            layer.trainable = False
    model.save(tmp_path / "model.keras")
    copy = xception.load_model(tmp_path / "model.keras")
    before = copy.get_weights()

    model.compile(optimizer, loss, metrics=list(metrics))
    expected = model.fit(
        x.astype(np.float64), y if targets is None else targets, BATCH, EPOCHS, verbose=0, shuffle=False,
        **(fit or {}),
    ).history  # fmt: skip
    trainer = Trainer(copy, ours, our_loss or loss, metrics, statistics=statistics)
    history = trainer.fit(x, y, BATCH, EPOCHS, verbose=0, shuffle=False, **(our_fit or fit or {})).history

    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=TOLERANCE["loss"])
    for name in metrics:
        np.testing.assert_allclose(history[name], expected[name], atol=1e-6)
    compare_weights(before, copy.get_weights(), model.get_weights())
    return history, expected


@pytest.mark.parametrize("statistics", ["frozen", "batch"])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_fit_gives_the_losses_metrics_and_weights_of_keras(keras, tmp_path, name, statistics):
    optimizers = {
        "sgd": (keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
                xception.training.SGD(0.05, momentum=0.9, nesterov=True)),
        "adam": (keras.optimizers.Adam(0.003), xception.training.Adam(0.003)),
    }  # fmt: skip
    theirs, ours = optimizers[name]
    compare(
        keras, tmp_path, build(keras), *data(), optimizer=theirs, ours=ours, statistics=statistics,
        loss="sparse_categorical_crossentropy",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_gamma_and_beta_are_trained_with_frozen_statistics(keras, tmp_path, name):
    """Keras's `fit` cannot do so; a loop of its own with training=False can."""
    import tensorflow as tf

    x, y = data()
    model = build(keras)
    model.save(tmp_path / "model.keras")
    copy = xception.load_model(tmp_path / "model.keras")
    before = copy.get_weights()
    optimizer = {"sgd": keras.optimizers.SGD(0.1, 0.9), "adam": keras.optimizers.Adam(0.003)}[name]
    losses = []
    for _ in range(EPOCHS):
        for i in range(0, COUNT, BATCH):
            with tf.GradientTape() as tape:
                outputs = model(x[i : i + BATCH].astype(np.float64), training=False)
                loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y[i : i + BATCH], outputs))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(loss))
    sizes = np.array([BATCH, BATCH, COUNT % BATCH])
    ours = {"sgd": xception.training.SGD(0.1, 0.9), "adam": xception.training.Adam(0.003)}[name]
    trainer = Trainer(copy, ours, "sparse_categorical_crossentropy")
    history = trainer.fit(x, y, BATCH, EPOCHS, verbose=0, shuffle=False).history
    expected = np.average(np.reshape(losses, (EPOCHS, 3)), axis=1, weights=sizes)
    np.testing.assert_allclose(history["loss"], expected, rtol=TOLERANCE["loss"])
    compare_weights(before, copy.get_weights(), model.get_weights())


def compare_weights(before, ours, theirs):
    """Compare how far each array has come. Those that are frozen do not change at all."""
    trained = 0
    for was, got, right in zip(before, ours, theirs, strict=True):
        change = np.linalg.norm(right - was)
        if change < 1e-6:  # rounding of the file's float64
            assert np.array_equal(got, was)
            continue
        trained += 1
        assert np.linalg.norm(got - right) <= TOLERANCE["weights"] * change
    assert trained > 1


def test_frozen_layers_stay_as_they_are(keras, tmp_path):
    model = build(keras)
    frozen = [layer.name for layer in model.layers[:6]]
    compare(
        keras, tmp_path, model, *data(), optimizer="adam", ours="adam", frozen=frozen, statistics="batch",
        loss="sparse_categorical_crossentropy",
    )  # fmt: skip


def test_class_weights_act_as_in_keras_when_their_mean_is_1(keras, tmp_path):
    x, y = data()
    given = {0: 3.0, 2: 0.5}
    weights = np.array([given.get(k, 1.0) for k in range(CLASSES)])
    weights /= weights[y].mean()
    compare(
        keras, tmp_path, build(keras), x, y, optimizer="sgd", ours="sgd",
        loss="sparse_categorical_crossentropy", fit={"class_weight": dict(enumerate(weights))},
        our_fit={"class_weight": given},
    )  # fmt: skip


def test_sample_weights_act_as_in_keras(keras, tmp_path):
    weights = np.random.default_rng(2).uniform(0, 2, COUNT)
    compare(
        keras, tmp_path, build(keras), *data(), optimizer="sgd", ours="sgd",
        loss="sparse_categorical_crossentropy", fit={"sample_weight": weights},
    )  # fmt: skip


def test_label_smoothing_acts_as_in_keras_but_not_in_validation(keras, tmp_path):
    x, y = data()
    one_hot = np.eye(CLASSES)[y]
    history, expected = compare(
        keras, tmp_path, build(keras), x, y, targets=one_hot, optimizer="sgd", ours="sgd",
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.2),
        our_loss=xception.training.SparseCategoricalCrossentropy(label_smoothing=0.2),
        fit={"validation_data": (x[:9], one_hot[:9])}, our_fit={"validation_data": (x[:9], y[:9])},
    )  # fmt: skip
    np.testing.assert_allclose(history["val_accuracy"], expected["val_accuracy"])
    assert abs(history["val_loss"][-1] - expected["val_loss"][-1]) > 1e-3


@pytest.mark.parametrize("statistics", ["frozen", "batch"])
def test_regularizers_and_constraints_of_a_file_act_as_in_keras(keras, tmp_path, statistics):
    x, y = data()
    history, expected = compare(
        keras, tmp_path, build(keras, penalties=True), x, y, optimizer="sgd", ours="sgd",
        statistics=statistics, loss="sparse_categorical_crossentropy",
        fit={"validation_data": (x[:9], y[:9])},
    )  # fmt: skip
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-4)


def test_several_labels_at_once(keras, tmp_path):
    compare(
        keras, tmp_path, build(keras, activation="sigmoid"), *data(several=True), optimizer="adam",
        ours="adam", loss="binary_crossentropy", metrics=("binary_accuracy",),
    )  # fmt: skip


def test_one_sigmoid_output(keras, tmp_path):
    compare(
        keras, tmp_path, build(keras, 1, "sigmoid"), *data(2), optimizer="adam", ours="adam",
        loss="binary_crossentropy",
    )  # fmt: skip


def test_regression(keras, tmp_path):
    x, _ = data()
    y = x.mean((1, 2))[:, :2]
    compare(
        keras, tmp_path, build(keras, 2, None), x, y, optimizer="adam", ours="adam",
        loss="mean_squared_error", metrics=("mae",),
    )  # fmt: skip


def test_logits(keras, tmp_path):
    compare(
        keras, tmp_path, build(keras, activation=None), *data(), optimizer="sgd", ours="sgd",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        our_loss=xception.training.SparseCategoricalCrossentropy(from_logits=True),
    )  # fmt: skip
