"""`explain`: where a model looks."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .. import files, photographs, prediction
from ..explaining import Explanation
from ..explaining import explain as explanation_of
from ..images import load_image
from .common import complaints, plain, report
from .predicting import classifier


def explain(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    failed: list[str] = []
    tell = complaints(failed)
    photos = photographs.find(arguments.photos, tell)
    into_folder = output.is_dir() or output.suffix == ""
    if len(photos) > 1 and not into_folder:
        raise ValueError(f"{output}: of {len(photos)} photographs the pictures go into a folder; name one")
    if into_folder:
        output.mkdir(parents=True, exist_ok=True)
    else:
        files.check_place(output)
    model = classifier(arguments)
    names = prediction.class_labels(model, arguments.labels)
    for photo in photos:
        try:
            load_image(photo.path)
        except (OSError, ValueError) as error:
            tell(photo.path, error)
            continue
        found = explanation_of(
            model, photo.path, arguments.method, arguments.target, arguments.layer,
            top=arguments.top, labels=names, scaling=arguments.scaling,
        )  # fmt: skip
        place = output / f"{Path(photo.path).stem}.png" if into_folder else output
        found.save(place)
        print(plain(f"{place}: {', '.join(_words(found))}"))
    return report(failed)


def _words(found: Explanation) -> list[str]:
    """The classes that were looked for in a photograph, with their scores."""
    names = np.ravel(found.names[0])
    return [f"{name} {score:.3f}" for name, score in zip(names, np.ravel(found.scores[0]), strict=True)]
