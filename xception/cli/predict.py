"""`xception predict`: predict what photographs show."""

from __future__ import annotations

import argparse
import sys

from ..data.failures import FailureLog
from ..data.imagenet import Prediction, best_classes
from ..prediction.results import Predictions
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_photographs(parser)
    common.add_classifier(parser)
    parser.add_argument(
        "--top", type=common.positive_int, default=5, metavar="N", help="classes per photograph (5)"
    )
    parser.add_argument("--format", choices=common.TABLE_FORMATS, default="table")


def run(arguments: argparse.Namespace) -> int:
    """Print the best classes of each photograph, as they are computed; JSON at the end."""
    classifier = common.build_classifier(arguments)
    log = FailureLog(common.complain_of)
    predictions = Predictions()
    if arguments.format == "csv":
        common.show_csv([("path", "rank", *Prediction._fields)])
    for photograph, scores in classifier.stream(common.unique(arguments.photos), log):
        entry = best_classes(scores, classifier.class_names, arguments.top)
        if arguments.format == "json":
            predictions.append(photograph, entry)
        elif arguments.format == "csv":
            common.show_csv(
                (photograph.path, rank, class_id, name, f"{score:.6g}")
                for rank, (class_id, name, score) in enumerate(entry, start=1)
            )
        else:
            common.show(str(photograph.path))
            for class_id, name, score in entry:
                common.show(f"  {score:8.4f}  {class_id:>9}  {name}")
        sys.stdout.flush()
    if arguments.format == "json":
        common.show_json(predictions.to_dicts())
    return common.finish(log.failures)
