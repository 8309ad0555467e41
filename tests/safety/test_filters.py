"""Filters of arrays: read from the header, undone within bounds, or refused; HDF5 runs none."""

import io
import subprocess
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from hostile import (
    BIAS,
    FILTER,
    FORMS,
    KERNEL,
    archive,
    assert_refused,
    assert_same,
    entry,
    every_form,
    functional,
    hdf5_bytes,
    layer,
    load_all,
    raw_dataset,
    replace_kernel,
)  # fmt: skip

import xception
from xception.formats.hdf5 import headers
from xception.formats.hdf5.tables import check_object

DEFLATE, SHUFFLE, FLETCHER32, SZIP, NBIT, SCALEOFFSET = 1, 2, 3, 4, 5, 6


@every_form
@pytest.mark.parametrize(
    "filters",
    [
        [(32001, (1, 2, 3))],  # blosc
        [(32015, ())],  # zstd
        [(65535, ())],
        [(305, ())],
        [(DEFLATE, (9,)), (DEFLATE, (9,))],
        [(SHUFFLE, (4,)), (SHUFFLE, (4,))],
        [(DEFLATE, (9,)), (32001, ())],
        [(32001, ()), (DEFLATE, (9,))],
    ],
    ids=str,
)
def test_filters_from_plugin_libraries(tmp_path, form, filters):
    spoil = raw_dataset(filters=filters, content=zlib.compress(KERNEL.tobytes()))
    assert_refused(form.write(tmp_path, spoil), "is encoded by the filters", form.whole)


@every_form
def test_filters_that_trust_the_file(tmp_path, form):
    for options in ({"scaleoffset": 3}, {"scaleoffset": 0, "dtype": "i4"}):
        spoil = replace_kernel(
            lambda file, kernel, o=options: file.create_dataset(kernel, data=KERNEL, **{"chunks": (4, 2)} | o)
        )
        assert_refused(form.write(tmp_path, spoil), "is encoded by the filters", form.whole)


@every_form
@pytest.mark.parametrize("filters", [[(DEFLATE, (9,))], [(SHUFFLE, (4,)), (DEFLATE, (9,))]], ids=str)
@pytest.mark.parametrize("chunk", [(4, 2), (2, 2)], ids=str)
def test_deflate_bombs(tmp_path, form, filters, chunk):
    packer = zlib.compressobj(9)
    content = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()

    def put(file, kernel):
        raw_dataset(filters=filters, chunk=chunk, content=content)(file, kernel)
        if chunk == (2, 2):
            file[kernel].id.write_direct_chunk((2, 0), content)

    assert_refused(form.write(tmp_path, put), "compressed numbers are not the .* bytes declared", form.whole)


@every_form
@pytest.mark.parametrize(
    "content",
    [
        b"x" * 40,
        zlib.compress(b""),
        zlib.compress(KERNEL.tobytes())[:-3],
        zlib.compress(KERNEL.tobytes() * 2),
    ],
)
def test_damaged_chunks(tmp_path, form, content):
    for filters in ([(DEFLATE, (9,))], [(SHUFFLE, (4,)), (DEFLATE, (9,))]):
        spoil = raw_dataset(filters=filters, content=content)
        assert_refused(form.write(tmp_path, spoil), "compressed numbers are|but stores|damaged", form.whole)


@every_form
def test_chunks_larger_than_their_array(tmp_path, form):
    for filters in ([(DEFLATE, (9,))], [(FLETCHER32, ())], [(SHUFFLE, (4,)), (DEFLATE, (9,))]):
        space = h5py.h5s.create_simple((4, 2), (h5py.h5s.UNLIMITED, h5py.h5s.UNLIMITED))
        spoil = raw_dataset(space=space, filters=filters, chunk=(2**14, 2**15), content=b"x" * 100)
        assert_refused(form.write(tmp_path, spoil), "has chunks larger than the array; refused", form.whole)


