"""`xception inspect`: what a file is, and whether it runs here."""

from __future__ import annotations

import argparse

from ..inspection.inspector import inspect
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="a model or weights file, or a .keras folder")
    parser.add_argument("--weights", metavar="FILE", help="the weights, if FILE is model.json")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json lists every layer (text)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report. A damaged file is status 1, and so is one that is no model."""
    inspection = inspect(arguments.file, arguments.weights)
    if arguments.format == "json":
        common.show_json(inspection.to_dict())
    else:
        common.show_report(inspection)
    return common.complain(f"{inspection.file}: {inspection.problem}") if inspection.problem else 0
