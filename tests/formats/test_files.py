"""Weights files: every layout that is read, what is written, and what is refused."""

import shutil
import zlib

import h5py
import numpy as np
import pytest
from keras1 import write as write_2016_layout

import xception
from xception.errors import ModelFileError


@pytest.fixture(scope="module")
def model():
    """A base in which no two arrays are alike, not even those of one shape."""
    model = xception.Xception(weights=None, include_top=False, seed=5)
    rng = np.random.default_rng(5)
    model.set_weights([array + rng.random(array.shape, np.float32) for array in model.get_weights()])
    return model


@pytest.fixture
def file(model, tmp_path):
    """A fresh file of the model's weights, to be spoilt."""
    path = tmp_path / "base.h5"
    model.save_weights(path)
    return path


def fresh():
    return xception.Xception(weights=None, include_top=False, seed=9)


def assert_same_weights(one, two):
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- what is read ---------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 7])
def test_the_layout_of_2016(model, tmp_path, first):
    groups = write_2016_layout(tmp_path / "old.h5", model, first)
    # The names that Keras published, and the trap: three of these are 1024 wide.
    assert groups["block1_conv1"] == f"convolution2d_{first}"
    assert groups["conv2d_3"] == f"convolution2d_{first + 5}"
    assert groups["batch_normalization_3"] == f"batchnormalization_{first + 35}"
    assert groups["block13_sepconv2_bn"] == f"batchnormalization_{first + 37}"
    assert groups["block14_sepconv2"] == f"separableconvolution2d_{first + 33}"
    loaded = fresh()
    loaded.load_weights(tmp_path / "old.h5")
    assert_same_weights(loaded, model)


def test_the_layout_of_2016_with_classifier(full_model, tmp_path):
    write_2016_layout(tmp_path / "old.h5", full_model)
    with h5py.File(tmp_path / "old.h5") as file:
        assert "dense_2/dense_2_W:0" in file
        assert "batchnormalization_36/batchnormalization_36_running_std:0" in file
    loaded = xception.Xception(weights=tmp_path / "old.h5")
    assert_same_weights(loaded, full_model)


@pytest.mark.parametrize("first", [0, 5, 9])
def test_projections_numbered_from_anywhere(model, file, tmp_path, first):
    def renumber(name):
        for stem in ("conv2d", "batch_normalization"):
            if name == stem or name.startswith(f"{stem}_"):
                number = int(name[len(stem) + 1 :] or 0) + first
                return f"{stem}_{number}" if number else stem
        return name

    with h5py.File(file) as source, h5py.File(tmp_path / "renumbered.h5", "w") as target:
        names = [name.decode() for name in source.attrs["layer_names"]]
        # conv2d_10 stands before conv2d_9 where names are sorted as text
        target.attrs["layer_names"] = np.array(sorted(renumber(name).encode() for name in names))
        for name in names:
            group = target.create_group(renumber(name))
            keys = [key.decode() for key in source[name].attrs["weight_names"]]
            group.attrs["weight_names"] = np.array([key.split("/")[1].encode() for key in keys], dtype="S")
            for key in keys:
                group[key.split("/")[1]] = source[name][key][()]
    loaded = fresh()
    loaded.load_weights(tmp_path / "renumbered.h5")
    assert_same_weights(loaded, model)


def test_a_whole_model_keeps_its_weights_one_floor_down(model, file, tmp_path):
    with h5py.File(file) as source, h5py.File(tmp_path / "whole.h5", "w") as target:
        target.attrs["model_config"] = "{}"
        root = target.create_group("model_weights")
        for name in source:
            source.copy(name, root)
        # Keras splits attributes that HDF5 would find too long, and Keras 3 writes text, not bytes.
        names = [name.decode() for name in source.attrs["layer_names"]]
        root.attrs["layer_names0"] = np.array([name.encode() for name in names[:60]])
        root.attrs["layer_names1"] = names[60:]
    loaded = fresh()
    loaded.load_weights(tmp_path / "whole.h5")
    assert_same_weights(loaded, model)


