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
from ..prediction.classifier import Classifier, ModelArgument
from .settings import Settings

SUFFIXES = (".keras", ".h5", ".hdf5")  #: of a model's file that is copied as it is


@contextmanager
def model_file(argument: ModelArgument, model: Model) -> Iterator[Path]:
    """Provide the file of a model within a `with` block: the one that was given, or one that is saved.

    Args:
        argument: What was given as a model.
        model: The model that it stands for.

    Raises:
        ValueError: The model cannot be saved.
    """
    if isinstance(argument, str | os.PathLike) and not isinstance(argument, Model | Classifier):
        path = Path(argument)
        if path.is_file() and path.suffix in SUFFIXES:
            yield path
            return
    with tempfile.TemporaryDirectory(prefix="xception-") as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        yield path


def keep(folder: str, name: str, path: Path) -> None:
    """Write a model's file into the folder of a job, unless it is there.

    Args:
        folder: The job's folder.
        name: The name of the file there.
        path: The file.
    """
    target = locations.join(folder, name)
    if not locations.exists(target):
        with open_regular_file(path) as stream:
            locations.write_bytes(target, stream.read())


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
    path = locations.join(folder, settings.kept)
    if not locations.is_remote(path):
        return load_model(path)
    with tempfile.TemporaryDirectory(prefix="xception-") as temporary:
        copy = Path(temporary, settings.kept)
        copy.write_bytes(locations.read_bytes(path))
        return load_model(copy)
