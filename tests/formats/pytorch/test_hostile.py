"""Hostile checkpoints and safetensors files: refused by name, in bounded time and memory, and never run."""

import contextlib
import json
import pickle
import random
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from pytorch_files import Called, Named, Stored, checkpoint, safetensors_bytes

import xception
from xception.formats.pytorch.pickles import MAX_PICKLE_BYTES
from xception.formats.pytorch.reader import open_tensors

SMALL = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16)}
MAX_SECONDS = 20


def read_all(path):
    with open_tensors(path) as file:
        return {name: tensor.read() for name, tensor in file.tensors.items()}


def assert_refused(path, message):
    with pytest.raises(xception.ModelFileError, match=message) as caught:
        read_all(path)
    assert str(caught.value).startswith(path.name)


def assert_small(arrays):
    assert all(map(np.array_equal, arrays.values(), (SMALL["a"], SMALL["b"])))


def test_what_is_written_is_read(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(safetensors_bytes(SMALL))
    checkpoint(tmp_path / "x.pth", SMALL)
    assert_small(read_all(tmp_path / "x.safetensors"))
    assert_small(read_all(tmp_path / "x.pth"))


# --- pickles --------------------------------------------------------------------------------


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_never_made(tmp_path, protocol):
    content = pickle.dumps(
        {"weights": Touch(tmp_path / "trace"), "more": [Touch(tmp_path / "trace")]}, protocol
    )
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("x/data.pkl", content)
    with open_tensors(tmp_path / "x.pth") as file:
        assert file.tensors == {}
        assert file.passed_over in [("io.open",), ("_io.open",), ("__builtin__.open",), ("builtins.open",)]
    assert not (tmp_path / "trace").exists()
    with (
        pytest.raises(xception.ModelFileError, match="refused"),
        open_tensors(tmp_path / "x.pth", strict=True),
    ):
        pass


def write_pickle(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", content)


@pytest.mark.parametrize(
    "content",
    [
        b"", b".", b"\x80\x02}", b"\x80\x02h\x05.", b"\x80\x02}q\x00(u", b"u.", b"(t(", b"\x80\x02]\x85e.",
        b"R.",
        b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", b"X\xff\xff\xff\xffa.", b"B\xff\xff\xff\x7f.",
        b"I" + b"9" * 5000 + b"\n.", b"P1\n.", b"\x82\x01.", b"}}s.", b"0.",
    ],
)  # fmt: skip
def test_broken_pickles(tmp_path, content):
    write_pickle(tmp_path / "x.pth", content)
    assert_refused(tmp_path / "x.pth", "is damaged|has no end|holds an object")


def test_a_whole_module_is_refused_with_advice(tmp_path):
    checkpoint(tmp_path / "x.pth", Called(Named("my.models", "Xception"), ()))
    assert_refused(
        tmp_path / "x.pth", r"holds an object of my.models.Xception.*torch.save\(model.state_dict\(\)"
    )


def test_a_pickle_that_unpacks_to_much(tmp_path):
    write_pickle(tmp_path / "x.pth", b"\x80\x02" + b"N0" * MAX_PICKLE_BYTES)
    assert_refused(tmp_path / "x.pth", "at most")


def test_lists_within_themselves_end(tmp_path):
    laughs = b"}q\x00(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00u."  # a dict in itself, twice
    write_pickle(tmp_path / "x.pth", b"\x80\x02" + laughs)
    start = time.perf_counter()
    assert read_all(tmp_path / "x.pth") == {}
    entries = b"".join(b"X\x01\x00\x00\x00" + bytes([65 + i]) + b"h\x00" for i in range(50))
    wide = b"}q\x00(" + entries + b"u."
    write_pickle(tmp_path / "y.pth", b"\x80\x02" + wide)
    assert_refused(tmp_path / "y.pth", "more than 100,000 entries")
    assert time.perf_counter() - start < MAX_SECONDS


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Stored(SMALL["a"], offset=1), "reaches beyond its storage"),
        (Stored(SMALL["a"], shape=(3, 3)), "reaches beyond its storage"),
        (Stored(SMALL["a"], shape=(1 << 39, 4), strides=(0, 1)), "no valid shape"),
        (Stored(SMALL["a"], shape=(1 << 20, 4), strides=(0, 1)), "repeats its numbers"),
        (Stored(SMALL["a"], shape=(2, 3), strides=(-3, 1)), "no valid shape"),
        (Stored(SMALL["a"], shape=(2, 3), strides=(3,)), "reaches beyond its storage"),
        (Stored(SMALL["a"], offset=-1), "reaches beyond its storage"),
        (Stored(SMALL["a"], shape=(1,) * 9), "no valid shape"),
        (Stored(SMALL["a"], shape=(True, 3)), "no valid shape"),
    ],
)
def test_tensors_beyond_their_storages(tmp_path, tensor, message):
    checkpoint(tmp_path / "x.pth", {"w": tensor})
    assert_refused(tmp_path / "x.pth", message)


