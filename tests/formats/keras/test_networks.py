"""Networks within networks, layers used twice, several ends; what is saved and loaded of them."""

import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
import small_models

import xception
from xception.errors import GraphError
from xception.graph.network import flatten
from xception.layers import Dense, Input, SeparableConv2D


@pytest.fixture(params=small_models.EVERY)
def built(request):
    return small_models.model(small_models.EVERY[request.param]())


def assert_same_answers(one, two):
    for a, b in zip(small_models.leaving(one), small_models.leaving(two), strict=True):
        np.testing.assert_array_equal(a, b)


def emptied(network):
    """The network with other weights, for files to be loaded into."""
    return small_models.model(network, seed=99)


# --- what a network is ----------------------------------------------------------------------


def test_a_network_within_is_computed_layer_by_layer():
    built = small_models.model(small_models.nested())
    assert "base/block1_conv1" in built.graph.nodes
    assert [layer.name for layer in built.layers] == [
        "image", "scaled", "base", "pooled", "dropout", "classes",
    ]  # fmt: skip
    inner = built.get_layer("base")
    assert inner.output_shape == (None, 6, 6, 8)
    assert [layer.name for layer in inner.layers][:2] == ["input_layer", "block1_conv1"]
    assert built.get_layer("block2_pool").path == "base/block2_pool"
    assert built.get_layer("base/block2_pool").output_shape == (None, 6, 6, 8)
    assert inner.count_params() == sum(array.size for array in inner.get_weights())
    with pytest.raises(ValueError, match="did you mean base"):
        built.get_layer("bas")


def test_the_plan_agrees_with_the_plain_pass(built):
    x = small_models.entering(built)
    arrays = dict(zip(built.input_names, x if isinstance(x, list) else [x], strict=True))
    plain = built.graph.evaluate(built.parameters, arrays)
    for name, y in zip(built.graph.outputs, small_models.leaving(built), strict=True):
        np.testing.assert_allclose(y, plain[name], rtol=1e-5, atol=1e-6)


def test_a_layer_used_twice_is_counted_once():
    built = small_models.model(small_models.siamese())
    assert built.count_params() == sum(array.size for array in built.get_weights())
    left, right = small_models.entering(built)
    assert not np.array_equal(left, right)
    swapped = built.predict([right, left], verbose=0)
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    bias = built.get_layer("same").get_weights()[1]
    np.testing.assert_allclose(logit(built.predict([left, right])) - bias, bias - logit(swapped), atol=1e-4)


def test_several_inputs_and_outputs():
    built = small_models.model(small_models.two_ends())
    image, numbers = small_models.entering(built)
    assert built.input_shape == [(None, 12, 12, 3), (None, 2)]
    assert built.output_shape == [(None, 1), (None, 3)]
    age, kind = built.predict([image, numbers])
    assert (age.shape, kind.shape) == ((2, 1), (2, 3))
    by_name = built.predict({"numbers": numbers, "image": image})
    np.testing.assert_array_equal(by_name[1], kind)
    by_key = small_models.model(small_models.two_ends(("age", "kind"))).predict([image, numbers])
    np.testing.assert_array_equal(by_key["kind"], kind)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 12, 12, 3)), "a list of 2 arrays, for the inputs image, numbers"),
        ([np.zeros((2, 12, 12, 3))], "a list of 2 arrays"),
        ([np.zeros((2, 12, 12, 3)), np.zeros((3, 2))], "as many examples for each input"),
        ([np.zeros((2, 12, 12, 3)), np.zeros((2, 3))], r"numbers: expected numbers of shape \(n, 2\)"),
        ({"image": np.zeros((2, 12, 12, 3))}, "inputs image, numbers; look at numbers"),
    ],
)
def test_inputs_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message):
        small_models.model(small_models.two_ends()).predict(x)


