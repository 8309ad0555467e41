"""Recurrent layers, against loops written out for one unit, and against their own steps."""

from dataclasses import replace

import numpy as np
import pytest

from xception import layers

SHAPE = (5, 3)


def draw(layer, shape=SHAPE, n=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, *shape))
    return x, {name: rng.normal(size=p.shape) for name, p in layer.parameters(shape).items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_lstm_of_one_unit():
    """i, f, g, o stand in this order: c' = f · c + i · g, h' = o · tanh(c')."""
    layer = layers.LSTM(1, return_sequences=True)
    parameters = {
        "kernel": np.array([[0.5, -1.0, 2.0, 0.25]]),
        "recurrent_kernel": np.array([[1.0, 0.5, -0.5, 2.0]]),
        "bias": np.array([0.1, 0.2, 0.3, 0.4]),
    }
    h = c = 0.0
    expected = []
    for x in (1.0, -2.0):
        i = sigmoid(0.5 * x + 1.0 * h + 0.1)
        f = sigmoid(-1.0 * x + 0.5 * h + 0.2)
        g = np.tanh(2.0 * x - 0.5 * h + 0.3)
        o = sigmoid(0.25 * x + 2.0 * h + 0.4)
        c = f * c + i * g
        h = o * np.tanh(c)
        expected.append([h])
    y = layer.forward(parameters, np.array([[[1.0], [-2.0]]]))
    np.testing.assert_allclose(y, [expected], rtol=1e-12)
    last = replace(layer, return_sequences=False).forward(parameters, np.array([[[1.0], [-2.0]]]))
    np.testing.assert_allclose(last, expected[-1:], rtol=1e-12)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_of_one_unit(reset_after):
    """z, r, g stand in this order: h' = z · h + (1 − z) · g."""
    layer = layers.GRU(1, reset_after=reset_after)
    bias = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    parameters = {
        "kernel": np.array([[0.5, -1.0, 2.0]]),
        "recurrent_kernel": np.array([[1.0, 0.5, -0.5]]),
        "bias": np.array(bias if reset_after else bias[0]),
    }
    of_state = bias[1] if reset_after else [0, 0, 0]
    h = 0.0
    for x in (1.0, -2.0):
        z = sigmoid(0.5 * x + 0.1 + 1.0 * h + of_state[0])
        r = sigmoid(-1.0 * x + 0.2 + 0.5 * h + of_state[1])
        from_state = r * (-0.5 * h + of_state[2]) if reset_after else -0.5 * (r * h)
        h = z * h + (1 - z) * np.tanh(2.0 * x + 0.3 + from_state)
    np.testing.assert_allclose(layer.forward(parameters, np.array([[[1.0], [-2.0]]])), [[h]], rtol=1e-12)


def test_simple_rnn_adds_up_the_past():
    layer = layers.SimpleRNN(1, "linear", use_bias=False, return_sequences=True)
    parameters = {"kernel": np.array([[1.0]]), "recurrent_kernel": np.array([[2.0]])}
    y = layer.forward(parameters, np.array([[[1.0], [10.0], [100.0]]]))
    assert y.tolist() == [[[1], [12], [124]]]
    backwards = replace(layer, go_backwards=True)
    y = backwards.forward(parameters, np.array([[[1.0], [10.0], [100.0]]]))
    assert y.tolist() == [[[100], [210], [421]]]  # in the order in which they are computed


def test_masked_steps_are_skipped():
    layer = layers.SimpleRNN(1, "linear", use_bias=False, return_sequences=True)
    parameters = {"kernel": np.array([[1.0]]), "recurrent_kernel": np.array([[2.0]])}
    x, mask = np.array([[[7.0], [1.0], [10.0], [100.0]]]), np.array([[0.0, 1.0, 0.0, 1.0]])
    assert layer.forward(parameters, x, mask).tolist() == [[[0], [1], [1], [102]]]
    assert layer.output_shape((4, 1), (4,)) == (4, 1)
    with pytest.raises(ValueError, match=r"takes a mask as its second input.*initial states are not supp"):
        layer.output_shape((4, 1), (1, 3))
    with pytest.raises(ValueError, match="takes a mask as its second input"):
        layer.output_shape((4, 1), (3,))
    both = layers.Bidirectional(layer)
    parameters = {
        f"{way}/{k}": v for way in ("forward_layer", "backward_layer") for k, v in parameters.items()
    }
    expected = [[0, 0], [1, 201], [0, 0], [102, 100]]  # zeros where steps are skipped
    assert both.forward(parameters, x, mask).tolist() == [expected]


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional_runs_both_ways(mode, sequences):
    inner = layers.LSTM(2, return_sequences=sequences)
    layer = layers.Bidirectional(inner, mode)
    x, parameters = draw(layer)
    forward, backward = (
        inner.forward({name: parameters[f"{way}/{name}"] for name in inner.parameters(SHAPE)}, each)
        for way, each in (("forward_layer", x), ("backward_layer", x[:, ::-1]))
    )
    backward = backward[:, ::-1] if sequences else backward
    merged = {
        "concat": np.concatenate([forward, backward], -1), "sum": forward + backward,
        "mul": forward * backward, "ave": (forward + backward) / 2,
    }  # fmt: skip
    np.testing.assert_allclose(layer.forward(parameters, x), merged[mode], rtol=1e-12)
    assert layer.output_shape(SHAPE) == merged[mode].shape[1:]


def test_stacked_cells_equal_layers_one_after_the_other():
    cells = (layers.LSTMCell(2), layers.GRUCell(4), layers.LSTMCell(3))
    layer = layers.RNN(cells, return_sequences=True)
    x, parameters = draw(layer)
    expected = x
    prefixes = ("cell/cells/lstm_cell", "cell/cells/gru_cell", "cell/cells/lstm_cell_1")
    for prefix, one in zip(prefixes, (layers.LSTM(2), layers.GRU(4), layers.LSTM(3)), strict=True):
        own = {name: parameters[f"{prefix}/{name}"] for name in ("kernel", "recurrent_kernel", "bias")}
        expected = replace(one, return_sequences=True).forward(own, expected)
    np.testing.assert_allclose(layer.forward(parameters, x), expected, rtol=1e-12)


def test_shapes_and_parameters():
    assert layers.LSTM(4).output_shape((None, 3)) == (4,)
    assert layers.LSTM(4, return_sequences=True).output_shape((None, 3)) == (None, 4)
    gru = layers.GRU(4).parameters((None, 3))
    assert {name: p.shape for name, p in gru.items()} == {
        "kernel": (3, 12), "recurrent_kernel": (4, 12), "bias": (2, 12),
    }  # fmt: skip
    assert layers.GRU(4, reset_after=False).parameters((None, 3))["bias"].shape == (12,)
    assert list(layers.Bidirectional(layers.SimpleRNN(4)).parameters((None, 3))) == [
        f"{way}_layer/{name}"
        for way in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    for shape in ((3,), (5, 4, 3), (0, 3)):
        with pytest.raises(ValueError, match=r"sequences|at least one step"):
            layers.LSTM(2).output_shape(shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.LSTM(0), "units must be at least 1"),
        (lambda: layers.GRU(2, recurrent_activation="no"), "unknown activation"),
        (lambda: layers.LSTM(2, return_sequences=1), "return_sequences must be True or False"),
        (lambda: layers.RNN(layers.LSTM(2)), "cell must be SimpleRNNCell or"),
        (lambda: layers.RNN([]), "at least one cell"),
        (lambda: layers.Bidirectional(layers.Dense(2)), "layer must be Recurrent, got Dense"),
        (lambda: layers.Bidirectional(layers.LSTM(2), None), "two outputs"),
        (lambda: layers.Bidirectional(layers.LSTM(2), "concat", layers.LSTM(2)), "differ in go_backwards"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
