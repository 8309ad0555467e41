"""HDF5 files: damage, and attributes that hold no text."""

import h5py
import numpy as np
from saved_models import assert_refused, fresh_base

from xception.errors import ModelFileError


def test_damage_in_the_middle_of_a_file(base_file):
    rng = np.random.default_rng(0)
    whole = np.fromfile(base_file, np.uint8)
    for start in (600, 3_000, 40_000):  # where HDF5 keeps its tables
        broken = whole.copy()
        broken[start : start + 400] = rng.integers(0, 256, 400)
        broken.tofile(base_file)
        model = fresh_base()
        before = model.get_weights()
        try:
            model.load_weights(base_file)
        except ModelFileError:
            for old, new in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)


def test_names_must_be_text(base_file):
    for value, message in (
        (np.array([b"\xff\xfe"]), "is not UTF-8"),
        (np.array([1, 2]), "should hold text"),
        (h5py.Reference, "should hold text"),
    ):
        with h5py.File(base_file, "a") as f:
            if value is h5py.Reference:
                del f.attrs["layer_names"]
                f.attrs.create("layer_names", [f["conv2d"].ref], dtype=h5py.ref_dtype)
            else:
                f.attrs["layer_names"] = value
        assert_refused(base_file, message)