@every_form
def test_lzf_is_refused_with_advice(tmp_path, form):
    """Its chunks unpack to any size, wherever they declare to."""
    spoil = replace_kernel(
        lambda file, kernel: file.create_dataset(kernel, data=KERNEL, chunks=(4, 2), compression="lzf")
    )
    message = assert_refused(form.write(tmp_path, spoil), "is encoded by the filters lzf", form.whole)
    assert "Load the file with Keras and save it again" in message


LOAD = """
import sys, xception
for path in sys.argv[1:]:
    try:
        xception.load_model(path)
        print("loaded")
    except xception.ModelFileError as error:
        print("refused", error)
"""


def test_filters_with_thousands_of_values(tmp_path):
    """h5py before 3.16 crashes when it is asked for them, and later ones raise AssertionError."""
    paths = []
    for number in (32001, 32015, DEFLATE):  # for lzf, h5py crashes when it writes
        for count in (33, 500, 4000):
            for libver in ("earliest", "latest"):

                def put(file, kernel, number=number, count=count):
                    raw_dataset(filters=[(number, tuple(range(count)))], content=bytes(34))(file, kernel)

                path = tmp_path / f"{len(paths)}.keras"
                weights = io.BytesIO()
                with h5py.File(weights, "w", libver=libver) as file:
                    file["layers/conv2d/vars/0"], file["layers/dense/vars/1"] = FILTER, BIAS
                    file["layers/dense/vars/0"] = KERNEL
                    put(file, "layers/dense/vars/0")
                paths.append(archive(path, weights=weights.getvalue()))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = done.stdout.splitlines()
    assert len(outcomes) == len(paths)
    assert all("a filter with" in outcome and "at most 32 are read" in outcome for outcome in outcomes)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"scaleoffset": 3},
    ],
    ids=str,
)
def test_filters_are_read_as_h5py_reads_them(libver, options):
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver=libver) as file:
        made = file.create_dataset("x", data=KERNEL, chunks=(4, 2), **options)
        properties, address = made.id.get_create_plist(), h5py.h5o.get_info(made.id).addr
        expected = tuple(properties.get_filter(i)[0] for i in range(properties.get_nfilters()))

    def read(start, size):
        return stream.getvalue()[start : start + size]

    assert check_object(read, address) == expected


def filter_message(*values, number=1, version=1):
    """Return the message of one filter without a name, in version 1 or 2."""
    body = bytes([version, 1]) + bytes(6 if version == 1 else 0) + number.to_bytes(2, "little")
    body += bytes(4 if version == 1 else 2) + len(values).to_bytes(2, "little")
    return body + b"".join(value.to_bytes(4, "little") for value in values) + bytes(4 * (len(values) % 2))


def header(*messages, continued=()):
    """Return a header of version 1 at address 0, with a continuation block, as a function that reads."""

    def pack(kind, flags, body):
        return kind.to_bytes(2, "little") + len(body).to_bytes(2, "little") + bytes([flags, 0, 0, 0]) + body

    rest = b"".join(pack(*message) for message in continued)
    block = b"".join(pack(*message) for message in messages)
    if rest:
        block += pack(headers.CONTINUATION, 0, (1000).to_bytes(8, "little") + len(rest).to_bytes(8, "little"))
    content = (b"\1\0\1\0\1\0\0\0" + len(block).to_bytes(8, "little") + block).ljust(1000, b"\0") + rest
    return lambda address, size: content[address : address + size]


def test_filters_are_counted_wherever_they_stand_in_the_header():
    filters = (headers.FILTERS, 0, filter_message(6))
    assert check_object(header(filters), 0) == (1,)
    assert check_object(header((headers.FILTERS, 0, filter_message(6, version=2))), 0) == (1,)
    assert check_object(header(continued=[filters]), 0) == (1,)
    for version in (1, 2):
        many = (headers.FILTERS, 0, filter_message(*range(33), version=version))
        for read in (header(many), header(continued=[many])):
            with pytest.raises(headers.HeaderError, match="a filter with 33 values; at most 32 are read"):
                check_object(read, 0)
    for read in (header(filters, filters), header((headers.FILTERS, headers.SHARED, filter_message(6)))):
        with pytest.raises(headers.HeaderError, match="listed twice, or elsewhere; refused"):
            check_object(read, 0)
    with pytest.raises(headers.HeaderError, match="ends before its filters do"):
        check_object(header((headers.FILTERS, 0, filter_message(6)[:10])), 0)


