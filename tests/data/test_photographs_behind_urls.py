"""Photographs behind URLs are taken wherever paths are."""

import json
import uuid
import warnings

import numpy as np
import pytest

import xception
from xception.data import image_files, locations
from xception.data.failures import FailureLog
from xception.data.photographs import find_photographs

pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture(params=["memory", "s3"])
def folder(request, examples):
    """The URL of a folder with photographs of two classes, and other files."""
    if request.param == "s3":
        url = f"s3://{request.getfixturevalue('bucket')}/photos"
    else:
        url = f"memory://{uuid.uuid4().hex}"
    for name in ("animals/chelsea", "animals/deep/astronaut", "things/coffee", "things-2/rocket"):
        source = examples / f"{name.rpartition('/')[2]}.jpg"
        locations.write_bytes(f"{url}/{name}.jpg", source.read_bytes())
    for name in ("notes.txt", "things/.hidden.jpg", ".cache/a.jpg", "__MACOSX/b.jpg"):
        locations.write_bytes(f"{url}/{name}", b"")
    return url


def listed(images, on_error="raise"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(find_photographs(images, FailureLog(on_error)))


def names(images, folder):
    return [photograph.path.removeprefix(folder + "/") for photograph in listed(images)]


def test_a_folder_stands_for_its_photographs(folder):
    photographs = listed(folder)
    assert [photograph.path.removeprefix(folder) for photograph in photographs] == [
        "/animals/chelsea.jpg", "/animals/deep/astronaut.jpg", "/things-2/rocket.jpg", "/things/coffee.jpg",
    ]  # fmt: skip
    assert [photograph.label for photograph in photographs] == ["animals", "animals", "things-2", "things"]
    assert listed(folder + "/") == photographs
    assert names([f"{folder}/animals/", f"{folder}/animals/chelsea.jpg"], folder) == [
        "animals/chelsea.jpg", "animals/deep/astronaut.jpg",
    ]  # fmt: skip
    with pytest.warns(UserWarning, match=r"left out 1 other file: 1 \.txt"):
        find_photographs(folder, FailureLog("raise"))


def test_patterns(folder):
    assert names(f"{folder}/*/*.jpg", folder) == [
        "__MACOSX/b.jpg", "animals/chelsea.jpg", "things-2/rocket.jpg", "things/coffee.jpg",
    ]  # fmt: skip
    assert names(f"{folder}/.cache/*", folder) == [".cache/a.jpg"]
    assert names(f"{folder}/**/astro*.jpg", folder) == ["animals/deep/astronaut.jpg"]
    with pytest.raises(FileNotFoundError, match="no file matches this pattern"):
        listed(f"{folder}/*.gif")


def test_new_photographs_are_seen(folder, examples):
    assert len(listed(f"{folder}/things/")) == 1
    locations.write_bytes(f"{folder}/things/odd[1].jpg", (examples / "coffee.jpg").read_bytes())
    assert len(listed(f"{folder}/things/")) == 2
    assert names(f"{folder}/things/odd[1].jpg", folder) == ["things/odd[1].jpg"]


def test_pixels_are_those_of_the_file(folder, examples):
    pixels = xception.load_image(f"{folder}/things/coffee.jpg")
    np.testing.assert_array_equal(pixels, xception.load_image(examples / "coffee.jpg"))


def test_predictions_features_and_classes(folder, small_classifier, examples):
    with pytest.warns(UserWarning, match="left out 1 other file"):
        predictions = xception.predict(folder, small_classifier)
    assert len(predictions) == 4
    assert predictions.paths[0] == f"{folder}/animals/chelsea.jpg"
    local = [examples / f"{name}.jpg" for name in ("chelsea", "astronaut", "rocket", "coffee")]
    assert list(predictions) == list(xception.predict(local, small_classifier))
    features = xception.features([f"{folder}/things/coffee.jpg"], small_classifier)
    np.testing.assert_array_equal(
        features.values, xception.features(examples / "coffee.jpg", small_classifier).values
    )


def test_a_model_behind_a_url(folder, small_classifier, examples):
    url = locations.join(folder, "small.keras")
    locations.write_bytes(url, small_classifier.read_bytes())
    photograph = f"{folder}/things/coffee.jpg"
    assert list(xception.predict(photograph, url)) == list(xception.predict(photograph, small_classifier))
    locations.write_bytes(url, b"no model")
    with pytest.raises(xception.ModelFileError, match=r"small\.keras: "):
        xception.load_model(url)
    with pytest.raises(FileNotFoundError, match=r"none\.keras: there is no such file"):
        xception.load_model(f"{folder}/none.keras")


def test_evaluation_with_the_command(folder, small_classifier, run):
    status, _, errors = run("evaluate", folder, "--model", small_classifier)
    assert status == 1
    assert "labels that are not classes of the model: 'animals', 'things-2', 'things'" in errors
    status, output, _ = run(
        "predict", f"{folder}/animals/*.jpg", "--model", small_classifier, "--format", "csv"
    )
    assert status == 0
    assert f"{folder}/animals/chelsea.jpg" in output


def test_photographs_that_cannot_be_read_are_passed_over(folder, small_classifier, examples):
    coffee = (examples / "coffee.jpg").read_bytes()
    for name, data in {"empty": b"", "cut": coffee[:9000], "page": b"<html></html>"}.items():
        locations.write_bytes(f"{folder}/bad/{name}.jpg", data)
    predictions = xception.predict(
        [
            f"{folder}/bad/",
            f"{folder}/bad/none.jpg",
            "foo://bucket/a.jpg",
            "zip://a::s3://b",
            f"{folder}/none/",
        ],
        small_classifier,
        on_error="skip",
    )
    assert len(predictions) == 0
    reasons = [str(failure) for failure in predictions.failures]
    assert len(reasons) == 7
    for name in ("empty", "cut", "page", "none"):
        assert any(f"{folder}/bad/{name}.jpg: " in reason for reason in reasons)
    assert any("foo:// is not read" in reason for reason in reasons)
    assert any("must not contain '::'" in reason for reason in reasons)
    assert any(f"{folder}/none/: there are no photographs in this folder" in reason for reason in reasons)


def test_a_large_file_is_refused(folder, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 1000)
    with pytest.raises(xception.ImageError, match=r"coffee.jpg: holds more than 0 MiB"):
        xception.load_image(f"{folder}/things/coffee.jpg")


def test_a_store_that_cannot_be_reached_is_no_bad_photograph():
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    for images in ("http://127.0.0.1:9/a.jpg", ["http://127.0.0.1:9/a.jpg?size=[1]*"]):
        (photograph,) = listed(images)
        with pytest.raises(xception.RemoteError, match=r"http://127\.0\.0\.1:9/a\.jpg.*: cannot be read"):
            xception.load_image(photograph.source)


@pytest.mark.parametrize("error", [xception.RemoteError, xception.MissingPackageError])
def test_errors_that_say_nothing_about_a_photograph_are_not_skipped(small_classifier, monkeypatch, error):
    """A store that is down for a minute would otherwise make thousands of photographs unreadable."""
    folder = f"memory://{uuid.uuid4().hex}"
    names = [f"{folder}/a.jpg", f"{folder}/b.jpg"]
    read = image_files.read_bytes

    def unreachable(location, *range_):
        if location == names[1]:
            raise error(f"{location}: cannot be reached")
        return read(location, *range_)

    monkeypatch.setattr(image_files, "read_bytes", unreachable)
    for images in (names, iter(names)):  # the first does not exist, which is a fault of its own
        failures = []
        with pytest.raises(error, match="cannot be reached"):
            xception.predict(images, small_classifier, on_error=failures.append)
        assert [failure.path for failure in failures] == names[:1]
    with pytest.raises(error):
        xception.features(names, small_classifier, on_error="skip")
    with pytest.raises(error):
        xception.evaluate(names, ["cat", "cup"], small_classifier, on_error="skip")
    with pytest.raises(error):
        xception.similar(names[1], names, small_classifier, on_error="skip")
    stream = xception.iter_predict(names, small_classifier)
    assert isinstance(next(stream)[1], FileNotFoundError)
    with pytest.raises(error):
        next(stream)


def test_a_folder_that_cannot_be_reached_is_not_skipped(small_classifier, monkeypatch, run):
    def unreachable(url):
        raise xception.RemoteError(f"{url}: cannot be listed")

    monkeypatch.setattr(locations.remote_files, "list_entries", unreachable)
    with pytest.raises(xception.RemoteError):
        xception.predict("memory://bucket/", small_classifier, on_error="skip")
    status, _, errors = run("predict", "memory://bucket/", "--model", small_classifier)
    assert (status, errors) == (1, "xception: memory://bucket/: cannot be listed\n")


def test_file_urls_are_local_paths(examples, tmp_path):
    url = examples.as_uri()
    assert [photograph.path for photograph in listed(url)] == [p.path for p in listed(str(examples))]
    np.testing.assert_array_equal(
        xception.load_image(f"{url}/coffee.jpg"), xception.load_image(examples / "coffee.jpg")
    )
    with pytest.raises(xception.ImageError, match="is a folder"):
        xception.load_image(tmp_path.as_uri())


def test_fsspec_is_imported_for_urls_only(examples, small_classifier, tmp_path):
    import subprocess
    import sys

    program = (
        "import sys, xception\n"
        f"xception.predict([{str(examples)!r}, {str(examples / '*.jpg')!r}], {str(small_classifier)!r})\n"
        "print([name for name in ('fsspec', 's3fs', 'aiohttp') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout.replace("'", '"')) == []
