"""`xception summary`: the table of a network's layers."""

from __future__ import annotations

import argparse

from .. import architecture, plot
from ..graph import Graph
from ..models import summary as summaries
from ..models.factory import load_model
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "file", nargs="?", metavar="FILE", help="a model as for --model of predict; by default Xception"
    )
    which.add_argument("--no-top", dest="top", action="store_false", help="without the classifier")
    parser.add_argument("--weights", metavar="FILE", help="the weights, if FILE is model.json")
    parser.add_argument(
        "--style", choices=("keras", "dl4j"), default="keras",
        help="whose table: Keras's, or Deeplearning4j's with the shape of each parameter (keras)",
    )  # fmt: skip
    parser.add_argument("--diagram", metavar="FILE.svg", help="write a diagram of the network, too")
    parser.add_argument("--expand-nested", action="store_true", help="also networks within the network")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    layout = common.stdout_layout()
    if arguments.file is not None:
        model = load_model(arguments.file, arguments.weights)
        _write_diagram(model.graph, arguments.diagram)
        print(summaries.table(model.graph, arguments.style, model.network, arguments.expand_nested, layout))
        return 0
    if arguments.weights:
        raise ValueError("--weights needs a model.json: xception summary model.json --weights FILE")
    # Weights play no part in the table, so none are loaded or drawn.
    shape = (299, 299, 3) if arguments.top else (None, None, 3)
    graph = architecture.xception(shape, include_top=arguments.top)
    _write_diagram(graph, arguments.diagram)
    print(summaries.table(graph, arguments.style, layout=layout))
    return 0


def _write_diagram(graph: Graph, path: str | None) -> None:
    """Write a diagram before the table is printed, so that a wrong path is the only output."""
    if path is not None:
        plot.diagram(graph).save(path)
