"""Labels of photographs, matched to a model's classes by name, never by position."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..console.text import count_of
from ..data.class_names import ClassNames
from ..data.photographs import Photograph

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

MAX_LISTED = 10  #: unknown labels that an error message lists


def as_indices(
    photographs: Sequence[Photograph],
    labels: Iterable[str | int] | None,
    class_names: ClassNames,
    images: ImagesLike,
) -> dict[int, int]:
    """Find the class of each photograph.

    Args:
        photographs: The photographs.
        labels: The class of each, as a name, an id, or an index; None for the names of their folders.
        class_names: (class id, class name) of each class.
        images: What the photographs were found by.

    Returns:
        {photograph's index: class's index}, without photographs that lie in no sub-folder.

    Raises:
        TypeError: `labels` is a single text, or a label is neither text nor an integer.
        ValueError: A label is not a class, or labels are missing.
    """
    if labels is None:
        return _by_folder(photographs, class_names)
    if isinstance(labels, str | bytes):
        raise TypeError(f"labels must be a list with the class of each photograph, got the text {labels!r}")
    if isinstance(images, str | os.PathLike):
        raise ValueError(
            f"{os.fspath(images)}: labels go with a list of photographs; those of a folder are the names of "
            "its sub-folders"
        )
    listed = list(labels)
    count = 1 + max((photograph.index for photograph in photographs), default=-1)
    if len(listed) != count:
        raise ValueError(f"expected a label for each photograph, got {len(listed)} labels for {count}")
    indices = match_labels(listed, class_names)
    return {photograph.index: indices[photograph.index] for photograph in photographs}


def _by_folder(photographs: Sequence[Photograph], class_names: ClassNames) -> dict[int, int]:
    labelled = [photograph for photograph in photographs if photograph.label]
    if photographs and not labelled:
        raise ValueError(
            "the photographs have no labels: give a folder with a sub-folder per class, or the labels"
        )
    outside = len(photographs) - len(labelled)
    if outside:
        warnings.warn(f"{count_of(outside, 'photograph')} outside any sub-folder left out", stacklevel=4)
    indices = match_labels([photograph.label for photograph in labelled], class_names)
    return {photograph.index: index for photograph, index in zip(labelled, indices, strict=True)}


def match_labels(labels: Sequence[str | int], class_names: ClassNames) -> list[int]:
    """Return the index of the class that each label names.

    A text is a class's name or its id; upper and lower case, "_" and blanks do not matter where no name
    is exactly the same. An integer is an index.

    Raises:
        TypeError: A label is neither.
        ValueError: Labels name no class, or several; the message lists them.
    """
    by_label = {label: _candidates(label, class_names) for label in dict.fromkeys(labels)}
    unknown = [str(label) for label, indices in by_label.items() if not indices]
    if unknown:
        raise ValueError(_unknown(unknown, class_names))
    for label, indices in by_label.items():
        if len(indices) > 1:
            ids = ", ".join(class_names[index][0] for index in indices)
            raise ValueError(f"several classes are called {label!r}: use the id of one of them, {ids}")
    return [by_label[label][0] for label in labels]


def _candidates(label: object, class_names: ClassNames) -> list[int]:
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        if not 0 <= label < len(class_names):
            raise ValueError(f"class indices go from 0 to {len(class_names) - 1}, got {label}")
        return [int(label)]
    if not isinstance(label, str):
        raise TypeError(f"a label is a class's name, its id, or its index; got {label!r}")
    exact = [i for i, (_, name) in enumerate(class_names) if name == label]
    # An id that is only an index would match folders by position.
    exact = exact or [i for i, (class_id, _) in enumerate(class_names) if class_id == label != str(i)]
    return exact or [i for i, (_, name) in enumerate(class_names) if _plain(name) == _plain(label)]


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _unknown(labels: Sequence[str], class_names: ClassNames) -> str:
    names = [name for _, name in class_names]
    listed = ", ".join(map(repr, labels[:MAX_LISTED]))
    more = f" and {len(labels) - MAX_LISTED} more" if len(labels) > MAX_LISTED else ""
    near = difflib.get_close_matches(labels[0], names, n=3)
    hint = f"; did you mean {' or '.join(near)} for {labels[0]!r}?" if near else ""
    known = ", ".join(names[:MAX_LISTED]) + (", …" if len(names) > MAX_LISTED else "")
    return f"labels that are not classes of the model: {listed}{more}; its classes are {known}{hint}"
