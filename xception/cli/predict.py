"""`xception predict`: predict what photographs show."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..console.text import count_of
from ..data.imagenet import Prediction
from ..data.overwriting import refuse_overwriting
from ..prediction.lines import CSV_HEADER, SUFFIXES, csv_rows, json_line
from ..prediction.naming import iter_predict, predict
from ..prediction.results import to_dict
from . import common, folders
from .argument_types import positive_int
from .prediction_table import PredictionTable

if TYPE_CHECKING:
    from ..prediction.classifier import Classifier

Text = Callable[[str | None, Sequence[Prediction] | Exception], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_photographs(parser, required=False)
    common.add_classifier(parser)
    parser.add_argument(
        "--top", type=positive_int, metavar="N",
        help="classes or labels per photograph (5 classes, or all labels)",
    )  # fmt: skip
    common.add_threshold(parser)
    targets = parser.add_mutually_exclusive_group()
    targets.add_argument(
        "--format", choices=("table", "jsonl", "csv", "json"), default="table",
        help="of the lines on stdout, as they are computed; json is one list, at the end (table)",
    )  # fmt: skip
    targets.add_argument(
        "--output", type=folders.output_parser(SUFFIXES), metavar="FILE",
        help="write a file instead, and resume after an interruption: "
        f"{', '.join(SUFFIXES)}; or FOLDER/ for a file per shard",
    )  # fmt: skip
    parser.add_argument(
        "--verify", action="store_true",
        help="after an interruption of --output, compare the content of photographs, not their dates only",
    )  # fmt: skip
    folders.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the best classes of each photograph, as they are computed, or write them to a file."""
    folders.check_arguments(arguments, of_files=("verify",))
    if isinstance(arguments.output, folders.FolderOutput):
        return folders.run(arguments, "predictions", common.build_classifier(arguments), top=arguments.top)
    if arguments.output is not None:
        return _write(arguments)
    if arguments.verify:
        arguments.fail("--verify compares what an interrupted --output has left: give --output")
    return _print(arguments)


def _print(arguments: argparse.Namespace) -> int:
    classifier = common.build_classifier(arguments)
    as_text = TEXTS.get(arguments.format) or _table_of(classifier, arguments.top)
    collected, failures = [], 0
    entries = iter_predict(common.unique(arguments.photos), classifier, top=arguments.top)  # or an error
    if arguments.format == "csv":
        _print_at_once(CSV_HEADER)
    for path, entry in entries:
        if isinstance(entry, Exception):
            common.complain(str(entry))
            failures += 1
        elif arguments.format == "json":
            collected.append(to_dict(path, entry))
        if text := as_text(path, entry):
            _print_at_once(text)
    if arguments.format == "json":
        common.show_json(collected)
    return common.finish(failures)


def _print_at_once(text: str) -> None:
    """Print whole lines, also into a pipe, whose reader may wait for them."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _table_of(classifier: Classifier, top: int | None) -> Text:
    """Return what prints a photograph on a terminal: one line where there is one class, else one for each."""
    table = PredictionTable(
        classifier.class_names, common.stdout_layout(), is_regression=classifier.task == "regression",
        is_single=top == 1 or len(classifier.class_names) == 1,
    )  # fmt: skip
    return lambda path, entry: "" if isinstance(entry, Exception) else table.format(str(path), entry)


def _csv_text(path: str | None, entry: Sequence[Prediction] | Exception) -> str:
    return "" if isinstance(entry, Exception) else csv_rows(path, entry)


#: The text of a photograph in each format but the table.
TEXTS: dict[str, Text] = {
    "jsonl": json_line,
    "csv": _csv_text,
    "json": lambda _path, _entry: "",
}


def _write(arguments: argparse.Namespace) -> int:
    """Write the predictions; say how many there are, and how many an interrupted run had computed."""
    refuse_overwriting(arguments.output, [arguments.class_names], "the file of class names")
    result = predict(
        common.unique(arguments.photos), common.build_classifier(arguments), top=arguments.top,
        output=arguments.output, verify=arguments.verify, on_error=common.complain_of,
    )  # fmt: skip
    if not len(result):
        return common.finish(len(result.failures))
    failed = f", {len(result.failures):,} could not be read" if result.failures else ""
    resumed = f" ({result.resumed:,} were there already)" if result.resumed else ""
    common.note(f"{arguments.output}: {count_of(len(result), 'photograph')}{failed}{resumed}")
    return 1 if result.failures else 0