def test_transposed_tensors_are_read_in_order(tmp_path):
    checkpoint(tmp_path / "x.pth", {"w": Stored(SMALL["a"], shape=(3, 2), strides=(1, 3))})
    np.testing.assert_array_equal(read_all(tmp_path / "x.pth")["w"], SMALL["a"].T)


def test_archives_that_no_checkpoint_is(tmp_path):
    checkpoint(tmp_path / "x.pth", SMALL, compression=zipfile.ZIP_DEFLATED)
    assert_refused(tmp_path / "x.pth", "its numbers are compressed")
    checkpoint(tmp_path / "x.pth", SMALL, byteorder=b"big")
    assert_refused(tmp_path / "x.pth", "expected little")
    checkpoint(tmp_path / "x.pth", SMALL)
    with zipfile.ZipFile(tmp_path / "x.pth", "a") as archive:
        archive.writestr("y/data.pkl", b"N.")
    assert_refused(tmp_path / "x.pth", "should hold one data.pkl, found 2")
    checkpoint(tmp_path / "x.pth", SMALL, top="../up")
    assert_refused(tmp_path / "x.pth", "leads out of the archive")


# --- safetensors ----------------------------------------------------------------------------


def entry(shape, first, last, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry([6], 0, 24), "b": entry([6], 0, 24)}, "overlap or leave gaps"),
        ({"a": entry([5], 4, 24)}, "overlap or leave gaps"),
        ({"a": entry([5], 0, 20)}, "has 1.. bytes, and its header describes"),
        ({"a": entry([60], 0, 240)}, "has 1.. bytes, and its header describes"),
        ({"a": entry([7], 0, 24)}, "has another range of bytes"),
        ({"a": entry([6], 24, 0)}, "has another range of bytes"),
        ({"a": entry([-6], 0, 24)}, "no valid shape"),
        ({"a": entry([6.0], 0, 24)}, "no valid shape"),
        ({"a": entry([1 << 62, 1 << 62], 0, 24)}, "no valid shape"),
        ({"a": entry("six", 0, 24)}, "no valid shape"),
        ({"a": entry([6], 0, 24, "F8_E4M3")}, "which is not supported"),
        ({"a": entry([6], 0, 24, 32)}, "which is not supported"),
        ({"a": {"dtype": "F32", "shape": [6]}}, "has another range of bytes"),
        ({"a": 3}, "should be an object"),
        ([], "should hold a JSON object"),
    ],
)
def test_headers_that_lie(tmp_path, header, message):
    path = tmp_path / "x.safetensors"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(24))
    with pytest.raises(xception.ModelFileError, match=message.replace("1..", r"\d+")):
        read_all(path)


def test_a_header_longer_than_the_file(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 1 << 31) + b"{}")
    assert_refused(tmp_path / "x.safetensors", "is not possible")


def test_deep_json(tmp_path):
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    assert_refused(tmp_path / "x.safetensors", "is not valid JSON|should be an object")


# --- both -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_every_truncation_and_a_thousand_flips(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    if suffix == "pth":
        checkpoint(path, {"state_dict": SMALL, "epoch": 3})
    else:
        path.write_bytes(safetensors_bytes(SMALL))
    content = path.read_bytes()
    rng = random.Random(0)
    tracemalloc.start()
    try:
        start = time.perf_counter()
        variants = [content[:end] for end in range(0, len(content), 3)]
        for _ in range(1000):
            damaged = bytearray(content)
            for _ in range(rng.choice([1, 1, 3])):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            variants.append(bytes(damaged))
        for variant in variants:
            path.write_bytes(variant)
            with contextlib.suppress(xception.ModelFileError):  # and nothing else
                read_all(path)
        assert time.perf_counter() - start < MAX_SECONDS
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
