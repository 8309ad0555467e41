"""A small model in each form of Keras's files, ways to make it hostile, and checks that it is refused."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xception

Config = dict[str, Any]
Spoil = Callable[[h5py.File, str], None]

SECONDS = 5  #: of computing: the limit for any refusal, on a slow machine
KERNEL = np.arange(8, dtype=np.float32).reshape(4, 2)
BIAS = np.array([1, 2], np.float32)
FILTER = np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 1, 3, 4)


# --- configs --------------------------------------------------------------------------------


def tensor(name: str, use: int = 0, output: int = 0) -> Config:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": [name, use, output]},
    }


def layer(class_name: str, name: str, *reads: Any, more: Config | None = None, **config: Any) -> Config:
    """Return a layer as Keras 3 writes it. reads: for each use, the name of a layer or all arguments."""
    args = [[tensor(read)] if isinstance(read, str) else read for read in reads]
    found = {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [{"args": arg, "kwargs": {}} for arg in args],
    }
    return found | (more or {})


def entry(name: str = "pixels", shape: Any = (None, 8, 8, 3), **config: Any) -> Config:
    return layer("InputLayer", name, batch_shape=list(shape) if isinstance(shape, tuple) else shape, **config)


def functional(*layers: Config, name: str = "small", **ends: Any) -> Config:
    """Return a model of these layers. `ends` replaces its inputs (the first) and outputs (the last)."""
    config = {
        "name": name,
        "trainable": True,
        "layers": list(layers),
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config | ends,
        "registered_name": "Functional",
    }


def sequential(*layers: Config, name: str = "row") -> Config:
    rows = [
        {key: value for key, value in one.items() if key not in ("name", "inbound_nodes")} for one in layers
    ]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": name, "layers": rows},
        "registered_name": None,
    }


def small(*behind: Config, **ends: Any) -> Config:
    """Return a model: convolution, pooling and dense layer, followed by `behind`."""
    return functional(
        entry(),
        layer("Conv2D", "conv", "pixels", filters=4, kernel_size=[1, 1], use_bias=False),
        layer("GlobalAveragePooling2D", "pool", "conv"),
        layer("Dense", "dense", "pool", units=2),
        *behind,
        **ends,
    )


# --- files ----------------------------------------------------------------------------------


def fill_by_position(file: h5py.File) -> None:
    """Write the weights of `small()` as Keras 3 does."""
    file["layers/conv2d/vars/0"] = FILTER
    file.create_group("layers/global_average_pooling2d/vars")
    file["layers/dense/vars/0"] = KERNEL
    file["layers/dense/vars/1"] = BIAS


def fill_by_name(file: h5py.File, root: str = "/") -> None:
    """Write the same as Keras 2 does."""
    group = file.require_group(root)
    group.attrs["layer_names"] = np.array([b"pixels", b"conv", b"pool", b"dense"])
    group.attrs["keras_version"] = "2.15.0"
    for name, arrays in (
        ("pixels", {}),
        ("conv", {"kernel": FILTER}),
        ("pool", {}),
        ("dense", {"kernel": KERNEL, "bias": BIAS}),
    ):
        inner = group.create_group(name)
        inner.attrs["weight_names"] = np.array([f"{name}/{key}:0".encode() for key in arrays], dtype="S")
        for key, array in arrays.items():
            inner[f"{name}/{key}:0"] = array


def hdf5_bytes(*fillers: Callable[[h5py.File], object], **options: Any) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        for fill in fillers:
            fill(file)
    return stream.getvalue()


def archive(
    path: Path,
    config: Any = None,
    weights: bytes | None = None,
    more: dict[str, bytes | str] | None = None,
    packed: bool = False,
) -> Path:
    """Write a `.keras` file. config: a config, or its text."""
    config = small() if config is None else config
    text = config if isinstance(config, bytes | str) else json.dumps(config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.3.3"}))
        file.writestr("config.json", text)
        file.writestr("model.weights.h5", hdf5_bytes(fill_by_position) if weights is None else weights)
        for name, content in (more or {}).items():
            file.writestr(name, content)
    return path


def whole_h5(
    path: Path, config: Any = None, spoil: Callable[[h5py.File], object] = lambda file: None
) -> Path:
    config = small() if config is None else config
    with h5py.File(path, "w") as file:
        text = config if isinstance(config, str) else json.dumps(config)
        file.attrs["model_config"] = text
        file.attrs["keras_version"] = "3.3.3"
        fill_by_name(file, "model_weights")
        spoil(file)
    return path


@dataclass(frozen=True)
class Form:
    """A form of model file, and how to write the small model in it."""

    suffix: str
    kernel: str  #: the path of the dense layer's kernel
    whole: bool  #: whether it holds a model

    def write(self, folder: Path, spoil: Spoil | None = None, name: str = "x") -> Path:
        """Write the small model. spoil(HDF5 file, path of the kernel) changes it."""
        path = folder / f"{name}{self.suffix}"

        def spoilt(file: h5py.File) -> None:
            if spoil is not None:
                spoil(file, self.kernel)

        if self.suffix in (".keras", ".packed.keras"):
            weights = hdf5_bytes(fill_by_position, spoilt)
            return archive(path, weights=weights, packed=self.suffix != ".keras")
        if self.whole:
            return whole_h5(path, spoil=spoilt)
        fill = fill_by_position if self.suffix == ".weights.h5" else fill_by_name
        path.write_bytes(hdf5_bytes(fill, spoilt))
        return path


FORMS = {
    "keras": Form(".keras", "layers/dense/vars/0", True),
    "keras, packed": Form(".packed.keras", "layers/dense/vars/0", True),
    "whole h5": Form(".whole.h5", "model_weights/dense/dense/kernel:0", True),
    "weights of Keras 3": Form(".weights.h5", "layers/dense/vars/0", False),
    "weights of Keras 2": Form(".h5", "dense/dense/kernel:0", False),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
by_name_forms = pytest.mark.parametrize(
    "form", [FORMS["whole h5"], FORMS["weights of Keras 2"]], ids=["whole", "weights"]
)


# --- arrays ---------------------------------------------------------------------------------

SPACE = h5py.h5s.create_simple(KERNEL.shape)
CHUNK = (4, 2)


def replace_kernel(put: Callable[[h5py.File, str], object]) -> Spoil:
    """Return a change of a file: something else in the place of the kernel."""

    def spoil(file, kernel):
        del file[kernel]
        put(file, kernel)

    return spoil


def raw_dataset(kind=h5py.h5t.IEEE_F32LE, space=SPACE, layout=None, filters=(), chunk=CHUNK, content=None):
    """Return a change of a file: a dataset made by HDF5's own functions, which check less."""

    def put(file, kernel):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if layout is not None:
            properties.set_layout(layout)
        if filters or layout == h5py.h5d.CHUNKED:
            properties.set_chunk(chunk)
        for number, values in filters:
            properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, values)
        parent, name = kernel.rsplit("/", 1)
        made = h5py.h5d.create(file.require_group(parent).id, name.encode(), kind, space, properties)
        if content is not None:
            made.write_direct_chunk((0,) * len(chunk), content)

    return replace_kernel(put)


