"""Layers that act during training only."""

import numpy as np

from xception import layers


def test_layers_of_training_are_the_identity_at_inference():
    x = np.ones((2, 3))
    for name in layers.TRAINING_ONLY:
        layer = layers.TrainingOnly(name, '{"factor": 0.2}')
        assert (layer.kind, layer.identity) == (name, True)
        assert layer.forward({}, x) is x
    assert layers.Dropout(0.5).forward({}, x) is x
    assert layers.Dropout().identity
    assert layers.Identity().identity
    assert not layers.ReLU().identity
