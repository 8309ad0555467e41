"""Options of what a model or photograph may cost."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..limits import parse_bytes, parse_count, set_limits


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add --max-memory, --max-operations and --max-pixels."""
    group = parser.add_argument_group("limits", "what a model or photograph may cost; see set_limits")
    group.add_argument(
        "--max-memory", type=parse_with(parse_bytes), metavar="SIZE",
        help="memory for weights and activations, such as 2GB (1.25GiB)",
    )  # fmt: skip
    group.add_argument(
        "--max-operations", type=parse_with(parse_count), metavar="N", help="work for an image (1e12)"
    )
    group.add_argument(
        "--max-pixels", type=parse_with(parse_count), metavar="N", help="pixels of a photograph (178956970)"
    )


def apply_limits(arguments: argparse.Namespace) -> None:
    """Set the limits that the command line gives."""
    set_limits(
        max_memory_bytes=getattr(arguments, "max_memory", None),
        max_operations=getattr(arguments, "max_operations", None),
        max_pixels=getattr(arguments, "max_pixels", None),
    )


def parse_with(parse: Callable[[str], int]) -> Callable[[str], int]:
    """Return a parser of an argument whose errors argparse shows."""

    def parse_argument(text: str) -> int:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument
