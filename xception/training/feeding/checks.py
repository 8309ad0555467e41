"""Checks of a model, its loss and its pixels, before the first step of training."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...data.image_pixels import MODES
from ...gradients.randomness import acts_in_training, describe_idle_layers, value_range_problem
from ...gradients.rules import backward
from ...graph import Graph
from ...kernels import Array
from ...layers.penalized import describe_unsupported
from ...models.inputs import image_inputs
from ...models.model import Model
from ...prediction.preprocessing import infer_scaling
from ..objectives.heads import Head, build_head, final_activation
from ..objectives.losses import BinaryCrossentropy, Loss
from ..objectives.metrics import Accuracy, Metric

#: What a model that takes −1…1 may be given: more would be pixels 0…255, or scaled twice. Brightness and
#: contrast may lead somewhat beyond 1.
MAX_SCALED_PIXEL = 2.0
MAX_EXAMPLES_JUDGED = 4  #: of the first batch, whose activations tell the range of pixels within a model


def check_loss(model: Model, loss: Loss) -> tuple[Head, Loss]:
    """Check that a loss suits the end of a model, and take the model's softmax or sigmoid out of it.

    Args:
        model: The model.
        loss: The loss as the user gave it.

    Returns:
        The end of the model, and the loss of its outputs: from logits wherever the model ends in the
        activation that belongs to the loss, so that nothing is clipped.

    Raises:
        ValueError: The model has several outputs, ends in a softmax over one unit, gives probabilities where
            the loss expects logits, or logits where it expects probabilities.
    """
    end, whole = final_activation(model.graph), build_head(model.graph)
    name, expected = loss.default_name, loss.activation
    if end == "softmax" and whole.units == 1:
        raise ValueError(
            f"{model.name} ends in a softmax over one unit, which is always 1; use Dense(1, 'sigmoid') and "
            "binary_crossentropy, or two units"
        )
    if expected is None:
        return whole, loss
    from_logits = bool(getattr(loss, "from_logits", False))
    if from_logits and end in ("softmax", "sigmoid"):
        raise ValueError(
            f"{model.name} ends in {end}, so that it gives probabilities: use {name} without from_logits=True"
        )
    if end == "linear" and not from_logits:
        raise ValueError(
            f"{model.name} ends in a Dense layer without activation, so that it gives logits: use {name} "
            f"with from_logits=True, or a last layer with activation {expected!r}"
        )
    if expected == "softmax" and end == "sigmoid":
        raise ValueError(
            f"{model.name} ends in sigmoid, whose outputs do not sum to 1: use binary_crossentropy, or a "
            "last layer with activation 'softmax'"
        )
    if end != expected:
        return whole, loss
    return build_head(model.graph, expected), replace(loss, from_logits=True)  # type: ignore[call-arg]


def check_gradient_rules(graph: Graph, trained: Collection[str], output: str) -> None:
    """Check that gradients reach every layer that is trained.

    Args:
        graph: The graph.
        trained: The nodes whose parameters are trained.
        output: The node that the loss is computed from.

    Raises:
        ValueError: A layer between a trained one and the output has no gradient rule.
    """
    needed, behind, missing = graph.ancestors([output]), set(trained), []
    for node in graph.topological_order():
        if node.name in needed and not behind.isdisjoint(node.inputs):
            behind.add(node.name)
            if backward.dispatch(type(node.frame_layer)) is backward.dispatch(object):
                missing.append(f"{node.name} ({node.kind})")
        elif node.owner in trained:
            behind.add(node.name)
    if missing:
        raise ValueError(
            f"{graph.name}: no gradient passes through {', '.join(missing)}; freeze all layers before, with "
            "model.get_layer(name).trainable = False"
        )


def check_layers(graph: Graph, trained: Collection[str]) -> None:
    """Check regularizers and constraints of the layers that are trained; warn of layers that do nothing.

    Args:
        graph: The graph.
        trained: The nodes whose parameters are trained.

    Raises:
        ValueError: A regularizer or constraint cannot act as in Keras.
    """
    problems = [
        f"{name}: {problem}"
        for name, node in graph.nodes.items()
        if name in trained
        for problem in describe_unsupported(node.layer, dict(node.parameters))
    ]
    if problems:
        raise ValueError(
            f"{graph.name}: cannot be trained as Keras would: {'; '.join(problems)}. Freeze these layers, or "
            "change their settings"
        )
    if idle := describe_idle_layers(graph.nodes.values()):
        warnings.warn(f"layers that do nothing here in training: {'; '.join(idle)}", stacklevel=5)


def warn_of_pixel_ranges(model: Model, values: Mapping[str, Array]) -> None:
    """Warn of layers that augment pixels of another range than they are given.

    Keras's brightness, for instance, takes pixels 0…255 by default, and makes −1…1 black.

    Args:
        model: The model.
        values: (n, …) by input, of which the first few examples are looked at.
    """
    augmenting = [node for node in model.graph.nodes.values() if acts_in_training(node.layer)]
    if not augmenting or any(name not in values for name in model.input_names):
        return
    sources = [node.inputs[0] for node in augmenting]
    few = {name: np.ascontiguousarray(x[:MAX_EXAMPLES_JUDGED], np.float32) for name, x in values.items()}
    inputs = few | model.plan.run(few, [name for name in dict.fromkeys(sources) if name not in few])
    for node, source in zip(augmenting, sources, strict=True):
        x = inputs[source]
        if problem := value_range_problem(node.layer, float(x.min()), float(x.max())):
            warnings.warn(f"{node.name} ({node.kind}): {problem}", stacklevel=5)


def check_metrics(metrics: Sequence[Metric], loss: Loss, units: int) -> None:
    """Raise ValueError if several labels at once are to be judged by the accuracy of one class."""
    for metric in metrics:
        if isinstance(loss, BinaryCrossentropy) and units > 1 and isinstance(metric, Accuracy):
            raise ValueError(
                f"{metric.name} asks which one class is right, but {loss.default_name} with {units} outputs "
                "is for several labels at once: use AUC or BinaryAccuracy"
            )


def check_batch_statistics(batch_size: int, examples: int | None) -> None:
    """Raise ValueError if a batch would have a single example, whose channels all have the variance 0."""
    if batch_size == 1 or examples == 1:
        raise ValueError(
            "normalization by the statistics of a batch needs at least two examples in each; got "
            f"{'batch_size=1' if batch_size == 1 else 'one example'}. Use statistics='frozen'"
        )


def check_pixels(model: Model, arrays: Mapping[str, Array], what: str = "the images") -> None:
    """Check that pixels have the range that the model was made for.

    Args:
        model: The model. What it records, or begins with, says which range it takes.
        arrays: (n, …) by input.
        what: What the arrays are, for messages.

    Raises:
        ValueError: Values lie beyond −2…2 where the model takes −1…1, or floating-point pixels lie within
            0…1 where it takes 0…255.
    """
    names = image_inputs(model.graph)
    if not names or names[0] not in arrays or not arrays[names[0]].size:
        return
    x = arrays[names[0]]
    if x.ndim != 4 or x.shape[-1] not in MODES:
        return
    scaling = model.preprocessing.scaling or infer_scaling(model)
    low, high = float(x.min()), float(x.max())
    advice = "If it takes other numbers, say so: model.preprocessing = Preprocessing(scaling='none')"
    if scaling in ("tf", "unit") and not (low >= -MAX_SCALED_PIXEL and high <= MAX_SCALED_PIXEL):
        expected = "−1…1, as xception.preprocess_input gives" if scaling == "tf" else "0…1"
        raise ValueError(
            f"{what} hold {x.dtype} from {low:g} to {high:g}, but the model takes {expected}. {advice}"
        )
    is_within_1 = np.issubdtype(x.dtype, np.floating) and low >= 0 and high <= 1 and high != 0
    if is_within_1 and scaling == "none":
        raise ValueError(
            f"{what} hold {x.dtype} from {low:g} to {high:g}, but the model takes pixels 0…255, which it "
            "scales itself: do not divide them"
        )
    is_scaled = np.issubdtype(x.dtype, np.floating) and -1 <= low < 0 and high <= 1
    if is_scaled and infer_scaling(model) == "none":
        warnings.warn(
            f"{what} hold {x.dtype} from {low:g} to {high:g}, but the model takes pixels 0…255, which it "
            "scales itself: leave out xception.preprocess_input",
            stacklevel=3,
        )
    if is_within_1 and scaling == "tf":
        warnings.warn(
            f"{what} hold {x.dtype} from {low:g} to {high:g}, but the model takes −1…1: did you forget "
            "xception.preprocess_input(x)?",
            stacklevel=3,
        )
