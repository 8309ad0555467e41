"""Features of many photographs, kept on disk as they come, so that an interruption loses little.

While they are computed they stand in a folder: `rows.f32`, the numbers, and `photos.jsonl`, a line for
each row. Rows are written first. Whatever is cut off, at any moment, is what both do not have whole.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.atomic import replace_file
from ..data.photographs import Photograph
from ..kernels import Array
from ..models.model import Model

SETTINGS, ROWS, PHOTOS, LOCK = "settings.json", "rows.f32", "photos.jsonl", "lock"


def fingerprint(model: Model, *settings: object) -> str:
    """A text that is the same for the same model, weights and settings, and for no other."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([str(setting) for setting in settings]).encode())
    for node in model.graph.nodes.values():
        digest.update(f"{node.name} {node.layer} {node.inputs}".encode())
        for array in model.parameters.get(node.name, {}).values():
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def by_date(path: str) -> str:
    """Identifies a photograph by its path, size and date: nothing of it is read."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def by_content(path: str) -> str:
    """Identifies a photograph by its bytes, wherever it lies."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


class FeatureStore:
    """Rows of features by photograph, in a folder. Use it as a context.

    made_by: what computes the rows, as `fingerprint` says it; rows that something else computed are
        thrown away.
    identify: a photograph's path to what tells it from others, and from itself once it has changed.
    """

    def __init__(self, folder: Path, made_by: str, identify: Callable[[str], str] = by_date) -> None:
        self.folder, self.made_by = folder, made_by
        self._identify = functools.cache(identify)
        self._known: dict[str, int] = {}  # the rows, by what identifies their photographs
        self.columns = 0

    def __enter__(self) -> FeatureStore:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("w")
        _take_hold(self._lock, self.folder)
        if not self._is_ours():
            for name in (ROWS, PHOTOS, SETTINGS):
                (self.folder / name).unlink(missing_ok=True)
        self._read()
        self._rows = (self.folder / ROWS).open("ab")
        self._photos = (self.folder / PHOTOS).open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._rows, self._photos, self._lock):
            stream.close()

    def __len__(self) -> int:
        return len(self._known)

    def missing(self, photos: Iterable[Photograph]) -> list[Photograph]:
        """Those of which there are no features, or which have changed since."""
        return [photo for photo in photos if self._row(photo) is None]

    def add(self, photos: Sequence[Photograph], rows: Array) -> None:
        """Keep the features (n, columns) of these photographs."""
        if not self.columns:
            self.columns = rows.shape[1]
            text = json.dumps({"made_by": self.made_by, "columns": self.columns})
            with replace_file(self.folder / SETTINGS) as unfinished:
                unfinished.write_text(text, "utf-8")
        self._rows.write(np.ascontiguousarray(rows, "<f4").data)
        _settle(self._rows)
        for photo in photos:
            identity = self._identify(photo.path)
            self._known[identity] = self._next
            self._next += 1
            print(json.dumps(identity), file=self._photos)
        _settle(self._photos)

    def rows(self, photos: Sequence[Photograph]) -> tuple[list[Photograph], Array, list[int]]:
        """(the photographs of which there are features, all rows on disk, the row of each)."""
        if not self._next:
            return [], np.empty((0, 0), np.float32), []
        found = [(photo, row) for photo in photos if (row := self._row(photo)) is not None]
        everything = np.memmap(self.folder / ROWS, "<f4", "r", shape=(self._next, self.columns))
        return [photo for photo, _ in found], everything, [row for _, row in found]

    def remove(self) -> None:
        """Throw the folder away."""
        self.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _row(self, photo: Photograph) -> int | None:
        return self._known.get(self._identify(photo.path) or "gone")

    def _is_ours(self) -> bool:
        try:
            settings = json.loads((self.folder / SETTINGS).read_text("utf-8"))
            self.columns = int(settings["columns"])
            return bool(settings["made_by"] == self.made_by) and self.columns > 0
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def _read(self) -> None:
        """Take what is whole, and cut off what is not."""
        self._next = 0
        rows, photos = self.folder / ROWS, self.folder / PHOTOS
        if not self._is_ours():
            self.columns = 0
            return
        width = 4 * self.columns
        stored = rows.stat().st_size // width if rows.exists() else 0
        lines = photos.read_bytes().split(b"\n")[:-1] if photos.exists() else []
        length = 0
        for line in lines[:stored]:
            try:
                identity = json.loads(line)
            except ValueError:
                break
            self._known[str(identity)] = self._next
            self._next += 1
            length += len(line) + 1
        for path, size in ((rows, self._next * width), (photos, length)):
            if path.exists():
                os.truncate(path, size)


def _take_hold(stream: Any, folder: Path) -> None:
    """Keep other processes out as long as the stream is open, even if this one is killed."""
    try:
        import fcntl
    except ImportError:  # Windows, where two processes at one folder must be avoided by hand
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        raise BlockingIOError(f"{folder}: another process is at work here; wait until it is done") from None


def _settle(stream: object) -> None:
    stream.flush()  # type: ignore[attr-defined]
    os.fsync(stream.fileno())  # type: ignore[attr-defined]
