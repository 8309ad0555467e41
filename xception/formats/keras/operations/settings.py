"""Settings of one operation in a Keras config, by the names of Keras 3 and of TensorFlow."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any

from ....layers import Layer
from ..config_calls import Arguments, Reference, is_list_of_numbers
from ..json_reader import unwrap_array

#: Settings with these values are defaults that change nothing.
WITHOUT_EFFECT = (
    ("conjugate", False), ("batch_dims", 0), ("preserve_aspect_ratio", False), ("data_format", "NHWC"),
    ("data_format", "channels_last"), ("decimals", 0), ("alpha", 1.0), ("threshold", 0.5), ("b", 4),
    ("adjoint_a", False), ("adjoint_b", False), ("a_is_sparse", False), ("b_is_sparse", False),
    ("sparse", False), ("sorted", True), ("exclusive", False), ("reverse", False), ("align_corners", False),
)  # fmt: skip
#: Types of numbers, which all are computed in float32.
FLOATS = ("float16", "bfloat16", "float32", "float64", "half", "double")
MISSING = object()


class Settings:
    """The arguments and settings of an operation. Each is taken once; those left in the end are refused.

    Attributes:
        name: The operation, as the file calls it.
        compact: Its name in the table of operations.
        keras: The major version of the Keras that wrote it.
        output: Number of the output that is read.
        sizes: Names of the tensors that are the batch size.
    """

    def __init__(
        self, name: str, compact: str, parameters: Sequence[str], arguments: Arguments, keras: int,
        output: int, sizes: frozenset[str],
    ) -> None:  # fmt: skip
        """Name the positional arguments.

        Args:
            name: The operation, as the file calls it.
            compact: Its name in the table of operations.
            parameters: Names of positional arguments, in order. "*name" takes all from there on as a list.
            arguments: The arguments.
            keras: The major version of the Keras that wrote it.
            output: Number of the output that is read.
            sizes: Names of the tensors that are the batch size.
        """
        self.name, self.compact, self.keras, self.output = name, compact, keras, output
        self.sizes = sizes
        self._values = dict(arguments.named)
        positional = list(arguments.positional)
        for parameter in parameters:
            if parameter.startswith("*"):
                self._values[parameter[1:]], positional = _flat(positional), []
            elif positional:
                self._values[parameter] = positional.pop(0)
        if positional:
            raise ValueError(f"its operation {name!r} has {len(positional)} more arguments than expected")

    def take(self, *names: str, default: Any = MISSING) -> Any:
        """Return the setting with the first of these names that is given.

        Args:
            *names: The names that versions of Keras and TensorFlow have for it.
            default: What is returned if there is none of them, or if its value is None.

        Raises:
            ValueError: There is none of them, and there is no default.
        """
        for name in names:
            if name in self._values:
                value = unwrap_array(self._values.pop(name))
                return default if value is None and default is not MISSING else value
        if default is MISSING:
            raise ValueError(f"its operation {self.name!r} has no {names[0]}")
        return default

    def tensor(self, *names: str) -> Reference:
        """Return a tensor.

        Args:
            *names: The names that versions of Keras and TensorFlow have for it.

        Raises:
            ValueError: It is missing, or something else.
        """
        value = self.take(*names)
        while isinstance(value, list) and not isinstance(value, Reference) and len(value) == 1:
            (value,) = value
        if not isinstance(value, Reference):
            raise ValueError(f"its operation {self.name!r} reads no tensor")
        return value

    def tensors(self, *names: str) -> list[Reference]:
        """Return a list of tensors.

        Args:
            *names: The names that versions of Keras and TensorFlow have for it.

        Raises:
            ValueError: It is missing, or holds something else.
        """
        values = self.take(*names)
        values = [values] if isinstance(values, Reference) else values
        if not isinstance(values, list) or not values:
            raise ValueError(f"its operation {self.name!r} reads no tensors")
        if not all(isinstance(value, Reference) for value in values):
            raise ValueError(f"its operation {self.name!r} reads a constant; supported are tensors")
        return values

    def constant(self, value: Any) -> Any:
        """Return a constant as nested tuples of numbers.

        Args:
            value: The constant, in any form that Keras writes.

        Raises:
            ValueError: It holds anything but numbers.
        """
        value = unwrap_array(value)
        if is_list_of_numbers(value):
            return tuple(map(float, value))
        if isinstance(value, list | tuple) and not isinstance(value, Reference):
            return tuple(self.constant(item) for item in value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"its constant should be numbers, got {str(value)[:80]!r}")
        return float(value)

    def axis(self, *names: str, default: Any = None) -> Any:
        """Return the axis or axes of the operation.

        Args:
            *names: The names that versions of Keras and TensorFlow have for it.
            default: What stands for none.

        Raises:
            ValueError: There is none, so that it would go over all axes.
        """
        axis = self.take(*(names or ("axis",)), default=default)
        if axis is None:
            raise ValueError(
                f"its operation {self.name!r} goes over all axes, also that of the batch; supported are "
                "named axes"
            )
        return axis

    def check_finished(self) -> None:
        """Raise ValueError if a setting has not been taken that changes the result."""
        for key, value in self._values.items():
            if value is None or (key in ("dtype", "output_type") and self.name != "cast"):
                self._check_type(value)
            elif not any(key == name and value == default for name, default in WITHOUT_EFFECT):
                raise ValueError(
                    f"its operation {self.name!r} has an unsupported setting: {key} = {reprlib.repr(value)}"
                )

    def _check_type(self, value: Any) -> None:
        if value is not None and value not in (*FLOATS, "int32", "int64"):
            raise ValueError(f"its operation {self.name!r} computes in {reprlib.repr(value)}")


def _flat(values: Sequence[Any]) -> list[Any]:
    """Return positional arguments as one list, whether they are given singly or as a list."""
    if len(values) == 1 and isinstance(values[0], list):
        return list(values[0])
    return list(values)


#: The layers that compute an operation one after the other, and the tensors that the first of them reads.
Steps = tuple[list[Layer], list[Reference]]
Reader = Callable[[Settings], Steps]
