"""Valid files, changed at random: each loads, or is refused with ModelFileError.

The changes are the same in every run. Files with changed HDF5 are loaded in another process, because
the C library that reads them may crash.
"""

import copy
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xception

ALLOWED = (xception.ModelFileError, OSError)
quick = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a small model in every form: {suffix: bytes}."""
    folder = tmp_path_factory.mktemp("fuzz")
    model = small_model()
    names = ("x.keras", "x.weights.h5", "x.h5")
    model.save(folder / names[0])
    for name in names[1:]:
        model.save_weights(folder / name)
    contents = {name[1:]: (folder / name).read_bytes() for name in names}
    contents[".whole.h5"] = whole_h5(folder, model, contents)
    return contents


def small_model():
    from xception import layers
    from xception.graph import Graph
    from xception.models.parameters import initial_parameters

    graph = Graph("small")
    pixels = graph.add(layers.Input((8, 8, 3)), name="pixels")
    scaled = graph.add(layers.Rescaling(1 / 127.5, -1), pixels)
    x = graph.add(layers.Conv2D(4, 3, padding="same", activation="relu"), scaled)
    y = graph.add(layers.SeparableConv2D(4, 3, padding="same", use_bias=False), x)
    y = graph.add(layers.BatchNormalization(), y)
    x = graph.add(layers.Add(), x, y)
    x = graph.add(layers.MaxPooling2D(2, 2, "same"), x)
    x = graph.add(layers.GlobalAveragePooling2D(), x)
    x = graph.add(layers.Dropout(0.5), x)
    graph.add(layers.Dense(2, "softmax"), x, name="predictions")
    return xception.Model(graph, initial_parameters(graph, 0))


def whole_h5(folder, model, contents):
    import h5py

    path = folder / "whole.h5"
    with h5py.File(path, "w") as file, h5py.File(io.BytesIO(contents[".h5"])) as weights:
        with zipfile.ZipFile(io.BytesIO(contents[".keras"])) as archive:
            file.attrs["model_config"] = archive.read("config.json").decode()
        root = file.create_group("model_weights")
        root.attrs.update(weights.attrs)
        for name in weights:
            weights.copy(name, root)
    return path.read_bytes()


def assert_loads_or_is_refused(path):
    """As a model and as weights: no other error, and never a part of the weights."""
    for act in (lambda: xception.load_model(path).count_params(), lambda: load_into(path)):
        try:
            act()
        except ALLOWED as error:
            assert str(error)  # noqa: PT017


def load_into(path):
    model = small_model()
    before = model.get_weights()
    try:
        model.load_weights(path)
    except ALLOWED:
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        raise


# --- configs --------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**9, 2**31, 2**63, -(2**64), 10**400, 1e308, float("nan"), float("inf"), 0.5]),
    st.sampled_from(["", "pixels", "conv2d", "Dense", "Lambda", "Functional", "keras", "os", "\0", "\ud800"]),
    st.sampled_from([[], {}, [[]], [None], "x" * 999, ["conv2d", 0, 0], [["conv2d", 0, 0, {}]]]),
    st.just({"class_name": "Lambda", "config": {}}),
)  # fmt: skip


def all_paths(value, path=()):
    """Yield the paths of all values in nested lists and dicts."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from all_paths(inner, (*path, key))


def change(data, described):
    """Replace, remove, repeat, move or wrap a value somewhere."""
    where = list(all_paths(described))
    *path, last = data.draw(st.sampled_from(where))
    holder = described
    for key in path:
        holder = holder[key]
    act = data.draw(st.sampled_from(["odd", "other", "remove", "repeat", "wrap", "rename"]))
    if act == "odd":
        holder[last] = data.draw(ODD)
    elif act == "other":
        found = described
        for key in data.draw(st.sampled_from(where)):
            found = found[key]
        holder[last] = copy.deepcopy(found)
    elif act == "remove":
        del holder[last]
    elif act == "repeat" and isinstance(holder, list):
        holder[last:last] = [copy.deepcopy(holder[last])] * data.draw(st.integers(1, 3))
    elif act == "wrap":
        holder[last] = [holder[last]]
    elif isinstance(holder, dict):
        holder[data.draw(st.sampled_from(["name", "class_name", "config", "units", "layers", "x"]))] = (
            holder.pop(last)
        )


