"""Arrays in HDF5: types, encodings, and where numbers may be stored."""

import shutil
import zlib

import h5py
import numpy as np
import pytest
from saved_models import assert_refused, fresh_base

from xception.formats.hdf5.array_reader import widen_float16


def test_half_and_double_precision_are_read(distinct_base, base_file):
    with h5py.File(base_file, "a") as f:
        for dtype, path in (
            (np.float16, "conv2d/conv2d/kernel:0"),
            (np.float64, "conv2d_1/conv2d_1/kernel:0"),
        ):
            array = f[path][()]
            del f[path]
            f[path] = array.astype(dtype)
    loaded = fresh_base()
    loaded.load_weights(base_file)
    (kernel,), (expected,) = (m.get_layer("conv2d").get_weights() for m in (loaded, distinct_base))
    np.testing.assert_array_equal(kernel, expected.astype(np.float16).astype(np.float32))
    (kernel,), (expected,) = (m.get_layer("conv2d_1").get_weights() for m in (loaded, distinct_base))
    np.testing.assert_array_equal(kernel, expected)


def test_half_precision_is_widened_exactly():
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    for values in (every, every[np.isfinite(every)]):
        wide = np.empty(values.shape, np.float32)
        widen_float16(values, wide)
        np.testing.assert_array_equal(wide, values.astype(np.float32))
        np.testing.assert_array_equal(np.signbit(wide), np.signbit(values))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "gzip"}])
@pytest.mark.parametrize("chunks", ["whole", "parts"])
def test_every_way_of_storing_numbers(distinct_base, base_file, dtype, options, chunks):
    paths = ("block5_sepconv1/block5_sepconv1/pointwise_kernel:0", "block1_conv1/block1_conv1/kernel:0")
    with h5py.File(base_file, "a") as f:
        for path in paths:
            array = f[path][()].astype(dtype)
            del f[path]
            if options:
                options = options | {"chunks": array.shape if chunks == "whole" else (1, 1, 3, 8)}
            f.create_dataset(path, data=array, **options)
    loaded = fresh_base()
    loaded.load_weights(base_file)
    expected = distinct_base.get_layer("block5_sepconv1").get_weights()[1].astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(loaded.get_layer("block5_sepconv1").get_weights()[1], expected)


KERNEL = "conv2d/conv2d/kernel:0"


def with_other_kernel(base_file, put):
    """The file with something else in the place of a kernel: put(file, shape)."""
    with h5py.File(base_file, "a") as file:
        shape = file[KERNEL].shape
        del file[KERNEL]
        put(file, shape)
    return base_file


def external_link(file, shape):
    file[KERNEL] = h5py.ExternalLink("secret.h5", KERNEL)


def soft_link(file, shape):
    file[KERNEL] = h5py.SoftLink("/conv2d_1")


def external_storage(file, shape):
    file.create_dataset(KERNEL, shape, np.float32, external=[("raw", 0, h5py.h5f.UNLIMITED)])


def virtual_dataset(file, shape):
    layout = h5py.VirtualLayout(shape, np.float32)
    layout[...] = h5py.VirtualSource("secret.h5", KERNEL, shape)
    file.create_virtual_dataset(KERNEL, layout)


def some_chunks(file, shape):
    made = file.create_dataset(KERNEL, shape, np.float32, chunks=(1, 1, 3, 8), fillvalue=0)
    made[0, 0, 0, 0] = 1


def deflate_bomb(file, shape):
    group, name = file.require_group("conv2d/conv2d"), "kernel:0"
    file.create_dataset(KERNEL, shape, np.float32, chunks=shape, compression="gzip", shuffle=True)
    group[name].id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1 << 24)))


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (external_link, "is a soft or external link; refused"),
        (soft_link, "is a soft or external link; refused"),
        (external_storage, "kept in another file; refused"),
        (virtual_dataset, "kept in another file; refused"),
        (some_chunks, "but stores only"),
        (deflate_bomb, "are not the .* bytes declared"),
        (lambda file, shape: file.create_dataset(KERNEL, shape, np.float32), "stores nothing"),
        (lambda file, shape: file.create_dataset(KERNEL, (2**40,), "f4", chunks=(1024,)), "stores nothing"),
        (lambda file, shape: file.create_dataset(KERNEL, shape, "S4"), "expected an array of numbers"),
        (lambda file, shape: file.create_group(KERNEL), "expected an array of numbers"),
        (lambda file, shape: None, "is listed, but missing"),
    ],
)
def test_arrays_that_are_not_in_the_file_are_refused(base_file, tmp_path, put, message):
    shutil.copy(base_file, tmp_path / "secret.h5")
    (tmp_path / "raw").write_bytes(bytes(1 << 20))
    assert_refused(with_other_kernel(base_file, put), message)


def test_brain_floats_of_hdf5_are_read(base_file):
    """A floating-point type of HDF5 that h5py presents as float16."""

    def brain_float(file, shape):
        kind = h5py.h5t.IEEE_F16LE.copy()
        kind.set_fields(15, 7, 8, 0, 7)
        kind.set_ebias(127)
        space = h5py.h5s.create_simple(shape)
        dataset = h5py.h5d.create(file.require_group("conv2d/conv2d").id, b"kernel:0", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.full(shape, 1.5, np.float32))

    loaded = fresh_base()
    loaded.load_weights(with_other_kernel(base_file, brain_float))
    assert (loaded.get_layer("conv2d").get_weights()[0] == 1.5).all()
