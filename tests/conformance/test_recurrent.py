"""Recurrent layers against Keras's, in models that are saved in every format, read, and saved again."""

import numpy as np
import pytest
from keras_models import random_weights

import xception

pytestmark = pytest.mark.conformance

STEPS, CHANNELS = 5, 4
HARD_SIGMOIDS = "the activation 'hard_sigmoid_keras2' cannot be saved"


def stacked(kl):
    return kl.RNN([kl.LSTMCell(2), kl.GRUCell(3), kl.LSTMCell(4), kl.SimpleRNNCell(3)], return_sequences=True)


#: Functions of the module of layers, Keras's or tf-keras's, that return a layer.
CASES = {
    "lstm": lambda kl: kl.LSTM(3),
    "lstm sequences": lambda kl: kl.LSTM(3, return_sequences=True, dropout=0.5, recurrent_dropout=0.5),
    "lstm backwards": lambda kl: kl.LSTM(3, use_bias=False, return_sequences=True, go_backwards=True),
    "lstm softmax": lambda kl: kl.LSTM(3, activation="softmax", recurrent_activation="softmax"),
    "lstm hard": lambda kl: kl.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid"),
    "lstm layers": lambda kl: kl.LSTM(3, activation=kl.LeakyReLU()),
    "gru": lambda kl: kl.GRU(3, return_sequences=True),
    "gru before": lambda kl: kl.GRU(3, reset_after=False, go_backwards=True),
    "gru no bias": lambda kl: kl.GRU(3, use_bias=False, activation="gelu"),
    "gru before, no bias": lambda kl: kl.GRU(3, use_bias=False, reset_after=False),
    "simple": lambda kl: kl.SimpleRNN(3, return_sequences=True, go_backwards=True),
    "simple relu": lambda kl: kl.SimpleRNN(3, use_bias=False, activation="relu"),
    "cell": lambda kl: kl.RNN(kl.GRUCell(3, reset_after=False), go_backwards=True),
    "stacked cells": stacked,
    "both": lambda kl: kl.Bidirectional(kl.LSTM(3)),
    "both sum": lambda kl: kl.Bidirectional(kl.GRU(3, return_sequences=True), merge_mode="sum"),
    "both mul": lambda kl: kl.Bidirectional(kl.SimpleRNN(3), merge_mode="mul"),
    "both ave": lambda kl: kl.Bidirectional(kl.LSTM(3, return_sequences=True), merge_mode="ave"),
    "both different": lambda kl: kl.Bidirectional(kl.LSTM(3), backward_layer=kl.GRU(3, go_backwards=True)),
    "both stacked": lambda kl: kl.Bidirectional(stacked(kl)),
}


def make_model(library, name):
    """Return a model that compares more than one layer of a kind, with random weights."""
    sequence = library.Input((None, CHANNELS))
    x = library.layers.Dense(3)(sequence)
    x = CASES[name](library.layers)(x)
    y = library.layers.Dense(2)(CASES[name](library.layers)(sequence))
    model = library.Model(sequence, [x, y])
    rng = np.random.default_rng(3)
    model.set_weights([random_weights(rng, "kernel", array.shape) - 0.3 for array in model.get_weights()])
    return model


def outputs_of(model, x):
    is_ours = isinstance(model, xception.Model)
    y = model.predict(x, verbose=0) if is_ours else model(x, training=False)
    return [np.asarray(each) for each in (y.values() if isinstance(y, dict) else y)]


