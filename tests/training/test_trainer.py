"""`Trainer`: what it learns, reports, refuses and leaves alone."""

import signal
import warnings

import numpy as np
import pytest
from PIL import Image

import xception
from xception.layers import (
    LSTM,
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    Input,
    Rescaling,
    TrainingOnly,
)
from xception.layers.penalties import L2
from xception.training import SGD, Callback, SparseCategoricalCrossentropy, Trainer
from xception.training.feeding.splitting import split_off_last
from xception.training.objectives.class_weights import weigh_classes

LOSS = "sparse_categorical_crossentropy"


def build(units=3, activation="softmax", *, first=(), dropout=0.0, size=8):
    graph = xception.Graph("small")
    x = graph.add(Input((size, size, 3)))
    for layer in first:
        x = graph.add(layer, x)
    x = graph.add(Conv2D(6, 3, use_bias=False), x, name="conv")
    x = graph.add(BatchNormalization(), x, name="bn")
    x = graph.add(Activation("relu"), x)
    x = graph.add(Dropout(dropout), x)
    x = graph.add(GlobalAveragePooling2D(), x)
    graph.add(Dense(units, activation), x, name="dense")
    return xception.Model(graph, seed=0)


@pytest.fixture
def data():
    """Three colors, which any network learns."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    x = rng.uniform(-0.3, 0.3, (24, 8, 8, 3)) + 0.7 * np.eye(3)[y][:, None, None]
    return x.astype(np.float32), y


def fit(
    model, x, y=None, optimizer="adam", loss=LOSS, metrics=("accuracy",), seed=0, statistics="frozen", **more
):
    trainer = Trainer(model, optimizer, loss, metrics, seed=seed, statistics=statistics)
    return trainer.fit(x, y, **{"batch_size": 8, "verbose": 0} | more)


# --- what it learns -------------------------------------------------------------------------


def test_a_network_learns_and_the_figures_are_those_of_evaluate(data):
    x, y = data
    model = build()
    trainer = Trainer(model, SGD(0.5, momentum=0.9), LOSS, ["accuracy"])
    history = trainer.fit(x, y, 8, 12, validation_data=(x, y), verbose=0)
    assert history.epoch == list(range(12))
    assert history.history["loss"][-1] < 0.2 < history.history["loss"][0]
    figures = trainer.evaluate(x, y, verbose=0)
    assert figures["accuracy"] == history.history["val_accuracy"][-1] == 1
    assert figures["loss"] == history.history["val_loss"][-1]
    assert (model.predict(x).argmax(axis=1) == y).all()


def test_only_trainable_layers_change_and_the_flag_is_read_at_each_fit(data):
    model = build()
    model.get_layer("conv").trainable = model.get_layer("bn").trainable = False
    trainer = Trainer(model, "adam", LOSS)
    before = [model.get_layer(name).get_weights() for name in ("conv", "bn", "dense")]
    trainer.fit(*data, verbose=0)
    after = [model.get_layer(name).get_weights() for name in ("conv", "bn", "dense")]
    assert [same(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False]
    model.get_layer("conv").trainable = True
    trainer.fit(*data, verbose=0)
    assert not same(after[0], model.get_layer("conv").get_weights())


def test_frozen_statistics_stay_and_those_of_the_batch_move(data):
    for statistics, stay in (("frozen", True), ("batch", False)):
        model = build()
        before = model.parameters["bn"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the old statistics weigh much
            fit(model, *data, statistics=statistics)
        assert np.array_equal(before["moving_mean"], model.parameters["bn"]["moving_mean"]) is stay
        assert not np.array_equal(before["beta"], model.parameters["bn"]["beta"])


def test_the_same_seed_gives_the_same_bits_and_another_one_others(data):
    runs = []
    for seed in (1, 1, 2):
        model = build(dropout=0.4)
        fit(model, *data, epochs=2, seed=seed)
        runs.append(model.get_weights())
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_two_fits_go_on_like_one(data):
    once, twice = build(), build()
    fit(once, *data, epochs=4)
    trainer = Trainer(twice, "adam", LOSS)
    trainer.fit(*data, 8, 2, verbose=0)
    trainer.fit(*data, 8, 4, initial_epoch=2, verbose=0)
    assert same(once.get_weights(), twice.get_weights())


def test_train_on_batch_takes_one_step(data):
    x, y = data
    whole, single = build(), build()
    fit(whole, x, y, batch_size=24, shuffle=False)
    trainer = Trainer(single, "adam", LOSS, ["accuracy"])
    figures = trainer.train_on_batch(x, y)
    assert same(whole.get_weights(), single.get_weights())
    assert set(figures) == {"loss", "accuracy"}
    single.set_weights(build().get_weights())  # seen by the next step
    assert trainer.train_on_batch(x, y)["loss"] == pytest.approx(figures["loss"])


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# --- what it takes --------------------------------------------------------------------------


def test_class_names_indices_and_one_hot_rows_give_the_same_weights(data):
    x, y = data
    names = np.array(["blue", "green", "red"])
    weights = []
    for labels, loss in [(y, LOSS), (names[y], LOSS), (np.eye(3)[y], LOSS), (y, "categorical_crossentropy")]:
        model = build()
        model.class_names = list(names)
        fit(model, x, labels, loss=loss)
        weights.append(model.get_weights())
    assert all(same(weights[0], other) for other in weights[1:3])
    for a, b in zip(weights[0], weights[3], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_generator_trains_as_the_arrays_do(data):
    x, y = data
    arrays, batches = build(), build()
    fit(arrays, x, y, epochs=2, shuffle=False)
    parts = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 24, 8)]
    fit(batches, iter(parts * 2), epochs=2, steps_per_epoch=3)
    assert same(arrays.get_weights(), batches.get_weights())


def test_a_generator_that_ends_early_names_both_counts(data):
    x, y = data
    with pytest.raises(ValueError, match="epoch 2 should have 2 batches; the generator ended after 1"):
        fit(build(), iter([(x, y)] * 3), epochs=2, steps_per_epoch=2)


def test_an_iterator_without_steps_is_refused_before_the_first_of_several_epochs(data):
    x, y = data
    model = build()
    before = model.get_weights()
    for given, name in (((iter([(x, y)]),), "steps_per_epoch"), ((x, y), "validation_steps")):
        with pytest.raises(ValueError, match=f"there are 2 epochs: give {name}"):
            fit(model, *given, epochs=2, validation_data=iter([(x, y)]) if len(given) == 2 else None)
    assert same(before, model.get_weights())


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (lambda x, y: (x, y, -np.ones(24)), "at least 0"),
        (lambda x, y: (x, y, np.full(24, np.nan)), "finite"),
        (lambda x, y: (x, y, ["a"] * 24), "real numbers"),
        (lambda x, y: (x[:0], y[:0]), "batch 0 of epoch 1: holds no examples"),
    ],
)
def test_batches_of_a_generator_are_checked_as_arrays_are(data, batch, message):
    with pytest.raises(ValueError, match=message):
        fit(build(), [batch(*data)])


def test_large_weights_of_classes_are_scaled_too():
    weights = weigh_classes({0: 1e308, 1: 1e308, 2: 5e307}, np.array([1, 1, 2]))
    np.testing.assert_allclose(weights, [4 / 3, 4 / 3, 2 / 3], rtol=1e-6)


def test_folders_of_photographs_are_matched_by_name_and_read_as_predict_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    for color, name in enumerate(("blue", "red")):
        (tmp_path / name).mkdir()
        for i in range(4):
            pixels = rng.integers(0, 60, (9, 11, 3)).astype(np.uint8)
            pixels[..., 2 - 2 * color] += 180
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    model = build(2)
    model.class_names = ["red", "blue"]  # not the order of the folders
    trainer = Trainer(model, SGD(0.5, momentum=0.9), LOSS, ["accuracy"])
    history = trainer.fit(tmp_path, epochs=10, batch_size=4, validation_data=tmp_path, verbose=0)
    assert history.history["val_accuracy"][-1] == 1
    assert xception.evaluate(tmp_path, model=model, verbose=0).accuracy == 1


def test_a_photograph_that_cannot_be_read_is_found_before_the_first_step(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / name / "0.png")
    (tmp_path / "b" / "1.png").write_bytes(b"no photograph")
    model = build(2)
    model.class_names = ["a", "b"]
    before = model.get_weights()
    with pytest.raises(OSError, match=r"1\.png"):
        fit(model, tmp_path)
    assert same(before, model.get_weights())
    fit(model, tmp_path, on_error="skip")
    assert not same(before, model.get_weights())


def test_photographs_beyond_the_memory_budget_are_read_again_and_give_the_same_weights(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(6)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(path)
    kept, reread = build(), build()
    fit(kept, paths, np.arange(6) % 3, batch_size=4)
    monkeypatch.setattr("xception.training.feeding.sources.BATCH_SHARE", 2**62)
    fit(reread, paths, np.arange(6) % 3, batch_size=4)
    assert same(kept.get_weights(), reread.get_weights())


# --- what it refuses before the first step --------------------------------------------------


@pytest.mark.parametrize(
    ("units", "activation", "loss", "message"),
    [
        (1, "softmax", "binary_crossentropy", "softmax over one unit"),
        (3, "softmax", SparseCategoricalCrossentropy(from_logits=True), "without from_logits=True"),
        (3, None, LOSS, "with from_logits=True"),
        (3, "sigmoid", LOSS, "ends in sigmoid"),
    ],
)
def test_a_loss_that_contradicts_the_last_layer_is_refused(units, activation, loss, message):
    with pytest.raises(ValueError, match=message):
        Trainer(build(units, activation), "adam", loss)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], "label 3 at position 2 .* from 0 to 2"),
        ([0, -1, 2], "label -1 at position 1"),
        ([[1, 0, 0], [0, 1, 1], [0, 0, 1]], "position 1: an example has one class.* ones in its row: 2"),
        ([[1, 0, 0], [0, 0, 0], [0, 0, 1]], "position 1.* ones in its row: 0"),
        (["a", "b", "x"], "not classes of the model: 'x'"),
        ([0, 1], "got 2 for 3 examples"),
    ],
)
def test_labels_that_cannot_be_right_are_refused(labels, message):
    model = build()
    model.class_names = ["a", "b", "c"]
    with pytest.raises(ValueError, match=message):
        fit(model, np.zeros((3, 8, 8, 3), np.float32), labels)


@pytest.mark.parametrize(
    ("first", "low", "high", "message"),
    [
        ((), 0, 255, "from 0 to 255, but the model takes −1…1"),
        ((), -3, 1, "from -3 to 1"),
        ((Rescaling(1 / 127.5, -1.0),), 0, 1, "takes pixels 0…255, which it scales itself"),
    ],
)
def test_pixels_of_another_range_are_refused_in_arrays_and_generators(first, low, high, message):
    model = build(first=first)
    x = np.linspace(low, high, 2 * 192, dtype=np.float32).reshape(2, 8, 8, 3)
    with pytest.raises(ValueError, match=message):
        fit(model, x, [0, 1])
    where = "batch 0 of epoch 1: the images of the first batch of x"
    with pytest.raises(ValueError, match=f"{where}.*{message}"):
        fit(model, [(x, [0, 1])])


def test_pixels_that_were_not_shifted_are_warned_of(data):
    x, y = data
    with pytest.warns(UserWarning, match="did you forget xception.preprocess_input"):
        fit(build(), np.abs(x) / np.abs(x).max(), y)


def test_pixels_that_were_scaled_before_a_model_that_scales_are_warned_of(data):
    x, y = data
    with pytest.warns(UserWarning, match="which it scales itself: leave out xception.preprocess_input"):
        fit(build(first=(Rescaling(1 / 127.5, -1.0),)), x / np.abs(x).max(), y)


def test_a_layer_that_augments_another_range_is_warned_of(data):
    layer = TrainingOnly("RandomBrightness", '{"factor": 0.2, "value_range": [0, 255]}')
    with pytest.warns(UserWarning, match=r"RandomBrightness\): its value_range is 0…255"):
        fit(build(first=(layer,)), *data)


def test_batches_of_one_are_refused_with_their_own_statistics_and_a_single_left_over_joins(data):
    x, y = data
    with pytest.raises(ValueError, match="at least two examples"):
        fit(build(), x, y, statistics="batch", batch_size=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(build(), x[:9], y[:9], statistics="batch", batch_size=4)  # 4 and 5


def test_a_run_too_short_for_moving_statistics_is_warned_of(data):
    with pytest.warns(UserWarning, match=r"after 3 steps, 97% of the moving statistics .*0\.99\^3"):
        fit(build(), *data, statistics="batch")


def test_unknown_classes_and_weights_for_several_labels_are_refused(data):
    x, y = data
    with pytest.raises(ValueError, match="no class 7"):
        fit(build(), x, y, class_weight={7: 2.0})
    with pytest.raises(ValueError, match="positive_weight"):
        fit(build(3, "sigmoid"), x, np.eye(3)[y], loss="binary_crossentropy", metrics=(), class_weight={0: 2})
    with pytest.raises(ValueError, match="accuracy asks which one class"):
        Trainer(build(3, "sigmoid"), "adam", "binary_crossentropy", ["accuracy"])


def test_a_model_without_trainable_layers_is_refused(data):
    model = build()
    for layer in model.layers:
        layer.trainable = False
    with pytest.raises(ValueError, match="no layer is trainable"):
        fit(model, *data)


def test_layers_without_gradients_stay_frozen_and_are_named(data, capsys):
    graph = xception.Graph("recurrent")
    x = graph.add(LSTM(4), graph.add(Input((5, 3))), name="lstm")
    graph.add(Dense(3, "softmax"), x)
    model = xception.Model(graph, seed=0)
    before = model.get_layer("lstm").get_weights()
    fit(model, data[0][:, 0, :5], data[1], verbose=2)
    assert "frozen, since their parameters cannot be trained here: lstm" in capsys.readouterr().out
    assert same(before, model.get_layer("lstm").get_weights())


def test_penalties_of_layers_are_part_of_the_loss_and_pull_at_the_weights(data):
    plain, penalized = build(), build()
    graph = penalized.graph.with_replaced(
        "dense", Dense(3, "softmax", penalties={"kernel_regularizer": L2(0.5)})
    )
    penalized = xception.Model(graph, plain.parameters)
    kernel = plain.parameters["dense"]["kernel"]
    losses = [Trainer(model, SGD(0.1), LOSS).train_on_batch(*data)["loss"] for model in (plain, penalized)]
    assert losses[1] - losses[0] == pytest.approx(0.5 * np.square(kernel, dtype=np.float64).sum(), rel=1e-5)
    pulled = penalized.parameters["dense"]["kernel"] - plain.parameters["dense"]["kernel"]
    np.testing.assert_allclose(pulled, -0.1 * 2 * 0.5 * kernel, atol=1e-6)


# --- what goes wrong ------------------------------------------------------------------------


def test_a_batch_that_is_not_finite_is_left_out_and_named(data):
    x, y = data
    weights = np.ones(24)
    weights[5] = 3e38  # its gradient is beyond float32
    model = build()
    with pytest.warns(UserWarning, match="batch 0 of epoch 1 of 1 was left out: .*example 5"):
        history = fit(model, x, y, sample_weight=weights, shuffle=False, optimizer=SGD(1e-3))
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(array).all() for array in model.get_weights())


def test_training_that_diverges_ends_with_the_last_good_epoch(data):
    class Explode(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.good = self.model.get_weights()
                self.trainer.optimizer.learning_rate = 1e38

    callback, model = Explode(), build()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, *data, epochs=4, optimizer=SGD(0.01), callbacks=[callback])
    # The first step of epoch 2 spoils the weights; the three that follow cannot be taken.
    assert "training ended in epoch 3: loss or gradient of 3 batches" in str(caught[-1].message)
    assert same(model.get_weights(), callback.good)
    fit(model, *data)  # goes on from there


def test_the_first_interrupt_ends_the_batch_and_keeps_what_was_learned(data):
    class Press(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                signal.raise_signal(signal.SIGINT)
            self.last = batch

    callback, model = Press(), build()
    before = model.get_weights()
    history = fit(model, *data, epochs=5, callbacks=[callback])
    assert (history.epoch, callback.last) == ([0], 1)
    assert not same(before, model.get_weights())


# --- what it prints -------------------------------------------------------------------------


def test_it_says_what_trains_and_prints_a_line_for_each_epoch(data, capsys):
    x, y = data
    model = build(dropout=0.1)
    fit(model, x, y, verbose=2, validation_data=(x[:4], y[:4]), class_weight={0: 2.0})
    printed = capsys.readouterr()
    assert printed.err == ""  # no bar, not of the validation either
    first, random, weights, epoch = printed.out.splitlines()
    assert first.startswith(
        "training small on 24 examples, 3 batches an epoch: 5 arrays of 3 layers train, 195 of 207 "
        "parameters; statistics: frozen"
    )
    assert random == "at random in training: dropout"
    assert weights == "class weights, of mean 1: 0 1.5, 1 0.75, 2 0.75"
    assert epoch.startswith("epoch 1 of 1, 0:0")
    assert "(running, augmented); val_loss" in epoch
    assert "95 % interval" in epoch


def test_verbose_0_prints_nothing(data, capsys):
    fit(build(), *data, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_validation_split_takes_the_last_examples_as_keras_does(data):
    x, y = data
    weights = np.linspace(1, 2, 24)
    (x_train, y_train, w_train), (x_val, y_val, w_val) = split_off_last(x, y, weights, 0.3)
    assert (len(x_train), len(x_val)) == (16, 8)  # floor(24 · 0.7)
    assert np.array_equal(x_val, x[16:])
    assert np.array_equal(y_val, y[16:])
    assert np.array_equal(w_val, weights[16:])
    assert np.array_equal(y_train, y[:16])
    assert np.array_equal(w_train, weights[:16])


def test_fit_with_a_validation_split_is_fit_with_its_parts(data):
    x, y = data
    split = fit(build(), x, y, validation_split=0.25).history
    assert split == fit(build(), x[:18], y[:18], validation_data=(x[18:], y[18:])).history


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"validation_split": 1.5}, "validation_split"),
        ({"validation_split": 0.99}, "leaves one side without any"),
        ({"validation_split": 0.2, "validation_data": "there"}, "not both"),
    ],
)
def test_a_validation_split_that_cannot_be_is_refused(data, more, message):
    with pytest.raises(ValueError, match=message):
        fit(build(), *data, **more)
    with pytest.raises(ValueError, match="give validation_data"):
        fit(build(), "photographs", validation_split=0.2)
