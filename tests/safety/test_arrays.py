"""Hostile arrays in HDF5 files: stored elsewhere, of odd types, or declared larger than they are."""

import h5py
import numpy as np
import pytest
from hostile import (
    BIAS,
    FILTER,
    FORMS,
    KERNEL,
    assert_refused,
    assert_same,
    entry,
    every_form,
    functional,
    layer,
    load_all,
    raw_dataset,
    replace_kernel,
    whole_h5,
)

import xception

# --- stored elsewhere -----------------------------------------------------------------------

IN_ANOTHER = "kept in another file; refused"


@every_form
def test_external_storage(tmp_path, form):
    raw = tmp_path / "raw"
    raw.write_bytes(KERNEL.tobytes())
    for place in (raw, "raw", "/dev/zero", "/dev/stdin", "/etc/passwd", "../raw"):

        def external(file, kernel, place=place):
            size = h5py.h5f.UNLIMITED if place == "/dev/zero" else KERNEL.nbytes
            file.create_dataset(kernel, KERNEL.shape, "f4", external=[(str(place), 0, size)])

        assert_refused(form.write(tmp_path, replace_kernel(external)), IN_ANOTHER, form.whole)


@every_form
def test_virtual_datasets(tmp_path, form):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = KERNEL
    for place in ("other.h5", tmp_path / "other.h5", "/dev/stdin", "nowhere.h5"):

        def virtual(file, kernel, place=place):
            layout = h5py.VirtualLayout(KERNEL.shape, np.float32)
            layout[...] = h5py.VirtualSource(place, "kernel", KERNEL.shape)
            file.create_virtual_dataset(kernel, layout)

        def growing(file, kernel, place=place):
            """HDF5 opens the other file even to find the shape."""
            layout = h5py.VirtualLayout(KERNEL.shape, np.float32, maxshape=(None, 2))
            source = h5py.VirtualSource(place, "kernel", KERNEL.shape, maxshape=(None, 2))
            layout[0 : h5py.h5s.UNLIMITED, :] = source[0 : h5py.h5s.UNLIMITED, :]
            file.create_virtual_dataset(kernel, layout)

        for put in (virtual, growing):
            assert_refused(form.write(tmp_path, replace_kernel(put)), IN_ANOTHER, form.whole)

    def of_itself(file, kernel):
        layout = h5py.VirtualLayout(KERNEL.shape, np.float32)
        layout[...] = h5py.VirtualSource(".", kernel, KERNEL.shape)
        file.create_virtual_dataset(kernel, layout)

    assert_refused(form.write(tmp_path, replace_kernel(of_itself)), IN_ANOTHER, form.whole)


# --- types ----------------------------------------------------------------------------------

NUMBERS = "expected an array of numbers"


def of_type(value, dtype=None):
    return replace_kernel(lambda file, kernel: file.create_dataset(kernel, data=value, dtype=dtype))


TYPES = {
    "text": of_type(np.full((4, 2), b"1.0")),
    "text of any length": of_type(np.full((4, 2), "1", object), h5py.string_dtype()),
    "compound": of_type(np.zeros((4, 2), [("r", "f4"), ("i", "f4")])),
    "one field": of_type(np.zeros((4, 2), [("a", "u2")])),
    "complex": of_type(KERNEL.astype(complex)),
    "enumeration": of_type(np.zeros((4, 2), "i4"), h5py.enum_dtype({"a": 0}, "i4")),
    "booleans": of_type(np.zeros((4, 2), bool)),
    "opaque": of_type(np.zeros((4, 2), "V4")),
    "opaque of one byte": of_type(np.zeros((4, 2), "V1")),
    "arrays": replace_kernel(lambda file, kernel: file.create_dataset(kernel, (4,), np.dtype(("f4", (2,))))),
    "lists": replace_kernel(lambda file, kernel: file.create_dataset(kernel, (4, 2), h5py.vlen_dtype("f4"))),
    "references": replace_kernel(lambda file, kernel: file.create_dataset(kernel, (4, 2), h5py.ref_dtype)),
    "regions": replace_kernel(lambda file, kernel: file.create_dataset(kernel, (4, 2), h5py.regionref_dtype)),
    "bits": raw_dataset(h5py.h5t.STD_B32LE),
    "times": raw_dataset(h5py.h5t.UNIX_D32LE),
}  # fmt: skip


@every_form
@pytest.mark.parametrize("kind", TYPES)
def test_datasets_without_numbers(tmp_path, form, kind):
    assert_refused(form.write(tmp_path, TYPES[kind]), NUMBERS, form.whole)


