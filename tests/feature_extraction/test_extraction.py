"""Features of photographs from any layers, and raw activations."""

import io
import os
import shutil

import numpy as np
import pytest
import small_models
from PIL import Image

import xception
from xception.feature_extraction import extraction, tables
from xception.feature_extraction.extraction import Extractor, base_model, imagenet_base
from xception.storage import cache as cache_module

# --- Model.features and Model.activations ---------------------------------------------------


@pytest.fixture(scope="module")
def nested():
    return small_models.model(small_models.nested())


@pytest.fixture(scope="module")
def maps(nested):
    return nested.activations(small_models.entering(nested, 3), ["block1_conv1_act", "base", "dropout"])


@pytest.mark.parametrize(
    ("pooling", "reduce"),
    [("avg", np.mean), ("max", np.max), ("min", np.min), ("sum", np.sum)],
)
def test_pooling_and_order(nested, maps, pooling, reduce):
    found = nested.features(
        small_models.entering(nested, 3), ["base", "block1_conv1_act"], pooling, batch_size=2
    )
    expected = [reduce(maps["base"], axis=(1, 2)), reduce(maps["block1_conv1_act"], axis=(1, 2))]
    assert found.shape == (3, 8 + 6)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-6)


def test_unpooled_and_vectors(nested, maps):
    found = nested.features(small_models.entering(nested, 3), ["dropout", "base"], "none")
    np.testing.assert_array_equal(found[:, :8], maps["dropout"])
    np.testing.assert_array_equal(found[:, 8:], maps["base"].reshape(3, -1))


def test_the_last_maps_unless_told(nested, maps):
    found = nested.features(small_models.entering(nested, 3))
    np.testing.assert_allclose(found, maps["base"].mean(axis=(1, 2)), rtol=1e-6)


