"""Files of tensors, good and hostile: safetensors files and PyTorch checkpoints."""

import contextlib
import io
import json
import pickle
import sys
import time
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from xception import ModelFileError
from xception.formats.pytorch import pickles
from xception.formats.pytorch.checkpoint import open_checkpoint
from xception.formats.pytorch.safetensors import open_safetensors, write_tensors

SECONDS = 15  # of CPU time; the slowest takes 2
MEMORY = 256 << 20
ARRAYS = {
    "conv1.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "bn1.bias": np.array([0.5, -2], np.float16),
    "bn1.num_batches_tracked": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
}


# --- safetensors ----------------------------------------------------------------------------


def pack(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def read_safetensors(path):
    with open_safetensors(path) as file:
        return {name: tensor.read() for name, tensor in file.tensors.items()}


def entry(first, last, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, ARRAYS, {"format": "pt"})
    tensors = read_safetensors(path)
    assert tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], array.astype(np.float32))
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    assert b'"__metadata__":{"format":"pt"}' in path.read_bytes()


def test_writing_depends_on_the_arrays_alone(tmp_path):
    write_tensors(tmp_path / "a", ARRAYS)
    write_tensors(tmp_path / "b", dict(reversed(ARRAYS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_of_any_layout_are_written_in_c_order(tmp_path):
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    write_tensors(tmp_path / "x", {"a": array})
    np.testing.assert_array_equal(read_safetensors(tmp_path / "x")["a"], array)


def test_a_type_that_is_not_written_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "x"
    path.write_text("before")
    with pytest.raises(TypeError, match="a: arrays of complex64"):
        write_tensors(path, {"a": np.zeros(1, np.complex64)})
    assert path.read_text() == "before"


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    values = np.array([1.5, -3, np.inf], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "x").write_bytes(pack({"a": entry(0, 6, (3,), "BF16")}, data))
    np.testing.assert_array_equal(read_safetensors(tmp_path / "x")["a"], values)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 7, pack(b"{"), pack(b"[]"), pack(b"null"), pack({}, b"hidden"), pack({}, length=1 << 40),
        pack({}, length=(1 << 64) - 1), pack(b'{"a":' * 5000), pack(b"[" * 100_000),
        pack(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
             b'"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
        pack({"a": entry(0, 4)}), pack({"a": entry(0, 4)}, bytes(3)), pack({"a": entry(0, 4)}, bytes(5)),
        pack({"a": entry(4, 8)}, bytes(8)), pack({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)),
        pack({"a": entry(0, 8, (2,)), "b": entry(4, 8)}, bytes(8)),
        pack({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)), pack({"a": entry(4, 0)}, bytes(4)),
        pack({"a": entry(-4, 0)}, bytes(4)), pack({"a": entry(0, 4, (2,))}, bytes(4)),
        pack({"a": entry(0, 4, (-1,))}, bytes(4)), pack({"a": entry(0, 4, (True,))}, bytes(4)),
        pack({"a": entry(0, 4, (1.0,))}, bytes(4)), pack({"a": entry(0, 4, (1,) * 50)}, bytes(4)),
        pack({"a": entry(0, 0, (1 << 62, 1 << 62, 0))}), pack({"a": entry(0, 4, dtype="Q7")}, bytes(4)),
        pack({"a": entry(0, 4, dtype=["F32"])}, bytes(4)), pack({"a": entry(0.0, 4.0)}, bytes(4)),
        pack({"a": 5}), pack({"a": {"dtype": "F32"}}), pack({"a": {}}),
    ],
)  # fmt: skip
def test_hostile_safetensors_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ModelFileError, match="x: "):
        read_safetensors(tmp_path / "x")


def test_every_shortened_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "x"
    write_tensors(path, ARRAYS)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            read_safetensors(path)


# --- checkpoints ----------------------------------------------------------------------------


class Reference:
    """Pickled as PyTorch pickles a storage: a reference by a persistent id."""

    def __init__(self, key, count, kind="FloatStorage"):
        self.id = ("storage", kind, key, "cpu", count)


class Made:
    """Pickled as a call."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Pickler(pickle._Pickler):
    """Pickles names of modules that are not installed."""

    def save(self, value, *more):
        if isinstance(value, Reference):
            tag, kind, *rest = value.id
            self.write(pickle.MARK)
            self.save(tag)
            self.write(f"ctorch\n{kind}\n".encode())
            for part in rest:
                self.save(part)
            self.write(pickle.TUPLE + pickle.BINPERSID)
        elif isinstance(value, Made):
            self.write(f"c{value.module}\n{value.name}\n".encode())
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, *more)


def dumps(value):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def tensor(key="0", count=6, shape=(2, 3), strides=(3, 1), offset=0, kind="FloatStorage"):
    reference = Reference(key, count, kind)
    return Made("torch._utils", "_rebuild_tensor_v2", reference, offset, shape, strides, False, OrderedDict())


def save(path, value, *, top="archive/", data=None, more=None, method=zipfile.ZIP_STORED):
    """Write a checkpoint as torch.save does. value: what is pickled, or a pickle."""
    with zipfile.ZipFile(path, "w", method) as zip_file:
        zip_file.writestr(f"{top}data.pkl", value if isinstance(value, bytes) else dumps(value))
        zip_file.writestr(f"{top}byteorder", "little")
        for key, content in ({"0": NUMBERS} | (data or {})).items():
            zip_file.writestr(f"{top}data/{key}", content)
        for name, content in (more or {}).items():
            zip_file.writestr(name, content)
    return path


NUMBERS = np.arange(6, dtype="<f4").tobytes()


def read_checkpoint(path, strict=False):
    with open_checkpoint(path, strict) as file:
        return {name: tensor.read() for name, tensor in file.tensors.items()}, file.passed_over


@pytest.mark.parametrize("top", ["archive/", "my model/", ""])
def test_a_state_is_read_from_any_folder_and_through_dicts(tmp_path, top):
    state = OrderedDict({"module.conv1.weight": tensor(), "bias": tensor(shape=(2,), strides=(1,), offset=4)})
    path = save(tmp_path / "x.pth", {"state_dict": state, "epoch": 3, "names": ["a"]}, top=top)
    tensors, passed_over = read_checkpoint(path, strict=True)
    assert list(tensors) == ["state_dict.module.conv1.weight", "state_dict.bias"]
    np.testing.assert_array_equal(tensors["state_dict.module.conv1.weight"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["state_dict.bias"], [4, 5])
    assert passed_over == ()


@pytest.mark.parametrize("name", ["_rebuild_parameter", "_rebuild_parameter_with_state"])
def test_strides_and_parameters(tmp_path, name):
    parameter = Made("torch._utils", name, tensor(shape=(3, 2), strides=(1, 3)), True, OrderedDict(), {})
    tensors, _ = read_checkpoint(save(tmp_path / "x", {"a": parameter, "b": tensor(shape=(), strides=())}))
    np.testing.assert_array_equal(tensors["a"], [[0, 3], [1, 4], [2, 5]])
    assert tensors["b"] == 0


def test_other_types_become_float32(tmp_path):
    state = {
        "half": tensor("1", 2, (2,), (1,), kind="HalfStorage"),
        "long": tensor("2", 2, (2,), (1,), kind="LongStorage"),
        "double": tensor("3", 2, (2,), (1,), kind="DoubleStorage"),
    }
    data = {
        "1": np.array([0.5, 2], "<f2").tobytes(),
        "2": np.array([-1, 7], "<i8").tobytes(),
        "3": np.array([1e300, 0.25], "<f8").tobytes(),
    }
    tensors, _ = read_checkpoint(save(tmp_path / "x", state, data=data))
    np.testing.assert_array_equal(tensors["half"], [0.5, 2])
    np.testing.assert_array_equal(tensors["long"], [-1, 7])
    np.testing.assert_array_equal(tensors["double"], [np.inf, 0.25])


def test_what_is_evil_is_named_and_never_called(tmp_path):
    trace = tmp_path / "trace"
    evil = [
        Made("os", "system", f"touch {trace}"), Made("builtins", "exec", f"open({str(trace)!r}, 'w')"),
        Made("pathlib", "Path.touch", str(trace)), Made("antigravity", "geohash", 1),
    ]  # fmt: skip
    path = save(tmp_path / "x", {"evil": evil, "a": tensor()})
    before = set(sys.modules)
    tensors, passed_over = read_checkpoint(path)
    assert list(tensors) == ["a"]
    assert passed_over == ("os.system", "builtins.exec", "pathlib.Path.touch", "antigravity.geohash")
    assert not trace.exists()
    assert "antigravity" not in set(sys.modules) - before
    with pytest.raises(ModelFileError, match=r"x: besides weights, its pickle names os\.system"):
        read_checkpoint(path, strict=True)


@pytest.mark.parametrize(
    "bad",
    [
        {"offset": 1}, {"offset": -1}, {"offset": True}, {"offset": 1 << 70},
        {"shape": (7,), "strides": (1,)},
        {"strides": (0, 0)}, {"strides": (-3, 1)}, {"strides": (1, 1)}, {"strides": (3,)}, {"strides": None},
        {"strides": (1 << 39, 1)}, {"shape": (1 << 39, 3)}, {"shape": (1 << 20000,), "strides": (1,)},
        {"shape": 6}, {"shape": (-2, 3)}, {"shape": (2.0, 3)}, {"shape": (1,) * 40, "strides": (1,) * 40},
        {"count": 7}, {"count": -1}, {"count": "6"}, {"count": 1 << 20000}, {"key": "1"}, {"key": "../0"},
        {"key": 0}, {"kind": "EvilStorage"}, {"kind": "DoubleStorage"},
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_their_storage_are_refused(tmp_path, bad):
    with pytest.raises(ModelFileError, match="x: "):
        read_checkpoint(save(tmp_path / "x", {"a": tensor(**bad)}))


def nested(levels):
    """Return a tuple of two, each of which is the same tuple of two, and so on."""
    value = ()
    for _ in range(levels):
        value = (value, value)
    return value


CHAIN = b"\x80\x02" + b")" + b"\x85" * 500_000 + b"."
BOMBS = {
    "texts": {"a": tensor(shape=nested(200))},
    "strides": {"a": tensor(strides=nested(200))},
    "calls": Made(*["torch._utils", "_rebuild_tensor_v2"], *nested(200)),
    "tuples": CHAIN,
    "persistent": b"\x80\x02N" + b"Q" * 500_000 + b".",
    "called": b"\x80\x02cos\nsystem\n" + b")R" * 500_000 + b".",
    "dicts": b"}" * (8 << 20),
    "long": b"\x80\x02" + b"N" * (16 << 20),
    "circle": b"\x80\x02}q\x00" + b"(" + b"".join(b"K%ch\x00" % i for i in range(256)) + b"u.",
    "text": b"\x80\x02X\xff\xff\xff\x7fa.",
    "bytes": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    "integer": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "digits": b"I" + b"9" * (4 << 20) + b"\n.",
    "memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "mark": b"(" * 500_000 + b".",
    "instance": b"(S'true'\nios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "empty": b"",
    "stop": b".",
    "garbage": bytes(range(256)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_pickles_are_refused_quickly(tmp_path, name):
    path = save(tmp_path / "x", BOMBS[name], method=zipfile.ZIP_DEFLATED)
    start = time.process_time()
    with pytest.raises(ModelFileError, match="x"):
        read_checkpoint(path)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("name", ["dicts", "text", "bytes"])
def test_hostile_pickles_take_little_memory(tmp_path, name):
    path = save(tmp_path / "x", BOMBS[name], method=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="x"):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def test_keys_that_are_no_names_are_passed_over(tmp_path):
    state = {1 << 20000: tensor(), (1, 2): tensor(), None: tensor(), 5: tensor()}
    tensors, _ = read_checkpoint(save(tmp_path / "x", state))
    assert list(tensors) == ["5"]


def test_a_whole_module_is_refused_with_advice(tmp_path):
    path = save(tmp_path / "x", Made("timm.models.xception", "Xception"))
    with pytest.raises(ModelFileError, match=r"timm\.models\.xception\.Xception.*model\.state_dict\(\)"):
        read_checkpoint(path)


@pytest.mark.parametrize("more", [{"other/data.pkl": b"N."}, {"archive/../x": b""}, {"/x": b""}])
def test_hostile_archives_are_refused(tmp_path, more):
    with pytest.raises(ModelFileError, match="x: "):
        read_checkpoint(save(tmp_path / "x", {"a": tensor()}, more=more))


def test_compressed_numbers_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="compressed"):
        read_checkpoint(save(tmp_path / "x", {"a": tensor()}, method=zipfile.ZIP_DEFLATED))


def test_a_storage_of_which_a_tensor_is_a_small_part_is_refused(tmp_path):
    count = (1 << 20) + 1
    path = save(tmp_path / "x", {"a": tensor("1", count, (1,), (1,))}, data={"1": bytes(4 * count)})
    with pytest.raises(ModelFileError, match="small part"):
        read_checkpoint(path)


def test_flipped_bits_and_shortened_checkpoints_raise_model_file_errors_alone(tmp_path):
    path = save(tmp_path / "x", {"state_dict": {"a": tensor(), "b": Made("os", "system", "true")}})
    content, random = path.read_bytes(), np.random.default_rng(0)
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            read_checkpoint(path)
    for position in random.integers(0, len(content), 600):
        spoiled = bytearray(content)
        spoiled[position] ^= 1 << random.integers(8)
        path.write_bytes(spoiled)
        with contextlib.suppress(ModelFileError):
            read_checkpoint(path)


def test_flipped_bits_of_a_pickle_raise_model_file_errors_alone(tmp_path):
    good, random = dumps({"a": tensor(), "b": [1.5, ("x", {2})]}), np.random.default_rng(1)
    for _ in range(500):
        spoiled = bytearray(good)
        spoiled[random.integers(len(good))] = random.integers(256)
        with contextlib.suppress(ModelFileError):
            read_checkpoint(save(tmp_path / "x", bytes(spoiled)))


def test_the_limit_on_instructions_leaves_room_for_every_tensor_of_a_training():
    assert pickles.MAX_PICKLE_STEPS > 1000 * 30 * 10
