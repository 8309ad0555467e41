"""`xception fit`: make a model for your own classes, from folders of photographs."""

from __future__ import annotations

import argparse

from ..console.text import count_of
from ..data.atomic import check_writable
from ..data.locations import expect_local
from ..training.transfer import fit_with_report
from . import common
from .given_paths import check_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="with a sub-folder of photographs for each class")
    parser.add_argument("--output", required=True, metavar="FILE", help="the model, .keras")
    parser.add_argument(
        "--balanced", action="store_true", help="let rare classes weigh as much as frequent ones"
    )
    common.add_reading(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what cross-validation found, and write the model."""
    output = expect_local(arguments.output)
    check_writable(output)
    if output.suffix != ".keras":
        raise ValueError(f"{output.name}: expected a name that ends in .keras, as a model is written")
    check_folder(arguments.folder)
    report = fit_with_report(
        arguments.folder, balanced=arguments.balanced, on_error=common.complain_of,
        **common.reading_options(arguments),
    )  # fmt: skip
    report.model.save(output)  # first: the report may not be written
    common.show_report(report)
    classes, count = len(report.regression.class_names), count_of(len(report.paths), "photograph")
    common.note(f"{output}: {classes} classes, from {count}")
    return common.finish(len(report.failures))
