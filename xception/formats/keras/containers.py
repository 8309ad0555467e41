"""Containers of Keras's models and weights: archive, folder, JSON, HDF5 file, shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ...data.regular_files import open_regular_file
from ..hdf5.attributes import read_text
from ..hdf5.file import SIGNATURE, File, open_file
from ..hdf5.source import Source
from ..limits import MAX_ASSUMED_PARAMETERS
from .json_reader import read_json_object
from .stored_layers import read_keras_version, read_model_config
from .training_record import RECORD, RECORD_ATTRIBUTE, TrainingRecord, read_training_record

if TYPE_CHECKING:
    from ..hdf5.merged import MergedSource

AnySource: TypeAlias = "Source | MergedSource"


class Package(Protocol):
    """What `archive.Archive` and `folder.Folder` are: texts of a model, and where its weights are."""

    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def record(self) -> TrainingRecord: ...

    def locate_weights(self, parameter_count: int) -> Source: ...


@dataclass(frozen=True)
class Described:
    """A model as a file describes it, before its weights are read.

    Attributes:
        config: The config, as parsed JSON.
        keras: The major version of the Keras that wrote it.
        open_weights: Opens the weights beside the config, for a number of parameters; None if there are none.
        record: What the model was trained with.
    """

    config: Mapping[str, Any]
    keras: int
    open_weights: Callable[[int], AbstractContextManager[tuple[File, AnySource]]] | None
    record: TrainingRecord = field(default_factory=TrainingRecord)


def is_archive(path: Path) -> bool:
    """Return True if a file is a zip archive. One that begins with other data needs the suffix `.keras`."""
    with open_regular_file(path) as stream:
        if stream.read(4) == b"PK\x03\x04":
            return True
        if path.suffix != ".keras":
            return False
        import zipfile

        return zipfile.is_zipfile(stream)


def is_package(path: Path) -> bool:
    """Return True if `path` is a `.keras` archive, or such an archive unpacked as a folder."""
    return path.is_dir() or is_archive(path)


def _open_package(path: Path) -> AbstractContextManager[Package]:
    if path.is_dir():
        from .folder import open_folder

        return nullcontext(open_folder(path))
    from .archive import open_archive

    return open_archive(path)


@contextmanager
def _open_source(source: Source) -> Iterator[tuple[File, Source]]:
    with open_file(source) as file:
        yield file, source


def is_hdf5(path: Path) -> bool:
    """Return True if a file is HDF5."""
    if path.is_dir():
        return False
    with open_regular_file(path) as stream:
        return stream.read(len(SIGNATURE)) == SIGNATURE


@contextmanager
def open_model(path: Path) -> Iterator[Described]:
    """Open the description of a model: a `.keras` archive or folder, `model.json`, or a whole model in `.h5`.

    Raises:
        OSError: A file cannot be read.
        ModelFileError: The file holds no model, or is damaged or hostile.
    """
    # Imported here: reading weights, with which most programs start, needs neither archive nor config.
    from .config_reader import major_version

    if is_package(path):
        with _open_package(path) as package:

            def open_member(parameter_count: int) -> AbstractContextManager[tuple[File, AnySource]]:
                return _open_source(package.locate_weights(parameter_count))

            keras = major_version(package.metadata.get("keras_version"))
            yield Described(package.config, keras, open_member, package.record)
        return
    from .json_files import is_json, read_architecture

    if is_json(path):
        config, keras = read_architecture(path)
        yield Described(config, keras, None)
        return
    source = Source(path.name, path)
    with open_file(source) as file:
        version = read_keras_version(file)
        keras = 1 if version is None else major_version(version)
        record = read_record_attribute(file, path.name)
        yield Described(read_model_config(file), keras, lambda _: nullcontext((file, source)), record)


def read_record_attribute(file: File, name: str) -> TrainingRecord:
    """Return the training record of a whole model in `.h5`, empty if it has none.

    Raises:
        ModelFileError: The record is damaged or hostile, or of a later version.
    """
    if RECORD_ATTRIBUTE not in file.attrs:
        return TrainingRecord()
    values = read_json_object(read_text(file, RECORD_ATTRIBUTE), f"{name}, {RECORD_ATTRIBUTE}")
    return read_training_record({RECORD: values}, name)


@contextmanager
def open_weights(path: Path, parameter_count: int = 0) -> Iterator[tuple[File, AnySource]]:
    """Open the HDF5 file that holds the weights: alone, in an archive or a folder, or in shards.

    Args:
        path: A file of Keras.
        parameter_count: Number of parameters of the model that is to be loaded; 0 if unknown.

    Yields:
        The open file, and the source of its bytes.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    if is_package(path):
        with _open_package(path) as package:
            source = package.locate_weights(max(MAX_ASSUMED_PARAMETERS, parameter_count))
            with _open_source(source) as opened:
                yield opened
        return
    if not is_hdf5(path):
        from .json_files import is_json

        if is_json(path):
            from .shards import open_shards

            with open_shards(path) as merged:
                yield merged
            return
    with _open_source(Source(path.name, path)) as opened:
        yield opened
