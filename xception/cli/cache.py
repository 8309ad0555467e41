"""`xception cache`: show the size of the cache folder, or clear it."""

from __future__ import annotations

import argparse

from ..storage import budget
from . import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    actions.add_parser("info", help="print what is kept, and how much may be")
    actions.add_parser("clear", help="delete computed features; downloaded weights stay")


def run(arguments: argparse.Namespace) -> int:
    """Run an action."""
    if arguments.action == "info":
        common.show_report(budget.cache_info())
    else:
        common.show(str(budget.clear_cache()))
    return 0
