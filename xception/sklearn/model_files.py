"""Model of an estimator: loaded once in a process, and pickled by its path and checksum."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from ..data.locations import local_copy, without_secrets
from ..errors import ModelFileError
from ..feature_extraction.extraction import Extractor, imagenet_base
from ..models.factory import load_model
from ..models.model import Model
from ..prediction.classifier import Classifier, ModelArgument, as_model
from ..storage.identity import identify_by_content, identify_by_status


class FittedModel:
    """The model that an estimator was fitted with, and what else decides its features.

    One that was given by path is pickled as that path and the checksum of its file, and loaded again when it
    is used. A Model or a Classifier is pickled whole.

    Args:
        model: As for `xception.features`.
        options: The other arguments of `Extractor`, by name.

    Attributes:
        checksum: SHA-256 of the model's file, in hexadecimal digits; None if it was not given by path.

    Raises:
        TypeError: `model` is none of these.
        OSError: There is no such file.
        ModelFileError: The file is damaged or not supported.
    """

    def __init__(self, model: ModelArgument, **options: Any) -> None:
        self._given, self._options = model, options
        self._loaded: Model | Classifier | None
        self._loaded, self.checksum = _load(model)

    def extractor(self, path: ModelArgument = None) -> Extractor:
        """Return what computes the features; after unpickling, load the model's file.

        It is made anew at each call: the weights of a Model may have changed, and with them the key of its
        features in the cache.

        Args:
            path: Where the file is now, if it was moved after pickling. Anything but a path is ignored.

        Raises:
            ValueError: The model has no such layer, or an option is unknown.
            OSError: There is no such file.
            ModelFileError: The file is another one than before.
        """
        if self._loaded is None:
            is_moved = self.checksum is not None and isinstance(path, str | os.PathLike)
            given = path if is_moved else self._given
            loaded, checksum = _load(given)
            if checksum != self.checksum:
                assert isinstance(given, str | os.PathLike)
                raise ModelFileError(
                    f"{without_secrets(given)}: is another file than the one that this estimator was fitted "
                    "with: its checksum differs. Put the former file there, pass its path to "
                    "set_params(model=…), or call fit again"
                )
            self._given, self._loaded = given, loaded
        return Extractor(self._loaded, **self._options)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}


def _load(model: ModelArgument) -> tuple[Model | Classifier, str | None]:
    """Return a model, and the checksum of its file if it was given by path."""
    if model is None:
        return imagenet_base(), None
    if isinstance(model, str | os.PathLike):
        path = os.fspath(model)
        status = identify_by_status(path)
        return _load_file(path) if status is None else _load_known(path, status)
    as_model(model)  # or a TypeError
    return model, None


@functools.lru_cache(maxsize=1)
def _load_known(path: str, status: bytes) -> tuple[Model, str]:
    """Return `_load_file(path)`; fits of a grid search, which follow each other, load one model once.

    Args:
        path: The file.
        status: Its `identify_by_status`.
    """
    return _load_file(path)


def _load_file(path: str) -> tuple[Model, str]:
    with local_copy(path) as copy:
        checksum = _checksum(copy)
        return load_model(copy), checksum


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files."""
    if not path.is_dir():
        return identify_by_content(str(path)) or ""  # of what cannot be read, nothing is loaded
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {identify_by_content(str(file))}" for file in files]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
