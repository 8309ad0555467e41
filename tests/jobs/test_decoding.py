"""Photographs that are decoded in a process of their own."""

import os
import uuid

import numpy as np
import pytest

import xception
from xception.data import image_files, locations
from xception.jobs.decoding import DecodingProcess

OPTIONS = {
    "target_size": (30, 20), "interpolation": "bicubic", "aspect": "crop", "exif": "upright", "channels": 1,
}  # fmt: skip


def test_pixels_are_the_same(examples):
    with DecodingProcess(**OPTIONS) as process:
        for path in sorted(examples.glob("*.jpg")):
            np.testing.assert_array_equal(
                process.load(str(path)), xception.load_image(path, **OPTIONS), strict=True
            )


def test_errors_are_the_same(examples, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"<html>")
    with DecodingProcess(**OPTIONS) as process:
        with pytest.raises(xception.ImageError, match=r"a\.jpg: is not an image in a format"):
            process.load(str(tmp_path / "a.jpg"))
        with pytest.raises(FileNotFoundError, match=r"b\.jpg: there is no such file"):
            process.load(str(tmp_path / "b.jpg"))
        assert process.load(str(examples / "coffee.jpg")).shape == (30, 20, 1)


def test_errors_of_photographs_behind_urls_are_the_same(monkeypatch):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    url = f"memory://{uuid.uuid4().hex}/a.jpg"
    locations.write_bytes(url, bytes(1001))
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 1000)

    def forbidden(*_):
        raise PermissionError(f"{url}: no permission")

    with DecodingProcess(**OPTIONS) as process:
        for reason, change in (
            ("holds more than 0 MiB", lambda: None),
            ("no permission to read it", lambda: monkeypatch.setattr(image_files, "read_bytes", forbidden)),
        ):
            change()
            with pytest.raises(xception.ImageError, match=reason) as plain:
                xception.load_image(url)
            with pytest.raises(xception.ImageError) as careful:
                process.load(url)
            assert str(careful.value) == str(plain.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_photograph_that_kills_its_process_is_an_error_and_the_next_one_is_read(examples, killing):
    with DecodingProcess(**OPTIONS) as process:
        for _ in range(2):
            with pytest.raises(xception.ImageError, match=r"killed the process that read it \(signal 9\)"):
                process.load(str(killing))
        assert process.load(str(examples / "coffee.jpg")).shape == (30, 20, 1)


def test_limits_hold_there_too(examples):
    xception.set_limits(max_pixels=1000)
    with DecodingProcess(**OPTIONS) as process, pytest.raises(xception.ImageError, match="is too large"):
        process.load(str(examples / "coffee.jpg"))