def test_pixels_are_welcome_where_the_model_scales_them():
    pixels = np.full((1, 12, 12, 3), 200, np.uint8)
    small_models.model(small_models.nested()).predict(pixels)  # a warning would be an error
    with pytest.warns(UserWarning, match="did you forget xception.preprocess_input"):
        small_models.model(small_models.in_a_row()).predict(pixels)


def test_wiring_that_cannot_be():
    with pytest.raises(GraphError, match="'a' depends on its own output"):
        flatten(
            small_models.wired("x", ["i"], ["a"], i=(Input((3,)),), a=(Dense(3), ["b"]), b=(Dense(3), ["a"]))
        )
    with pytest.raises(GraphError, match="no layer 'c'"):
        flatten(small_models.wired("x", ["i"], ["c"], i=(Input((3,)),)))
    with pytest.raises(GraphError, match="no layer 'i' with a use number 1"):
        flatten(small_models.wired("x", ["i"], ["i:1"], i=(Input((3,)),)))
    with pytest.raises(GraphError, match="there is none with number 1"):
        flatten(small_models.wired("x", ["i"], ["a"], i=(Input((3,)),), a=(Dense(3), ["i/1"])))
    with pytest.raises(GraphError, match="does not suit the parameters of a"):
        flatten(small_models.wired("x", ["i"], ["a:1"], i=(Input((3,)),), a=(Dense(2), ["i"], ["a"])))


def test_networks_that_multiply_are_stopped():
    network = small_models.wired("n0", ["i"], ["d"], i=(Input((3,)),), d=(Dense(3), ["i"]))
    for level in range(1, 40):
        network = small_models.wired(f"n{level}", ["i"], ["n:1"], i=(Input((3,)),), n=(network, ["i"], ["n"]))
    with pytest.raises(GraphError, match="more than 20,000 layers"):
        flatten(network)


# --- saved and loaded -----------------------------------------------------------------------


def test_a_saved_model_comes_back(built, tmp_path):
    built.save(tmp_path / "model.keras")
    loaded = xception.load_model(tmp_path / "model.keras")
    assert_same_answers(loaded, built)
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in built.layers]
    assert loaded.output_shape == built.output_shape
    assert loaded.class_names is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_labels_are_kept_in_the_file(tmp_path):
    built = small_models.model(small_models.in_a_row())
    built.class_names = (("0", "cup"), ("1", "fork"), ("2", "glass"), ("3", "knife"))
    built.save(tmp_path / "model.keras")
    assert xception.load_model(tmp_path / "model.keras").class_names == built.class_names