@quick
@given(data=st.data())
def test_changed_configs(files, tmp_path, data):
    with zipfile.ZipFile(io.BytesIO(files[".keras"])) as old:
        parts = {info.filename: old.read(info) for info in old.infolist()}
    described = json.loads(parts["config.json"])
    for _ in range(data.draw(st.integers(1, 4))):
        change(data, described)
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
        for name, content in parts.items():
            new.writestr(name, json.dumps(described) if name == "config.json" else content)
    assert_loads_or_is_refused(tmp_path / "x.keras")


@quick
@given(data=st.data())
def test_changed_bytes_of_json(files, tmp_path, data):
    with zipfile.ZipFile(io.BytesIO(files[".keras"])) as old:
        parts = {info.filename: old.read(info) for info in old.infolist()}
    name = data.draw(st.sampled_from(["config.json", "metadata.json"]))
    parts[name] = with_changed_bytes(data, parts[name])
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    assert_loads_or_is_refused(tmp_path / "x.keras")


# --- bytes ----------------------------------------------------------------------------------

FIELDS = [
    b"\0",
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 8,
    b"\x7f",
    b"\x80",
    b"\1\0\0\0",
    b"\0\0\0\x80",
    b"PK\1\2",
    b"/",
]


def with_changed_bytes(data, content, until=None):
    """Overwrite, insert or remove a few bytes."""
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, min(len(content), until or len(content)) - 1)))
        act = data.draw(
            st.sampled_from(["bit", "field", "insert", "remove"] if until is None else ["bit", "field"])
        )
        if act == "bit" and content:
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif act == "remove":
            del content[at : at + data.draw(st.integers(1, 40))]
        else:
            field = data.draw(st.sampled_from(FIELDS))
            content[at : at + (len(field) if act == "field" else 0)] = field
    return bytes(content)


@quick
@given(data=st.data())
def test_changed_bytes_of_archives(files, tmp_path, data):
    """Bytes of the zip format, around the members."""
    content = files[".keras"]
    start = content.index(b"PK\1\2")
    head = content.index(b"\x89HDF")
    if data.draw(st.booleans()):
        content = content[:start] + with_changed_bytes(data, content[start:])
    else:
        content = with_changed_bytes(data, content[:head]) + content[head:]
    (tmp_path / "x.keras").write_bytes(content)
    assert_loads_or_is_refused(tmp_path / "x.keras")


HDF5_EXAMPLES = 200


def hdf5_files(files, folder, seed):
    """Yield files with a few changed bytes, mostly in HDF5's own tables: the weights are small."""
    rng = np.random.default_rng(seed)
    for count in range(HDF5_EXAMPLES):
        suffix = list(files)[count % len(files)]
        content = np.frombuffer(files[suffix], np.uint8).copy()
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(len(content)))
            field = np.frombuffer(FIELDS[rng.integers(len(FIELDS))], np.uint8)[: len(content) - at]
            content[at : at + len(field)] = field if rng.random() < 0.7 else rng.integers(0, 256, len(field))
        path = folder / f"{count}{suffix}"
        content.tofile(path)
        yield path


def test_changed_bytes_of_hdf5(files, tmp_path):
    paths = list(hdf5_files(files, tmp_path, 1))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), *sys.path])
    }
    command = [sys.executable, __file__, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    finished = done.stdout.splitlines()
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert finished == [str(path) for path in paths], f"the process ended at {paths[len(finished)].name}"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        assert_loads_or_is_refused(Path(argument))
        print(argument, flush=True)
