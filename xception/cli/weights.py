"""`xception weights`: where the ImageNet weights are, fetching them, checking them."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..models import pretrained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their arguments."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    for name, text in (
        ("path", "print where the files are, or would be"),
        ("download", "fetch the classifier's weights, unless they are here"),
        ("verify", "check that both files are here and whole; status 1 if not"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--cache-dir", type=Path, metavar="DIR", help="the folder for downloads")


def run(arguments: argparse.Namespace) -> int:
    """Run an action."""
    return {"path": _path, "download": _download, "verify": _verify}[arguments.action](arguments.cache_dir)


def _path(cache_dir: Path | None) -> int:
    paths = pretrained.weights_path(cache_dir)
    print(f"base        {paths.base}")
    print(f"classifier  {paths.classifier or f'{paths.download} (not there yet)'}")
    return 0


def _download(cache_dir: Path | None) -> int:
    print(pretrained.download_weights(cache_dir))
    return 0


def _verify(cache_dir: Path | None) -> int:
    raise NotImplementedError
