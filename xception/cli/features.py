"""`xception features`: write features of photographs to a file."""

from __future__ import annotations

import argparse

from ..console.text import count_of
from ..feature_extraction.extraction import base_model, features
from ..feature_extraction.tables import FORMATS
from ..models.model import Model
from . import common, folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_photographs(parser, required=False)
    parser.add_argument(
        "--output", type=folders.output_parser(FORMATS), required=True, metavar="FILE",
        help=f"{', '.join(FORMATS)}; or FOLDER/ for a file per shard",
    )  # fmt: skip
    common.add_wide(parser)
    parser.add_argument(
        "--verify", action="store_true",
        help="compare the content of photographs that were computed before, not their dates only",
    )  # fmt: skip
    common.add_model(parser, "those of your own base instead of ImageNet's")
    common.add_layers(parser)
    folders.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the features; say how many there are, and how many an interrupted run had computed."""
    folders.check_arguments(arguments, of_files=("wide", "verify"))
    if isinstance(arguments.output, folders.FolderOutput):
        return folders.run(
            arguments, "features", feature_model(arguments), layers=arguments.layers,
            pooling=arguments.pooling, scaling=arguments.scaling, **common.reading_options(arguments),
        )  # fmt: skip
    result = features(
        common.unique(arguments.photos), feature_model(arguments), layers=arguments.layers,
        pooling=arguments.pooling, scaling=arguments.scaling, output=arguments.output,
        wide=arguments.wide, verify=arguments.verify, on_error=common.complain_of,
        **common.reading_options(arguments),
    )  # fmt: skip
    if len(result):
        count, width = count_of(len(result), "photograph"), count_of(len(result.names), "feature")
        resumed = f" ({result.resumed:,} had been computed before)" if result.resumed else ""
        common.note(f"{arguments.output}: {count}, {width} each{resumed}")
    return common.finish(len(result.failures))


def feature_model(arguments: argparse.Namespace) -> Model | str | None:
    """Return the model of --model and --weights; None for the ImageNet base."""
    if arguments.weights and not arguments.model:
        return base_model(arguments.weights)
    return common.own_model(arguments)
