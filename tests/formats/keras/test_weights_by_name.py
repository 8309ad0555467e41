"""Weights stored by layer name: names, numbers and order of creation."""

import h5py
import numpy as np
import pytest
import small_models
from keras1 import write as write_2016_layout
from saved_models import assert_same_outputs, assert_same_weights, fresh_base, with_other_weights

import xception
from xception.layers import Dense, Input


@pytest.mark.parametrize("first", [1, 7])
def test_the_layout_of_2016(distinct_base, tmp_path, first):
    groups = write_2016_layout(tmp_path / "old.h5", distinct_base, first)
    # The names that Keras published. Shapes would not tell: some normalizations have the same width.
    assert groups["block1_conv1"] == f"convolution2d_{first}"
    assert groups["conv2d_3"] == f"convolution2d_{first + 5}"
    assert groups["batch_normalization_3"] == f"batchnormalization_{first + 35}"
    assert groups["block13_sepconv2_bn"] == f"batchnormalization_{first + 37}"
    assert groups["block14_sepconv2"] == f"separableconvolution2d_{first + 33}"
    loaded = fresh_base()
    loaded.load_weights(tmp_path / "old.h5")
    assert_same_weights(loaded, distinct_base)


def test_the_layout_of_2016_with_classifier(full_model, tmp_path):
    write_2016_layout(tmp_path / "old.h5", full_model)
    with h5py.File(tmp_path / "old.h5") as file:
        assert "dense_2/dense_2_W:0" in file
        assert "batchnormalization_36/batchnormalization_36_running_std:0" in file
    loaded = xception.Xception(weights=tmp_path / "old.h5")
    assert_same_weights(loaded, full_model)


@pytest.mark.parametrize("first", [0, 5, 9])
def test_projections_numbered_from_anywhere(distinct_base, base_file, tmp_path, first):
    def renumber(name):
        for stem in ("conv2d", "batch_normalization"):
            if name == stem or name.startswith(f"{stem}_"):
                number = int(name[len(stem) + 1 :] or 0) + first
                return f"{stem}_{number}" if number else stem
        return name

    with h5py.File(base_file) as source, h5py.File(tmp_path / "renumbered.h5", "w") as target:
        names = [name.decode() for name in source.attrs["layer_names"]]
        # conv2d_10 comes before conv2d_9 where names are sorted as text.
        target.attrs["layer_names"] = np.array(sorted(renumber(name).encode() for name in names))
        for name in names:
            group = target.create_group(renumber(name))
            keys = [key.decode() for key in source[name].attrs["weight_names"]]
            group.attrs["weight_names"] = np.array([key.split("/")[1].encode() for key in keys], dtype="S")
            for key in keys:
                group[key.split("/")[1]] = source[name][key][()]
    loaded = fresh_base()
    loaded.load_weights(tmp_path / "renumbered.h5")
    assert_same_weights(loaded, distinct_base)


def test_a_whole_model_keeps_its_weights_in_a_group(distinct_base, base_file, tmp_path):
    with h5py.File(base_file) as source, h5py.File(tmp_path / "whole.h5", "w") as target:
        target.attrs["model_config"] = "{}"
        root = target.create_group("model_weights")
        for name in source:
            source.copy(name, root)
        # Keras splits attributes that HDF5 would find too long, and Keras 3 writes text, not bytes.
        names = [name.decode() for name in source.attrs["layer_names"]]
        root.attrs["layer_names0"] = np.array([name.encode() for name in names[:60]])
        root.attrs["layer_names1"] = names[60:]
    loaded = fresh_base()
    loaded.load_weights(tmp_path / "whole.h5")
    assert_same_weights(loaded, distinct_base)


def test_saved_weights_are_loaded_again(distinct_base, base_file):
    loaded = fresh_base()
    loaded.load_weights(str(base_file))
    assert_same_weights(loaded, distinct_base)
    with h5py.File(base_file) as f:
        assert f.attrs["layer_names"][1] == b"block1_conv1"
        assert f["block1_conv1"].attrs["weight_names"][0] == b"block1_conv1/kernel:0"


@pytest.mark.parametrize("frozen", [(), ("block1_conv1", "block1_conv1_bn"), ("block2_sepconv1_bn",)])
def test_weights_of_frozen_layers_come_last_in_a_network(tmp_path, frozen):
    built = small_models.model(small_models.nested(frozen))
    built.save_weights(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        names = [name.decode() for name in file["base"].attrs["weight_names"]]
    trainable = [name for name in names if name.split("/")[0] not in frozen and "moving" not in name]
    assert names[: len(trainable)] == trainable
    for network in (small_models.nested(frozen), small_models.nested()):  # names decide, frozen or not
        loaded = with_other_weights(network)
        loaded.load_weights(tmp_path / "x.h5")
        assert_same_outputs(loaded, built)


def test_arrays_with_meaningless_names_are_taken_in_order(tmp_path):
    frozen = ("block1_conv1", "block1_conv1_bn")
    built = small_models.model(small_models.nested(frozen))
    built.save_weights(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        group = file["base"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        for number, name in enumerate(names):
            group[f"layer{number}/weight:0"] = group[name][()]
        group.attrs["weight_names"] = [f"layer{number}/weight:0" for number in range(len(names))]
    loaded = with_other_weights(small_models.nested(frozen))
    loaded.load_weights(tmp_path / "x.h5")
    assert_same_outputs(loaded, built)
    before = with_other_weights(small_models.nested()).get_weights()
    unfrozen = with_other_weights(small_models.nested())
    with pytest.raises(xception.ModelFileError, match="does not fit nested"):
        unfrozen.load_weights(tmp_path / "x.h5")  # expects another order
    for a, b in zip(unfrozen.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def nested_as(name):
    """A classifier whose base is a nested model of this name."""
    network = small_models.nested()
    return small_models.wired(
        "outer", ["image"], ["classes"],
        image=(Input((12, 12, 3)),), **{name: (network, ["image"])}, classes=(Dense(3), [name]),
    )  # fmt: skip


@pytest.mark.parametrize("stem", ["functional", "model"])
def test_numbers_of_nested_models_start_anywhere(tmp_path, stem):
    """The name of a nested model is automatic, in Keras 2 ("model") as in Keras 3."""
    built = small_models.model(nested_as(stem))
    built.save_weights(tmp_path / "x.h5")
    loaded = with_other_weights(nested_as(f"{stem}_3"))
    loaded.load_weights(tmp_path / "x.h5")
    assert_same_outputs(loaded, built)
