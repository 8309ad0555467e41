"""`xception weights`: locate, download or verify the ImageNet weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..models import local_weights
from . import common


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
        if name == "download":
            common.add_quiet(action)


def run(arguments: argparse.Namespace) -> int:
    """Run an action."""
    return {"path": _path, "download": _download, "verify": _verify}[arguments.action](arguments.cache_dir)


def _path(cache_dir: Path | None) -> int:
    paths = local_weights.weights_path(cache_dir)
    classifier = str(paths.classifier or f"{paths.destination} (not there yet)")
    common.show_facts([("base", str(paths.base)), ("classifier", classifier)])
    return 0


def _download(cache_dir: Path | None) -> int:
    common.show(str(local_weights.download_weights(cache_dir)))
    return 0


def _verify(cache_dir: Path | None) -> int:
    report = local_weights.verify_weights(cache_dir)
    advice = {"base": "install the package again", "classifier": "'xception weights download' fetches it"}
    facts = []
    for name, file in (("base", report.base), ("classifier", report.classifier)):
        state = {"ok": "ok", "damaged": "DAMAGED", "missing": "not on this machine"}[file.state]
        path = "" if file.path is None else f"  {file.path}"
        facts.append((name, f"{state}{'' if file.state == 'ok' else f': {advice[name]}'}{path}"))
    common.show_facts(facts)
    return 0 if report.ok else 1
