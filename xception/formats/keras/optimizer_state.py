"""State of an optimizer in a `.keras` file: `compile_config` in its JSON, arrays in the group `optimizer`.

Keras 3 writes its variables as `optimizer/vars/0`, `1`, … The first is the number of steps, an integer. The
second is the learning rate, unless a schedule gives it. Then follow the slots of each trainable variable, in
the order of `model.trainable_variables`: for Adam momentum and velocity of the first, then of the second.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...errors import ModelFileError
from ...graph import Graph, Network
from ...layers.validation import MAX_INT
from ..hdf5.array_reader import read_arrays
from ..hdf5.arrays import StoredArray
from ..hdf5.file import File, location, open_group
from ..hdf5.source import Source
from ..training_state import Slots, TrainingState
from .layer_settings import check_origin
from .weights_by_position import find_variables

GROUP = "optimizer"

#: The optimizers whose state is read and written, by the names that Keras also accepts.
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}

#: Settings with which Keras keeps more slots than those that are read.
MORE_SLOTS = ("amsgrad", "use_ema", "gradient_accumulation_steps")

#: (node, parameter), and its shape.
TrainedVariables = dict[tuple[str, str], tuple[int, ...]]


@dataclass(frozen=True)
class StoredState:
    """The state in an open file, checked but not read yet.

    Attributes:
        optimizer: Keras's class name.
        config: Its settings.
        compiled: The whole `compile_config`.
        names: Names of the slots of each variable.
        variables: The trained variables in Keras's order.
        scalars: The number of steps, and the learning rate if it is stored.
        arrays: The slots, in the order of the file.
    """

    optimizer: str
    config: Mapping[str, Any]
    compiled: Mapping[str, Any]
    names: tuple[str, ...]
    variables: TrainedVariables
    scalars: list[StoredArray]
    arrays: list[StoredArray]


def list_variables(network: Network, graph: Graph) -> TrainedVariables:
    """Return the variables that are trained, in the order of Keras's `model.trainable_variables`.

    Args:
        network: The model as Keras nests it, with the flags of what is trainable.
        graph: The same model, flat.
    """
    return {
        (node, name): parameter.shape
        for node, flag in network.leaf_flags().items()
        if flag
        for name, parameter in graph.nodes[node].parameters.items()
        if parameter.trainable
    }


# --- writing --------------------------------------------------------------------------------


def describe_optimizer(state: TrainingState) -> dict[str, Any]:
    """Return the `compile_config` of a state, from which Keras 3 compiles the model when it loads it."""
    config = dict(state.config)
    if not state.has_schedule:
        config["learning_rate"] = state.learning_rate
    optimizer = {
        "module": "keras.optimizers", "class_name": state.optimizer, "config": config,
        "registered_name": None,
    }  # fmt: skip
    return {"optimizer": optimizer, "loss": state.loss, "metrics": state.metrics}


def check_slots(state: TrainingState, variables: TrainedVariables) -> None:
    """Check that a state can be written with a model.

    Args:
        state: The state.
        variables: What is trained in the model.

    Raises:
        ValueError: The optimizer is not supported, or its slots are not those of these variables.
    """
    names = slot_names(state.optimizer, state.config)
    given = set(state.slots)
    if given != set(variables):
        node, parameter = min(given ^ set(variables))
        problem = (
            "has slots, but is not trained" if (node, parameter) in given else "is trained, but has no slots"
        )
        raise ValueError(f"the state does not fit the model: {node}/{parameter} {problem}")
    for (node, parameter), slots in state.slots.items():
        shapes = {name: np.shape(slot) for name, slot in slots.items()}
        expected = dict.fromkeys(names, variables[node, parameter])
        if shapes != expected:
            raise ValueError(
                f"the slots of {node}/{parameter} should have the shapes {expected}, got {shapes}"
            )


def write_state(file: File, state: TrainingState, variables: TrainedVariables) -> None:
    """Write the arrays of a state, which `check_slots` has checked.

    Args:
        file: The HDF5 file of the model's weights.
        state: The state.
        variables: What is trained in the model, in Keras's order.
    """
    arrays: list[Any] = [np.int64(state.iterations)]
    if not state.has_schedule:
        arrays.append(np.float32(state.learning_rate or 0.0))
    names = slot_names(state.optimizer, state.config)
    arrays += [np.asarray(state.slots[key][name], np.float32) for key in variables for name in names]
    group = file.create_group(f"{GROUP}/vars")
    for position, array in enumerate(arrays):
        group.create_dataset(str(position), data=array)


# --- reading --------------------------------------------------------------------------------


def find_state(config: Mapping[str, Any], file: File, network: Network, graph: Graph) -> StoredState:
    """Find the state in a file, and check it against the model. No array is read.

    Args:
        config: The config of the file's model, as parsed JSON.
        file: The open file of its weights.
        network: The model as Keras nests it.
        graph: The same model, flat.

    Raises:
        ModelFileError: There is no state, it is of an optimizer that is not supported, it does not fit the
            trainable variables, or it is damaged or hostile.
    """
    try:
        compiled = config.get("compile_config")
        optimizer, settings = _read_optimizer(compiled)
        names = slot_names(optimizer, settings)
    except ValueError as error:
        raise ModelFileError(f"{location(file)}: {error}") from None
    assert isinstance(compiled, Mapping)  # as an optimizer was found in it
    variables = list_variables(network, graph)
    stored = find_variables(open_group(file, GROUP)) if GROUP in file.keys() else {}  # noqa: SIM118
    scalars = 1 if isinstance(settings.get("learning_rate"), Mapping) else 2
    count = scalars + len(names) * len(variables)
    if list(stored) != [str(position) for position in range(count)]:
        raise ModelFileError(
            f"{location(file)}: {optimizer} should have {count} arrays for the {len(variables)} variables "
            f"that are trainable, found {len(stored)}. Perhaps layers were frozen or unfrozen before the "
            "file was saved; in Keras, call compile() and train before saving"
        )
    arrays = list(stored.values())
    shapes = [(), ()][:scalars] + [shape for shape in variables.values() for _ in names]
    for array, shape in zip(arrays, shapes, strict=True):
        if array.shape != shape:
            raise ModelFileError(f"{array.location}: should have shape {shape}, found {array.shape}")
    return StoredState(optimizer, settings, compiled, names, variables, arrays[:scalars], arrays[scalars:])


def read_state(stored: StoredState, source: Source, run: Mapping[str, Any]) -> TrainingState:
    """Read the arrays of a state.

    Args:
        stored: The state, as `find_state` returned it. Its file is open.
        source: Where the bytes of the file are.
        run: What the file records of the run.

    Raises:
        ModelFileError: Arrays are damaged, hold NaN, infinity or negative squares, or need more memory than
            the limits allow.
    """
    iterations = _read_scalar(stored.scalars[0])
    if iterations.dtype.kind not in "iu" or not 0 <= int(iterations) <= MAX_INT:
        raise ModelFileError(
            f"{stored.scalars[0].location}: the number of steps should be an integer from 0 to {MAX_INT}, "
            f"found {iterations}"
        )
    learning_rate = None
    if len(stored.scalars) == 2:
        learning_rate = _choose_rate(_read_scalar(stored.scalars[1]), stored.config.get("learning_rate"))
        if learning_rate is None:
            raise ModelFileError(
                f"{stored.scalars[1].location}: the learning rate should be a number of at least 0"
            )
    values, not_finite = read_arrays(stored.arrays, source)
    if not_finite:
        raise ModelFileError(
            f"{stored.arrays[not_finite[0]].location}: the state of the optimizer holds NaN or infinity; "
            "training cannot go on from it"
        )
    count = len(stored.names)
    for i, array in enumerate(values):
        # The mean of squared gradients, whose root is taken. SGD's, which has a sign, is called "momentum".
        if stored.names[i % count] == "velocity" and array.min(initial=0) < 0:
            raise ModelFileError(
                f"{stored.arrays[i].location}: the velocity of {stored.optimizer}, a mean of squares, holds "
                "negative numbers"
            )
    slots: Slots = {
        key: dict(zip(stored.names, values[count * i : count * (i + 1)], strict=True))
        for i, key in enumerate(stored.variables)
    }
    return TrainingState(
        stored.optimizer, stored.config, int(iterations), slots, learning_rate,
        stored.compiled.get("loss"), stored.compiled.get("metrics"), run,
    )  # fmt: skip


def slot_names(optimizer: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the slots of each variable, in Keras's order.

    Args:
        optimizer: Keras's class name.
        config: Its settings.

    Raises:
        ValueError: The optimizer, or a setting that gives it more slots, is not supported.
    """
    if optimizer not in OPTIMIZERS.values():
        supported = ", ".join(OPTIMIZERS.values())
        raise ValueError(f"the state of {optimizer!r:.100} is not supported; supported are {supported}")
    for name in MORE_SLOTS:
        if config.get(name):
            raise ValueError(f"the state of {optimizer} with {name}={config[name]!r:.100} is not supported")
    if optimizer == "SGD":
        return ("momentum",) if config.get("momentum") else ()
    return ("momentum", "velocity")