def test_activations_agree_with_the_plain_pass(nested, maps):
    x = small_models.entering(nested, 3)
    plain = nested.graph.evaluate(nested.parameters, x, ["base/block1_conv1_act", "dropout"])
    np.testing.assert_allclose(maps["block1_conv1_act"], plain["base/block1_conv1_act"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps["dropout"], plain["dropout"], rtol=1e-5, atol=1e-6)


def test_nothing_behind_the_last_layer_is_computed(nested, monkeypatch):
    from xception.layers import Dense

    monkeypatch.setattr(Dense, "forward", lambda *_: pytest.fail("the head was computed"))
    nested.features(small_models.entering(nested), ["pooled", "block2_pool"])


def test_wrong_use(nested):
    x = small_models.entering(nested)
    with pytest.raises(ValueError, match="pooling must be one of avg, max, min, sum, none"):
        nested.features(x, ["base"], "median")
    with pytest.raises(ValueError, match="has no layer 'block9'"):
        nested.features(x, ["block9"])
    with pytest.raises(ValueError, match="at least one layer"):
        nested.features(x, [])
    two = small_models.model(small_models.two_ends())
    with pytest.raises(ValueError, match="two has several outputs: two/average, two/greatest"):
        two.activations(small_models.entering(two), ["two"])


# --- xception.features ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(small_classifier):
    return xception.load_model(small_classifier)


def expected_features(model, photos, **settings):
    x = np.stack([xception.load_image(photo, (16, 16)) for photo in photos]).astype(np.float32)
    return model.features(x, **settings)


@pytest.mark.parametrize(
    "kind", ["path", "text", "folder", "pattern", "bytes", "file", "PIL", "array", "4-D"]
)
def test_every_kind_of_image(model, two_folders, kind):
    photo = two_folders / "things" / "coffee.jpg"
    pixels = xception.load_image(photo, None)
    images = {
        "path": photo, "text": str(photo), "folder": two_folders / "things", "bytes": photo.read_bytes(),
        "pattern": str(two_folders / "*" / "cof*"), "file": io.BytesIO(photo.read_bytes()),
        "PIL": Image.fromarray(pixels), "array": pixels, "4-D": pixels[None],
    }  # fmt: skip
    result = xception.features(images[kind], model)
    assert (len(result), len(result.names), result.values.dtype) == (
        2 if kind == "folder" else 1,
        8,
        np.float32,
    )
    assert result.paths[0] == (str(photo) if kind in ("path", "text", "folder", "pattern") else None)
    assert result.labels[0] == ""
    np.testing.assert_allclose(result.values[:1], expected_features(model, [photo]), rtol=1e-5)


def test_mixed_lists_and_generators(model, examples):
    photos = sorted(examples.glob("*.jpg"))
    images = [photos[0], xception.load_image(photos[1], None), photos[2].read_bytes(), photos[0]]
    from_list, from_generator = xception.features(images, model), xception.features(iter(images), model)
    for result in (from_list, from_generator):
        assert result.paths == [str(photos[0]), None, None, str(photos[0])]
        assert result.indices == [0, 1, 2, 3]
        assert result.names == [f"feature_{i}" for i in range(8)]
    np.testing.assert_array_equal(from_list, from_generator)
    np.testing.assert_array_equal(from_list.values[0], from_list.values[3])


def test_layers_and_pooling(model, two_folders):
    result = xception.features(two_folders, model, layers=("pool", "maps"), pooling="max")
    assert result.names == [f"{layer}_{i}" for layer in ("pool", "maps") for i in range(8)]
    assert result.labels == ["animals", "animals", "things", "things"]
    expected = expected_features(model, result.paths, layers=["pool", "maps"], pooling="max")
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_without_a_model_it_is_the_imagenet_base(base, examples):
    result = xception.features(examples / "coffee.jpg")
    expected = base.predict(xception.preprocess_input(xception.load_image(examples / "coffee.jpg")[None]))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert imagenet_base() is imagenet_base()
    assert imagenet_base().output_shape == (None, 2048)


def test_a_base_of_your_own(examples, tmp_path):
    xception.Xception(include_top=False, weights=None, seed=1).save_weights(tmp_path / "own.h5")
    model = base_model(tmp_path / "own.h5")
    assert model.layers[-1].name == "avg_pool"
    assert xception.features(examples / "coffee.jpg", model, layers="avg_pool").values.shape == (1, 2048)


def test_a_classifier_has_decided_the_preprocessing(model, small_classifier, examples):
    photo = examples / "coffee.jpg"
    classifier = xception.Classifier(model, scaling="unit", interpolation="nearest")
    dark = xception.features(photo, classifier)
    pixels = xception.load_image(photo, (16, 16), "nearest")[None]
    np.testing.assert_allclose(dark, model.features((pixels / 255).astype(np.float32)), rtol=1e-5)
    with pytest.raises(ValueError, match="a Classifier has decided scaling"):
        xception.features(photo, classifier, scaling="tf")
    from_file = xception.features(photo, small_classifier)
    np.testing.assert_array_equal(from_file, xception.features(photo, model))
    assert not np.allclose(from_file, dark)


def test_the_fingerprint_tells_features_apart(model):
    extractors = [
        Extractor(model), Extractor(model, "pool"), Extractor(model, pooling="max"),
        Extractor(model, scaling="tf"), Extractor(xception.Classifier(model, interpolation="nearest")),
    ]  # fmt: skip
    assert len({extractor.fingerprint for extractor in extractors}) == 5
    assert Extractor(model, ["pool"]).fingerprint == extractors[1].fingerprint
    assert Extractor(model, "maps").fingerprint == extractors[0].fingerprint  # the last maps
    assert Extractor(model, scaling="none").fingerprint == extractors[0].fingerprint


def test_photographs_that_cannot_be_read(model, two_folders):
    images = [two_folders / "no.jpg", two_folders / "things" / "coffee.jpg", b"no image"]
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        xception.features(images, model)
    result = xception.features(images, model, on_error="skip")
    assert (result.indices, len(result), result.values.shape) == ([1], 1, (1, 8))
    assert [(failure.index, failure.path) for failure in result.failures] == [(0, str(images[0])), (2, None)]
    assert repr(result) == "<Features: 1 photograph, 8 features each, 2 failures>"
    seen = []
    assert len(xception.features(images, model, on_error=seen.append)) == 1
    assert [failure.index for failure in seen] == [0, 2]


def test_no_photographs_are_no_rows(model, tmp_path):
    for output in (None, tmp_path / "f.npz"):
        result = xception.features(["no.jpg"], model, on_error="skip", output=output)
        assert (len(result), result.values.shape) == (0, (0, 8))
    assert xception.features([], model).values.shape == (0, 8)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_an_output_holds_what_the_result_and_the_command_hold(
    run, model, small_classifier, two_folders, tmp_path, suffix
):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    shutil.copy(two_folders / "things" / "coffee.jpg", two_folders / "things" / 'it\'s, "odd".jpg')
    expected = xception.features(two_folders, model)
    result = xception.features(two_folders, model, output=tmp_path / f"f{suffix}")
    assert (result.paths, result.labels, result.resumed) == (expected.paths, expected.labels, 0)
    np.testing.assert_array_equal(result.values, expected.values)
    assert type(result.values) is np.ndarray
    expected.save(tmp_path / f"g{suffix}")
    arguments = ("--model", small_classifier, "--output", tmp_path / f"h{suffix}")
    assert run("features", two_folders, *arguments)[0] == 0
    contents = {(tmp_path / f"{name}{suffix}").read_bytes() for name in "fgh"}
    if suffix == ".npz":  # which holds the time
        with np.load(tmp_path / "f.npz") as f, np.load(tmp_path / "h.npz") as h:
            assert f.files == h.files == ["paths", "names", "labels", "values"]
            assert all(np.array_equal(f[name], h[name]) for name in f.files)
    else:
        assert len(contents) == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("wide", [False, True])
def test_a_parquet_file_has_a_column_of_lists_or_one_for_each_feature(model, two_folders, tmp_path, wide):
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = xception.features(two_folders, model)
    result = xception.features(two_folders, model, output=tmp_path / "f.parquet", wide=wide)
    expected.save(tmp_path / "g.parquet", wide=wide)
    assert (tmp_path / "f.parquet").read_bytes() == (tmp_path / "g.parquet").read_bytes()
    np.testing.assert_array_equal(result, expected)
    names = [f"feature_{i}" for i in range(8)] if wide else ["features"]
    assert parquet.read_schema(tmp_path / "f.parquet").names == ["path", "label", *names]


def test_wide_is_refused_before_the_work_where_there_is_one_layout(model, tmp_path, monkeypatch):
    photos = two_photographs(tmp_path)
    result = xception.features(photos, model)
    with pytest.raises(ValueError, match="'wide' is a layout of"):
        result.save(tmp_path / "f.csv", wide=True)
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("features were computed"))
    with pytest.raises(ValueError, match="'wide' is a layout of"):
        xception.features(photos, model, output=tmp_path / "f.npz", wide=True)


