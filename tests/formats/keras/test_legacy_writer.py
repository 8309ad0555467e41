"""Tests of whole models in Keras 2's `.h5`."""

import json

import h5py
import numpy as np
import pytest
import small_models

import xception
from xception.data.preprocessing import Preprocessing
from xception.errors import ModelFileError


@pytest.fixture
def saved(tmp_path):
    built = small_models.heads(kind=3)
    built.class_names = ["cup", "fork", "spoon"]
    built.preprocessing = Preprocessing("tf", "bilinear", False)
    built.save(tmp_path / "x.h5")
    return built, tmp_path / "x.h5"


@pytest.mark.parametrize("name", ["base", "nested", "in_a_row", "nested_twice"])
def test_a_saved_model_answers_the_same(tmp_path, name):
    built = small_models.model(small_models.EVERY[name]())
    built.save(tmp_path / "x.h5")
    loaded = xception.load_model(tmp_path / "x.h5")
    assert len(loaded.graph.nodes) == len(built.graph.nodes)
    for a, b in zip(small_models.leaving(loaded), small_models.leaving(built), strict=True):
        np.testing.assert_array_equal(a, b)


def test_class_names_and_preprocessing_are_kept(saved):
    built, path = saved
    loaded = xception.load_model(path)
    assert loaded.class_names == built.class_names
    assert loaded.preprocessing == built.preprocessing
    assert xception.inspect(path).class_names == ["cup", "fork", "spoon"]


def test_the_root_holds_what_keras_2_and_deeplearning4j_need(saved):
    with h5py.File(saved[1]) as file:
        assert file.attrs["keras_version"].startswith("2.")
        assert file.attrs["backend"] == "tensorflow"
        assert json.loads(file.attrs["model_config"])["class_name"] == "Model"


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{", '{"version": 2}', '{"version": 1, "class_names": 3}', '{"version": 1, "task": []}', 7,
     "[" * 100_000, np.zeros(3)],
    ids=lambda record: repr(record)[:20],
)  # fmt: skip
def test_hostile_records(saved, record):
    with h5py.File(saved[1], "r+") as file:
        file.attrs["xception"] = record
    with pytest.raises(ModelFileError, match=r"x\.h5"):
        xception.load_model(saved[1])


@pytest.mark.parametrize("name", ["siamese", "video", "two_ends", "two_ends_by_key"])
def test_what_keras_2_cannot_express_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"cannot be saved as \.h5.*save the model as \.keras"):
        small_models.model(small_models.EVERY[name]()).save(tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())
