"""Twenty steps of training of the whole real network, against Keras in float64.

The learning rates are such that the network learns but does not jump about: the loss falls from 1.9 to 0.3.
With rates ten times as high, rounding grows a thousandfold in ten steps, in Keras as here, and which of the two
is nearer to float64 is chance.
"""

import numpy as np
import pytest
from whole_network import CLASSES, LABELS, KerasNetwork, draw_batch, start_weights

import xception
from xception import training

pytestmark = pytest.mark.conformance

SIZE, STEPS = 71, 20  #: the smallest size: steps of Keras in float64 take most of the time
MAX_RATIO = 2.5  #: how much farther from float64 than Keras's float32 the loss curve may be
OPTIMIZERS = [
    training.SGD(1e-4, momentum=0.9, nesterov=True),
    training.Adam(1e-5),
    training.AdamW(1e-5, weight_decay=0.01),
]


@pytest.fixture(scope="module")
def networks(keras):
    return KerasNetwork(keras, "float64", SIZE), KerasNetwork(keras, "float32", SIZE)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_twenty_steps_stay_about_as_near_to_float64_as_those_of_keras(networks, optimizer):
    weights = start_weights(SIZE)
    rng = np.random.default_rng(0)
    batches = [draw_batch(rng, SIZE) for _ in range(STEPS)]
    settings = {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}
    exact, theirs = (network.losses(weights, batches, settings, training=False) for network in networks)
    model = xception.Xception(
        weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES, classifier_activation=None
    )
    model.set_weights(weights)
    loss = training.SparseCategoricalCrossentropy(from_logits=True)
    trainer = training.Trainer(model, optimizer, loss)
    ours = np.array([trainer.train_on_batch(x, LABELS)["loss"] for x in batches])
    assert exact[-1] < 0.5 * exact[0]
    assert np.abs(ours - exact).max() <= MAX_RATIO * np.abs(theirs - exact).max()
