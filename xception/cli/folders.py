"""Folders as outputs of `features` and `predict`: jobs in shards, run by an executor."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..console.text import count_of
from ..data.locations import names_folder
from . import common
from .argument_types import positive_int

if TYPE_CHECKING:
    from ..jobs.record import Kind
    from ..jobs.shards import Executor
    from ..prediction.classifier import ModelArgument

MAX_COMPLAINTS = 100  #: unreadable photographs that are named; all of them are in the folder


@dataclass(frozen=True)
class FolderOutput:
    """The folder of a job, as the value of --output."""

    location: str


def output_parser(suffixes: Collection[str]) -> Callable[[str], str | FolderOutput]:
    """Return a parser of --output, which is a folder if it ends in "/" or exists as one.

    Args:
        suffixes: Those of files.
    """

    def parse(text: str) -> str | FolderOutput:
        if names_folder(text):
            return FolderOutput(text)
        if os.path.splitext(text)[1] not in suffixes:
            raise argparse.ArgumentTypeError(
                f"expected a name that ends in {', '.join(suffixes)}, got {text!r}; a folder for shards ends "
                "in '/'"
            )
        return text

    return parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --shard, --manifest, --retry-bad and --executor."""
    group = parser.add_argument_group("many photographs", "with --output FOLDER/, which is resumed by shards")
    group.add_argument(
        "--shard", type=positive_int, metavar="N",
        help="photographs in a shard, each of which becomes a file (5000, or fewer if there are few)",
    )  # fmt: skip
    group.add_argument(
        "--manifest", metavar="FILE",
        help="a list of the photographs, instead of PHOTO: lines of text, .csv or .parquet",
    )  # fmt: skip
    group.add_argument(
        "--retry-bad", action="store_true", default=None, help="try again what could not be read before"
    )
    group.add_argument(
        "--executor", type=executor, metavar="NAME",
        help="processes or processes=N on this machine; dask for workers of Dask's, dask=tcp://HOST:PORT for "
        "those of a cluster (processes)",
    )  # fmt: skip


def executor(text: str) -> Executor:
    """Parse the name of an executor: "processes=4", "dask", "dask=tcp://scheduler:8786"."""
    name, has_value, value = text.partition("=")
    try:
        if name == "processes" and (not has_value or value):
            from ..distributed.processes import Processes

            return Processes(positive_int(value) if has_value else None)
        if name == "dask" and (not has_value or value):
            from ..distributed.dask import DaskExecutor

            return DaskExecutor(value or None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    raise argparse.ArgumentTypeError(
        f"expected processes, processes=N, dask, or dask=tcp://HOST:PORT, got {text!r}"
    )


def check_arguments(arguments: argparse.Namespace, of_files: tuple[str, ...]) -> None:
    """Check the arguments that belong to --output.

    Args:
        arguments: The arguments.
        of_files: The names of those that a folder does not take.

    Raises:
        SystemExit: They do not go together; the usage and a message have been printed.
    """
    is_folder = isinstance(arguments.output, FolderOutput)
    names = of_files if is_folder else ("shard", "manifest", "retry_bad", "executor")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name)]
    if given:
        verb = "goes" if len(given) == 1 else "go"
        arguments.fail(
            f"{' and '.join(given)} {verb} with --output {'FILE' if is_folder else 'FOLDER/'} only"
        )
    if arguments.manifest and arguments.photos:
        arguments.fail("give either photographs or --manifest")
    if not (arguments.manifest or arguments.photos):
        arguments.fail("the following arguments are required: PHOTO")


def run(arguments: argparse.Namespace, task: Kind, model: ModelArgument, **options: Any) -> int:
    """Run the job of a folder; print a summary, and the photographs that could not be read.

    Args:
        arguments: The arguments of the command.
        task: "features" or "predictions".
        model: The model.
        **options: Of `prepare`.

    Returns:
        The exit status.
    """
    from ..distributed.preparation import prepare

    folder = arguments.output.location
    job = prepare(
        common.unique(arguments.photos) if arguments.photos else None, folder, model, task=task,
        shard=arguments.shard, manifest=arguments.manifest, **options,
    )  # fmt: skip
    report = job.run(arguments.executor, retry_bad=bool(arguments.retry_bad))
    for unreadable in report.failures[:MAX_COMPLAINTS]:
        common.complain(str(unreadable))
    before = f" ({report.done_before:,} were done already)" if report.done_before else ""
    message = f"{folder}: {count_of(report.photographs, 'photograph')} in {count_of(report.shards, 'shard')}"
    common.note(f"{message}{before}")
    if report.unreadable > 1:
        common.complain(f"{report.unreadable:,} could not be read; part-….errors.jsonl in the folder say why")
    return 1 if report.unreadable else 0
