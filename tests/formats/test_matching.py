"""Differences between a model and a weights file: what is refused, what is left out, what is said."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import small_models
from keras1 import write as write_2016_layout
from saved_models import assert_refused, with_other_weights

import xception
from xception.errors import ModelFileError
from xception.layers import Dense, Input


def test_another_shape_is_named_with_layer_expected_and_found(base_file, full_model, tmp_path):
    with h5py.File(base_file, "a") as f:
        path = "block13_sepconv2/block13_sepconv2/pointwise_kernel:0"
        del f[path]
        f[path] = np.zeros((1, 1, 728, 1000), np.float32)
    message = (
        r"base\.h5: block13_sepconv2: pointwise_kernel should have shape \(1, 1, 728, 1024\), "
        r"found \(1, 1, 728, 1000\)"
    )
    assert_refused(base_file, message)
    full_model.save_weights(tmp_path / "full.h5")
    with pytest.raises(ModelFileError, match=r"predictions: kernel .* \(2048, 6\), found \(2048, 1000\)"):
        xception.Xception(weights=tmp_path / "full.h5", classes=6)


def test_a_shape_of_the_2016_layout_is_named_as_the_file_has_it(tmp_path):
    grey = xception.Xception(weights=None, include_top=False, input_shape=(None, None, 1), seed=0)
    write_2016_layout(tmp_path / "old.h5", grey)
    assert_refused(tmp_path / "old.h5", r"block1_conv1 \(convolution2d_1 in the file\): kernel should have")


def test_a_missing_or_extra_classifier_comes_with_advice(base_file, full_model, tmp_path):
    full_model.save_weights(tmp_path / "full.h5")
    assert_refused(tmp_path / "full.h5", r"file's predictions; .* include_top=True")
    with pytest.raises(
        ModelFileError, match=r"the file has no weights for predictions; .* include_top=False"
    ):
        xception.Xception(weights=base_file)


def test_missing_layers_are_named(base_file):
    with h5py.File(base_file, "a") as f:
        names = [name for name in f.attrs["layer_names"] if name not in (b"block5_sepconv1", b"conv2d_2")]
        f.attrs["layer_names"] = np.array(names)
    assert_refused(
        base_file,
        "the file has no weights for conv2d, conv2d_1, conv2d_2, block5_sepconv1, conv2d_3; "
        "the model has no layer for the file's",
    )


def test_missing_arrays_are_named(base_file):
    with h5py.File(base_file, "a") as f:
        f["block1_conv1_bn"].attrs["weight_names"] = np.array([b"block1_conv1_bn/gamma:0"])
    assert_refused(
        base_file, "block1_conv1_bn: expected gamma, beta, moving_mean, moving_variance, found gamma"
    )


def with_other_head(units=7, name="answers"):
    network = small_models.nested()
    members = dict(network.members)
    del members["classes"]
    members[name] = replace(network.members["classes"], name=name, layer=Dense(units, "softmax"))
    return replace(network, members=members, outputs=((name, 0, 0),))


def test_by_name_takes_what_is_there_and_says_what_is_not(tmp_path):
    built = small_models.model(small_models.nested())
    built.save_weights(tmp_path / "x.h5")
    other = with_other_weights(with_other_head())
    head = other.get_layer("answers").get_weights()
    message = r"the file has no weights for answers; the model has no layer .* classes"
    with pytest.raises(ModelFileError, match=message):
        other.load_weights(tmp_path / "x.h5")
    with pytest.warns(UserWarning, match=message) as caught:
        other.load_weights(tmp_path / "x.h5", by_name=True)
    assert caught[0].filename == __file__  # the line that asked for it
    for a, b in zip(
        other.get_layer("base").get_weights(), built.get_layer("base").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(other.get_layer("answers").get_weights()[0], head[0])


@pytest.mark.parametrize(("name", "by_name"), [("x.h5", True), ("x.h5", False), ("x.weights.h5", False)])
def test_skip_mismatch_leaves_out_other_shapes(tmp_path, name, by_name):
    built = small_models.model(small_models.nested())
    built.save_weights(tmp_path / name)
    other = with_other_weights(with_other_head(units=7, name="classes"))
    differs = r"classes.*: kernel should have shape \(8, 7\), found \(8, 5\)"
    with pytest.raises(ModelFileError, match=differs):
        other.load_weights(tmp_path / name, by_name=by_name)
    with pytest.warns(UserWarning, match=f"not everything was loaded: {differs}"):
        other.load_weights(tmp_path / name, by_name=by_name, skip_mismatch=True)
    assert other.get_layer("classes").get_weights()[0].shape == (8, 7)
    np.testing.assert_array_equal(other.get_weights()[0], built.get_weights()[0])


def test_by_name_without_names_or_anything_in_common(tmp_path):
    small_models.model(small_models.nested()).save_weights(tmp_path / "x.weights.h5")
    small_models.model(small_models.in_a_row()).save_weights(tmp_path / "row.h5")
    network = small_models.wired("x", ["i"], ["d"], i=(Input((3,)),), d=(Dense(3), ["i"]))
    with pytest.raises(ModelFileError, match="holds no layer names"):
        small_models.model(small_models.nested()).load_weights(tmp_path / "x.weights.h5", by_name=True)
    with pytest.raises(ModelFileError, match="has nothing for x"):
        small_models.model(network).load_weights(tmp_path / "row.h5", by_name=True)