@pytest.mark.parametrize("form", [FORMS["keras"], FORMS["weights of Keras 2"]], ids=["keras", "h5"])
@pytest.mark.parametrize(
    "dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "g", "i1", "u1", "<i2", ">i4", "<i8", "u8"]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (3, 2)},
        {"chunks": (3, 2), "compression": "gzip"},
        {"chunks": (4, 2), "compression": "gzip", "shuffle": True},
        {"chunks": (3, 1), "compression": "gzip", "shuffle": True},
        {"chunks": (100, 3), "maxshape": (None, None), "compression": "gzip"},
        {"chunks": (1, 1), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (3, 2), "shuffle": True},
        {"chunks": (4, 2), "fletcher32": True},
    ],
    ids=str,
)
def test_numbers_of_every_type_are_read(tmp_path, form, dtype, options):
    if dtype == "g" and "compression" in options:
        pytest.skip("NumPy and HDF5 disagree about long doubles")
    path = form.write(
        tmp_path,
        replace_kernel(lambda f, kernel: f.create_dataset(kernel, data=KERNEL.astype(dtype), **options)),
    )
    for model in load_all(path, form.whole):
        assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])
        assert all(array.dtype == np.float32 for array in model.get_weights())


def test_numbers_beyond_float32(tmp_path):
    values = np.array([[1e300, -1e300], [np.nan, np.inf], [1e-300, 0.1], [-0.0, 16777217]])
    with np.errstate(over="ignore"):
        expected = values.astype(np.float32)
    for options in ({}, {"compression": "gzip"}):
        path = FORMS["keras"].write(
            tmp_path, replace_kernel(lambda f, kernel, o=options: f.create_dataset(kernel, data=values, **o))
        )
        with pytest.warns(UserWarning, match="1 array holds NaN or infinity"):
            models = load_all(path)
        for model in models:
            np.testing.assert_array_equal(model.get_weights()[1], expected)


# --- shapes ---------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize(
    "shape",
    [(), (0,), (0, 2), (4, 0), (2, 4), (8,), (4, 2, 1), (1,) * 32, (0,) * 32, (2**62, 0), (2,) * 16],
    ids=str,
)
def test_arrays_of_the_wrong_shape(tmp_path, form, shape):
    def put(file, kernel):
        made = file.create_dataset(kernel, shape, "f4")
        if 0 not in shape:
            made[...] = 1

    assert_refused(
        form.write(tmp_path, replace_kernel(put)),
        r"dense: kernel should have shape \(4, 2\), found",
        form.whole,
    )


@every_form
def test_arrays_without_a_shape(tmp_path, form):
    spoil = replace_kernel(lambda file, kernel: file.create_dataset(kernel, data=h5py.Empty("f4")))
    assert_refused(form.write(tmp_path, spoil), "has no shape", form.whole)


@every_form
@pytest.mark.parametrize("shape", [(4, 2), (2**20, 2**20), (2**31, 2**31), (2**62,), (2**40, 2)], ids=str)
@pytest.mark.parametrize("chunks", [None, "few"])
def test_arrays_that_are_declared_but_not_stored(tmp_path, form, shape, chunks):
    """The file holds only the fill value."""
    if chunks is None and np.prod([float(size) for size in shape]) >= 2**61:
        pytest.skip("HDF5 does not declare so large a contiguous array")
    options = {"chunks": (4, 2)[: len(shape)], "fillvalue": 7} if chunks else {"fillvalue": 7}
    spoil = replace_kernel(lambda file, kernel: file.create_dataset(kernel, shape, "f4", **options))
    assert_refused(form.write(tmp_path, spoil), "declares shape .* but stores nothing", form.whole)


@every_form
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_arrays_with_missing_chunks(tmp_path, form, compression):
    def put(file, kernel):
        file.create_dataset(kernel, (4, 2), "f4", chunks=(1, 1), compression=compression)[0, 0] = 1

    assert_refused(
        form.write(tmp_path, replace_kernel(put)), r"declares shape \(4, 2\), but stores only", form.whole
    )

    def much(file, kernel):
        file.create_dataset(kernel, (2**30, 2**20), "f4", chunks=(1024, 2), compression=compression)[0, 0] = 1

    assert_refused(
        form.write(tmp_path, replace_kernel(much)), "declares shape .* but stores only", form.whole
    )


# --- arrays that share their numbers ----------------------------------------------------------


def test_one_array_listed_by_many_layers(tmp_path, monkeypatch):
    """One megabyte is the kernel of each of 600 layers, which makes 600 megabytes."""
    monkeypatch.setenv("XCEPTION_MAX_MEMORY", "600MB")
    names = [f"d{i}" for i in range(600)]
    layers = [
        layer("Dense", name, names[i - 1] if i else "vector", units=512, use_bias=False)
        for i, name in enumerate(names)
    ]

    def share(file):
        del file["model_weights"]
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = np.array([name.encode() for name in names])
        first = root.create_dataset("d0/kernel", data=np.ones((512, 512), "f4"))
        for name in names:
            group = root.require_group(name)
            group.attrs["weight_names"] = np.array([b"kernel"])
            if name != "d0":
                group["kernel"] = first

    path = whole_h5(tmp_path / "x.h5", functional(entry("vector", (None, 512)), *layers), share)
    with pytest.raises(xception.ModelFileError, match=r"takes 629.2MB of memory; the limit is 600MB"):
        xception.load_model(path)
