"""Xception backbones in models and files."""

from dataclasses import replace

import numpy as np
import pytest
import small_models
from inspected_files import find_layer, with_config

import xception
from xception.graph import Network, flatten
from xception.inspection.backbones import Backbone, find_in_model, rounds_to
from xception.inspection.inspector import inspect
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input


@pytest.fixture(scope="module")
def classifier(base):
    """The shipped backbone as a layer of a classifier."""
    network = small_models.wired(
        "classifier", ["image"], ["classes"],
        image=(Input((75, 75, 3)),), base=(Network.from_graph(base.graph), ["image"]),
        classes=(Dense(2), ["base"]),
    )  # fmt: skip
    parameters = {f"base/{name}": arrays for name, arrays in base.parameters.items()}
    head = {"classes": {"kernel": np.ones((2048, 2), np.float32), "bias": np.ones(2, np.float32)}}
    return xception.Model(flatten(network), parameters | head, network)


def with_changed_arrays(parameters, *places):
    changed = {name: dict(arrays) for name, arrays in parameters.items()}
    for name, key in places:
        changed[name][key] = changed[name][key] * np.float32(1.01)
    return changed


def test_the_backbone_of_imagenet_as_a_layer(classifier):
    assert find_in_model(classifier.graph, classifier.parameters) == [Backbone("base", 234, 0)]


def test_exact_kernels_equal_the_shipped_ones_which_are_rounded(classifier):
    kernel = classifier.parameters["base/block14_sepconv2"]["pointwise_kernel"]
    exact = with_changed_arrays(classifier.parameters)
    exact["base/block14_sepconv2"]["pointwise_kernel"] = kernel * np.float32(1 + 1e-5)
    assert not np.array_equal(exact["base/block14_sepconv2"]["pointwise_kernel"], kernel)
    assert find_in_model(classifier.graph, exact) == [Backbone("base", 234, 0)]


def test_a_fine_tuned_backbone(classifier):
    tuned = with_changed_arrays(
        classifier.parameters,
        ("base/block14_sepconv2", "pointwise_kernel"),
        ("base/block14_sepconv2_bn", "moving_mean"),
    )
    assert find_in_model(classifier.graph, tuned) == [Backbone("base", 234, 2)]


def test_one_number_that_differs_is_found_wherever_it_is(classifier):
    kernel = ("base/block14_sepconv2", "pointwise_kernel")
    for place in (0, -1):
        tuned = with_changed_arrays(classifier.parameters)
        tuned[kernel[0]][kernel[1]] = array = classifier.parameters[kernel[0]][kernel[1]].copy()
        array.reshape(-1)[place] += 1
        assert find_in_model(classifier.graph, tuned) == [Backbone("base", 234, 1)]


def test_rounding_is_numpys_for_every_half_and_near_every_border():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    floats = halves.astype(np.float32)
    borders = (floats + np.roll(floats, 1)) / 2  # ties, where these are neighbors
    arrays = [floats, borders]
    arrays += [np.nextafter(array, np.float32(end)) for array in arrays for end in (-np.inf, np.inf)]
    for array in arrays:
        with np.errstate(over="ignore"):
            expected = array.astype(np.float16)
        for found in (halves, np.roll(halves, 1), np.roll(halves, -1), -halves):
            same = found == expected
            assert rounds_to(array[same], found[same])
            # Each one by itself: those around the powers of 2, and some others.
            others = np.flatnonzero(
                ~same & ((np.arange(len(same)) % 1024 < 3) | (np.arange(len(same)) % 61 == 0))
            )
            assert not any(rounds_to(array[[i]], found[[i]]) for i in others)


def test_a_backbone_that_is_not_nested(full_model):
    (found,) = find_in_model(full_model.graph, full_model.parameters)
    assert (found.path, found.arrays) == ("", 234)


def test_a_backbone_that_is_used_twice_is_found_once(base):
    network = small_models.wired(
        "siamese", ["one", "two"], ["one_pooled", "two_pooled"],
        one=(Input((75, 75, 3)),), two=(Input((75, 75, 3)),),
        base=(Network.from_graph(base.graph), ["one"], ["two"]),
        one_pooled=(Dense(1), ["base"]), two_pooled=(Dense(1), ["base:1"]),
    )  # fmt: skip
    parameters = {f"base/{name}": arrays for name, arrays in base.parameters.items()}
    assert find_in_model(flatten(network), parameters) == [Backbone("base", 234, 0)]


def test_a_model_that_begins_like_xception_has_no_backbone():
    network = small_models.row(
        "short", ("image", Input((75, 75, 3))), ("block1_conv1", Conv2D(32, 3, 2, use_bias=False)),
        ("pool", GlobalAveragePooling2D()), ("classes", Dense(2)),
    )  # fmt: skip
    built = small_models.model(network)
    assert find_in_model(built.graph, built.parameters) == []


def test_the_backbone_of_a_model_that_does_not_run(classifier, tmp_path):
    classifier.save(tmp_path / "classifier.keras")

    def refuse(config):
        find_layer(config, "classes")["class_name"] = "Mystery"

    inspection = inspect(with_config(tmp_path / "classifier.keras", refuse))
    assert not inspection.runs
    assert inspection.bases == [Backbone("functional", 234, 0)]
    assert inspection.loads_as == "xception.Xception(include_top=False, weights=FILE)"
    with pytest.warns(UserWarning, match="not loaded: dense"):
        xception.Xception(include_top=False, weights=tmp_path / "changed.keras")
    text = str(inspection)
    assert "Xception    functional: its backbone equals the ImageNet weights shipped here" in text
    assert "but         its backbone does: xception.Xception(include_top=False, weights=FILE)" in text


def test_the_backbone_within_time_distributed(base, tmp_path):
    each = replace(Network.from_graph(base.graph), frame_axes=1)
    network = small_models.wired("video", ["x"], ["each"], x=(Input((2, 75, 75, 3)),), each=(each, ["x"]))
    parameters = {f"each/{name}": arrays for name, arrays in base.parameters.items()}
    built = xception.Model(flatten(network), parameters, network)
    assert find_in_model(built.graph, parameters) == [Backbone("each", 234, 0)]
    for name in ("x.weights.h5", "x.h5"):
        built.save_weights(tmp_path / name)
        assert [backbone.arrays for backbone in inspect(tmp_path / name).bases] == [234]
