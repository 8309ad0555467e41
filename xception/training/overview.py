"""Text that training prints: a summary before the first step, and a line for each epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from ..console.pace import format_seconds
from ..console.progress import Verbose, is_silenced
from ..console.text import count_of, list_some
from ..gradients.randomness import acts_in_training, describe_idle_layers
from ..limits import format_bytes
from ..prediction.rates import wilson_interval
from .feeding.sources import Source
from .objectives.metrics import Accuracy, Metric
from .running.moving_statistics import describe_old_share
from .running.run import TrainingRun
from .running.trained_layers import frozen_for_want_of_gradients

MAX_LAYERS_SHOWN = 5  #: by name, in a line
MIN_ANNOUNCED_SECONDS = 10  #: of an epoch; a shorter one needs no announcement
MEMORY_DIGITS = 2  #: an estimate of memory has no more


def say(text: str | None, verbose: Verbose) -> None:
    """Print a text, unless progress is silenced.

    Args:
        text: The text; None for nothing.
        verbose: 0 prints nothing.
    """
    if text and verbose != 0 and not is_silenced():
        print(text, flush=True)


def describe_duration(seconds: float) -> str | None:
    """Return how long an epoch takes; None for a short one.

    Args:
        seconds: The time of the second step, times the steps of an epoch. The first step also prepares.
    """
    if seconds < MIN_ANNOUNCED_SECONDS:
        return None
    return f"an epoch takes about {format_seconds(seconds)}, and validation"


def describe_training(run: TrainingRun, batch_size: int, kept_bytes: int = 0) -> str:
    """Return what trains, by which statistics, and the memory that it takes.

    Args:
        run: The run.
        batch_size: Examples per batch.
        kept_bytes: Memory of the border activations that are kept.
    """
    variables = run.variables
    arrays = count_of(len(variables.variables), "array")
    memory = format_bytes(_rounded(run.memory(batch_size) + kept_bytes))
    return (
        f"{arrays} of {count_of(len(variables.by_node), 'layer')} train, {variables.flat.size:,} of "
        f"{run.model.count_params():,} parameters; statistics: "
        f"{'of the batch' if run.batch_statistics else 'frozen'}; memory about {memory}, activations included"
    )


def describe_run(
    run: TrainingRun, source: Source, batch_size: int, epochs: int, notes: Sequence[str] = ()
) -> str:
    """Return a summary of a run before its first step. Warns if moving statistics cannot follow.

    Args:
        run: The run.
        source: The examples.
        batch_size: Examples per batch.
        epochs: How many epochs are to be trained.
        notes: Further lines.
    """
    model = run.model
    amount = "batches" if source.examples is None else count_of(source.examples, "example")
    steps = "" if source.steps is None else f", {source.steps} batches an epoch"
    lines = [f"training {model.name} on {amount}{steps}: {describe_training(run, batch_size)}"]
    if run.optimizer.iterations:
        lines.append(
            f"it goes on from the model as it is, and step {run.optimizer.iterations} of the optimizer"
        )
    if untrainable := frozen_for_want_of_gradients(model):
        listed = list_some(untrainable, MAX_LAYERS_SHOWN)
        lines.append(f"frozen, since their parameters cannot be trained here: {listed}")
    if random := [node.name for node in model.graph.nodes.values() if acts_in_training(node.layer)]:
        lines.append(f"at random in training: {list_some(random, MAX_LAYERS_SHOWN)}")
    idle = describe_idle_layers(model.graph.nodes.values())
    lines += [f"does nothing in training: {clause}" for clause in idle]
    momentum = run.moving_momentum
    if momentum is not None and source.steps is not None:
        text, is_too_much = describe_old_share(momentum, source.steps * epochs)
        lines.append(text)
        if is_too_much:
            warnings.warn(text, stacklevel=3)
    return "\n".join([*lines, *notes])


def describe_progress(task: str, logs: Mapping[str, float], is_random: bool) -> str:
    """Return "epoch 1 of 3, loss 0.4312, accuracy 0.91 (running)".

    Args:
        task: "epoch 1 of 3".
        logs: Loss and metrics so far.
        is_random: Whether layers act at random.
    """
    return f"{task}, {describe_running(logs, is_random)}"


def describe_running(logs: Mapping[str, float], is_random: bool) -> str:
    """Return "loss 0.4312, accuracy 0.91 (running)".

    Args:
        logs: Loss and metrics of an epoch so far, as they were before each step.
        is_random: Whether layers act at random, or photographs are augmented.
    """
    how = "running, augmented" if is_random else "running"
    return f"{_figures(logs)} ({how})"


def describe_epoch(
    epoch: int,
    epochs: int,
    logs: Mapping[str, float],
    seconds: float,
    metrics: Sequence[Metric] = (),
    validated: int | None = None,
    is_random: bool = False,
) -> str:
    """Return the line of an epoch.

    Args:
        epoch: The epoch, from 0.
        epochs: The number of epochs.
        logs: Its figures.
        seconds: How long it took.
        metrics: The metrics. An accuracy on validation data is shown with Wilson's 95 % interval.
        validated: The number of examples of validation, if known.
        is_random: Whether layers act at random.
    """
    trained = {name: value for name, value in logs.items() if not name.startswith("val_")}
    line = f"epoch {epoch + 1} of {epochs}, {format_seconds(seconds)}: "
    line += describe_running(trained, is_random)
    shown = []
    accuracies = {f"val_{metric.name}" for metric in metrics if isinstance(metric, Accuracy)}
    for name, value in logs.items():
        if name in trained:
            continue
        text = _figures({name: value})
        if name in accuracies and validated and value == value:
            low, high = wilson_interval(round(value * validated), validated)
            text += f" (95 % interval {low:.2f} to {high:.2f})"
        shown.append(text)
    return "; ".join([line, ", ".join(shown)]) if shown else line


def _rounded(size: int) -> int:
    """Return a number of bytes, rounded up."""
    unit = 10 ** max(0, len(str(size)) - MEMORY_DIGITS)
    return -(-size // unit) * unit


def _figures(logs: Mapping[str, float]) -> str:
    # NaN stands for what is undefined, such as the AUC of labels that no example has.
    return ", ".join(f"{name} {value:.4g}" if value == value else f"{name} –" for name, value in logs.items())
