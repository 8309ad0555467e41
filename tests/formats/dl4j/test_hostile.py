"""Hostile zips of Deeplearning4j: refused with a reason, in bounded time and memory, and never run."""

import copy
import json
import random
import struct
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from dl4j_files import Zip, chains, conv, dense, global_pool

import xception
from xception.formats.dl4j.binary import MIXED_DATA_TYPES, read_array, write_array

MAX_SECONDS = 20
MAX_BYTES = 200 << 20


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xception.load_model(path)


def assert_refused(path, message):
    start = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(xception.ModelFileError, match=message) as caught:
            load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(path.name)
    assert time.monotonic() - start < MAX_SECONDS
    assert peak < MAX_BYTES


# --- arrays ---------------------------------------------------------------------------------


def buffer(mode, elements, type_name, content, wide=True):
    texts = [len(text).to_bytes(2, "big") + text.encode() for text in (mode, type_name)]
    return texts[0] + struct.pack(">q" if wide else ">i", elements) + texts[1] + content


def shape_buffer(*numbers, mode="LONG_SHAPE"):
    return buffer(mode, len(numbers), "LONG", struct.pack(f">{len(numbers)}q", *numbers))


ROW = shape_buffer(2, 1, 4, 4, 1, 0, 1, 99)
FLOATS = np.arange(4, dtype=">f4").tobytes()


@pytest.mark.parametrize(
    ("type_name", "stored"),
    [("FLOAT", ">f4"), ("DOUBLE", ">f8"), ("HALF", ">f2"), ("BFLOAT16", ">u2")],
)
@pytest.mark.parametrize("mode", ["JAVACPP", "LONG_SHAPE", "MIXED_DATA_TYPES"])
def test_all_types_and_modes_are_read(type_name, stored, mode):
    values = np.float32([0, 1, -2.5, 3])
    elements = (
        (values.view(np.uint32) >> 16).astype(stored) if type_name == "BFLOAT16" else values.astype(stored)
    )
    is_wide = mode != "JAVACPP"
    numbers = (2, 1, 4, 4, 1, 0, 1, 99)
    shape = struct.pack(f">8{'q' if is_wide else 'i'}", *numbers)
    content = buffer(mode, 8, "LONG" if is_wide else "INT", shape, is_wide)
    content += buffer(mode, 4, type_name, elements.tobytes(), is_wide)
    stored_array = read_array(content, "x")
    np.testing.assert_array_equal(stored_array.array, values[None])
    assert (stored_array.mode, stored_array.type_name) == (mode, type_name)
    assert stored_array.end == len(content)


def test_arrays_by_columns_are_read_by_columns():
    content = shape_buffer(2, 2, 2, 1, 2, 0, 1, 102) + buffer("LONG_SHAPE", 4, "FLOAT", FLOATS)
    np.testing.assert_array_equal(read_array(content, "x").array, [[0, 2], [1, 3]])


@pytest.mark.parametrize("mode", ["LONG_SHAPE", MIXED_DATA_TYPES])
def test_what_is_written_is_read(mode):
    array = np.arange(6, dtype=np.float32).reshape(1, 6)
    stored = read_array(write_array(array, mode), "x")
    np.testing.assert_array_equal(stored.array, array)
    assert stored.mode == mode


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (b"\xff\xff" + b"A" * 70000, "a name has"),
        (ROW, "cut off"),
        (ROW + buffer("LONG_SHAPE", 4, "FLOAT", FLOATS[:-1]), "cut off"),
        (ROW + buffer("LONG_SHAPE", 1 << 62, "FLOAT", FLOATS), "holds 4,611,686,018,427,387,904 elements"),
        (ROW + buffer("LONG_SHAPE", -1, "FLOAT", FLOATS), "holds -1 elements"),
        (ROW + buffer("LONG_SHAPE", 4, "COMPRESSED", FLOATS), "of the type 'COMPRESSED'"),
        (ROW + buffer("LONG_SHAPE", 4, "UTF8", FLOATS), "of the type 'UTF8'"),
        (ROW + buffer("NEW_MODE", 4, "FLOAT", FLOATS), "'NEW_MODE'"),
        (shape_buffer(2, 1, 4, 0, 0, 0, 1, 99) + buffer("LONG_SHAPE", 4, "FLOAT", FLOATS), "strides"),
        (shape_buffer(2, 1, 4, 4, 1, 0, 1, 98) + buffer("LONG_SHAPE", 4, "FLOAT", FLOATS), "damaged"),
        (shape_buffer(2, -1, -4, 4, 1, 0, 1, 99), "damaged"),
        (shape_buffer(1 << 40, 1, 4, 4, 1, 0, 1, 99), "its shape has 8 numbers"),
        (buffer("LONG_SHAPE", 1 << 60, "LONG", b""), "its shape has"),
        (shape_buffer(2, 1 << 40, 1 << 40, 1 << 40, 1, 0, 1, 99) + buffer("LONG_SHAPE", 4, "FLOAT", FLOATS),
         "expected"),
    ],
)  # fmt: skip
def test_damaged_arrays_are_refused(content, message):
    with pytest.raises(xception.ModelFileError, match=message):
        read_array(content, "x")


