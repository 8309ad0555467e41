"""Gradient rules of recurrent layers."""

from dataclasses import replace

import numpy as np
import pytest
from gradient_checks import check_differences, check_float32, draw, gradients_of, layer_id

from xception import layers

SEQUENCE = (4, 3)
CELLS = (layers.LSTMCell(2), layers.GRUCell(3), layers.SimpleRNNCell(2), layers.LSTMCell(2))
ONE_WAY = [
    layers.SimpleRNN(2),
    layers.SimpleRNN(3, "softsign", use_bias=False),
    layers.SimpleRNN(3, "softmax"),
    layers.LSTM(2),
    layers.LSTM(3, "softsign", "hard_sigmoid", use_bias=False),
    layers.LSTM(3, "softmax", "softmax"),
    layers.GRU(2),
    layers.GRU(3, "softsign", "softplus", use_bias=False),
    layers.GRU(3, "softmax", "softmax", reset_after=False),
    layers.GRU(3, use_bias=False, reset_after=False),
    layers.RNN(layers.GRUCell(2, reset_after=False)),
    layers.RNN(CELLS),
]
LAYERS = [
    *(
        replace(layer, return_sequences=sequences, go_backwards=backwards)
        for layer in ONE_WAY
        for sequences, backwards in ((False, False), (True, False), (True, True))
    ),
    *(
        layers.Bidirectional(replace(layer, return_sequences=sequences), mode)
        for layer in (layers.LSTM(2), layers.GRU(2), layers.RNN(CELLS))
        for mode in ("concat", "sum", "mul", "ave")
        for sequences in (False, True)
    ),
    layers.Bidirectional(layers.LSTM(2), backward_layer=layers.SimpleRNN(3, go_backwards=True)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer):
    check_differences(layer, [SEQUENCE])


@pytest.mark.parametrize("layer", LAYERS[::4], ids=layer_id)
def test_float32_stays_float32(layer):
    check_float32(layer, [SEQUENCE])


@pytest.mark.parametrize(
    "layer",
    [
        *(replace(layer, return_sequences=True) for layer in ONE_WAY[::3]),
        layers.GRU(2, go_backwards=True),
        layers.RNN(CELLS),
        layers.Bidirectional(layers.LSTM(2)),
        layers.Bidirectional(layers.GRU(2, return_sequences=True), "mul"),
    ],
    ids=layer_id,
)
def test_skipped_steps_pass_no_gradient(layer):
    (x,), parameters = draw(layer, [SEQUENCE])
    mask = np.array([[1.0, 0, 1, 0], [0, 0, 1, 1]])
    dy = np.random.default_rng(2).normal(size=layer.forward(parameters, x, mask).shape)
    dx, d_mask = gradients_of(layer, parameters, dy, x, mask)
    assert not d_mask.any()
    expected = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        difference = layer.forward(parameters, x + step, mask) - layer.forward(parameters, x - step, mask)
        expected[index] = (dy * difference).sum() / 2e-6
    np.testing.assert_allclose(dx, expected, rtol=1e-6, atol=1e-7)
    assert not dx[mask == 0].any()
