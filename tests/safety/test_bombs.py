"""Small files that would take gigabytes, loaded by a process with limited memory."""

import json
import subprocess
import sys
import zipfile
import zlib

import h5py
import pytest
from hostile import (
    FORMS,
    LOCAL,
    archive,
    changed,
    entry,
    fill_by_position,
    functional,
    hdf5_bytes,
    layer,
    set_field,
    small,
    tensor,
    whole_h5,
)

SECONDS = 20  #: of computing, for each file
ZEROS = 2 << 30  #: bytes that a bomb unpacks to
MEMORY = 3 << 30  #: bytes of address space
RESIDENT = 1 << 30  #: bytes of memory, besides what the library itself takes

LOAD = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
import numpy, xception
import xception.formats
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for path in sys.argv[1:]:
    before, start = peak(), time.process_time()
    try:
        outcome = repr(xception.load_model(path))
    except xception.ModelFileError as error:
        outcome = f"refused: {{error}}"
    print(json.dumps([outcome, time.process_time() - start, peak() - before]), flush=True)
"""


def packed_zeros():
    """Return deflated zeros. The same block is repeated, which is quick."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (ZEROS >> 20) + packer.flush()


def with_checksum(packed):
    return b"\x78\xda" + packed + (ZEROS % 65521 << 16 | 1).to_bytes(4, "big")


def chunk_bomb(times):
    """Return a change of a file: a small kernel whose chunk unpacks to gigabytes."""
    content = with_checksum(packed_zeros())
    for _ in range(times - 1):
        content = zlib.compress(content)

    def replace_kernel(file, kernel):
        del file[kernel]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((4, 2))
        for _ in range(times):
            properties.set_deflate(9)
        parent, name = kernel.rsplit("/", 1)
        space = h5py.h5s.create_simple((4, 2))
        made = h5py.h5d.create(file[parent].id, name.encode(), h5py.h5t.IEEE_F32LE, space, properties)
        made.write_direct_chunk((0, 0), content)

    return replace_kernel


def zip_bomb(path, name):
    parts = {"config.json": json.dumps(small()), "model.weights.h5": hdf5_bytes(fill_by_position)}
    with zipfile.ZipFile(path, "w") as file:
        for part, content in (parts | {name: packed_zeros()}).items():
            file.writestr(part, content)
    for change in (set_field(8, 2, 8, name, LOCAL), set_field(10, 2, 8, name), set_field(24, 4, ZEROS, name)):
        changed(path, change)
    return path


def directory_bomb(path):
    """Write an archive whose directory lists half a million files."""
    entry = archive(path).read_bytes()
    start, end = entry.index(b"PK\x01\x02"), entry.rindex(b"PK\x05\x06")
    one = bytearray(entry[start : entry.index(b"PK\x01\x02", start + 4)])
    crowd = bytearray()
    for number in range(500_000):
        one[46 : 46 + 8] = b"%08x" % number
        crowd += one
    directory = entry[start:end] + crowd
    last = bytearray(entry[end:])
    last[12:16] = len(directory).to_bytes(4, "little")
    path.write_bytes(entry[:start] + directory + last)
    return path


def with_config(config):
    return lambda path: archive(path, config, packed=True)


def config_with_many(text, count):
    """Return the text of a config that contains `text` many times."""
    head, tail = json.dumps(small() | {"build_config": "HERE"}).split('"HERE"')
    return head + "[" + ",".join([text] * count) + "]" + tail


DEEP = functional(
    entry(),
    layer("Add", "sum", [json.loads("[" * 800 + ",".join(["1"] * 50_000) + "]" * 800), tensor("pixels")]),
)


def text_bomb(path, change):
    """Write a list of names, and change the pointers to them: change(content, offset of the first)."""

    def replace_names(file):
        del file["model_weights"].attrs["layer_names"]
        texts = ["L" * 1_000_000, *(f"s{i:04d}" for i in range(3999))]
        file["model_weights"].attrs.create("layer_names", texts, dtype=h5py.string_dtype())

    path = whole_h5(path.with_suffix(".h5"), spoil=replace_names)
    content = bytearray(path.read_bytes())
    first = content.index((1_000_000).to_bytes(4, "little"))
    while content[first + 16 : first + 20] != (5).to_bytes(4, "little"):  # the length of the second name
        first = content.index((1_000_000).to_bytes(4, "little"), first + 1)
    change(content, first)
    path.write_bytes(content)
    return path


def point_to_one_text(content, first):
    content[first : first + 16 * 4000] = content[first : first + 16] * 4000


def claim_a_huge_length(content, first):
    content[first : first + 4] = b"\xff" * 4


def make_the_heap_endless(content, first):
    """Free space of size 0, over which HDF5 loops forever."""
    heap = int.from_bytes(content[first + 4 : first + 12], "little")
    content[heap + 16 : heap + 24] = bytes(8)
    content[heap + 24 : heap + 32] = bytes(8)


BOMBS = {
    "a chunk": lambda path: FORMS["keras"].write(path.parent, chunk_bomb(1), path.stem),
    "a chunk, twice": lambda path: FORMS["keras, packed"].write(path.parent, chunk_bomb(2), path.stem),
    "a description": lambda path: zip_bomb(path, "config.json"),
    "weights": lambda path: zip_bomb(path, "model.weights.h5"),
    "a directory": directory_bomb,
    "objects": with_config(config_with_many("{}", 5_000_000)),
    "lists": with_config(config_with_many("[]", 5_000_000)),
    "names": with_config(config_with_many('{"a":[{}]}', 1_500_000)),
    "depth": with_config(DEEP),
    "an input": with_config(
        functional(entry(shape=(None, 2**31 - 1, 2**31 - 1, 1)), layer("Flatten", "flat", "pixels"))
    ),
    "padding": with_config(functional(entry(), layer("ZeroPadding2D", "pad", "pixels", padding=2**31 - 1))),
    "a fill value": lambda path: FORMS["keras"].write(path.parent, fill_value, path.stem),
    "one text": lambda path: text_bomb(path, point_to_one_text),
    "a length": lambda path: text_bomb(path, claim_a_huge_length),
    "a heap": lambda path: text_bomb(path, make_the_heap_endless),
    "a text": lambda path: whole_h5(path.with_suffix(".h5"), " " * (64 << 20)),
}


def fill_value(file, kernel):
    del file[kernel]
    file.create_dataset(kernel, (2**17, 2**17), "f4", fillvalue=1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="sets memory limits as Linux does")
def test_bombs_are_refused_in_little_memory(tmp_path):
    paths = {}
    for i, (name, make) in enumerate(BOMBS.items()):
        try:
            paths[name] = make(tmp_path / f"{i}.keras")
        except OSError as error:  # older HDF5 libraries read such a chunk, but do not write it
            if name != "a chunk" or "chunk size can't be encoded" not in str(error):
                raise
    for name, path in paths.items():
        assert path.stat().st_size < 80 << 20, name
    command = [sys.executable, "-c", LOAD.format(memory=MEMORY), *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * len(paths), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = dict(zip(paths, map(json.loads, done.stdout.splitlines()), strict=True))
    for name, (outcome, seconds, memory) in outcomes.items():
        assert outcome.startswith("refused: ") or name in ("objects", "lists", "names"), (name, outcome)
        assert seconds < SECONDS, (name, seconds)
        assert memory < RESIDENT, (name, memory)
    print(outcomes)
