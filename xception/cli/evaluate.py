"""`xception evaluate`: measure how often a model is right."""

from __future__ import annotations

import argparse
import os

from ..prediction.classifier import Classifier
from ..prediction.evaluation import evaluate
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="with a sub-folder of photographs for each class, named as the class"
    )
    common.add_model(parser, "weights of an Xception of your own instead of ImageNet's")
    common.add_class_names(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Print accuracy, a row per class, the confusion matrix, and the most confident mistakes."""
    if not os.path.isdir(arguments.folder):
        raise NotADirectoryError(
            f"{arguments.folder}: is not a folder; expected one with a sub-folder for each class"
        )
    classifier = Classifier(
        common.load_classifier_model(arguments), class_names=arguments.class_names,
        scaling=arguments.scaling, from_logits=arguments.from_logits,
    )  # fmt: skip
    evaluation = evaluate(arguments.folder, model=classifier, on_error=common.complain_of)
    if arguments.format == "json":
        common.show_json(evaluation.to_dict())
    else:
        common.show(str(evaluation))
    return common.finish(evaluation.failures)
