"""`explain`: where a model looks."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..data import atomic as files
from ..data import photographs
from ..explanation.explainer import Explanation
from ..explanation.explainer import explain as explanation_of
from ..prediction import classifier as prediction
from .common import complaints, plain, report
from .predict import classifier


def explain(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    failed: list[str] = []
    tell = complaints(failed)
    photos = photographs.find(arguments.photos, tell)
    taken = {Path(photo.path).resolve() for photo in photos}
    into_folder = output.is_dir() or output.suffix == ""
    if len(photos) > 1 and not into_folder:
        raise ValueError(f"{output}: of {len(photos)} photographs the pictures go into a folder; name one")
    if into_folder:
        output.mkdir(parents=True, exist_ok=True)
    else:
        files.check_writable(output)
        if output.resolve() in taken:
            raise ValueError(f"{output}: is one of the photographs; name another file for the picture")
    model = classifier(arguments)
    names = prediction.class_labels(model, arguments.labels)
    for photo in photos:
        try:
            found = explanation_of(
                model, photo.path, arguments.method, arguments.target, arguments.layer,
                top=arguments.top, labels=names, scaling=arguments.scaling,
            )  # fmt: skip
        except OSError as error:
            tell(photo.path, error)
            continue
        place = _place(output, photo.path, taken) if into_folder else output
        found.save(place)
        print(plain(f"{place}: {', '.join(_words(found))}"))
    return report(failed)


def _place(folder: Path, photo: str, taken: set[Path]) -> Path:
    """A name of its own for a photograph's picture, which no photograph and no other picture has."""
    number = 0
    while True:
        name = f"{Path(photo).stem}.why{f'.{number}' if number else ''}.png"
        if (folder / name).resolve() not in taken:
            taken.add((folder / name).resolve())
            return folder / name
        number += 1


def _words(found: Explanation) -> list[str]:
    """The classes that were looked for in a photograph, with their scores."""
    names = np.ravel(found.names[0])
    return [f"{name} {score:.3f}" for name, score in zip(names, np.ravel(found.scores[0]), strict=True)]