@every_form
@pytest.mark.parametrize("content", [b"a", b"abc", KERNEL.tobytes(), KERNEL.tobytes() + b"\1\2\3\4"], ids=len)
def test_checksums_that_differ(tmp_path, form, content):
    """HDF5 computes the checksum of a chunk of less than 4 bytes over all memory."""
    for filters in ([(FLETCHER32, ())], [(SHUFFLE, (4,)), (FLETCHER32, ())]):
        spoil = raw_dataset(filters=filters, content=content)
        assert_refused(form.write(tmp_path, spoil), "is damaged|declares shape|stores nothing", form.whole)


@pytest.mark.parametrize("elements", [8, 65537, 300_001])
def test_checksums_of_chunks_of_any_size(tmp_path, elements):
    """Also of those of an odd number of bytes, and of zeros."""
    from xception.formats.hdf5.array_reader import read_arrays
    from xception.formats.hdf5.arrays import find_array
    from xception.formats.hdf5.file import open_file
    from xception.formats.hdf5.source import Source

    numbers = np.random.default_rng(0).integers(0, 255, elements, np.uint8)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=numbers, chunks=(elements,), fletcher32=True)
        file.create_dataset("b", data=0 * numbers, chunks=(elements,), fletcher32=True, compression="gzip")
    source = Source(path.name, path)
    with open_file(source) as file:
        results, not_finite = read_arrays([find_array(file, "a"), find_array(file, "b")], source)
    np.testing.assert_array_equal(results, [numbers, 0 * numbers])
    assert not not_finite


def test_compressed_doubles_are_converted_chunk_by_chunk(tmp_path):
    shape = (2048, 1024)
    expected = np.arange(2**21, dtype=np.float64).reshape(shape)
    config = functional(entry(shape=(None, 2048)), layer("Dense", "d", "pixels", units=1024, use_bias=False))

    def fill(file):
        file.create_dataset(
            "layers/dense/vars/0", data=expected, chunks=(64, 1024), compression="gzip", shuffle=True
        )

    path = archive(tmp_path / "x.keras", config, hdf5_bytes(fill))
    xception.load_model(path)  # imports
    tracemalloc.start()
    model = xception.load_model(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_same(model.get_weights(), [expected.astype(np.float32)])
    assert peak < expected.nbytes // 2 + (6 << 20)


def test_memory_for_weights_is_what_the_user_allows(tmp_path, monkeypatch):
    """The message names the figure that is enough."""
    config = functional(entry(shape=(None, 512)), layer("Dense", "d", "pixels", units=512, use_bias=False))
    numbers = np.random.default_rng(0).random((512, 512), np.float32)

    def fill(file):
        file["layers/dense/vars/0"] = numbers

    for packed in (False, True):
        path = archive(tmp_path / "x.keras", config, hdf5_bytes(fill), packed=packed)
        monkeypatch.setenv("XCEPTION_MAX_MEMORY", "1MB")
        for _ in range(1 + packed):  # first what is unpacked, then what is read of it
            with pytest.raises(xception.ModelFileError, match="the limit is") as caught:
                xception.load_model(path)
            needed = str(caught.value).rpartition("--max-memory ")[2].split()[0]
            monkeypatch.setenv("XCEPTION_MAX_MEMORY", needed)
        assert_same(xception.load_model(path).get_weights(), [numbers])


def test_chunks_are_counted_over_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr("xception.formats.hdf5.file.MAX_CHUNKS", 8)
    spoil = replace_kernel(
        lambda file, kernel: file.create_dataset(kernel, data=KERNEL, chunks=(1, 1), compression="gzip")
    )
    path = FORMS["keras"].write(tmp_path, spoil)
    load_all(path)
    monkeypatch.setattr("xception.formats.hdf5.file.MAX_CHUNKS", 7)
    assert_refused(path, "has more than 7 chunks; refused")
