"""`xception gather`: the parts of a job as one file."""

from __future__ import annotations

import argparse

from ..console.text import count_of
from ..distributed.gathering import gather
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", metavar="FOLDER/", help="what 'features' or 'predict' wrote with --output FOLDER/"
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE",
        help="of features .npz, .npy, .csv, .parquet, .arff; of predictions .jsonl, .csv, .json, .parquet",
    )  # fmt: skip
    common.add_wide(parser)
    parser.add_argument(
        "--partial", action="store_true", help="write what there is, if shards have not been computed yet"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; print how many photographs it holds, and how many could not be read."""
    result = gather(
        arguments.folder, arguments.output, wide=arguments.wide, partial=arguments.partial,
    )  # fmt: skip
    width = f", {count_of(result.features, 'feature')} each" if result.features else ""
    common.note(f"{result.output}: {count_of(result.photographs, 'photograph')}{width}")
    if result.failures:
        common.complain(
            f"{len(result.failures):,} could not be read when the job ran, such as {result.failures[0]}"
        )
    if result.missing:
        common.complain(f"{count_of(result.missing, 'shard')} not computed yet, and left out")
    return 1 if result.missing else 0