# --- zip archives ---------------------------------------------------------------------------

Change = Callable[[bytearray], bytes | None]
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def changed(path: Path, change: Change) -> Path:
    """Change the bytes of an archive: change(content) -> None, or other bytes."""
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content) or content)
    return path


def entry_offset(content: bytes, name: str, signature: bytes = CENTRAL) -> int:
    """Return the offset of a member's entry: in the directory, or before its content."""
    length = 46 if signature == CENTRAL else 30
    start = content.find(signature)
    while content[start + length : start + length + len(name)] != name.encode():
        start = content.index(signature, start + 4)
    return start


def set_field(
    field: int, size: int, value: int, name: str = "model.weights.h5", signature: bytes = CENTRAL
) -> Change:
    """Return a change of one number in a member's entry."""

    def change(content: bytearray) -> None:
        start = entry_offset(content, name, signature) + field
        content[start : start + size] = value.to_bytes(size, "little")

    return change


# --- checks ---------------------------------------------------------------------------------


def small_model() -> xception.Model:
    """Return the small model with weights that no file has."""
    from xception.formats.keras.config_reader import read_network
    from xception.graph import flatten
    from xception.models.parameters import initial_parameters

    network = read_network(small(), 3, "small")
    graph = flatten(network)
    return xception.Model(graph, initial_parameters(graph, 3), network)


def assert_refused(path: Path, message: str, whole: bool = True) -> str:
    """Assert that a file is refused as a model and as weights, in time, and that no model is changed."""
    model = small_model()
    before = model.get_weights()
    actions = [lambda: model.load_weights(path)]
    if whole:
        actions.append(lambda: xception.load_model(path))
    for act in actions:
        start = time.process_time()
        with pytest.raises(xception.ModelFileError, match=message) as caught:
            act()
        assert time.process_time() - start < SECONDS
        assert path.name in str(caught.value)
    assert_same(model.get_weights(), before)
    assert len(str(caught.value)) < 5000
    assert all(letter.isprintable() or letter == "\n" for letter in str(caught.value))
    return str(caught.value)


def assert_config_refused(folder: Path, config: Any, message: str) -> None:
    """Assert that a model with this config is refused, in `.keras` and in `.h5`."""
    for write in (archive, whole_h5):
        if isinstance(config, bytes) and write is whole_h5:
            continue
        path = write(folder / f"described.{'keras' if write is archive else 'h5'}", config)
        start = time.process_time()
        with pytest.raises(xception.ModelFileError, match=message) as caught:
            xception.load_model(path)
        assert time.process_time() - start < SECONDS
        assert len(str(caught.value)) < 5000
        assert all(letter.isprintable() or letter == "\n" for letter in str(caught.value))


def load_all(path: Path, whole: bool = True) -> list[xception.Model]:
    """Return the models that a file loads as: by load_weights, and by load_model if it is a whole model."""
    models = [small_model()]
    models[0].load_weights(path)
    if whole:
        models.append(xception.load_model(path))
    return models


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
