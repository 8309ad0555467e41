"""Labels of photographs: one for each, matched to a model's classes by name, never by position."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..console.text import count_of
from ..data.class_names import ClassNames, ambiguity, find_by_name
from ..data.failures import FailureLog
from ..data.folders import FolderContents, describe_classes
from ..data.locations import is_folder
from ..data.photographs import Photograph, PhotographList, find_photographs
from .decoding import DEFAULT_NAMES

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

MAX_LISTED = 10  #: labels or classes that an error message lists


def label_photographs(
    images: ImagesLike, labels: Iterable[str | int] | None, class_names: ClassNames, log: FailureLog
) -> tuple[Iterable[Photograph], dict[int, int]]:
    """List photographs, and find the class of each.

    Args:
        images: The photographs, as `evaluate` takes them.
        labels: The class of each, as a name, an id, or an index; None for the names of their folders.
        class_names: (class id, class name) of each class.
        log: Records folders and patterns without photographs.

    Returns:
        The photographs, without those that lie in no sub-folder if the folders are the labels; and
        {photograph's index: class's index}.

    Raises:
        TypeError: `labels` is a single text or no iterable, or a label is neither text nor an integer.
        ValueError: A label is not a class, or there are no labels, too few, or too many.
    """
    if labels is not None:
        truth = match_labels(list_labels(labels, images), class_names)
        return check_count(find_photographs(images, log), len(truth)), dict(enumerate(truth))
    photographs = label_by_folder(images, log)
    labelled = [photograph for photograph in photographs if photograph.label]
    if photographs and not labelled:
        raise ValueError(
            "the photographs have no labels: give a folder with a sub-folder per class, or the labels"
        )
    truth = match_labels([photograph.label for photograph in labelled], class_names)
    return labelled, {photograph.index: index for photograph, index in zip(labelled, truth, strict=True)}


def label_by_folder(images: ImagesLike, log: FailureLog) -> Sequence[Photograph]:
    """List photographs, whose labels are the names of the sub-folders that they lie in.

    Hidden folders, `__MACOSX` and folders without photographs are no classes. Warnings name them, and count
    the photographs outside any sub-folder.

    Args:
        images: A folder with a sub-folder per class.
        log: Records folders without photographs, and warns of what is left out.

    Returns:
        All photographs; those outside any sub-folder have the label "".
    """
    folders: list[FolderContents] = []
    photographs = find_photographs(images, log, folders)
    if not isinstance(photographs, PhotographList):
        listed = list(photographs)
        photographs = PhotographList(
            [photograph.source for photograph in listed], [photograph.label for photograph in listed]
        )
    for note in describe_classes(folders):
        log.note(note)
    outside = photographs.labels.count("")
    if 0 < outside < len(photographs):
        log.note(f"{count_of(outside, 'photograph')} outside any sub-folder left out")
    return photographs


def list_labels(labels: Iterable[str | int], images: ImagesLike) -> list[str | int]:
    """Return the labels of photographs as a list.

    Args:
        labels: The class of each photograph, in order.
        images: The photographs, as the caller was given them.

    Raises:
        TypeError: `labels` is a single text or no iterable, or a label is neither text nor an integer.
        ValueError: `images` is a folder, whose sub-folders are the labels.
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        kind = f"the text {labels!r:.80}" if isinstance(labels, str | bytes) else type(labels).__name__
        raise TypeError(f"labels must be a list with the class of each photograph; got {kind}")
    if isinstance(images, str | os.PathLike) and is_folder(images):
        raise ValueError(
            f"{os.fspath(images)}: labels go with a list of photographs; those of a folder are the names of "
            "its sub-folders"
        )
    listed = list(labels)
    for label in listed:
        if isinstance(label, bool) or not isinstance(label, str | int | np.integer):
            raise TypeError(f"a label is a text or an integer, got {label!r:.80}")
    return listed


def check_count(
    photographs: Sequence[Photograph] | Iterator[Photograph], labels: int
) -> Sequence[Photograph] | Iterator[Photograph]:
    """Check that there are as many photographs as labels.

    Args:
        photographs: The photographs.
        labels: The number of labels.

    Returns:
        The photographs. Of an iterator another iterator, which raises the error when it gets there.

    Raises:
        ValueError: The numbers differ.
    """
    if isinstance(photographs, Sequence):
        if len(photographs) != labels:
            raise ValueError(_disagreement(labels, str(len(photographs))))
        return photographs
    return _count_each(photographs, labels)


def _count_each(photographs: Iterator[Photograph], labels: int) -> Iterator[Photograph]:
    count = 0
    for photograph in photographs:
        if count == labels:
            raise ValueError(_disagreement(labels, "more"))
        count += 1
        yield photograph
    if count < labels:
        raise ValueError(_disagreement(labels, str(count)))


def _disagreement(labels: int, photographs: str) -> str:
    return f"expected a label for each photograph, got {labels} labels for {photographs}"


def match_labels(labels: Sequence[str | int], class_names: ClassNames) -> list[int]:
    """Return the index of the class that each label stands for.

    Args:
        labels: Names or ids, as `find_by_name` looks them up, or indices.
        class_names: (class id, class name) of each class.

    Raises:
        ValueError: Labels stand for no class, or for several; the message lists them.
    """
    by_label = {label: _find(label, class_names) for label in dict.fromkeys(labels)}
    unknown = [str(label) for label, indices in by_label.items() if not indices]
    if unknown:
        raise ValueError(_unknown(unknown, class_names))
    for label, indices in by_label.items():
        if len(indices) > 1:
            raise ValueError(ambiguity(str(label), indices, class_names))
    return [by_label[label][0] for label in labels]


def _find(label: str | int, class_names: ClassNames) -> list[int]:
    if isinstance(label, str):
        return find_by_name(label, class_names)
    if not 0 <= label < len(class_names):
        raise ValueError(f"class indices go from 0 to {len(class_names) - 1}, got {label}")
    return [int(label)]


def _unknown(labels: Sequence[str], class_names: ClassNames) -> str:
    names = [name for _, name in class_names]
    listed = ", ".join(map(repr, labels[:MAX_LISTED]))
    more = f" and {len(labels) - MAX_LISTED} more" if len(labels) > MAX_LISTED else ""
    near = difflib.get_close_matches(labels[0], names, n=3)
    hint = f"; did you mean {' or '.join(near)} for {labels[0]!r}?" if near else ""
    if names[0] in [f"{kind}_0" for kind in DEFAULT_NAMES.values()]:
        hint = " (the model does not know their names: give class_names= or --class-names)"
    known = ", ".join(names[:MAX_LISTED]) + (", …" if len(names) > MAX_LISTED else "")
    return f"labels that are not classes of the model: {listed}{more}; its classes are {known}{hint}"
