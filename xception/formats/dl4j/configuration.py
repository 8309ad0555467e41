"""`configuration.json`: the network of a zip, as vertices that read each other.

A MultiLayerNetwork, which is a chain of layers, becomes a chain of vertices.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import ModelFileError
from ...graph.limits import MAX_NODES
from ..keras.json_reader import read_json_object
from ..limits import MAX_NAME_CHARACTERS
from .order import computed_order, stored_order
from .records import Record, read_record


@dataclass(frozen=True)
class Vertex:
    """One vertex of a network.

    Attributes:
        name: Its name.
        record: The vertex; of a vertex that holds a layer, the layer.
        inputs: Names of the vertices or inputs that it reads.
        preprocessor: What is applied to the input of its layer, or None.
        is_layer: Whether it holds a layer.
    """

    name: str
    record: Record
    inputs: tuple[str, ...]
    preprocessor: Record | None = None
    is_layer: bool = True


@dataclass(frozen=True)
class Configuration:
    """The network of a zip.

    Attributes:
        kind: "ComputationGraph" or "MultiLayerNetwork".
        inputs: Names of its inputs.
        outputs: Names of the vertices that are its outputs.
        vertices: All vertices by name, in the order in which parameters are stored.
        is_wrapped: Whether objects are written as by 0.9.1 and alpha.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    vertices: Mapping[str, Vertex]
    is_wrapped: bool


def read_configuration(text: bytes, location: str) -> Configuration:
    """Read a configuration.

    Args:
        text: The JSON text.
        location: The file, for messages.

    Raises:
        ModelFileError: It is no configuration of a network, or is damaged or hostile.
    """
    value = read_json_object(text, location, unique_keys=True)
    try:
        if "vertices" in value:
            return _read_graph(value, location)
        if "confs" in value:
            return _read_chain(value, location)
    except ModelFileError as error:
        if str(error).startswith(location):
            raise
        raise ModelFileError(f"{location}: {error}") from None
    raise ModelFileError(f"{location}: is no network of Deeplearning4j: it has neither vertices nor confs")


def _read_graph(value: Mapping[str, Any], location: str) -> Configuration:
    vertices, inputs = value["vertices"], _names(value, "networkInputs")
    sources = value.get("vertexInputs")
    if not isinstance(vertices, Mapping) or not isinstance(sources, Mapping):
        raise ModelFileError("vertices and vertexInputs must be objects")
    _check_count(len(vertices))
    outputs = _names(value, "networkOutputs")
    if not inputs or not outputs:
        raise ModelFileError("it has no input or no output")
    wiring = {name: _names(sources, name) for name in vertices}
    for name, read in wiring.items():
        _check_name(name)
        if name in inputs:
            raise ModelFileError(f"{name} is the name of an input and of a vertex")
        unknown = [source for source in read if source not in vertices and source not in inputs]
        if unknown or not read:
            raise ModelFileError(f"{name} reads {reprlib.repr(unknown)}, which are no vertices")
    missing = [name for name in outputs if name not in vertices]
    if missing:
        raise ModelFileError(f"its outputs {reprlib.repr(missing)} are no vertices")
    stated = value.get("topologicalOrderStr")
    is_stated = stated is not None
    order = stored_order(stated, inputs, wiring) if is_stated else computed_order(inputs, wiring)
    read_vertices = {name: _read_vertex(vertices[name], name, location) for name in vertices}
    return Configuration(
        "ComputationGraph",
        inputs,
        outputs,
        {name: replace(read_vertices[name], inputs=wiring[name]) for name in order if name in vertices},
        any(vertex.record.is_wrapped for vertex in read_vertices.values()),
    )


def _read_vertex(value: Any, name: str, location: str) -> Vertex:
    record = read_record(value, f"{location}: {name}")
    if record.kind != "LayerVertex":
        return Vertex(name, record, (), is_layer=False)
    conf = record.settings.get("layerConf")
    if not isinstance(conf, Mapping):
        raise record.refuse("it has no layerConf")
    return Vertex(name, read_record(conf.get("layer"), record.location), (), record.child("preProcessor"))


def _read_chain(value: Mapping[str, Any], location: str) -> Configuration:
    confs, preprocessors = value["confs"], value.get("inputPreProcessors") or {}
    if not isinstance(confs, list) or not isinstance(preprocessors, Mapping) or not confs:
        raise ModelFileError("confs must be a list, and inputPreProcessors an object")
    _check_count(len(confs))
    names = ["input"]
    vertices: dict[str, Vertex] = {}
    for index, conf in enumerate(confs):
        layer = conf.get("layer") if isinstance(conf, Mapping) else None
        record = read_record(layer, f"{location}: layer {index}")
        name = record.settings.get("layerName") or f"layer{index}"
        if not isinstance(name, str) or name in names:
            name = f"layer{index}"
        _check_name(name)
        if name in names:
            raise ModelFileError(f"two layers are called {name}")
        record = replace(record, location=f"{location}: {name}")
        stored = preprocessors.get(str(index))
        preprocessor = None if stored is None else read_record(stored, record.location)
        vertices[name] = Vertex(name, record, (names[-1],), preprocessor)
        names.append(name)
    return Configuration(
        "MultiLayerNetwork",
        ("input",),
        (names[-1],),
        vertices,
        any(vertex.record.is_wrapped for vertex in vertices.values()),
    )


def _names(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = value.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError(f"{key} must list names, got {reprlib.repr(names)}")
    if len(names) > MAX_NODES:
        raise ModelFileError(f"{key} lists {len(names):,} names; at most {MAX_NODES:,} are read")
    return tuple(names)


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_NAME_CHARACTERS:
        raise ModelFileError(f"a name has {len(name):,} characters; at most {MAX_NAME_CHARACTERS} are read")


def _check_count(count: int) -> None:
    if count > MAX_NODES:
        raise ModelFileError(f"has {count:,} vertices; at most {MAX_NODES:,} are read")
