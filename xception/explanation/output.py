"""Output of explanations' pictures: one file, or a folder with a picture for each photograph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..data.atomic import check_writable
from ..data.locations import expect_local
from ..data.overwriting import path_key
from ..data.photographs import Photograph
from .pictures import picture_format
from .result import Explanation

MAX_STEM_BYTES = 200  #: of a picture's name; file systems allow 255 for all of it


class PictureOutput:
    """Where pictures are written. No photograph is overwritten.

    Args:
        path: The name of a picture file, which ends in .png, .jpg or the like; or a folder: one that
            exists, or a name without a suffix or with a slash at its end, which is created.
        photographs: The photographs. None if they are not known yet: then no file that exists in the
            folder is overwritten, since it might be one of them.

    Attributes:
        path: The file or folder.
        is_folder: Whether it is a folder.

    Raises:
        ValueError: The file is one of the photographs, or not named as a picture; or it is a URL.
        OSError: The file or folder cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], photographs: Sequence[Photograph] | None) -> None:
        self.path = expect_local(path)
        is_named = os.fspath(path).endswith(("/", os.sep))
        self.is_folder = is_named or self.path.is_dir() or not self.path.suffix
        self._taken: set[str] = set()
        if photographs is not None:
            self._protect([photograph.path for photograph in photographs])
        if self.is_folder:
            _check_folder(self.path)
            if photographs is None and self.path.is_dir():
                self._protect([str(existing) for existing in self.path.iterdir()])
        else:
            check_writable(self.path)
            picture_format(self.path)
            self._check_file()

    def write(self, explanation: Explanation) -> list[Path]:
        """Write the picture of each photograph into the folder, or one of all of them to the file.

        In a folder, the picture of `tabby.jpg` is `tabby.why.png`; if that name is taken,
        `tabby.why.1.png`. A photograph without a path is `image_2.why.png`, by its index.

        Args:
            explanation: The explanation. Folders may be given one part after the other.

        Returns:
            The paths of the files that were written.

        Raises:
            OSError: A file cannot be written.
        """
        self._protect(explanation.paths)
        if not self.is_folder:
            self._check_file()
            explanation.save(self.path)
            return [self.path]
        self.path.mkdir(parents=True, exist_ok=True)
        paths = []
        for part, path, index in zip(explanation, explanation.paths, explanation.indices, strict=True):
            picture = self._unused_path(f"image_{index}" if path is None else Path(path).stem)
            part.save(picture)
            paths.append(picture)
        return paths

    def _protect(self, paths: Sequence[str | None]) -> None:
        self._taken.update(path_key(Path(path)) for path in paths if path is not None)

    def _check_file(self) -> None:
        if path_key(self.path) in self._taken:
            raise ValueError(f"{self.path}: is one of the photographs; name another file for the picture")

    def _unused_path(self, stem: str) -> Path:
        """Return the path of a picture that is neither a photograph nor written already."""
        while len(os.fsencode(stem)) > MAX_STEM_BYTES:
            stem = stem[:-1]
        path, number = self.path / f"{stem}.why.png", 0
        while path_key(path) in self._taken:
            number += 1
            path = self.path / f"{stem}.why.{number}.png"
        self._taken.add(path_key(path))
        return path


def _check_folder(folder: Path) -> None:
    """Raise an OSError unless pictures can be written into a folder, which may have to be created."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, expected a folder, or a name that ends in .png")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    check_writable(existing / "why.png")
