"""Weights stored by class and position."""

import h5py
import small_models
from saved_models import assert_same_outputs, assert_same_weights, fresh_base, with_other_weights

from xception.layers import Dense, Input


def test_layers_are_counted_by_class(distinct_base, tmp_path):
    # The numbers follow `model.layers`, in which projections come late.
    counters = {}
    with h5py.File(tmp_path / "new.weights.h5", "w") as target:
        for layer in distinct_base.layers:
            stem = {"Conv2D": "conv2d", "SeparableConv2D": "separable_conv2d"}.get(
                type(layer.settings).__name__, "batch_normalization"
            )
            if not layer.get_weights():
                continue
            number = counters[stem] = counters.get(stem, -1) + 1
            group = target.create_group(f"layers/{stem}_{number}/vars" if number else f"layers/{stem}/vars")
            for position, array in enumerate(layer.get_weights()):
                group[str(position)] = array
    loaded = fresh_base()
    loaded.load_weights(tmp_path / "new.weights.h5")
    assert_same_weights(loaded, distinct_base)


def test_the_layout_of_tensorflow_2_12(tmp_path):
    """The group of the layers has another name, and layers with weights are counted by twos."""
    built = small_models.model(small_models.nested())
    built.save_weights(tmp_path / "new.weights.h5")

    def copy(source, target):
        inner = target.create_group("_layer_checkpoint_dependencies")
        for name, layer in source["layers"].items():
            stem, _, number = name.rpartition("_")
            doubled = f"{stem}_{2 * int(number)}" if number.isdecimal() and len(layer["vars"]) else name
            group = inner.create_group(doubled)
            source.copy(layer["vars"], group)
            if "layers" in layer:
                copy(layer, group)

    with h5py.File(tmp_path / "new.weights.h5") as new, h5py.File(tmp_path / "old.weights.h5", "w") as old:
        copy(new, old)
        inside = old["_layer_checkpoint_dependencies/functional/_layer_checkpoint_dependencies"]
        assert {"batch_normalization", "batch_normalization_2", "batch_normalization_4"} <= set(inside)
    loaded = with_other_weights(small_models.nested())
    loaded.load_weights(tmp_path / "old.weights.h5")
    assert_same_outputs(loaded, built)


def test_a_layer_in_two_networks(tmp_path):
    """Keras writes it once, where it occurs first."""
    one, two = (
        small_models.wired(name, ["i"], ["dense"], i=(Input((3,)),), dense=(Dense(3, "tanh"), ["i"]))
        for name in ("one", "two")
    )
    network = small_models.wired(
        "both", ["i"], ["two"], i=(Input((3,)),), one=(one, ["i"]), two=(two, ["one"])
    )
    built = small_models.model(network)
    built.set_weights(2 * built.get_layer("one").get_weights())
    built.save_weights(tmp_path / "x.weights.h5")
    with h5py.File(tmp_path / "x.weights.h5", "a") as file:
        del file["layers/functional_1/layers/dense"]
    loaded = with_other_weights(network)
    loaded.load_weights(tmp_path / "x.weights.h5")
    assert_same_outputs(loaded, built)
