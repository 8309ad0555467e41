"""Files as PyTorch and safetensors write them, made without either."""

import json
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

import xception
from xception.formats.pytorch.names import list_names, stored_shape
from xception.formats.pytorch.network import build_xception

#: What timm 1.0 answers to examples/chelsea.jpg, stretched to each size, with the weights of `state_dict`.
TIMM_ANSWERS = {
    299: [0.3851461, -0.4610008, 0.9370114, -0.18653, 0.3158404, -0.1983568, -0.2980085],
    256: [0.4445153, -0.500177, 1.088837, -0.3223046, 0.3512433, -0.1815737, -0.426048],
    224: [0.3498465, -0.7555582, 1.250915, -0.2516321, 0.4800301, -0.0701372, -0.5557233],
    150: [0.2377481, -0.9788002, 1.737358, 0.2236635, 0.7652247, -0.4029584, -0.9471259],
}
CLASSES = 7


def state_dict(classes=CLASSES, head="fc", adjusted=None):
    """The shipped ImageNet base with a random head, by PyTorch's names and in its order of axes."""
    base = xception.Xception(include_top=False).parameters
    graph = build_xception((299, 299, 3), classes, adjusted)
    rng = np.random.default_rng(0)
    arrays = {}
    for node, parameter, name in list_names(graph, head):
        shape = stored_shape(graph.nodes[node].kind, parameter, graph.nodes[node].parameters[parameter].shape)
        if node in base:
            array = np.asarray(base[node][parameter])
            if array.ndim == 4:
                array = array.transpose((2, 3, 0, 1) if parameter == "depthwise_kernel" else (3, 2, 0, 1))
        else:
            array = rng.normal(0, 0.05, shape).astype(np.float32)
            if parameter == "moving_variance":
                array = np.abs(array) + 1
        assert array.shape == shape, name
        arrays[name] = np.ascontiguousarray(array)
    return arrays


# --- safetensors ----------------------------------------------------------------------------

TYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64"}


def safetensors_bytes(arrays, header=None):
    """A safetensors file of arrays; `header` takes the place of the right one."""
    position, entries = 0, {}
    for name, array in arrays.items():
        end = position + array.nbytes
        entries[name] = {
            "dtype": TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [position, end],
        }  # fmt: skip
        position = end
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries} if header is None else header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values())


# --- checkpoints ----------------------------------------------------------------------------


@dataclass
class Named:
    """A class or function in a pickle."""

    module: str
    name: str


@dataclass
class Called:
    """A call in a pickle."""

    function: Named
    arguments: tuple
    state: object = None


@dataclass
class Stored:
    """A tensor of a checkpoint. By default the whole of its storage."""

    array: np.ndarray
    offset: int = 0
    shape: tuple | None = None
    strides: tuple | None = None
    key: str = ""


STORAGES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "float64": "DoubleStorage",
    "int64": "LongStorage",
}


def checkpoint(path, value, top="archive", compression=zipfile.ZIP_STORED, **members):
    """Write a checkpoint as PyTorch 1.6 and later do."""
    storages = {}
    content = b"\x80\x02" + pickled(value, storages) + b"."
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{top}/data.pkl", content)
        archive.writestr(f"{top}/byteorder", members.pop("byteorder", b"little"))
        for key, array in storages.items():
            archive.writestr(f"{top}/data/{key}", array.tobytes())
        archive.writestr(f"{top}/version", b"3\n")


def pickled(value, storages):
    """The instructions that put a value on the stack; its tensors go into `storages`."""
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(pickled(item, storages) for item in value) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(pickled(item, storages) for item in value) + b"e"
    if isinstance(value, dict):
        items = (pickled(key, storages) + pickled(item, storages) for key, item in value.items())
        return b"}(" + b"".join(items) + b"u"
    if isinstance(value, Named):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Called):
        state = b"" if value.state is None else pickled(value.state, storages) + b"b"
        return pickled(value.function, storages) + pickled(value.arguments, storages) + b"R" + state
    if isinstance(value, np.ndarray):
        value = Stored(value)
    return _pickled_tensor(value, storages)


def _pickled_tensor(tensor, storages):
    array = tensor.array
    key = tensor.key or str(len(storages))
    storages[key] = array
    shape = array.shape if tensor.shape is None else tensor.shape
    strides = tensor.strides
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    kind = Named("torch", STORAGES[array.dtype.name])
    storage = pickled(("storage", kind, key, "cpu", array.size), storages) + b"Q"
    rest = (tensor.offset, tuple(shape), strides, False, Called(Named("collections", "OrderedDict"), ()))
    arguments = b"(" + storage + b"".join(pickled(item, storages) for item in rest) + b"t"
    return pickled(Named("torch._utils", "_rebuild_tensor_v2"), storages) + arguments + b"R"
