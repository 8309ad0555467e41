"""`xception evaluate`: measure how often a model is right."""

from __future__ import annotations

import argparse

from ..prediction.evaluation import evaluate
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="with a sub-folder of photographs for each class, named as the class"
    )
    common.add_classifier(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Print accuracy, a row per class, the confusion matrix, and the most confident mistakes."""
    common.check_folder(arguments.folder)
    classifier = common.build_classifier(arguments)
    evaluation = evaluate(arguments.folder, model=classifier, on_error=common.complain_of)
    if arguments.format == "json":
        common.show_json(evaluation.to_dict())
    else:
        common.show(str(evaluation))
    return common.finish(len(evaluation.failures))