def test_an_interrupted_extraction_goes_on(model, examples, tmp_path, monkeypatch):
    photos = []
    for number in range(40):
        photos.append(tmp_path / f"{number:02}.jpg")
        shutil.copy(examples / "rocket.jpg", photos[-1])
    computed = []
    compute = Extractor.compute

    def interrupted(self, pixels):
        if len(computed) == 35:
            raise KeyboardInterrupt
        computed.append(len(pixels))
        return compute(self, pixels)

    monkeypatch.setattr(Extractor, "compute", interrupted)
    monkeypatch.setenv("XCEPTION_NUM_THREADS", "1")  # so that photographs are computed in order
    with pytest.raises(KeyboardInterrupt):
        xception.features(photos, model, output=tmp_path / "f.npy")
    assert not (tmp_path / "f.npy").exists()
    monkeypatch.setattr(Extractor, "compute", compute)
    result = xception.features(iter(photos[::-1]), model, output=tmp_path / "f.npy")
    assert (len(result), result.resumed) == (40, 35)
    assert result.paths == [str(photo) for photo in photos[::-1]]
    assert not list(tmp_path.glob(".*"))
    assert xception.features(photos, model, output=tmp_path / "f.npy").resumed == 0


# --- the cache ------------------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch):
    """How many photographs were computed in each batch. All are old enough to be known by their dates."""
    counts, compute = [], Extractor.compute
    monkeypatch.setattr(Extractor, "compute", lambda self, x: counts.append(len(x)) or compute(self, x))
    monkeypatch.setattr("xception.storage.identity.MIN_AGE_SECONDS", -1)
    return counts


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("first", ["features", "output", "similar"])
@pytest.mark.parametrize("second", ["features", "output", "similar"])
def test_features_of_the_same_photographs_are_computed_once(
    model, two_folders, tmp_path, computed, first, second
):
    def call(name):
        if name == "similar":
            return xception.similar(two_folders, two_folders, model)
        return xception.features(two_folders, model, output=tmp_path / "f.npz" if name == "output" else None)

    call(first)
    assert sum(computed) == 4
    computed.clear()
    result = call(second)
    assert computed == []
    assert (result.cached if second == "similar" else result.resumed) == 4
    values = xception.features(two_folders, model).values
    np.testing.assert_array_equal(
        values,
        xception.features([xception.load_image(p, None) for p in sorted(two_folders.rglob("*.jpg"))], model),
    )
    assert not list(tmp_path.glob(".*"))


