"""Hostile attributes of HDF5 files: lists of names, configs, versions."""

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
    by_name_forms,
    load_all,
    whole_h5,
)

import xception

ATTRIBUTES = {
    "reference": lambda file: (file["/"].ref, h5py.ref_dtype),
    "references": lambda file: ([file["/"].ref] * 3, h5py.ref_dtype),
    "region": lambda file: (file.create_dataset("r", data=np.zeros(4)).regionref[1:2], h5py.regionref_dtype),
    "vlen of numbers": lambda file: ([np.arange(3), np.arange(2)], h5py.vlen_dtype(np.int32)),
    "vlen of vlen": lambda file: (None, None),
    "compound": lambda file: (np.zeros(3, [("a", "f4"), ("b", "i4")]), None),
    "enumeration": lambda file: (np.zeros(3, "i4"), h5py.enum_dtype({"a": 0}, "i4")),
    "opaque": lambda file: (np.zeros(3, "V8"), None),
    "numbers": lambda file: (np.zeros(3), None),
    "a number": lambda file: (3, None),
    "nothing": lambda file: (h5py.Empty("S10"), None),
    "no text": lambda file: (h5py.Empty(h5py.string_dtype()), None),
    "a table": lambda file: (np.array([[b"dense"], [b"conv"]]), None),
    "a table of text": lambda file: ([["dense"], ["conv"]], h5py.string_dtype()),
    "no UTF-8": lambda file: (np.array([b"\xff\xfe", b"dense"]), None),
    "no UTF-8 of any length": lambda file: ([b"\xff\xfe", b"dense"], h5py.string_dtype()),
    "NUL": lambda file: (np.array([b"den\0se", b"x"]), None),
    "climbing": lambda file: (np.array([b"../dense", b".."]), None),
    "the root": lambda file: (np.array([b"/", b"."]), None),
    "itself": lambda file: (np.array([b".", b"./."]), None),
    "empty names": lambda file: (np.array([b"", b"x"]), None),
    "from the root": lambda file: (np.array([b"/dense", b"/conv"]), None),
    "backslashes": lambda file: (np.array([b"..\\dense", b"C:\\x"]), None),
    "turning": lambda file: (["\u202edense", "\x1b[2J"], h5py.string_dtype()),
    "deep": lambda file: (["/".join("a" * 60_000)], h5py.string_dtype()),
    "long": lambda file: (["a" * 1_000_000], h5py.string_dtype()),
    "twice": lambda file: (np.array([b"dense", b"dense"]), None),
}


def set_attribute(holder, name, made):
    value, dtype = made
    del holder.attrs[name]
    if value is None:  # h5py cannot write it
        kind = h5py.h5t.vlen_create(h5py.h5t.vlen_create(h5py.h5t.NATIVE_UINT8))
        h5py.h5a.create(holder.id, name.encode(), kind, h5py.h5s.create_simple((3,)))
        return
    holder.attrs.create(name, value, dtype=dtype)


@by_name_forms
@pytest.mark.parametrize("attribute", ["layer_names", "weight_names"])
@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_attributes_that_list_no_names(tmp_path, form, attribute, kind):
    def spoil(file, kernel):
        root = file["model_weights"] if form.whole else file["/"]
        set_attribute(
            root if attribute == "layer_names" else root["dense"], attribute, ATTRIBUTES[kind](file)
        )

    assert_refused(
        form.write(tmp_path, spoil),
        "should hold text|is not UTF-8|but missing|groups deep|lists (a layer|an array) twice",
        form.whole,
    )


@pytest.mark.parametrize("kind", sorted(set(ATTRIBUTES) - {"twice", "deep", "long"}))
@pytest.mark.parametrize("attribute", ["model_config", "keras_version"])
def test_configs_and_versions_that_are_no_text(tmp_path, attribute, kind):
    def spoil(file):
        set_attribute(file, attribute, ATTRIBUTES[kind](file))

    path = whole_h5(tmp_path / "x.h5", spoil=spoil)
    if attribute == "model_config":
        with pytest.raises(xception.ModelFileError, match=r"should hold text|not UTF-8|is not valid JSON"):
            xception.load_model(path)
        return
    try:
        model = xception.load_model(path)  # an unreadable version counts as the present one
    except xception.ModelFileError as error:
        assert "keras_version" in str(error)  # noqa: PT017
    else:
        assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])


def test_lists_of_names_in_parts(tmp_path):
    """Keras splits long lists: layer_names0, layer_names1, …"""

    def split(file, kernel, last=None):
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:3]
        file.attrs["layer_names2"] = names[3:] if last is None else last

    form = FORMS["weights of Keras 2"]
    (model,) = load_all(form.write(tmp_path, split), whole=False)
    assert_same(model.get_weights(), [FILTER, KERNEL, BIAS])
    for last, message in ((3, "should hold text"), (np.array([b"dense", b"conv"]), "lists a layer twice")):
        assert_refused(
            form.write(tmp_path, lambda file, kernel, last=last: split(file, kernel, last)),
            message,
            whole=False,
        )


@by_name_forms
def test_one_array_listed_by_two_layers(tmp_path, form):
    """Both would get it, if the shape fitted."""

    def share(file, kernel):
        root = file["model_weights"] if form.whole else file["/"]
        del root["conv/conv/kernel:0"]
        root["conv/conv/kernel:0"] = root["dense/dense/kernel:0"]

    assert_refused(
        form.write(tmp_path, share),
        r"conv: kernel should have shape \(1, 1, 3, 4\), found \(4, 2\)",
        form.whole,
    )


def test_texts_are_the_same_as_hdf5_reads(tmp_path):
    from xception.formats.hdf5.attributes import read_names
    from xception.formats.hdf5.file import open_file, open_group
    from xception.formats.hdf5.source import Source

    for options in ({}, {"libver": "latest"}):
        lists = [["a"], ["é", "層", ""], ["x" * 5000, "y"] * 20, [f"block{i}_conv" for i in range(900)]]
        with h5py.File(tmp_path / "x.h5", "w", **options) as file:
            for number, texts in enumerate(lists):
                holder = file.create_group(f"group{number}")
                holder.attrs["other"] = "text"
                holder.attrs.create("names", texts, dtype=h5py.string_dtype())
                holder.attrs["more"] = np.arange(100)
        with open_file(Source("x.h5", tmp_path / "x.h5")) as file:
            assert [
                read_names(open_group(file, f"group{number}"), "names") for number in range(len(lists))
            ] == lists
