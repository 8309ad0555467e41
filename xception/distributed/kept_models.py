"""Models that are kept in the folder of a job, for workers on any machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..data import locations
from ..data.regular_files import open_regular_file
from ..feature_extraction.extraction import imagenet_base
from ..models.factory import load_model
from ..models.model import Model
from .request import Request
from .settings import Settings

SUFFIXES = (".keras", ".h5", ".hdf5")  #: of a model's file that is copied as it is


@contextmanager
def model_file(request: Request) -> Iterator[Path | None]:
    """Provide the file of a job's model within a `with` block.

    Args:
        request: The request, with the model and how it was given.

    Yields:
        The file that was given, or one that is saved; None for the shipped ImageNet base.

    Raises:
        ValueError: The model cannot be saved.
    """
    argument = request.argument
    if request.is_shipped:
        yield None
        return
    if isinstance(argument, str | os.PathLike):
        path = Path(argument)
        if path.is_file() and path.suffix in SUFFIXES:
            yield path
            return
    with tempfile.TemporaryDirectory(prefix="xception-") as folder:
        path = Path(folder, "model.keras")
        request.model.save(path)
        yield path


def keep_model(folder: str, settings: Settings, request: Request) -> None:
    """Write the model's file into the folder of a job, unless it is there.

    Args:
        folder: The job's folder.
        settings: The job's settings, which name the file.
        request: The request, with the model.
    """
    if settings.kept is None or locations.exists(locations.join(folder, settings.kept)):
        return
    with model_file(request) as path:
        assert path is not None  # the settings were compared
        with open_regular_file(path) as stream:
            locations.write_bytes(locations.join(folder, settings.kept), stream.read())


def load_kept(folder: str, settings: Settings) -> Model:
    """Return the model of a job.

    Args:
        folder: The job's folder.
        settings: The job's settings.

    Raises:
        ModelFileError: The file is damaged.
        OSError: It cannot be read.
    """
    if settings.kept is None:
        return imagenet_base()
    return load_model(locations.join(folder, settings.kept))