@pytest.mark.parametrize("name", ["x.weights.h5", "x.h5"])
def test_saved_weights_come_back(built, tmp_path, name):
    built.save_weights(tmp_path / name)
    loaded = emptied(built.network)
    loaded.load_weights(tmp_path / name)
    for a, b in zip(loaded.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_taken_from_a_saved_model_too(built, tmp_path):
    built.save(tmp_path / "x.keras")
    loaded = emptied(built.network)
    loaded.load_weights(tmp_path / "x.keras")
    assert_same_answers(loaded, built)


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    built = small_models.model(small_models.nested())
    built.save(tmp_path / "x.keras")
    before = (tmp_path / "x.keras").read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        small_models.model(small_models.nested(), seed=4).save(tmp_path / "x.keras")
    assert (tmp_path / "x.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


@pytest.mark.parametrize("name", ["x.h5", "x", "x.zip"])
def test_a_model_is_saved_as_keras_only(tmp_path, name):
    with pytest.raises(ValueError, match=r"written as \.keras"):
        small_models.model(small_models.nested()).save(tmp_path / name)


def test_weights_alone_are_no_model(tmp_path):
    small_models.model(small_models.nested()).save_weights(tmp_path / "x.h5")
    with pytest.raises(xception.ModelFileError, match="holds weights alone, no model; build one"):
        xception.load_model(tmp_path / "x.h5")


# --- a network's weights in one group -------------------------------------------------------


@pytest.mark.parametrize("frozen", [(), ("block1_conv1", "block1_conv1_bn"), ("block2_sepconv1_bn",)])
def test_frozen_layers_move_to_the_end_of_a_group(tmp_path, frozen):
    built = small_models.model(small_models.nested(frozen))
    built.save_weights(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        names = [name.decode() for name in file["base"].attrs["weight_names"]]
    trainable = [name for name in names if name.split("/")[0] not in frozen and "moving" not in name]
    assert names[: len(trainable)] == trainable
    for network in (
        small_models.nested(frozen),
        small_models.nested(),
    ):  # names settle it, whatever is frozen here
        loaded = emptied(network)
        loaded.load_weights(tmp_path / "x.h5")
        assert_same_answers(loaded, built)


def test_arrays_whose_names_say_nothing_are_taken_in_order(tmp_path):
    frozen = ("block1_conv1", "block1_conv1_bn")
    built = small_models.model(small_models.nested(frozen))
    built.save_weights(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        group = file["base"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        for number, name in enumerate(names):
            group[f"layer{number}/weight:0"] = group[name][()]
        group.attrs["weight_names"] = [f"layer{number}/weight:0" for number in range(len(names))]
    loaded = emptied(small_models.nested(frozen))
    loaded.load_weights(tmp_path / "x.h5")
    assert_same_answers(loaded, built)
    before = emptied(small_models.nested()).get_weights()
    unfrozen = emptied(small_models.nested())
    with pytest.raises(xception.ModelFileError, match="does not fit nested"):
        unfrozen.load_weights(tmp_path / "x.h5")  # for which this is another order
    for a, b in zip(unfrozen.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5", "x.keras"])
def test_a_base_is_taken_out_of_a_greater_model(tmp_path, name):
    built = small_models.model(small_models.nested())
    (built.save if name == "x.keras" else built.save_weights)(tmp_path / name)
    alone = emptied(small_models.base())
    with pytest.warns(UserWarning, match=r"base was loaded from .* not loaded: (classes|dense)"):
        alone.load_weights(tmp_path / name)
    for a, b in zip(alone.get_weights(), built.get_layer("base").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- parts of a file ------------------------------------------------------------------------


def other_head(units=7, name="answers"):
    network = small_models.nested()
    members = dict(network.members)
    del members["classes"]
    members[name] = replace(network.members["classes"], name=name, layer=Dense(units, "softmax"))
    return replace(network, members=members, outputs=((name, 0, 0),))


def test_by_name_takes_what_is_there_and_says_what_is_not(tmp_path):
    built = small_models.model(small_models.nested())
    built.save_weights(tmp_path / "x.h5")
    other = emptied(other_head())
    head = other.get_layer("answers").get_weights()
    with pytest.raises(
        xception.ModelFileError, match=r"the file has no weights for answers; no place .* classes"
    ):
        other.load_weights(tmp_path / "x.h5")
    with pytest.warns(UserWarning, match=r"the file has no weights for answers; no place .* classes"):
        other.load_weights(tmp_path / "x.h5", by_name=True)
    for a, b in zip(
        other.get_layer("base").get_weights(), built.get_layer("base").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(other.get_layer("answers").get_weights()[0], head[0])


@pytest.mark.parametrize(("name", "by_name"), [("x.h5", True), ("x.h5", False), ("x.weights.h5", False)])
def test_skip_mismatch(tmp_path, name, by_name):
    built = small_models.model(small_models.nested())
    built.save_weights(tmp_path / name)
    other = emptied(other_head(units=7, name="classes"))
    differs = r"classes.*: kernel should have shape \(8, 7\), found \(8, 5\)"
    with pytest.raises(xception.ModelFileError, match=differs):
        other.load_weights(tmp_path / name, by_name=by_name)
    with pytest.warns(UserWarning, match=f"not everything was loaded: {differs}"):
        other.load_weights(tmp_path / name, by_name=by_name, skip_mismatch=True)
    assert other.get_layer("classes").get_weights()[0].shape == (8, 7)
    np.testing.assert_array_equal(other.get_weights()[0], built.get_weights()[0])


def test_by_name_without_names_or_anything_in_common(tmp_path):
    small_models.model(small_models.nested()).save_weights(tmp_path / "x.weights.h5")
    small_models.model(small_models.in_a_row()).save_weights(tmp_path / "row.h5")
    network = small_models.wired("x", ["i"], ["d"], i=(Input((3,)),), d=(Dense(3), ["i"]))
    with pytest.raises(xception.ModelFileError, match="holds no layer names"):
        small_models.model(small_models.nested()).load_weights(tmp_path / "x.weights.h5", by_name=True)
    with pytest.raises(xception.ModelFileError, match="has nothing for x"):
        small_models.model(network).load_weights(tmp_path / "row.h5", by_name=True)


# --- what the file says ---------------------------------------------------------------------


def test_the_description_is_what_keras_writes(tmp_path):
    small_models.model(small_models.nested()).save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        assert set(archive.namelist()) == {"config.json", "metadata.json", "model.weights.h5"}
        config = json.loads(archive.read("config.json"))
        assert archive.getinfo("model.weights.h5").compress_type == zipfile.ZIP_STORED
    layers = {layer["name"]: layer for layer in config["config"]["layers"]}
    assert layers["base"]["class_name"] == "Functional"
    assert layers["classes"]["config"]["units"] == 5
    assert layers["classes"]["inbound_nodes"][0]["args"][0]["config"] == {
        "shape": [None, 8], "dtype": "float32", "keras_history": ["dropout", 0, 0],
    }  # fmt: skip


# --- older and odder files ------------------------------------------------------------------


def test_the_first_version_of_the_numbered_layout(tmp_path):
    """Another name for the layers, and every second number for those that have weights."""
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
    loaded = emptied(small_models.nested())
    loaded.load_weights(tmp_path / "old.weights.h5")
    assert_same_answers(loaded, built)


def test_a_layer_that_stands_in_two_networks(tmp_path):
    """Keras writes it once, where it comes first."""
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
    loaded = emptied(network)
    loaded.load_weights(tmp_path / "x.weights.h5")
    assert_same_answers(loaded, built)


def test_layers_that_are_told_to_work_as_in_training(tmp_path):
    """Keras 2 obeys at every prediction; Keras 3 writes it down, and does not go by it."""
    built = small_models.model(small_models.nested())
    built.save(tmp_path / "x.keras")
    for version in ("3.12.0", "2.15.0"):
        with zipfile.ZipFile(tmp_path / "x.keras") as source:
            contents = {name: source.read(name) for name in source.namelist()}
        config = json.loads(contents["config.json"])
        for layer in config["config"]["layers"]:
            if layer["name"] == "base":
                layer["inbound_nodes"][0]["kwargs"] = {"training": True}
        contents["config.json"] = json.dumps(config).encode()
        contents["metadata.json"] = json.dumps({"keras_version": version}).encode()
        with zipfile.ZipFile(tmp_path / "told.keras", "w") as target:
            for name, content in contents.items():
                target.writestr(name, content)
        if version.startswith("3"):
            assert_same_answers(xception.load_model(tmp_path / "told.keras"), built)
        else:
            with pytest.raises(
                xception.ModelFileError, match=r"base \(Functional\): is called with training=True"
            ):
                xception.load_model(tmp_path / "told.keras")


@pytest.mark.parametrize("setting", [{"dilation_rate": 1 << 20}, {"kernel_size": 5000}])
def test_windows_that_no_memory_holds(tmp_path, setting):
    layer = SeparableConv2D(**({"filters": 2, "kernel_size": 3, "padding": "same"} | setting))
    network = small_models.row("x", ("image", Input((12, 12, 1))), ("conv", layer))
    small_models.model(network).save(tmp_path / "x.keras")
    with pytest.raises(xception.ModelFileError, match=r"conv has a \w+ beyond 4,096"):
        xception.load_model(tmp_path / "x.keras")
