"""Reading of model and weights files: the choice of a reader by content.

Everything in a file is checked before the first number is read. Nothing in it is executed, imported or
fetched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..data.regular_files import check_regular_file
from ..errors import ModelFileError
from ..graph import Graph, Network
from ..kernels import Array
from .foreign import Foreign, identify, identify_folder, is_deeplearning4j, is_pytorch
from .hdf5.exiting import using_file
from .keras import reader
from .options import ReadOptions
from .stored import StoredModel

if TYPE_CHECKING:  # training alone needs it
    from .training_state import TrainingState


class Reader(Protocol):
    """What a framework's reader module provides. The functions of the same names call it."""

    def read_model(
        self, path: Path, weights: Path | None = None, options: ReadOptions = ...
    ) -> StoredModel: ...

    def read_weights(
        self, path: Path, network: Network, graph: Graph, by_name: bool, skip_mismatch: bool
    ) -> dict[str, dict[str, Array]]: ...

    def count_classes(self, path: Path) -> int | None: ...


def find_reader(path: Path) -> Reader:
    """Return the module that reads a file, by its content and never by its suffix.

    Keras's reader also takes files that no other recognizes, and says what they seem to be.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    check_path(path)
    if not path.is_dir() and is_pytorch(path):
        from .pytorch import reader as pytorch_reader  # most programs read files of Keras alone

        return pytorch_reader
    if not path.is_dir() and is_deeplearning4j(path):
        from .dl4j import reader as dl4j_reader

        return dl4j_reader
    return reader


def read_model(
    path: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008, it is frozen
) -> StoredModel:
    """Read a whole model from a file, or its architecture and its weights from two.

    Args:
        path: A `.keras` archive or folder, or a whole model in `.h5`; with `weights` also `model.json`. Or
            a PyTorch checkpoint (`.pth`, `.pt`) or safetensors file of Xception, or a model zip of
            Deeplearning4j.
        weights: A file that `read_weights` takes. All parameters are then read from it, and none from
            `path`.
        options: What the file does not say.

    Returns:
        The model, its float32 parameters, and what the file records of its training.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: The file holds no model, is damaged or hostile, or has a layer that is not
            supported.

    Warns:
        UserWarning: Arrays hold NaN or infinity.
    """
    path, weights = Path(path), None if weights is None else Path(weights)
    with using_file():
        if weights is not None:
            check_path(weights)
        return find_reader(path).read_model(path, weights, options)


def read_training(path: str | os.PathLike[str]) -> tuple[StoredModel, TrainingState]:
    """Read a whole model with the state of its training, which this library or Keras 3 saved.

    Args:
        path: A `.keras` archive or folder.

    Returns:
        The model, as `read_model` returns it, and the state. The slots are those of the trainable layers.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: As for `read_model`; or the file holds no state, that of another optimizer than SGD,
            Adam and AdamW, one that does not fit its trainable layers, or NaN or infinity in it.
    """
    path = Path(path)
    with using_file():
        check_path(path)
        return reader.read_training(path)


def read_weights(
    path: str | os.PathLike[str],
    network: Network,
    graph: Graph,
    by_name: bool = False,
    skip_mismatch: bool = False,
) -> dict[str, dict[str, Array]]:
    """Read parameters for an existing model.

    Every layer and every shape is checked before the first array is read. If the file holds a larger
    model with this network as one of its layers, the parameters are taken from there.

    Args:
        path: Weights or a whole model from any version of Keras: the layout of 2016 in which Keras
            publishes its ImageNet weights, `.h5` of Keras 2 and 3, `.weights.h5`, `.keras`, or the index of
            sharded weights, `.weights.json`. Or a checkpoint of PyTorch, for a model with PyTorch's pooling
            and epsilon.
        network: The model as Keras nests it.
        graph: The same model, flat.
        by_name: Read only layers that have the same name in the file and in the model.
        skip_mismatch: Leave out layers whose arrays have other shapes than in the model.

    Returns:
        {node name: {parameter name: float32 array}}.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: The file is damaged or hostile, or does not fit; the message says what was
            expected and what was found.

    Warns:
        UserWarning: Arrays hold NaN or infinity. Or something was left out, because `by_name` or
            `skip_mismatch` allow it or because the file holds a larger model.
    """
    path = Path(path)
    with using_file():
        return find_reader(path).read_weights(path, network, graph, by_name, skip_mismatch)


def count_classes(path: str | os.PathLike[str]) -> int | None:
    """Count the classes of the classifier in a weights file.

    Args:
        path: A file that `read_weights` takes.

    Returns:
        The number of classes; None if the file holds no classifier.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: The file holds no weights, or is damaged or hostile.
    """
    path = Path(path)
    with using_file():
        return find_reader(path).count_classes(path)


def check_path(path: Path) -> None:
    """Check that a path may be a model or weights of Keras.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder that holds no Keras model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: It is a file of another program; the message says which, and what to do.
    """
    foreign = find_foreign(path)
    if foreign and path.is_dir():
        raise IsADirectoryError(f"{path}: {foreign}")
    if foreign:
        raise ModelFileError(f"{path.name}: {foreign}")


def find_foreign(path: Path) -> Foreign | None:
    """Return the format of another program that a path has; None if it may be Keras's, or is unknown.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder of no format that is known.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    if not path.is_dir():
        check_regular_file(path)
        return identify(path)
    from .keras.folder import is_folder  # imports zipfile

    if is_folder(path):
        return None
    foreign = identify_folder(path)
    if not foreign:
        raise IsADirectoryError(
            f"{path}: is a folder, expected a file (.keras or .h5), or a folder with config.json and "
            "model.weights.h5, as Keras writes with zipped=False"
        )
    return foreign