def test_arrays_are_never_cached(model, examples, cache, tmp_path):
    pixels = xception.load_image(examples / "coffee.jpg", None)
    xception.features([pixels, (examples / "coffee.jpg").read_bytes()], model)
    xception.features(pixels, model, output=tmp_path / "f.npy")
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_copies_of_a_photograph_do_not_count_as_computed_before(model, examples, tmp_path, computed):
    for number in range(40):
        shutil.copy(examples / "rocket.jpg", tmp_path / f"{number:02}.jpg")
    result = xception.features(str(tmp_path / "*.jpg"), model, output=tmp_path / "f.npy")
    assert (len(result), result.resumed) == (40, 0)
    assert sum(computed) < 40
    assert len(np.unique(result.values, axis=0)) == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("output", [None, "f.npz"])
def test_with_verify_cached_photographs_are_read(model, tmp_path, computed, monkeypatch, verify, output):
    photos = two_photographs(tmp_path)
    xception.features(photos, model)
    computed.clear()
    read = []
    identify = cache_module.identify_by_content
    monkeypatch.setattr(cache_module, "identify_by_content", lambda p: read.append(p) or identify(p))
    output = None if output is None else tmp_path / output
    assert xception.features(photos, model, output=output, verify=verify).resumed == 2
    assert (computed, read) == ([], [str(photo) for photo in photos] if verify else [])


@pytest.mark.usefixtures("cache")
def test_without_a_cache_an_output_is_resumed_all_the_same(model, tmp_path, monkeypatch, computed):
    photos = two_photographs(tmp_path)
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "0")
    interrupted_after_the_work(photos, model, tmp_path / "f.npz", monkeypatch)
    assert sum(computed) == 2
    assert xception.features(photos, model, output=tmp_path / "f.npz").resumed == 2
    assert sum(computed) == 2


def interrupted_after_the_work(photos, model, output, monkeypatch):
    def disk_full(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(extraction.tables, "write_table", disk_full)
        with pytest.raises(OSError, match="disk full"):
            xception.features(photos, model, output=output)


def two_photographs(folder):
    for name, color in (("a", (255, 0, 0)), ("b", (0, 0, 255))):
        Image.new("RGB", (20, 20), color).save(folder / f"{name}.bmp")
    return [folder / "a.bmp", folder / "b.bmp"]


@pytest.mark.parametrize("verify", [False, True])
def test_with_verify_a_photograph_is_compared_by_its_content(model, tmp_path, monkeypatch, verify):
    photos = two_photographs(tmp_path)
    before = xception.features(photos, model)
    interrupted_after_the_work(photos, model, tmp_path / "f.npz", monkeypatch)
    status = photos[0].stat()
    Image.new("RGB", (20, 20), (0, 255, 0)).save(photos[0])
    os.utime(photos[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    result = xception.features(photos, model, output=tmp_path / "f.npz", verify=verify)
    assert result.resumed == 1 + (not verify)
    expected = xception.features(photos, model) if verify else before
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_damaged_rows_are_computed_again(model, tmp_path, monkeypatch):
    photos = two_photographs(tmp_path)
    interrupted_after_the_work(photos, model, tmp_path / "f.npz", monkeypatch)
    rows = tmp_path / ".f.npz.progress" / "rows.f32"
    content = bytearray(rows.read_bytes())
    content[2] ^= 64
    rows.write_bytes(content)
    with pytest.warns(UserWarning, match=r"holds damaged rows, such as those of .*a\.bmp"):
        result = xception.features(photos, model, output=tmp_path / "f.npz")
    assert result.resumed == 1
    np.testing.assert_allclose(result, xception.features(photos, model), rtol=1e-5)


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
@pytest.mark.parametrize("name", [".f.npz.progress", ".f.npz.progress/lock", ".f.npz.progress/settings.json"])
def test_links_in_the_place_of_the_progress_are_refused_before_the_work(model, tmp_path, monkeypatch, name):
    photos = two_photographs(tmp_path)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "lock").write_text("precious")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "victim" / ("" if name.endswith("progress") else "lock"))
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("features were computed"))
    with pytest.raises(PermissionError, match=r"\.progress.*link.*[Rr]emove it"):
        xception.features(photos, model, output=tmp_path / "f.npz")
    assert (tmp_path / "victim" / "lock").read_text() == "precious"
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["lock"]


