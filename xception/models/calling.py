"""Calls of a model, at inference and in training mode, and methods that only Keras's models have."""

from __future__ import annotations

from typing import Any, NoReturn

from ..console.progress import Verbose
from .inputs import check_inputs, expect_pixels
from .structure import ModelStructure, pack_outputs


class AbsentMethod:
    """A method that Keras's models have and `Model` has not: access raises AttributeError with advice.

    So `hasattr(model, "fit")` is False, and the first line of a script written for Keras says what to do.

    Args:
        advice: What to write instead.
    """

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(f"a Model has no {self._name}: {self._advice}", name=self._name, obj=instance)


TRAINER = (
    "a Trainer trains it, with the arguments of Keras's compile and fit. Write\n"
    "    trainer = xception.training.Trainer(model, optimizer=…, loss=…, metrics=…)\n"
    "    history = trainer.fit(x, y, batch_size=32, epochs=1, validation_data=…)"
)
EVALUATE = (
    "xception.evaluate(photographs, labels, model=model) measures it on photographs, and\n"
    "    xception.training.Trainer(model, loss=…, metrics=…).evaluate(x, y)\non arrays"
)


class CallableModel(ModelStructure):
    """Base class of `Model`: it is called like a Keras model, and is not trained like one."""

    def __call__(self, x: Any, training: bool = False, seed: int | None = None) -> Any:
        """Compute the outputs of the network, as at inference or as in training.

        Nothing of the model changes. In Keras, a call in training mode moves the statistics of
        normalization, and random image layers augment unless `training=False` is given.

        Args:
            x: The input, as for `predict`.
            training: False computes what `predict` does. True applies dropout, noise and random image layers,
                and normalizes by the statistics of the batch in those `BatchNormalization` layers that
                are trainable. All examples are computed together then.
            seed: Decides what layers do at random, with `training=True`; None for another draw at each call.

        Returns:
            The outputs, as of `predict`.

        Raises:
            TypeError: As for `predict`; or `training` is not a bool.
            ValueError: As for `predict`; or `seed` is negative.
            LimitError: It would take more memory or work than the limits allow; see `set_limits`.

        Examples:
            >>> import numpy as np, xception
            >>> from xception.layers import Dropout, Input
            >>> net = xception.Graph("drops")
            >>> x = net.add(Input((4,)))
            >>> x = net.add(Dropout(0.5), x)
            >>> model = xception.Model(net)
            >>> model(np.ones((1, 4)))
            array([[1., 1., 1., 1.]], dtype=float32)
            >>> model(np.ones((1, 4)), training=True, seed=0)
            array([[2., 0., 0., 0.]], dtype=float32)
        """
        if not isinstance(training, bool | None):
            raise TypeError(f"training must be True or False, got {training!r:.80}")
        arrays = check_inputs(self.graph, x)
        if not training:
            with expect_pixels():  # a warning of them is out by now
                return self.predict(arrays, verbose=0)
        from .training_call import run_in_training_mode  # imports the gradients

        y = run_in_training_mode(self.graph, self.parameters, arrays, self.trainable_nodes, seed)
        return pack_outputs(self.network, [y[name] for name in self.graph.outputs])

    compile = AbsentMethod(TRAINER)
    fit = AbsentMethod(TRAINER)
    train_on_batch = AbsentMethod(TRAINER)
    evaluate = AbsentMethod(EVALUATE)

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Verbose = "auto") -> Any:
        """Compute the outputs of the network."""
        raise NotImplementedError