def _read_optimizer(compiled: object) -> tuple[str, Mapping[str, Any]]:
    """Return class and settings of the optimizer in a `compile_config`."""
    described = compiled.get("optimizer") if isinstance(compiled, Mapping) else None
    if described is None:
        raise ValueError("holds no state of training: it was saved without an optimizer")
    if isinstance(described, str):
        return OPTIMIZERS.get(described.lower(), described), {}
    if not isinstance(described, Mapping) or not isinstance(described.get("config"), Mapping):
        raise ValueError(f"its optimizer should have a class and settings, found {reprlib.repr(described)}")
    check_origin(described)
    config = described["config"]
    schedule = config.get("learning_rate")
    if isinstance(schedule, Mapping):
        check_origin(schedule)
    return str(described.get("class_name")), config


def _read_scalar(array: StoredArray) -> Any:
    """Read a number in its own type: the steps of a long run are more than float32 can count."""
    value = np.empty((), array.dtype)
    array.dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, value)
    return value[()]


def _choose_rate(stored: Any, configured: object) -> float | None:
    """Return the learning rate, which is stored as float32; as it is configured, if that is the same."""
    if stored.dtype.kind not in "fiu" or not 0 <= stored < np.inf:
        return None
    is_number = isinstance(configured, int | float) and not isinstance(configured, bool)
    if is_number and abs(configured) < MAX_INT and np.float32(configured) == stored:  # type: ignore[arg-type]
        return float(configured)  # type: ignore[arg-type]
    return float(stored)
