"""Descriptions of model files: format, versions, and the config of the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.regular_files import check_regular_file
from ..errors import ModelFileError, XceptionError
from ..formats.hdf5.attributes import read_text
from ..formats.hdf5.file import File, list_entries, open_file
from ..formats.hdf5.source import Source
from ..formats.keras import weights_by_name, weights_by_position
from ..formats.keras.archive import CONFIG, METADATA, WEIGHTS, NotKerasError, open_archive
from ..formats.keras.config_reader import major_version
from ..formats.keras.containers import Package, is_archive, is_hdf5, read_record_attribute
from ..formats.keras.folder import open_folder
from ..formats.keras.json_files import is_index, is_json, read_architecture, read_json_file
from ..formats.keras.json_reader import read_json_object
from ..formats.keras.shards import list_shards, locate_shards
from ..formats.keras.stored_layers import read_author, read_keras_version, read_model_config
from ..formats.keras.training_record import TrainingRecord
from .configs import as_text, describe_config, optimizer_name
from .report import Inspection


class OtherFormatError(XceptionError):
    """The file is intact, but not in a format of Keras."""


@dataclass(frozen=True)
class Description:
    """What a file holds.

    Attributes:
        config: The config of its model; None if it holds weights alone.
        keras: The major version of the Keras that wrote the config.
        has_weights: Whether it holds weights.
    """

    config: dict[str, Any] | None
    keras: int = 3
    has_weights: bool = True


def describe_file(path: Path, inspection: Inspection) -> Description:
    """Add the format, versions and config of a file to an inspection.

    Raises:
        OtherFormatError: The file is intact, but not of Keras.
        ModelFileError: It is damaged or hostile.
    """
    if path.is_dir():
        return _describe_package(open_folder(path), ".keras folder", inspection)
    if is_archive(path):
        inspection.format = "zip archive"
        try:
            with open_archive(path) as archive:
                return _describe_package(archive, ".keras archive", inspection)
        except NotKerasError as error:
            raise OtherFormatError(reason_of(error, path)) from None
    if is_json(path):
        return _describe_json(path, inspection)
    try:
        with open_file(Source(path.name, path)) as file:
            inspection.format = "HDF5"
            config = _describe_keras_hdf5(file, inspection)
            _describe_record(read_record_attribute(file, path.name), inspection)
            return Description(config, major_version(inspection.keras_version or "1"))
    except ModelFileError as error:
        if is_hdf5(path):
            raise
        raise OtherFormatError(reason_of(error, path)) from None


def count_bytes(path: Path) -> int:
    """Return the size of a file, or of the files of Keras in a folder.

    Raises:
        OSError: It is not a regular file, or does not exist.
    """
    if not path.is_dir():
        check_regular_file(path)
        return path.stat().st_size
    members = [path / name for name in (CONFIG, METADATA, WEIGHTS)]
    return sum(member.stat().st_size for member in members if member.exists())


def reason_of(error: Exception, path: Path) -> str:
    """Return an error's message without the file's name."""
    return str(error).removeprefix(path.name).lstrip(":, ")


def _describe_package(package: Package, kind: str, inspection: Inspection) -> Description:
    """Describe a `.keras` archive or folder."""
    inspection.format = kind
    inspection.keras_version = as_text(package.metadata.get("keras_version"))
    inspection.written_by = as_text(package.metadata.get("written_by"))
    inspection.saved = as_text(package.metadata.get("date_saved"))
    _describe_record(package.record, inspection)
    inspection.optimizer = optimizer_name(package.config.get("compile_config"), "optimizer")
    describe_config(package.config, inspection)
    return Description(package.config, major_version(inspection.keras_version or "3"))


def _describe_record(record: TrainingRecord, inspection: Inspection) -> None:
    inspection.class_names = [name for _, name in record.class_names] if record.class_names else None
    inspection.task = record.task
    inspection.preprocessing = record.preprocessing if record.preprocessing.to_dict() else None


def _describe_json(path: Path, inspection: Inspection) -> Description:
    """Describe the architecture of a model, or the index of sharded weights."""
    inspection.format = "JSON"
    value = read_json_file(path)
    if is_index(value):
        count = len(list_shards(value, path.name))
        inspection.format = (
            f"index of weights in {count} {'shard' if count == 1 else 'shards'}, as in Keras 3"
        )
        inspection.size += sum(shard.stat().st_size for shard in locate_shards(path))
        return Description(None)
    if "class_name" not in value:
        raise OtherFormatError("JSON, but not the architecture of a Keras model: there is no 'class_name'")
    config, keras = read_architecture(path)
    inspection.format = "architecture of a model in JSON, without weights"
    inspection.keras_version = as_text(config.get("keras_version"))
    describe_config(config, inspection)
    return Description(config, keras, has_weights=False)


def _describe_keras_hdf5(file: File, inspection: Inspection) -> dict[str, Any] | None:
    inspection.keras_version = read_keras_version(file)
    inspection.written_by = read_author(file)
    if "model_config" in file.attrs:
        inspection.format = "whole model in HDF5"
        config = read_model_config(file)
        if "training_config" in file.attrs:
            training = read_json_object(read_text(file, "training_config"), "training_config")
            inspection.optimizer = optimizer_name(training, "optimizer_config")
        describe_config(config, inspection)
        return config
    if weights_by_name.recognizes(file):
        inspection.format = "weights in HDF5, by layer name"
        if any(name.startswith("convolution2d_") for name in weights_by_name.list_layers(file)):
            inspection.format += " as in Keras 1"
    elif weights_by_position.recognizes(file):
        inspection.format = "weights in HDF5, by class and number as in Keras 3"
    else:
        names = ", ".join(list_entries(file)[:5]) or "nothing"
        raise OtherFormatError(f"HDF5, but not of Keras; it holds {names}")
    return None
