"""Weights that hold NaN or infinity are named when they are loaded and when the file is inspected."""

import json
import warnings

import numpy as np
import pytest
from hostile import BIAS, FORMS, KERNEL, every_form, load_all, replace_kernel, small_model

import xception
from xception.cli.main import main
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input

BAD = KERNEL.copy()
BAD[2, 1] = np.nan


def store(values, **options):
    return replace_kernel(lambda file, kernel: file.create_dataset(kernel, data=values, **options))


def brain_floats(values):
    upper = (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2")
    return upper.view("V2").reshape(values.shape)


ENCODINGS = {
    "float32": lambda values: store(values),
    "float16": lambda values: store(values.astype("f2")),
    "float64": lambda values: store(values.astype("f8")),
    "big-endian": lambda values: store(values.astype(">f4")),
    "deflated": lambda values: store(values, chunks=(3, 2), compression="gzip", shuffle=True),
    "bfloat16": lambda values: store(brain_floats(values)),
    "bfloat16 in chunks": lambda values: store(brain_floats(values), chunks=(3, 2)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_in_any_encoding(tmp_path, encoding, value):
    bad = KERNEL.copy()
    bad[3, 0] = value
    path = FORMS["keras"].write(tmp_path, ENCODINGS[encoding](bad))
    for load in (xception.load_model, small_model().load_weights):
        with pytest.warns(UserWarning, match=r"1 array holds NaN or infinity \(dense/kernel\)") as caught:
            load(path)
        assert len(caught) == 1
        assert caught[0].filename == __file__


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_finite_weights_load_without_a_warning(tmp_path, encoding):
    path = FORMS["keras"].write(tmp_path, ENCODINGS[encoding](KERNEL))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models = load_all(path)
    for model in models:
        np.testing.assert_array_equal(model.get_weights()[1], KERNEL)
    assert xception.inspect(path).not_finite == []


@every_form
def test_inspect_says_so(tmp_path, form, capsys):
    path = form.write(tmp_path, store(BAD))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspection = xception.inspect(path)
    if not form.whole:
        return
    assert inspection.runs
    assert inspection.not_finite == ["dense/kernel"]
    assert "yes, but to no use: 1 array holds NaN or infinity (dense/kernel)" in str(inspection)
    assert main(["inspect", str(path), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["not_finite"] == ["dense/kernel"]


def test_inspect_says_so_of_weights_alone(tmp_path):
    model = xception.Xception(include_top=False, weights=None)
    weights = model.get_weights()
    weights[5][0] = np.inf
    model.set_weights(weights)
    model.save_weights(tmp_path / "x.h5")
    inspection = xception.inspect(tmp_path / "x.h5")
    assert inspection.runs
    assert len(inspection.not_finite) == 1
    assert "yes, but to no use" in str(inspection)


def test_many_arrays_are_counted(tmp_path):
    def spoil(file, kernel):
        for name in ("layers/conv2d/vars/0", kernel, "layers/dense/vars/1"):
            file[name][...] = np.nan

    path = FORMS["keras"].write(tmp_path, spoil)
    with pytest.warns(UserWarning, match="3 arrays hold NaN or infinity"):
        xception.load_model(path)


def test_arrays_with_two_names_are_both_named(tmp_path):
    def share(file, kernel):
        bias = kernel.replace("vars/0", "vars/1")
        del file[bias]
        file["one"] = np.full(BIAS.shape, np.nan, np.float32)
        file[bias] = file["one"]

    path = FORMS["keras"].write(tmp_path, share)
    with pytest.warns(UserWarning, match="dense/bias"):
        model = xception.load_model(path)
    assert np.isnan(model.get_weights()[2]).all()


def test_a_zip_of_deeplearning4j_with_one_is_named_where_it_is_loaded(tmp_path):
    graph = xception.Graph("small")
    x = graph.add(Conv2D(3, 1, use_bias=False), graph.add(Input((4, 4, 3)), name="image"), name="conv")
    graph.add(Dense(2), graph.add(GlobalAveragePooling2D(), x, name="pool"), name="scores")
    model = xception.Model(graph, seed=0)
    weights = model.get_weights()
    weights[1][2, 1] = np.nan
    model.set_weights(weights)
    model.export(tmp_path / "small.zip")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = xception.load_model(tmp_path / "small.zip", input_shape=(4, 4, 3))
    (warning,) = (warning for warning in caught if "NaN" in str(warning.message))
    expected = "small.zip: 1 array holds NaN or infinity (scores/kernel); so will the model's outputs"
    assert str(warning.message) == expected
    assert warning.filename == __file__
    np.testing.assert_array_equal(loaded.get_weights()[1], weights[1])
