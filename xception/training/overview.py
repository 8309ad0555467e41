"""Text that training prints: a summary before the first step, and a line for each epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from ..console.pace import format_seconds
from ..console.progress import Verbose, is_silenced
from ..console.text import count_of, list_some
from ..gradients.randomness import acts_in_training, describe_idle_layers
from ..prediction.rates import wilson_interval
from .feeding.sources import Source
from .objectives.metrics import Accuracy, Metric
from .running.moving_statistics import describe_old_share
from .running.run import TrainingRun
from .running.trained_layers import frozen_for_want_of_gradients

MAX_LAYERS_SHOWN = 5  #: by name, in a line
MIN_ANNOUNCED_SECONDS = 10  #: of an epoch; a shorter one needs no announcement
BYTES_PER_MEGABYTE = 1_000_000


def say(text: str, verbose: Verbose) -> None:
    """Print a text, unless progress is silenced.

    Args:
        text: The text.
        verbose: 0 prints nothing.
    """
    if verbose != 0 and not is_silenced():
        print(text, flush=True)


def say_duration(seconds: float, verbose: Verbose) -> None:
    """Print how long an epoch takes, if that is long.

    Args:
        seconds: By the time of a step.
        verbose: 0 prints nothing.
    """
    if seconds >= MIN_ANNOUNCED_SECONDS:
        say(f"an epoch takes about {format_seconds(seconds)}, and validation", verbose)


def describe_run(
    run: TrainingRun, statistics: str, source: Source, epochs: int, notes: Sequence[str] = ()
) -> str:
    """Return what is about to be trained, in a few lines. Warns if moving statistics cannot follow.

    Args:
        run: The run.
        statistics: "frozen" or "batch".
        source: The examples.
        epochs: How many epochs are to be trained.
        notes: Further lines.
    """
    variables, model = run.variables, run.model
    layers = list(variables.by_node)
    amount = "batches" if source.examples is None else f"{count_of(source.examples, 'example')}, batches"
    steps = "" if source.steps is None else f", {source.steps} an epoch"
    arrays = count_of(len(variables.variables), "array")
    size = (2 + len(run.optimizer.slots)) * variables.flat.nbytes / BYTES_PER_MEGABYTE
    lines = [
        f"training {model.name} on {amount}{steps}: {arrays} of {count_of(len(layers), 'layer')} train, "
        f"{variables.flat.size:,} of {model.count_params():,} parameters; statistics: "
        f"{'of the batch' if statistics == 'batch' else 'frozen'}; weights, gradients and optimizer take "
        f"{size:,.1f} MB"
    ]
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
    return f"{task}, {_figures(logs)} ({_running(is_random)})"


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
    line += f"{_figures(trained)} ({_running(is_random)})"
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


def _running(is_random: bool) -> str:
    return "running, augmented" if is_random else "running"


def _figures(logs: Mapping[str, float]) -> str:
    # NaN stands for what is undefined, such as the AUC of labels that no example has.
    return ", ".join(f"{name} {value:.4g}" if value == value else f"{name} –" for name, value in logs.items())