def test_layers_counted_by_class(model, tmp_path):
    # Keras 3's .weights.h5: numbers follow model.layers, in which projections come late.
    counters = {}
    with h5py.File(tmp_path / "new.weights.h5", "w") as target:
        for layer in model.layers:
            stem = {"Conv2D": "conv2d", "SeparableConv2D": "separable_conv2d"}.get(
                type(layer.settings).__name__, "batch_normalization"
            )
            if not layer.get_weights():
                continue
            number = counters[stem] = counters.get(stem, -1) + 1
            group = target.create_group(f"layers/{stem}_{number}/vars" if number else f"layers/{stem}/vars")
            for position, array in enumerate(layer.get_weights()):
                group[str(position)] = array
    loaded = fresh()
    loaded.load_weights(tmp_path / "new.weights.h5")
    assert_same_weights(loaded, model)


def test_half_and_double_precision_are_read(model, file):
    with h5py.File(file, "a") as f:
        for dtype, path in (
            (np.float16, "conv2d/conv2d/kernel:0"),
            (np.float64, "conv2d_1/conv2d_1/kernel:0"),
        ):
            array = f[path][()]
            del f[path]
            f[path] = array.astype(dtype)
    loaded = fresh()
    loaded.load_weights(file)
    (kernel,), (expected,) = (m.get_layer("conv2d").get_weights() for m in (loaded, model))
    np.testing.assert_array_equal(kernel, expected.astype(np.float16).astype(np.float32))
    (kernel,), (expected,) = (m.get_layer("conv2d_1").get_weights() for m in (loaded, model))
    np.testing.assert_array_equal(kernel, expected)


# --- what is written ------------------------------------------------------------------------


def test_saved_weights_come_back(model, file):
    loaded = fresh()
    loaded.load_weights(str(file))
    assert_same_weights(loaded, model)
    with h5py.File(file) as f:
        assert f.attrs["layer_names"][1] == b"block1_conv1"
        assert f["block1_conv1"].attrs["weight_names"][0] == b"block1_conv1/kernel:0"


