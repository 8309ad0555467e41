"""`xception similar`: find the photographs that are most similar to one."""

from __future__ import annotations

import argparse

from ..console.tables import Column, lay_out_table
from ..console.text import count_of
from ..feature_extraction.similarity import similar
from . import common
from .argument_types import positive_int
from .features import feature_model

COLUMNS = (Column(is_number=True), Column(may_cut=True))  #: cosine and path of a neighbor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("query", metavar="QUERY", help="the photograph to find similar ones of")
    common.add_photographs(parser)
    parser.add_argument(
        "--top", type=positive_int, default=10, metavar="N", help="neighbors per query photograph (10)"
    )
    parser.add_argument(
        "--format", choices=common.TABLE_FORMATS, default="table", help="of what is printed (table)"
    )
    common.add_model(parser, "those of your own base instead of ImageNet's")
    common.add_layers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the neighbors of each query photograph, best first."""
    result = similar(
        arguments.query, common.unique(arguments.photos), feature_model(arguments), top=arguments.top,
        layers=arguments.layers, pooling=arguments.pooling, scaling=arguments.scaling,
        on_error=common.complain_of, **common.reading_options(arguments),
    )  # fmt: skip
    if result.cached:
        searched = count_of(result.searched, "photograph")
        common.note(f"features of {result.cached:,} of {searched} were cached already")
    if len(result) and not any(result):
        common.note("there are no other photographs to compare with")
    if arguments.format == "json":
        common.show_json(result.to_dicts())
    elif arguments.format == "csv":
        common.show_csv([("path", "rank", "neighbor", "cosine")])
        for path, neighbors in zip(result.paths, result, strict=True):
            common.show_csv(
                (
                    (path, rank, neighbor.path, f"{neighbor.cosine:.6g}")
                    for rank, neighbor in enumerate(neighbors, start=1)
                ),
                path_columns=(0, 2),
            )
    else:
        layout = common.stdout_layout()
        for path, neighbors in zip(result.paths, result, strict=True):
            print(*lay_out_table([Column(str(path), may_cut=True)], [], layout), sep="\n")
            rows = [(f"{neighbor.cosine:.4f}", str(neighbor.path)) for neighbor in neighbors]
            if rows:
                print(*lay_out_table(COLUMNS, rows, layout, indent=4), sep="\n")
    return common.finish(len(result.failures))
