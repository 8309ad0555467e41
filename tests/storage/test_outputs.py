"""Files behind URLs as outputs: uploaded whole, and resumed after an interruption."""

import uuid

import numpy as np
import pytest

import xception
from xception.data import locations, remote_files
from xception.errors import RemoteError
from xception.storage.outputs import FOLDER, open_output

pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture(params=["memory", "s3"])
def folder(request):
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/results"
    return f"memory://{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def kept(monkeypatch, tmp_path):
    """The folder of outputs that are not complete."""
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


@pytest.fixture
def photos(examples):
    return [str(examples / f"{name}.jpg") for name in ("chelsea", "coffee", "rocket")]


def read_table(url):
    with locations.local_copy(url) as copy, np.load(copy) as table:
        return list(table["paths"]), table["values"].copy()


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".arff"])
def test_features_are_written_to_a_url(photos, small_classifier, folder, kept, suffix):
    url = f"{folder}/features{suffix}"
    expected = xception.features(photos, small_classifier)
    result = xception.features(photos, small_classifier, output=url)
    np.testing.assert_array_equal(result.values, expected.values)
    has_paths_beside = suffix in (".npy", ".arff")
    names = sorted([f"features{suffix}", *(["features.paths.csv"] if has_paths_beside else [])])
    assert locations.list_names(folder) == names
    assert list(kept.iterdir()) == []
    locations.remove_file(url)
    result.save(url)
    assert locations.list_names(folder) == names


def test_features_whose_file_was_replaced_are_not_read(photos, small_classifier, folder):
    result = xception.features(photos, small_classifier, output=f"{folder}/f.npz")
    xception.features(photos[:1], small_classifier, output=f"{folder}/f.npz")
    with pytest.raises(OSError, match=r"f\.npz: has changed since these features were written"):
        _ = result.values


def test_predictions_are_written_to_a_url(photos, small_classifier, folder, run):
    expected = xception.predict(photos, small_classifier, top=1)
    written = xception.predict(photos, small_classifier, top=1, output=f"{folder}/p.csv")
    assert (written.path, len(written)) == (f"{folder}/p.csv", 3)
    lines = locations.read_bytes(f"{folder}/p.csv").decode().splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == [entry[0].class_name for entry in expected]
    status, _, errors = run(
        "predict", *photos, "--model", small_classifier, "--output", f"{folder}/more.jsonl"
    )
    assert (status, errors) == (0, f"xception: {folder}/more.jsonl: 3 photographs\n")
    status, _, errors = run("features", *photos, "--model", small_classifier, "--output", f"{folder}/f.npz")
    assert (status, errors) == (0, f"xception: {folder}/f.npz: 3 photographs, 8 features each\n")
    assert read_table(f"{folder}/f.npz")[0] == photos


@pytest.mark.parametrize("call", ["features", "predict"])
def test_what_was_computed_before_an_upload_failed_is_not_computed_again(
    photos, small_classifier, folder, kept, monkeypatch, call
):
    url = f"{folder}/out{'.npz' if call == 'features' else '.csv'}"
    upload = remote_files.upload

    def fail(path, url):
        raise RemoteError(f"{url}: cannot be reached")

    monkeypatch.setattr(remote_files, "upload", fail)
    with pytest.raises(RemoteError):
        getattr(xception, call)(photos, small_classifier, output=url)
    (own,) = kept.iterdir()
    assert [path.name for path in own.iterdir()] == [f".{url.rpartition('/')[2]}.progress"]
    monkeypatch.setattr(remote_files, "upload", upload)
    assert getattr(xception, call)(photos, small_classifier, output=url).resumed == 3
    assert locations.exists(url)
    assert list(kept.iterdir()) == []


def test_one_call_at_a_time_writes_to_a_url():
    url = f"memory://{uuid.uuid4().hex}/f.npz"
    with (
        open_output(url),
        pytest.raises(BlockingIOError, match="another process or call is writing"),
        open_output(url),
    ):
        pass
    with open_output(url) as output:
        assert output.path.name == "f.npz"


def test_urls_that_cannot_be_written_are_refused_before_the_work(photos):
    for output, message in (
        ("https://example.org/f.npz", "web servers take no files"),
        ("foo://bucket/f.npz", "foo:// is not read"),
        ("memory://f.txt", r"f\.txt: expected a name that ends in"),
    ):
        with pytest.raises(ValueError, match=message):
            xception.features(photos, "no.keras", output=output)
    with pytest.raises(ValueError, match="web servers take no files"):
        xception.predict(photos, "no.keras", output="https://example.org/p.csv")


def test_a_url_of_a_local_file_is_its_path(photos, small_classifier, tmp_path):
    xception.features(photos, small_classifier, output=(tmp_path / "f.npy").as_uri())
    assert np.load(tmp_path / "f.npy").shape == (3, 8)


def test_what_is_written_to_local_files_only_refuses_urls(
    examples, small_classifier, tmp_path, monkeypatch, run
):
    """As a path, a URL is a file in a folder called "s3:", which was made here."""
    monkeypatch.chdir(tmp_path)
    model = xception.load_model(small_classifier)
    (explanation,) = xception.explain(examples / "coffee.jpg", model)
    for call in (
        lambda: model.save("s3://bucket/m.keras"),
        lambda: model.save_weights("s3://bucket/m.h5"),
        lambda: explanation.save("s3://bucket/a.png"),
    ):
        with pytest.raises(ValueError, match=r"s3://bucket/\S+: is a URL, expected a local path"):
            call()
    for arguments in (
        ("explain", examples / "coffee.jpg", "--model", small_classifier, "--output", "s3://bucket/maps/"),
        ("fit", examples, "--output", "s3://bucket/m.keras"),
    ):
        status, _, errors = run(*arguments)
        assert status == 1
        assert "is a URL, expected a local path" in errors
    assert not (tmp_path / "s3:").exists()
