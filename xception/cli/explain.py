"""`xception explain`: show which parts of a photograph support a class."""

from __future__ import annotations

import argparse
import sys

from ..data.failures import FailureLog
from ..data.photographs import find_photographs
from ..errors import escape_controls
from ..explanation.explainer import Explainer
from ..explanation.methods import METHODS
from ..explanation.output import PictureOutput
from ..explanation.result import Explanation
from . import common
from .argument_types import positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_photographs(parser)
    parser.add_argument(
        "--method", choices=METHODS, default="grad-cam", help="how it is explained (grad-cam, the quickest)"
    )
    parser.add_argument(
        "--class", dest="target", action="append", metavar="CLASS",
        help="its name, id or index, or a pattern: '*cat*'; may be repeated (the photo's best class)",
    )  # fmt: skip
    parser.add_argument("--top", type=positive_int, metavar="N", help="the N best classes instead of --class")
    parser.add_argument("--layer", metavar="NAME", help="the layer whose maps are explained (the last)")
    parser.add_argument(
        "--output", required=True, metavar="PATH",
        help="a picture file; for several photographs a folder, with a picture of each",
    )  # fmt: skip
    common.add_classifier(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the picture of each photograph as it is computed, and print its classes and scores."""
    log = FailureLog(common.complain_of)
    photographs = list(find_photographs(common.unique(arguments.photos), log))
    if not photographs:
        return common.finish(len(log.failures))
    output = PictureOutput(arguments.output, photographs)
    if len(photographs) > 1 and not output.is_folder:
        raise ValueError(
            f"{output.path}: the pictures of {len(photographs):,} photographs go into a folder; name a folder"
        )
    classifier = common.build_classifier(arguments)
    explainer = Explainer(
        classifier, method=arguments.method, target=arguments.target, layer=arguments.layer,
        top=arguments.top,
    )  # fmt: skip
    for explanation in explainer.stream_photographs(photographs, log):
        for path, part in zip(output.write(explanation), explanation, strict=True):
            common.show(f"{escape_controls(str(path))}: {_describe(part)}")
        sys.stdout.flush()
    return common.finish(len(log.failures))


def _describe(explanation: Explanation) -> str:
    """Return the classes of one photograph, with their probabilities."""
    return "; ".join(explanation.captions(0))
