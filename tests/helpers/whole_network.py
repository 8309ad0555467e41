"""The whole real network in Keras, in float64 or float32, and batches of photographs for it.

The network is Xception with the ImageNet base that the library ships, and a `Dense` head of 5 logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import xception

CLASSES = 5
EXAMPLES = Path(__file__).parents[2] / "examples"
LABELS = np.arange(4)  #: of a batch of `draw_batch`

Arrays = list[np.ndarray]


def draw_batch(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a random crop of each of the four example photographs, scaled to −1…1: (4, size, size, 3)."""
    crops = []
    for path in sorted(EXAMPLES.glob("*.jpg")):
        with Image.open(path) as photograph:
            side = rng.uniform(0.4, 0.9) * min(photograph.size)
            left, top = rng.uniform(0, 1, 2) * (np.array(photograph.size) - side)
            box = (left, top, left + side, top + side)
            crop = photograph.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box)
        crops.append(np.asarray(crop, np.float32) / 127.5 - 1)
    return np.stack(crops)


def start_weights(size: int) -> Arrays:
    """Return the weights, in the order of Keras's `get_weights()`: the shipped base, and a random head."""
    base = xception.Xception(include_top=False, pooling="avg", input_shape=(size, size, 3))
    kernel = np.random.default_rng(1).normal(0, 0.02, (2048, CLASSES))
    return [*base.get_weights(), kernel.astype(np.float32), np.zeros(CLASSES, np.float32)]


@contextmanager
def precision(keras: Any, dtype: str) -> Iterator[None]:
    """Let Keras compute in this type."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)  # made from floatx only once
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


class KerasNetwork:
    """The network in Keras, with one type for all that it stores and computes.

    Args:
        keras: Keras 3.
        dtype: "float64" or "float32".
        size: Height and width of the photographs.
        is_smooth: Replace ReLU by SiLU and max pooling by average pooling.
    """

    def __init__(self, keras: Any, dtype: str, size: int, is_smooth: bool = False) -> None:
        self._keras, self.dtype = keras, dtype
        with precision(keras, dtype):
            self.model = keras.applications.Xception(
                weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None
            )
            if is_smooth:
                self.model = keras.models.clone_model(self.model, clone_function=self._smooth)

    def _smooth(self, layer: Any) -> Any:
        layers, config = self._keras.layers, layer.get_config()
        if isinstance(layer, layers.MaxPooling2D):
            return layers.AveragePooling2D.from_config(config)
        if isinstance(layer, layers.Activation):
            config["activation"] = "silu"
        return type(layer).from_config(config)

    def gradients(self, weights: Arrays, x: np.ndarray, training: bool) -> Arrays:
        """Return the gradients of the mean loss in float64, in the order of the variables.

        Args:
            weights: In the order of `get_weights()`.
            x: A batch of `draw_batch`.
            training: Whether to normalize by the statistics of the batch.
        """
        with precision(self._keras, self.dtype):
            self.model.set_weights(weights)
            _, gradients = self._differentiate(x, training)
        return [np.asarray(gradient, np.float64) for gradient in gradients]

    def losses(
        self, weights: Arrays, batches: Sequence[np.ndarray], optimizer: dict[str, Any], training: bool
    ) -> np.ndarray:
        """Train from these weights, one step for each batch, and return the losses before each step.

        With frozen statistics gamma and beta are trained nevertheless, which Keras's own `fit` cannot do.

        Args:
            weights: In the order of `get_weights()`.
            batches: Batches of `draw_batch`.
            optimizer: As of `keras.optimizers.deserialize`.
            training: Whether to normalize by the statistics of the batch.
        """
        with precision(self._keras, self.dtype):
            self.model.set_weights(weights)
            steps = self._keras.optimizers.deserialize(optimizer)
            losses = []
            for x in batches:
                loss, gradients = self._differentiate(x, training)
                steps.apply(gradients, self.model.trainable_variables)
                losses.append(loss)
        return np.array(losses)

    def _differentiate(self, x: np.ndarray, training: bool) -> tuple[float, list[Any]]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self.model(x.astype(self.dtype), training=training)
            loss = tf.reduce_mean(
                self._keras.losses.sparse_categorical_crossentropy(LABELS, logits, from_logits=True)
            )
        variables = [variable.value for variable in self.model.trainable_variables]
        return float(loss), tape.gradient(loss, variables)
