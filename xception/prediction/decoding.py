"""Decoding of a model's outputs: class names, and probabilities from logits, decided once per model."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from ..data.class_names import ClassNames, ClassNamesLike, as_class_names, read_class_names
from ..data.imagenet import Prediction, best_classes, imagenet_classes
from ..data.preprocessing import check_from_logits
from ..graph.budget import check_names
from ..kernels import Array, sigmoid, softmax
from ..layers import Softmax
from ..models.model import Model
from .preprocessing import DEFAULT_SIZE, GRAY, Preprocessor

#: Layers that keep probabilities probabilities.
KEEPS_PROBABILITIES = ("Average", "Flatten", "GlobalAveragePooling2D", "Reshape")


class Decoder:
    """Converts a model's outputs to probabilities, and names the classes.

    A single output is the probability of the second of two classes if it comes out of a sigmoid, if two
    class names are given, or if `from_logits` is True.

    Args:
        preprocessor: The model and its preprocessing.
        class_names: Names of the classes in the order of the outputs, or a file that holds them. By
            default the model's own, ImageNet's for 1000 classes, else class_0, class_1, …
        from_logits: Whether the outputs are logits. None: what the model's record says, else what its
            last layers say.

    Attributes:
        class_names: (class id, class name) of each class.
        activation: What is applied to the outputs: "softmax", "sigmoid", or "none".
        is_binary: Whether a single output stands for two classes.

    Raises:
        ValueError: The model has no classifier, or one for another number of classes.
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
        from_logits: bool | None = None,
    ) -> None:
        check_from_logits(from_logits)
        model = preprocessor.model
        outputs = _count_outputs(model)
        if isinstance(class_names, str | os.PathLike):
            names: ClassNames | None = read_class_names(class_names)
        else:
            names = model.class_names if class_names is None else as_class_names(class_names)
        if from_logits is None:
            from_logits = model.preprocessing.from_logits
        last = last_activation(model)
        self.is_binary = outputs == 1 and _is_binary(last, names, from_logits)
        self.class_names = _check_names(names, 2 if self.is_binary else outputs, model.name)
        self.activation: Literal["none", "softmax", "sigmoid"] = "none"
        if self.is_binary:
            self.activation = "none" if last == "sigmoid" else "sigmoid"
        elif from_logits is None and outputs > 1:
            self.activation = "none" if gives_probabilities(preprocessor) else "softmax"
        elif from_logits:
            self.activation = "softmax" if outputs > 1 else "sigmoid"

    def probabilities(self, outputs: Array) -> Array:
        """Convert a model's outputs (n, outputs) to the scores of its classes (n, classes)."""
        if self.activation != "none":
            outputs = (softmax if self.activation == "softmax" else sigmoid)(outputs)
        return np.concatenate([1 - outputs, outputs], axis=1) if self.is_binary else outputs

    def decode(self, probabilities: Array, top: int) -> list[list[Prediction]]:
        """Return the `top` best classes of each row of (n, classes), best first."""
        return [best_classes(row, self.class_names, top) for row in probabilities]


def gives_probabilities(preprocessor: Preprocessor) -> bool:
    """Return True if a model's outputs are probabilities, rather than logits.

    The model's last activation decides. If there is none, because the model ends in a product or a
    normalization, the outputs for a gray photograph decide: probabilities add up to 1.
    """
    model = preprocessor.model
    last = last_activation(model)
    if last is not None:
        return last in ("softmax", "sigmoid")
    x = {}  # gray, and 0 for the other inputs
    for name in model.input_names:
        sizes = (size or DEFAULT_SIZE for size in model.graph.nodes[name].output_shape)
        x[name] = np.zeros((1, *sizes), np.float32)
    gray = GRAY[preprocessor.scaling]
    x[preprocessor.input_name] = np.full((1, *preprocessor.input_shape), gray, np.float32)
    (outputs,) = model.plan.run(x).values()
    return bool(outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def last_activation(model: Model) -> str | None:
    """Return the name of the activation at the end of a model; None if there is none."""
    node = model.graph.nodes[model.graph.outputs[0]]
    while node.inputs and (node.layer.identity or node.kind in KEEPS_PROBABILITIES):
        node = model.graph.nodes[node.inputs[0]]
    activation = node.layer if isinstance(node.layer, Softmax) else getattr(node.layer, "activation", None)
    if isinstance(activation, Softmax):
        return "softmax"
    return activation if activation is None or isinstance(activation, str) else activation.kind


def _count_outputs(model: Model) -> int:
    shape = model.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            f"{model.name} gives {shape}, expected the scores of classes (None, classes): the model has no "
            "classifier"
        )
    return int(shape[1])


def _is_binary(last: str | None, names: ClassNames | None, from_logits: bool | None) -> bool:
    """Return True if a single output stands for two classes."""
    if last == "sigmoid":
        return names is None or len(names) != 1
    if names is None:
        return from_logits is True
    return from_logits is not False and len(names) == 2


def _check_names(names: ClassNames | None, count: int, model: str) -> ClassNames:
    if names is None and count == len(imagenet_classes()):
        return imagenet_classes()
    if names is None:
        check_names(model, count)
    names = names or as_class_names([f"class_{index}" for index in range(count)])
    if len(names) != count:
        raise ValueError(f"there are {len(names)} class names, but {model} has {count} classes")
    return names