def test_arrays_that_do_not_fit_the_layers_are_refused(tmp_path):
    for count in (111, 113, 1):
        members = {"coefficients.bin": write_array(np.zeros((1, count), np.float32))}
        path = Zip([conv(3, 4)], members=members).write(tmp_path / "x.zip")
        assert_refused(path, f"holds {count} numbers, its layers take 112")
    members = {"coefficients.bin": write_array(np.zeros((1, 100_000), np.float32))}
    assert_refused(Zip([conv(3, 4)], members=members).write(tmp_path / "x.zip"), "unpacks to 400,")


def test_a_bomb_is_not_unpacked(tmp_path):
    members = {"coefficients.bin": b"\0" * (1 << 28), "configuration.json": b" " * (1 << 28)}
    for name, content in members.items():
        path = Zip([conv(3, 4)], members={name: content}).write(tmp_path / "x.zip")
        assert_refused(path, r"unpacks to|its shape|mode|no array")


def test_a_network_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    part = conv(3, 4)
    part.vertex["layerConf"]["layer"] |= {"nout": 1 << 30}
    assert_refused(Zip([part]).write(tmp_path / "x.zip"), "of memory; the limit is")


# --- configurations -------------------------------------------------------------------------


def test_configurations_that_are_none_are_refused(tmp_path):
    for text, message in (
        ("", "JSON"), ("[]", "JSON object"), ("{}", "no network"), ("[" * 100_000, "JSON"),
        ('{"vertices": {}, "vertices": {}}', "twice"), ('{"confs": []}', "confs must be"),
        ('{"confs": [3]}', "class"), ('{"vertices": 1, "networkInputs": ["a"]}', "objects"),
    ):  # fmt: skip
        path = Zip([conv(3, 4)], members={"configuration.json": text}).write(tmp_path / "x.zip")
        assert_refused(path, message)


def test_wiring_that_is_none_is_refused(tmp_path):
    parts = [conv(3, 4), conv(4, 2)]
    for changes, message in (
        ({"vertexInputs": {"v0": ["v1"], "v1": ["v0"]}, "topologicalOrderStr": None}, "cycle"),
        ({"vertexInputs": {"v0": ["in"], "v1": ["elsewhere"]}}, "no vertices"),
        ({"vertexInputs": {"v0": ["in"], "v1": []}}, "v1 reads"),
        ({"vertexInputs": {"v0": ["in"]}}, "v1 must list names"),
        ({"networkOutputs": ["elsewhere"]}, "no vertices"),
        ({"networkInputs": []}, "no input"),
        ({"networkInputs": ["v0"]}, "the name of an input and of a vertex"),
    ):  # fmt: skip
        assert_refused(Zip(parts, changes=changes).write(tmp_path / "x.zip"), message)


def test_long_networks_take_no_longer_than_others(tmp_path):
    count = 21_000
    scale = {"@class": "org.deeplearning4j.nn.conf.graph.ScaleVertex", "scaleFactor": 1.0}
    configuration = {
        "networkInputs": ["in"], "networkOutputs": [f"v{count - 1}"],
        "vertices": {f"v{i}": scale for i in range(count)},
        "vertexInputs": {f"v{i}": [f"v{i - 1}" if i else "in"] for i in range(count)},
    }  # fmt: skip
    assert_refused(Zip([]).write(tmp_path / "x.zip", configuration), "vertices; at most 20,000")
    for name in ("vertices", "vertexInputs"):
        configuration[name] = dict(list(configuration[name].items())[:5000])
    configuration["networkOutputs"] = ["v4999"]
    assert_refused(Zip([]).write(tmp_path / "x.zip", configuration), "do not say what the input in takes")


def mutated(value, rng):
    """A copy of JSON data, with one value somewhere replaced by another."""
    value = copy.deepcopy(value)
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list | tuple):
                walk(node[key])

    walk(json.loads(json.dumps(value)))
    node, key = rng.choice(places)
    node[key] = rng.choice([None, -1, 0, 3.5, 1 << 70, "x", "NaN", [], {}, True, [[1]], {"@class": "a.B"}])
    return places[0][0]


def test_every_odd_value_is_refused_or_read(tmp_path):
    rng = random.Random(0)
    whole = chains()
    for number in range(400):
        parts = [*rng.choice(list(whole.values())), *([global_pool("AVG")] if number % 3 == 0 else [])]
        configuration = mutated(Zip(parts).configuration(), rng)
        path = Zip(parts).write(tmp_path / "x.zip", configuration)
        try:
            load(path)
        except xception.ModelFileError as error:
            assert str(error).startswith("x.zip")  # noqa: PT017


def test_every_flipped_byte_is_refused_or_read(tmp_path):
    path = Zip([conv(3, 2, (2, 2)), global_pool("AVG"), dense(2, 2)]).write(tmp_path / "x.zip")
    content = path.read_bytes()
    rng = random.Random(0)
    for number in range(400):
        changed = bytearray(content)
        if number % 4 == 0:
            changed = changed[: rng.randrange(len(changed))]
        else:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            load(path)
        except (xception.ModelFileError, ValueError) as error:
            assert "x.zip" in str(error)  # noqa: PT017


def test_serialized_objects_are_never_read(tmp_path):
    members = {"preprocessor.bin": b"\xac\xed\x00\x05sr\x00\x04Evil", "trainingListener": b"\xac\xed\x00\x05"}
    model = load(Zip([conv(3, 4)], members=members).write(tmp_path / "x.zip"))
    assert model.count_params() == 112


def test_two_members_of_one_name_are_refused(tmp_path):
    path = Zip([conv(3, 4)]).write(tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("configuration.json", "{}")
    with pytest.raises(xception.ModelFileError):
        load(path)
