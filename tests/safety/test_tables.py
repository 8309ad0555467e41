"""Tables of groups and chunks that HDF5 trusts: damaged ones crash it, never end, or fill the memory."""

import struct
import subprocess
import sys

import h5py
import pytest
from hostile import (
    FILTER,
    FORMS,
    assert_refused,
    assert_same,
    fill_by_name,
    fill_by_position,
    hdf5_bytes,
    load_all,
    replace_kernel,
)

LOAD = """
import sys, pathlib, xception
from hostile import small_model
for path in sys.argv[1:]:
    try:
        small_model().load_weights(path)
        print("loaded")
    except xception.ModelFileError as error:
        print("refused", error)
    xception.inspect(path)
"""


def occurrences(content, signature):
    start = content.find(signature)
    while start >= 0:
        yield start
        start = content.find(signature, start + 4)


def tree_within_itself(content, kind, key_bytes):
    for at in occurrences(content, b"TREE"):
        if content[at + 4] == kind:
            content[at + 5] = 1  # not a leaf
            struct.pack_into("<Q", content, at + 24 + key_bytes, at)


def endless_free_space(content):
    for at in occurrences(content, b"HEAP"):
        free, data = struct.unpack_from("<QQ", content, at + 16)
        struct.pack_into("<QQ", content, data + free, free, 16)


def heap_of_size(size):
    def change(content):
        for at in occurrences(content, b"HEAP"):
            struct.pack_into("<QQ", content, at + 8, size, 1)

    return change


def names_elsewhere(content):
    for at in occurrences(content, b"SNOD"):
        struct.pack_into("<Q", content, at + 8, 1 << 20)


CHANGES = {
    "a group within itself": lambda content: tree_within_itself(content, 0, 8),
    "chunks within themselves": lambda content: tree_within_itself(content, 1, 8 + 8 * 5),
    "endless free space": endless_free_space,
    "an empty heap": heap_of_size(0),
    "a huge heap": heap_of_size(1 << 40),
    "names elsewhere": names_elsewhere,
}


def chunked(file):
    del file["layers/conv2d/vars/0"]
    file.create_dataset("layers/conv2d/vars/0", data=FILTER, chunks=(1, 1, 1, 1), compression="gzip")


def test_tables_that_hdf5_does_not_survive(tmp_path):
    paths = []
    for name, change in CHANGES.items():
        content = bytearray(hdf5_bytes(fill_by_position, chunked))
        change(content)
        paths.append(tmp_path / f"{name}.weights.h5")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n" + LOAD, *map(str, paths)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == len(paths)
    assert all("damaged" in outcome or "leads out of its table" in outcome for outcome in outcomes), outcomes


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_large_tables_are_read(tmp_path, libver):
    """Trees of several levels, and heaps that have grown."""

    def fill(file):
        fill_by_position(file)
        for i in range(1500):
            file.create_group(f"layers/unused_{i}")
        del file["layers/unused_7"]

    def many_chunks(file):
        del file["layers/conv2d/vars/0"]
        file.create_dataset(
            "layers/conv2d/vars/0",
            data=FILTER,
            chunks=(1, 1, 1, 1),
            maxshape=(None, None, 3, 4),
            shuffle=True,
        )

    path = tmp_path / "x.weights.h5"
    path.write_bytes(hdf5_bytes(fill, many_chunks, libver=libver))
    (model,) = load_all(path, whole=False)
    assert_same(model.get_weights()[:1], [FILTER])


def test_compressed_tables_of_groups_on_the_way(tmp_path):
    def hide(file, kernel):
        parent = kernel.rsplit("/", 1)[0]
        properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        filters = h5py.h5p.PropDCID(properties.id)  # the same property list
        filters.set_deflate(9)
        del file[parent]
        group = h5py.Group(h5py.h5g.create(file[parent.rsplit("/", 1)[0]].id, b"dense", gcpl=properties))
        for number in range(100):
            group.create_group(f"dense_{number}")

    form = FORMS["weights of Keras 2"]
    path = tmp_path / "x.h5"
    path.write_bytes(hdf5_bytes(fill_by_name, lambda file: hide(file, form.kernel), libver="latest"))
    assert_refused(path, "its tables of entries are compressed; refused", whole=False)


@pytest.mark.parametrize(
    "options", [{"fs_strategy": "page"}, {"fs_strategy": "fsm", "fs_persist": True}], ids=str
)
def test_extensions_of_the_superblock(tmp_path, options):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w", **options) as file:
        fill_by_position(file)
    assert_refused(path, "has an extension of its superblock", whole=False)


@pytest.mark.parametrize(
    "error", [AssertionError, SystemError, RecursionError, MemoryError, KeyError, BufferError]
)
def test_any_error_of_h5py_is_a_damaged_file(tmp_path, monkeypatch, error):
    form = FORMS["weights of Keras 3"]
    path = form.write(tmp_path, replace_kernel(lambda file, kernel: file.create_dataset(kernel, data=[1.0])))

    def broken(*arguments):
        raise error

    monkeypatch.setattr("xception.formats.hdf5.file.h5py.h5o.get_info", broken)
    assert_refused(path, f"a damaged or incomplete HDF5 file; .*{error.__name__}", whole=False)


def test_many_links_with_one_long_name(tmp_path):
    """Each would be a name of its own in memory: 1.7 MB of file, 120 MB of names."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_group("a" * 60_000)
        for number in range(2000):
            file.create_group(f"{number:04}")
    content = bytearray(path.read_bytes())
    for at in occurrences(content, b"SNOD"):
        for entry in range(struct.unpack_from("<H", content, at + 6)[0]):
            struct.pack_into("<Q", content, at + 8 + 40 * entry, 8)  # the first name in the heap
    path.write_bytes(content)
    assert_refused(path, "its names have more than 16,777,216 bytes")


def test_long_names_in_newer_groups(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(20):
            file.create_group(f"{number:05}" * 1000)
    assert_refused(path, "its names have more than 4,096 bytes")