def assert_same(model, x, expected):
    for y, wanted in zip(outputs_of(model, x), expected, strict=True):
        assert y.shape == wanted.shape
        np.testing.assert_allclose(y, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", CASES)
def test_recurrent_layers_are_read_and_written_in_every_format(library, keras, name, folder):
    theirs = make_model(library, name)
    x = np.random.default_rng(1).normal(size=(3, STEPS, CHANNELS)).astype(np.float32)
    expected = outputs_of(theirs, x)
    theirs.save(folder / "theirs.keras")
    theirs.save(folder / "theirs.h5")
    theirs.save_weights(folder / "theirs.weights.h5")

    ours = xception.load_model(folder / "theirs.keras")
    assert_same(ours, x, expected)
    assert_same(xception.load_model(folder / "theirs.h5"), x, expected)
    assert ours.count_params() == theirs.count_params()
    for array, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(array, wanted)
    for file in ("theirs.weights.h5", "theirs.h5"):
        ours.set_weights([np.zeros_like(array) for array in theirs.get_weights()])
        ours.load_weights(folder / file)
        assert_same(ours, x, expected)

    for file in ("ours.weights.h5", "ours.h5"):
        ours.save_weights(folder / file)
        theirs.set_weights([np.zeros_like(array) for array in theirs.get_weights()])
        theirs.load_weights(folder / file)
        assert_same(theirs, x, expected)
    if name == "lstm hard" and library is not keras:
        with pytest.raises(ValueError, match=HARD_SIGMOIDS):
            ours.save(folder / "ours.keras")
        return
    ours.save(folder / "ours.keras")
    assert_same(keras.models.load_model(folder / "ours.keras"), x, expected)
    assert_same(xception.load_model(folder / "ours.keras"), x, expected)


def test_weights_by_name(library, folder):
    theirs = make_model(library, "both")
    theirs.save(folder / "theirs.keras")
    ours = xception.load_model(folder / "theirs.keras")
    theirs.set_weights([array + 1 for array in theirs.get_weights()])
    theirs.save_weights(folder / "more.weights.h5")
    theirs.save(folder / "more.h5")
    ours.load_weights(folder / "more.h5", by_name=True)
    for array, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(array, wanted)


def test_recurrent_layers_in_a_network_that_is_one_layer(library, folder):
    kl = library.layers
    inner = library.Sequential([library.Input((STEPS, CHANNELS)), CASES["both"](kl), kl.Dense(3)])
    frames = library.Input((STEPS, CHANNELS))
    theirs = library.Model(frames, [inner(frames), kl.LSTM(2)(frames)])
    rng = np.random.default_rng(3)
    theirs.set_weights([rng.normal(size=array.shape) for array in theirs.get_weights()])
    x = rng.normal(size=(2, STEPS, CHANNELS)).astype(np.float32)
    for file in ("theirs.keras", "theirs.h5"):
        theirs.save(folder / file)
        assert_same(xception.load_model(folder / file), x, outputs_of(theirs, x))


def test_masks_as_arguments(library, keras, folder):
    """As in Keras's example of video classification: a second layer gets the mask of the first."""
    kl = library.layers
    frames, mask = library.Input((6, CHANNELS)), library.Input((6,), dtype="bool")
    x = kl.GRU(3, return_sequences=True)(frames, mask=mask)
    y = kl.Dense(2)(kl.Dropout(0.4)(kl.GRU(2)(x)))
    both = kl.Bidirectional(kl.LSTM(2, return_sequences=True))(frames, mask=mask)
    theirs = library.Model([frames, mask], [y, both, kl.Bidirectional(kl.GRU(2))(frames, mask=mask)])
    rng = np.random.default_rng(3)
    theirs.set_weights([rng.normal(size=array.shape) for array in theirs.get_weights()])
    x = rng.normal(size=(4, 6, CHANNELS)).astype(np.float32)
    masks = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [1] * 6, [0] * 6], bool)
    expected = outputs_of(theirs, [x, masks])
    for file in ("theirs.keras", "theirs.h5"):
        theirs.save(folder / file)
        ours = xception.load_model(folder / file)
        assert_same(ours, [x, masks], expected)
    ours.save(folder / "ours.keras")
    assert_same(keras.models.load_model(folder / "ours.keras"), [x, masks], expected)
    assert_same(xception.load_model(folder / "ours.keras"), [x, masks], expected)


@pytest.mark.parametrize("name", ["lstm sequences", "gru", "both ave", "both stacked"])
def test_gradients_through_time(keras, name, folder):
    tensorflow = pytest.importorskip("tensorflow")
    theirs = make_model(keras, name)
    theirs.save(folder / "theirs.keras")
    ours = xception.load_model(folder / "theirs.keras")
    x = np.random.default_rng(1).normal(size=(2, STEPS, CHANNELS)).astype(np.float32)
    with tensorflow.GradientTape() as tape:
        tensor = tensorflow.constant(x)
        tape.watch(tensor)
        outputs = theirs(tensor)
    expected = tape.gradient(outputs, tensor)  # of their sum

    from xception.gradients import gradients

    graph, (entry,) = ours.graph, ours.graph.inputs
    values = graph.evaluate(ours.parameters, x, list(graph.nodes))
    seeds = {output: np.ones_like(values[output]) for output in graph.outputs}
    dx = gradients(graph, ours.parameters, values, seeds, [entry])[entry]
    np.testing.assert_allclose(dx, expected, atol=1e-5 * np.abs(expected).max())
