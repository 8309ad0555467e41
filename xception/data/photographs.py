"""Many photographs: which they are, what class their folders say, and what a model makes of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..console.progress import ProgressBar
from ..kernels import Array
from .images import load_image, photographs

BATCH = 16  #: photographs computed at once

#: Told of each photograph that cannot be read, and why.
Complain = Callable[[str, Exception], None]


class Photograph(NamedTuple):
    """A photograph's path, and its class where it lies in a folder of that name."""

    path: str
    label: str = ""


def find(places: Iterable[str], complain: Complain) -> list[Photograph]:
    """The photographs that files, folders and patterns mean, each once.

    A photograph's label is the folder that it lies in, where that is below the folder asked for.
    """
    found: dict[str, Photograph] = {}
    for place in places:
        try:
            paths = photographs(place)
        except OSError as error:
            complain(place, error)
            continue
        for path in paths:
            folder = Path(path).parent
            below = os.path.isdir(place) and folder != Path(place)
            found.setdefault(path, Photograph(path, folder.name if below else ""))
    return list(found.values())


def batches(
    photos: Sequence[Photograph],
    size: tuple[int, int],
    compute: Callable[[Array], Array],
    complain: Complain,
    unit: str = "photo",
) -> Iterator[tuple[list[Photograph], Array]]:
    """(photographs, what `compute` makes of their pixels), batch by batch, with a bar.

    compute: pixels (n, height, width, 3) uint8 -> (n, …). Photographs that cannot be read are left
    out, and complained of.
    """
    with ProgressBar(len(photos), unit) as bar:
        for start in range(0, len(photos), BATCH):
            batch = photos[start : start + BATCH]
            read, pixels = [], []
            for photo in batch:
                try:
                    pixels.append(load_image(photo.path, size))
                    read.append(photo)
                except (OSError, ValueError) as error:
                    with bar.aside():
                        complain(photo.path, error)
            if read:
                values = compute(np.stack(pixels))
                with bar.aside():
                    yield read, values
            bar.advance(len(batch))
