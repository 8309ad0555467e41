"""Checks of paths that were given, before what takes long."""

from __future__ import annotations

import glob
from collections.abc import Sequence

from ..data.locations import exists, is_folder, is_remote


def check_folder(folder: str) -> None:
    """Raise an OSError unless `folder` is a folder, which should have one for each class."""
    if not is_remote(folder) and not exists(folder):
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not is_folder(folder):
        raise NotADirectoryError(f"{folder}: is not a folder; expected one with a sub-folder for each class")


def check_before_download(photos: Sequence[str]) -> None:
    """Raise FileNotFoundError if no photograph exists, and the weights have to be downloaded."""
    from ..models.pretrained import cached_classifier

    if not photos or cached_classifier() is not None:
        return
    if not any(is_remote(photo) or glob.has_magic(photo) or exists(photo) for photo in photos):
        raise FileNotFoundError(f"{photos[0]}: there is no such file")
