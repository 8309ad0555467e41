"""Reading of model and weights files: the choice of a reader by content.

Everything in a file is checked before the first number is read. Nothing in it is executed, imported or
fetched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from ..data.regular_files import check_regular_file
from ..graph import Graph, Network
from ..kernels import Array
from .hdf5.exiting import using_file
from .keras import reader
from .stored import StoredModel


class Reader(Protocol):
    """What a framework's reader module provides. The functions of the same names call it."""

    def read_model(self, path: Path) -> StoredModel: ...

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
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    check_file(path)
    return reader


def read_model(path: str | os.PathLike[str]) -> StoredModel:
    """Read a whole model from a file.

    Args:
        path: A `.keras` archive, or a whole model in `.h5`.

    Returns:
        The model, its float32 parameters, and what the file records of its training.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: The file holds no model, is damaged or hostile, or has a layer that is not
            supported.

    Warns:
        UserWarning: Arrays hold NaN or infinity.
    """
    path = Path(path)
    with using_file():
        return find_reader(path).read_model(path)


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
            publishes its ImageNet weights, `.h5` of Keras 2 and 3, `.weights.h5`, or `.keras`.
        network: The model as Keras nests it.
        graph: The same model, flat.
        by_name: Read only layers that have the same name in the file and in the model.
        skip_mismatch: Leave out layers whose arrays have other shapes than in the model.

    Returns:
        {node name: {parameter name: float32 array}}.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
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
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
        ModelFileError: The file holds no weights, or is damaged or hostile.
    """
    path = Path(path)
    with using_file():
        return find_reader(path).count_classes(path)


def check_file(path: Path) -> None:
    """Raise OSError, with a clear message, unless `path` is a regular file."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file (.keras or .h5)")
    check_regular_file(path)
