"""`xception evaluate`: measure how often a model is right."""

from __future__ import annotations

import argparse

from ..prediction.measurement import evaluate
from . import common
from .given_paths import check_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="with a sub-folder of photographs for each class, named as the class"
    )
    parser.add_argument(
        "--labels", metavar="FILE.csv",
        help="of a model that gives several labels, or numbers: photograph (in FOLDER), then a column for "
        "each label or target",
    )  # fmt: skip
    common.add_classifier(parser)
    common.add_threshold(parser)
    parser.add_argument(
        "--format", choices=("table", "json"), default="table",
        help="json has all figures, and every cell of the confusion matrix (table)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of the model's task: of classes accuracy, a row per class, the confusion matrix."""
    check_folder(arguments.folder)
    if arguments.labels is not None and not arguments.labels.endswith(".csv"):
        arguments.fail(f"argument --labels: expected a .csv file, got {arguments.labels!r}")
    classifier = common.build_classifier(arguments)
    evaluation = evaluate(arguments.folder, arguments.labels, classifier, on_error=common.complain_of)
    if arguments.format == "json":
        common.show_json(evaluation.to_dict())
    else:
        common.show_report(evaluation)
    return common.finish(len(evaluation.failures))