def test_names_that_do_not_fit_are_refused_before_the_work(model, tmp_path, monkeypatch):
    photos = two_photographs(tmp_path)
    monkeypatch.setattr(extraction.tables.names, "MAX_TEXT_ARRAY_BYTES", 0)
    monkeypatch.setattr(extraction.tables.names, "MAX_PADDING", 0)
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("features were computed"))
    with pytest.raises(ValueError, match=r"f\.npz: the names of photographs would take"):
        xception.features(photos, model, output=tmp_path / "f.npz")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
@pytest.mark.parametrize("suffix", tables.FORMATS)
def test_photographs_with_any_name(model, tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "photos" / "la\udcffbel").mkdir(parents=True)
    photo = tmp_path / "photos" / "la\udcffbel" / "\x1b[2J\r\n=\udcfe.bmp"
    Image.new("RGB", (20, 20), (9, 99, 199)).save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").rename(photo)
    result = xception.features(tmp_path / "photos", model, output=tmp_path / f"f{suffix}")
    assert (result.paths, result.labels) == ([str(photo)], ["la\udcffbel"])
    np.testing.assert_array_equal(result, xception.features(photo, model))


def test_images_in_memory_are_computed_again_after_an_interruption(model, examples, tmp_path, monkeypatch):
    photo = examples / "coffee.jpg"
    images = [photo, xception.load_image(photo, None), examples / "rocket.jpg"]

    def disk_full(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(extraction.tables, "write_table", disk_full)
        with pytest.raises(OSError, match="disk full"):
            xception.features(images, model, output=tmp_path / "f.csv")
    result = xception.features(images, model, output=tmp_path / "f.csv")
    assert (result.resumed, result.paths[1], len(result)) == (2, None, 3)
    np.testing.assert_allclose(result, xception.features(images, model), rtol=1e-5)
    assert (tmp_path / "f.csv").read_text().splitlines()[2].startswith(",")


def test_a_photograph_that_fails_first_leaves_no_folder(model, examples, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        xception.features("no.jpg", model, output=tmp_path / "f.npz")
    assert not list(tmp_path.iterdir())


def test_values_on_disk_are_found_after_a_change_of_folder(model, examples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = xception.features(examples / "coffee.jpg", model, output="f.npz")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    np.testing.assert_array_equal(result, xception.features(examples / "coffee.jpg", model))


def test_values_of_a_file_that_was_replaced_are_refused(model, examples, tmp_path):
    output = tmp_path / "f.npz"
    first = xception.features(examples / "coffee.jpg", model, output=output)
    second = xception.features(examples / "chelsea.jpg", model, output=output)
    np.testing.assert_array_equal(second, xception.features(examples / "chelsea.jpg", model))
    with pytest.raises(OSError, match=r"f\.npz: has changed since these features were written"):
        _ = first.values


def test_wrong_arguments(model, examples, tmp_path):
    photo = examples / "coffee.jpg"
    with pytest.raises(TypeError, match=r"features\(images, model\): expected photographs .* got a Model"):
        xception.features(model, photo)
    with pytest.raises(TypeError, match="model must be a Model, a Classifier, or the path"):
        xception.features(photo, 3)
    with pytest.raises(ValueError, match="has no layer 'block9'"):
        xception.features(photo, model, layers="block9")
    with pytest.raises(TypeError, match="expected the name of a layer or a list of names, got int"):
        xception.features(photo, model, layers=5)
    with pytest.raises(ValueError, match="pooling must be one of avg, max, min, sum, none"):
        xception.features(photo, model, pooling="median")
    with pytest.raises(ValueError, match="on_error must be"):
        xception.features(photo, model, on_error="ignore")
    with pytest.raises(ValueError, match=r"ends in \.npz, \.npy"):
        xception.features(photo, model, output=tmp_path / "f.txt")
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        xception.features(photo, model, output=tmp_path / "no" / "f.npz")
