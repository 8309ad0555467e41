"""Checks of paths that were given, before what takes long."""

from __future__ import annotations

import glob
from collections.abc import Sequence

from ..data.folders import search_folder
from ..data.locations import exists, is_folder, is_remote


def check_folder(folder: str) -> None:
    """Raise an OSError unless `folder` is a folder, which should have one for each class."""
    if not is_remote(folder) and not exists(folder):
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not is_folder(folder):
        raise NotADirectoryError(f"{folder}: is not a folder; expected one with a sub-folder for each class")


def check_before_download(photos: Sequence[str]) -> None:
    """Raise FileNotFoundError if there is no photograph, and the weights have to be downloaded."""
    from ..models.pretrained import cached_classifier

    if photos and cached_classifier() is None and all(map(_has_no_photographs, photos)):
        if is_folder(photos[0]):
            search_folder(photos[0])  # its error tells what the folder holds
        raise FileNotFoundError(f"{photos[0]}: there is no such file")


def _has_no_photographs(given: str) -> bool:
    """Return True if a path does not exist, or is a folder without photographs."""
    if is_remote(given) or glob.has_magic(given):
        return False
    if not is_folder(given):
        return not exists(given)
    try:
        search_folder(given)
    except FileNotFoundError:
        return True
    return False
