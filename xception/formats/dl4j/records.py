"""Objects of a configuration, in any of the ways in which versions of Deeplearning4j write them.

An object has a class and settings. 0.9.1 and alpha write `{"convolution": {…}}`, later versions
`{"@class": "org.deeplearning4j.nn.conf.layers.ConvolutionLayer", …}`.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ModelFileError
from ...layers.validation import MAX_INT

#: The class for each name that wraps an object in 0.9.1 and alpha, where the two differ.
WRAPPERS = {
    "convolution": "ConvolutionLayer",
    "subsampling": "SubsamplingLayer",
    "batchNormalization": "BatchNormalization",
    "dense": "DenseLayer",
    "output": "OutputLayer",
    "loss": "LossLayer",
    "activation": "ActivationLayer",
    "dropout": "DropoutLayer",
    "GlobalPooling": "GlobalPoolingLayer",
    "zeroPadding": "ZeroPaddingLayer",
    "localResponseNormalization": "LocalResponseNormalization",
    "cnnToFeedForward": "CnnToFeedForwardPreProcessor",
    "feedForwardToCnn": "FeedForwardToCnnPreProcessor",
}


@dataclass(frozen=True)
class Record:
    """An object of a configuration.

    Attributes:
        kind: The last part of its class's name, such as "ConvolutionLayer".
        settings: Its settings.
        location: The file, and the vertex or layer that the object is of, for messages.
        is_wrapped: Whether it is written as by 0.9.1 and alpha.
    """

    kind: str
    settings: Mapping[str, Any]
    location: str
    is_wrapped: bool = False

    def refuse(self, reason: str) -> ModelFileError:
        """Return an error that names the object."""
        return ModelFileError(f"{self.location} ({self.kind}): {reason}")

    def integer(self, name: str, default: int | None = None, minimum: int = 0) -> int:
        """Return a setting that is an integer. Without a default, it must be there."""
        value = self.settings.get(name)
        if value is None:
            value = default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= MAX_INT:
            raise self.refuse(f"{name} must be an integer of at least {minimum}, got {reprlib.repr(value)}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a setting that is a finite number. Without a default, it must be there."""
        value = self.settings.get(name)
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refuse(f"{name} must be a number, got {reprlib.repr(value)}")
        return float(value)

    def boolean(self, name: str, default: bool) -> bool:
        """Return a setting that is true or false."""
        value = self.settings.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(f"{name} must be true or false, got {reprlib.repr(value)}")
        return default if value is None else value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a setting that is a text. Without a default, it must be there."""
        value = self.settings.get(name)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise self.refuse(f"{name} must be a text, got {reprlib.repr(value)}")
        return value

    def integers(
        self,
        name: str,
        default: tuple[int, ...] | None = None,
        minimum: int = 0,
        lengths: tuple[int, ...] = (),
    ) -> tuple[int, ...]:
        """Return a setting that lists integers. Without a default, it must be there.

        Args:
            name: The setting.
            default: Stands for a setting that is absent or null.
            minimum: The least value of each.
            lengths: How many there may be; by default any number.
        """
        value = self.settings.get(name)
        if value is None:
            value = default
        is_list = isinstance(value, list | tuple) and (not lengths or len(value) in lengths)
        if not is_list or not all(
            isinstance(item, int) and not isinstance(item, bool) and minimum <= item <= MAX_INT
            for item in value or ()
        ):
            count = f"{' or '.join(map(str, lengths))} " if lengths else ""
            raise self.refuse(
                f"{name} must list {count}integers of at least {minimum}, got {reprlib.repr(value)}"
            )
        return tuple(value or ())

    def pair(self, name: str, default: int | None = None, minimum: int = 0) -> tuple[int, int]:
        """Return a setting that is (vertical, horizontal). One integer stands for both."""
        value = self.settings.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            vertical = horizontal = self.integer(name, minimum=minimum)
            return vertical, horizontal
        pair = None if default is None else (default, default)
        vertical, horizontal = self.integers(name, pair, minimum, lengths=(2,))
        return vertical, horizontal

    def child(self, name: str) -> Record | None:
        """Return the object that a setting is; None if it is absent or null."""
        value = self.settings.get(name)
        return None if value is None else read_record(value, self.location)


def read_record(value: Any, location: str) -> Record:
    """Read an object.

    Args:
        value: What JSON gave.
        location: The file, and the vertex or layer, for messages.

    Raises:
        ModelFileError: It is no object with a class.
    """
    if isinstance(value, Mapping):
        if isinstance(value.get("@class"), str):
            name = value["@class"].rpartition(".")[2].rpartition("$")[2]
            return Record(name, value, location)
        if len(value) == 1:
            ((name, settings),) = value.items()
            if isinstance(settings, Mapping):
                return Record(WRAPPERS.get(name, name), settings, location, is_wrapped=True)
    raise ModelFileError(f"{location}: expected an object with a class, got {reprlib.repr(value)}")
