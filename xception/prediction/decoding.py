"""Decoding of a model's outputs: class names, and probabilities from logits, decided once per model."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from ..data.class_names import ClassNames, ClassNamesLike, as_class_names, read_class_names
from ..data.imagenet import Prediction, best_classes, imagenet_classes
from ..data.preprocessing import check_from_logits
from ..data.tasks import Task, check_task
from ..graph.budget import check_names
from ..kernels import Array, sigmoid, softmax
from ..layers import Softmax
from ..models.model import Model
from .preprocessing import DEFAULT_SIZE, GRAY, Preprocessor

MAX_LISTED = 10  #: targets that an error message lists
#: Layers that keep probabilities probabilities.
KEEPS_PROBABILITIES = ("Average", "Flatten", "GlobalAveragePooling2D", "Reshape")

DEFAULT_TOP = 5  #: classes per photograph
DEFAULT_THRESHOLD = 0.5  #: score of a label from which on it is given to a photograph
#: What outputs without names are called, by task.
DEFAULT_NAMES = {"classes": "class", "labels": "label", "regression": "target"}


class Decoder:
    """Converts a model's outputs to probabilities, or to numbers, and names them.

    A single output is the probability of the second of two classes if it comes out of a sigmoid, if two
    class names are given, or if `from_logits` is True.

    Args:
        preprocessor: The model and its preprocessing.
        class_names: Names of the classes in the order of the outputs, or a file that holds them. By
            default the model's own, ImageNet's for 1000 classes, else class_0, class_1, …
        from_logits: Whether the outputs are logits. None: what the model's record says, else what its
            last layers say.
        task: What the outputs mean. None: what the model's record says, else "classes".
        threshold: The score from which on a photograph gets a label, 0…1; None is 0.5.

    Attributes:
        class_names: (class id, class name) of each class, label or target.
        task: What the outputs mean.
        threshold: The score from which on a photograph gets a label.
        activation: What is applied to the outputs: "softmax", "sigmoid", or "none".
        is_binary: Whether a single output stands for two classes.

    Raises:
        ValueError: The model has no classifier, or one for another number of classes; or an option, or the
            model's last activation, contradicts the task.
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
        from_logits: bool | None = None,
        task: Task | None = None,
        threshold: float | None = None,
    ) -> None:
        check_from_logits(from_logits)
        check_task(task)
        model = preprocessor.model
        self.task: Task = task or model.task or "classes"
        self.threshold = check_threshold(threshold, self.task)
        outputs = _count_outputs(model)
        if isinstance(class_names, str | os.PathLike):
            names: ClassNames | None = read_class_names(class_names)
        else:
            names = model.class_names if class_names is None else as_class_names(class_names)
        if from_logits is None:
            from_logits = model.preprocessing.from_logits
        last = last_activation(model)
        self.is_binary = self.task == "classes" and outputs == 1 and _is_binary(last, names, from_logits)
        self.class_names = _check_names(names, 2 if self.is_binary else outputs, model.name, self.task)
        self.activation: Literal["none", "softmax", "sigmoid"] = "none"
        if self.task != "classes":
            _check_task_fits(self.task, last, from_logits, model.name)
            if self.task == "labels" and last != "sigmoid" and from_logits is not False:
                self.activation = "sigmoid"
        elif self.is_binary:
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

    def decode(self, probabilities: Array, top: int | None = None) -> list[list[Prediction]]:
        """Name what each row of (n, classes) says.

        Args:
            probabilities: What `probabilities` returned.
            top: Classes or labels per row; None for 5 classes, or all labels.

        Returns:
            The best classes of each row, best first; or the labels that reach the threshold, best first; or
            every target in order, with its number as the score.

        Raises:
            ValueError: `top` is given for a regression.
        """
        self.check_top(top)
        if self.task == "regression":
            return [
                [Prediction(*name, float(value)) for name, value in zip(self.class_names, row, strict=True)]
                for row in probabilities
            ]
        if self.task == "classes":
            return [best_classes(row, self.class_names, top or DEFAULT_TOP) for row in probabilities]
        best = (best_classes(row, self.class_names, top or len(self.class_names)) for row in probabilities)
        lowest = float(np.float32(self.threshold))  # scores are float32: 0.7 must reach 0.7
        # NaN is kept, as it is for classes: it would else look like an answer.
        return [[label for label in labels if not label.score < lowest] for labels in best]

    def check_top(self, top: int | None) -> None:
        """Raise ValueError if `top` is given to a model whose outputs have no order."""
        if top is not None and self.task == "regression":
            names = ", ".join(name for _, name in self.class_names[:MAX_LISTED])
            raise ValueError(
                "top picks the best of several classes, and this model gives numbers (its task is "
                f"'regression'): {names}. Leave top out"
            )


def check_threshold(threshold: object, task: Task) -> float:
    """Return the threshold of labels.

    Raises:
        ValueError: It is no number in 0…1, or the task is another one.
    """
    if threshold is None:
        return DEFAULT_THRESHOLD
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be a number from 0 to 1, got {threshold!r:.80}")
    if task != "labels":
        raise ValueError(
            f"threshold applies to models that give several labels at once (the task 'labels'); the task of "
            f"this one is {task!r}"
        )
    return float(threshold)


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


def _check_task_fits(task: Task, last: str | None, from_logits: bool | None, model: str) -> None:
    """Raise ValueError if a model cannot have a task other than "classes"."""
    if last == "softmax":
        raise ValueError(
            f"{model} ends in a softmax, whose scores add up to 1, so it gives one of several classes; its "
            f"task cannot be {task!r}"
        )
    if task == "regression" and from_logits:
        raise ValueError("from_logits applies to scores, and this model gives numbers (task 'regression')")


def _check_names(names: ClassNames | None, count: int, model: str, task: Task) -> ClassNames:
    if names is None and task == "classes" and count == len(imagenet_classes()):
        return imagenet_classes()
    if names is None:
        check_names(model, count)
    kind = DEFAULT_NAMES[task]
    if names is None and task == "regression" and count == 1:
        names = as_class_names([kind])
    names = names or as_class_names([f"{kind}_{index}" for index in range(count)])
    if len(names) != count:
        kinds = "classes" if task == "classes" else f"{kind}s"
        raise ValueError(f"there are {len(names)} {kind} names, but {model} has {count} {kinds}")
    return names