@pytest.mark.parametrize("name", ["x.keras", "x.npz", "x"])
def test_names_that_say_another_format_are_refused(model, tmp_path, name):
    with pytest.raises(ValueError, match=r"written as \.weights\.h5 .* or \.h5"):
        model.save_weights(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(model, file, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr(
        h5py.Group, "create_dataset", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        model.save_weights(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_places_that_cannot_be_written_to(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        model.save_weights(tmp_path / "nowhere" / "x.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        model.save_weights(tmp_path / "folder.h5")


# --- what is refused ------------------------------------------------------------------------


def assert_refused(path, message, kind=ModelFileError):
    """The file is refused, and the model stays as it was."""
    model = fresh()
    before = model.get_weights()
    with pytest.raises(kind, match=message):
        model.load_weights(path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_files_that_are_no_weights(file, tmp_path):
    assert_refused(tmp_path / "missing.h5", r"missing\.h5: there is no such file", FileNotFoundError)
    assert_refused(tmp_path, "is a folder, expected a file", IsADirectoryError)

    def content(data):
        path = tmp_path / "x.h5"
        path.write_bytes(data)
        return path

    assert_refused(content(b"<!DOCTYPE html><html>Not found"), "a web page, probably")
    assert_refused(content(b"\n<html>"), "a web page")
    assert_refused(content(b""), "an empty one")
    assert_refused(content(b"PK\x03\x04rest"), r"a damaged \.keras archive")
    assert_refused(content(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull")
    assert_refused(content(b"\x00\x01\x02" * 40), "something else; it begins with")
    whole = file.read_bytes()
    assert_refused(content(whole[: len(whole) // 2]), r"x\.h5: a damaged or incomplete HDF5 file")
    assert_refused(content(whole[:600]), "damaged or incomplete")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = np.zeros(3)
    assert_refused(tmp_path / "other.h5", "holds no Keras weights: .* found data")


def test_damage_in_the_middle_of_a_file(file):
    rng = np.random.default_rng(0)
    whole = np.fromfile(file, np.uint8)
    for start in (600, 3_000, 40_000):  # where HDF5 keeps its tables
        broken = whole.copy()
        broken[start : start + 400] = rng.integers(0, 256, 400)
        broken.tofile(file)
        model = fresh()
        before = model.get_weights()
        try:
            model.load_weights(file)
        except ModelFileError:
            for old, new in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)


def test_another_shape_is_named_with_layer_expected_and_found(file, full_model, tmp_path):
    with h5py.File(file, "a") as f:
        path = "block13_sepconv2/block13_sepconv2/pointwise_kernel:0"
        del f[path]
        f[path] = np.zeros((1, 1, 728, 1000), np.float32)
    message = (
        r"base\.h5: block13_sepconv2: pointwise_kernel should have shape \(1, 1, 728, 1024\), "
        r"found \(1, 1, 728, 1000\)"
    )
    assert_refused(file, message)
    full_model.save_weights(tmp_path / "full.h5")
    with pytest.raises(ModelFileError, match=r"predictions: kernel .* \(2048, 6\), found \(2048, 1000\)"):
        xception.Xception(weights=tmp_path / "full.h5", classes=6)


def test_a_shape_of_the_2016_layout_is_named_as_the_file_has_it(tmp_path):
    grey = xception.Xception(weights=None, include_top=False, input_shape=(None, None, 1), seed=0)
    write_2016_layout(tmp_path / "old.h5", grey)
    assert_refused(tmp_path / "old.h5", r"block1_conv1 \(convolution2d_1 in the file\): kernel should have")


def test_with_and_without_classifier(file, full_model, tmp_path):
    full_model.save_weights(tmp_path / "full.h5")
    assert_refused(tmp_path / "full.h5", r"file's predictions; .* include_top=True")
    with pytest.raises(
        ModelFileError, match=r"the file has no weights for predictions; .* include_top=False"
    ):
        xception.Xception(weights=file)


def test_layers_missing_and_left_over(file):
    with h5py.File(file, "a") as f:
        names = [name for name in f.attrs["layer_names"] if name not in (b"block5_sepconv1", b"conv2d_2")]
        f.attrs["layer_names"] = np.array(names)
    assert_refused(
        file, "the file has no weights for conv2d, conv2d_1, conv2d_2, block5_sepconv1, conv2d_3; no place"
    )


def test_arrays_missing(file):
    with h5py.File(file, "a") as f:
        f["block1_conv1_bn"].attrs["weight_names"] = np.array([b"block1_conv1_bn/gamma:0"])
    assert_refused(file, "block1_conv1_bn: expected gamma, beta, moving_mean, moving_variance, found gamma")


def test_nothing_is_read_from_elsewhere(file, tmp_path):
    place = "conv2d/conv2d/kernel:0"
    shutil.copy(file, tmp_path / "secret.h5")

    def spoilt(put):
        path = tmp_path / "spoilt.h5"
        shutil.copy(file, path)
        with h5py.File(path, "a") as f:
            shape = f[place].shape
            del f[place]
            put(f, shape)
        return path

    def external_link(f, shape):
        f[place] = h5py.ExternalLink(tmp_path / "secret.h5", place)

    def soft_link(f, shape):
        f[place] = h5py.SoftLink("/conv2d_1")

    def external_storage(f, shape):
        (tmp_path / "raw").write_bytes(bytes(4 * int(np.prod(shape))))
        f.create_dataset(place, shape, np.float32, external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])

    def virtual(f, shape):
        layout = h5py.VirtualLayout(shape, np.float32)
        layout[...] = h5py.VirtualSource(tmp_path / "secret.h5", place, shape)
        f.create_virtual_dataset(place, layout)

    assert_refused(spoilt(external_link), "is a soft or external link; refused")
    assert_refused(spoilt(soft_link), "is a soft or external link; refused")
    assert_refused(spoilt(external_storage), "kept in another file; refused")
    assert_refused(spoilt(virtual), "kept in another file; refused")
    assert_refused(spoilt(lambda f, shape: f.create_dataset(place, shape, np.float32)), "stores nothing")
    assert_refused(
        spoilt(lambda f, shape: f.create_dataset(place, shape, "S4")), "expected an array of numbers"
    )
    assert_refused(spoilt(lambda f, shape: f.create_group(place)), "expected an array of numbers")
    assert_refused(spoilt(lambda f, shape: None), "is listed, but missing")
    few = {"chunks": (1, 1, 3, 8), "fillvalue": 0}

    def mostly_missing(f, shape):
        f.create_dataset(place, shape, np.float32, **few)[0, 0, 0, 0] = 1

    def bomb(f, shape):
        group, name = f.require_group("conv2d/conv2d"), "kernel:0"
        f.create_dataset(place, shape, np.float32, chunks=shape, compression="gzip", shuffle=True)
        more = zlib.compress(bytes(1 << 24))
        group[name].id.write_direct_chunk((0, 0, 0, 0), more)

    def brain_float(f, shape):
        kind = h5py.h5t.IEEE_F16LE.copy()
        kind.set_fields(15, 7, 8, 0, 7)
        kind.set_ebias(127)
        space = h5py.h5s.create_simple(shape)
        dataset = h5py.h5d.create(f.require_group("conv2d/conv2d").id, b"kernel:0", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.full(shape, 1.5, np.float32))

    assert_refused(spoilt(mostly_missing), "but stores only")
    assert_refused(spoilt(bomb), "are not the .* bytes declared")
    loaded = fresh()
    loaded.load_weights(spoilt(brain_float))
    assert (loaded.get_layer("conv2d").get_weights()[0] == 1.5).all()
    huge = (2**40,)
    assert_refused(
        spoilt(lambda f, shape: f.create_dataset(place, huge, "f4", chunks=(1024,))), "stores nothing"
    )


def test_names_must_be_text(file):
    for value, message in (
        (np.array([b"\xff\xfe"]), "is not UTF-8"),
        (np.array([1, 2]), "should hold text"),
        (h5py.Reference, "should hold text"),
    ):
        with h5py.File(file, "a") as f:
            if value is h5py.Reference:
                del f.attrs["layer_names"]
                f.attrs.create("layer_names", [f["conv2d"].ref], dtype=h5py.ref_dtype)
            else:
                f.attrs["layer_names"] = value
        assert_refused(file, message)


# --- the shipped base -----------------------------------------------------------------------


def test_the_shipped_base_is_whole():
    from xception.models import pretrained

    assert pretrained.BASE.is_whole(pretrained.shipped_base())


def test_the_shipped_base_sees(base, examples):
    """Photographs of one thing are nearer to each other than to anything else."""
    names = ("chelsea", "coffee", "astronaut", "rocket")
    cuts = []
    for name in names:
        photo = xception.load_image(examples / f"{name}.jpg", None)
        cuts += [photo, photo[10:-20, 30:-10][:, ::-1]]
    x = np.stack([xception.load_image(cut) for cut in cuts])
    features = base.predict(xception.preprocess_input(x))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    likeness = features @ features.T - 2 * np.eye(len(cuts))
    assert likeness.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4, 7, 6]


def test_half_precision_is_widened_exactly():
    from xception.formats.hdf5.arrays import widen_float16

    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    for values in (every, every[np.isfinite(every)]):
        wide = np.empty(values.shape, np.float32)
        widen_float16(values, wide)
        np.testing.assert_array_equal(wide, values.astype(np.float32))
        np.testing.assert_array_equal(np.signbit(wide), np.signbit(values))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "gzip"}])
@pytest.mark.parametrize("chunks", ["whole", "parts"])
def test_every_way_of_storing_numbers(model, file, dtype, options, chunks):
    places = ("block5_sepconv1/block5_sepconv1/pointwise_kernel:0", "block1_conv1/block1_conv1/kernel:0")
    with h5py.File(file, "a") as f:
        for place in places:
            array = f[place][()].astype(dtype)
            del f[place]
            if options:
                options = options | {"chunks": array.shape if chunks == "whole" else (1, 1, 3, 8)}
            f.create_dataset(place, data=array, **options)
    loaded = fresh()
    loaded.load_weights(file)
    expected = model.get_layer("block5_sepconv1").get_weights()[1].astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(loaded.get_layer("block5_sepconv1").get_weights()[1], expected)
