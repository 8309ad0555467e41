"""Image files from strangers: formats, limits, and what a small file may cost."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.image_formats import FORMATS, SUFFIXES

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
Image.init()
RED = Image.new("RGB", (24, 16), (200, 30, 40))


def encoded(image, image_format, **options):
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def png(width, height, depth, color, row, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    compressor = zlib.compressobj(1)
    pixels = b"".join(compressor.compress(b"\0" + row) for _ in range(height)) + compressor.flush()
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tags(count, size):
    """Tags that all point to the same bytes."""
    table = [struct.pack("<HHII", 1000 + index, 7, size - 8, 8) for index in range(count)]
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", count) + b"".join(table) + bytes(4)
    return data + bytes(size - len(data))


def test_folders_list_every_suffix_of_these_formats():
    assert {".jpg", ".jpe", ".jfif", ".mpo", ".apng", ".tiff", ".heic", ".heif", ".hif"} <= set(SUFFIXES)
    registered = {suffix: name.replace("MPO", "JPEG") for suffix, name in Image.EXTENSION.items()}
    names = {entry.name for entry in FORMATS}
    missing = {suffix for suffix, name in registered.items() if name in names and suffix not in SUFFIXES}
    assert not missing
    assert {suffix: SUFFIXES[suffix].name for suffix in set(registered) & set(SUFFIXES)} == {
        suffix: registered[suffix] for suffix in set(registered) & set(SUFFIXES)
    }
    assert ".ico" not in SUFFIXES
    assert ".eps" not in SUFFIXES


@pytest.mark.parametrize("image_format", [entry.name for entry in FORMATS if not entry.extra] + ["MPO"])
def test_every_format_is_read_whatever_the_file_is_called(image_format, tmp_path):
    if image_format == "AVIF" and "AVIF" not in Image.OPEN:
        pytest.skip("this Pillow has no AVIF")
    options = {"MPO": {"save_all": True, "append_images": [RED]}, "WEBP": {"lossless": True}}
    if image_format == "QOI":  # older versions of Pillow do not write it
        data = b"qoif" + struct.pack(">IIBB", 24, 16, 3, 0) + b"\xfe\xc8\x1e\x28" + b"\xfd" * 6 + b"\xca"
        data += b"\0" * 7 + b"\1"
    else:
        data = encoded(RED, image_format, **options.get(image_format, {}))
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    pixels = xception.load_image(path, None)
    assert pixels.shape == (16, 24, 3)
    np.testing.assert_allclose(pixels, np.broadcast_to([200, 30, 40], pixels.shape), atol=4)
    np.testing.assert_array_equal(xception.load_image(data, None), pixels)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps", "photo"])
def test_no_program_is_started(name, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(xception.ImageError, match="is not an image in a format that is read here"):
        xception.load_image(tmp_path / name)
    with pytest.raises(xception.ImageError, match="is not an image"):
        xception.load_image(EPS)
    with pytest.raises(xception.ImageError, match="is in the format EPS, which is not read here"):
        xception.load_image(Image.open(io.BytesIO(EPS)))


@pytest.mark.parametrize(
    "data",
    [
        encoded(RED, "ICO"),
        b"GRIB" + bytes(12),
        b"\x89HDF\r\n\x1a\n" + bytes(40),
        b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),  # WMF
        b"SIMPLE  =                    T" + b" " * 50,  # FITS
        b"8BPS\0\1" + bytes(40),
        b"%PDF-1.4\n",
        b"",
    ],
)
def test_other_formats_are_refused_by_their_signature(data):
    with pytest.raises(
        xception.ImageError, match=r"is not an image in a format that is read here \(JPEG, PNG"
    ):
        xception.load_image(data)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_a_failure_with_its_name_and_is_not_opened(tmp_path):
    RED.save(tmp_path / "b.png")
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "c.jpg").symlink_to("/dev/zero")
    (tmp_path / "d.jpg").symlink_to("nowhere")
    (tmp_path / "e.jpg").symlink_to("e.jpg")
    for name in "ac":
        with pytest.raises(xception.ImageError, match=rf"{name}\.jpg: is not a regular file"):
            xception.load_image(tmp_path / f"{name}.jpg")
    with pytest.raises(FileNotFoundError, match=r"d\.jpg: there is no such file"):
        xception.load_image(tmp_path / "d.jpg")
    with pytest.raises(xception.ImageError, match=r"e\.jpg: "):
        xception.load_image(tmp_path / "e.jpg")


def test_the_limit_of_pixels_is_the_librarys_own(monkeypatch):
    data = encoded(Image.new("1", (200, 100)), "PNG")
    xception.set_limits(max_pixels=20_000)
    assert xception.load_image(data, None).shape == (100, 200, 3)
    xception.set_limits(max_pixels=19_999)
    with pytest.raises(
        xception.ImageError,
        match=r"200×100 pixels; the maximum is 19,999\. .* raise it: set_limits\(max_pixels=20000\)",
    ):
        xception.load_image(data)
    with pytest.raises(xception.ImageError, match="is too large"):
        xception.load_image(Image.open(io.BytesIO(data)))
    xception.set_limits(max_pixels=20_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9_999)  # Pillow refuses more than twice as many
    with pytest.raises(xception.ImageError, match=r"PIL\.Image\.MAX_IMAGE_PIXELS allows 19,998"):
        xception.load_image(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert xception.load_image(data).shape == (299, 299, 3)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "GIF"])
def test_a_raised_limit_reads_what_pillow_would_refuse_and_leaves_pillow_alone(monkeypatch, image_format):
    data = encoded(Image.new("RGB", (200, 100)), image_format)
    monkeypatch.setattr("xception.data.image_files.DEFAULT_MAX_PIXELS", 18_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9_000)
    xception.set_limits(max_pixels=100_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert xception.load_image(data, None).shape == (100, 200, 3)
    assert Image.MAX_IMAGE_PIXELS == 9_000


def test_a_limit_that_is_no_number_is_no_photographs_fault(monkeypatch):
    monkeypatch.setenv("XCEPTION_MAX_PIXELS", "many")
    with pytest.raises(ValueError, match="XCEPTION_MAX_PIXELS must be a positive integer") as caught:
        xception.load_image(encoded(RED, "PNG"))
    assert not isinstance(caught.value, xception.ImageError)


@pytest.mark.parametrize(
    ("image_format", "mode", "options", "bytes_per_pixel"),
    [
        ("JPEG", "RGB", {"subsampling": 0, "progressive": True}, 10),
        ("JPEG", "CMYK", {"progressive": True}, 12),
        ("WEBP", "RGB", {}, 16),
        ("JPEG2000", "RGB", {}, 28),
        ("TIFF", "RGBA", {"compression": "tiff_adobe_deflate", "strip_size": 1 << 30}, 8),
    ],
)
def test_pixels_count_as_more_if_decoding_takes_more(image_format, mode, options, bytes_per_pixel):
    data = encoded(Image.new(mode, (600, 600)), image_format, **options)
    xception.set_limits(max_pixels=600 * 600)
    with pytest.raises(xception.ImageError, match=r"which count as [0-9,]+ since decoding"):
        xception.load_image(data)
    xception.set_limits(max_pixels=600 * 600 * bytes_per_pixel // 7 + 9000)
    assert xception.load_image(data).shape == (299, 299, 3)


def test_usual_jpeg_files_and_strips_count_once():
    xception.set_limits(max_pixels=600 * 600)
    for image_format, options in (
        ("JPEG", {"subsampling": 0}),
        ("JPEG", {"subsampling": 2, "progressive": True}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("PNG", {}),
    ):
        data = encoded(Image.new("RGB", (600, 600)), image_format, **options)
        assert xception.load_image(data, None).shape == (600, 600, 3)


def test_a_tile_larger_than_its_image_counts():
    data = encoded(RED, "TIFF", compression="tiff_adobe_deflate")
    offset = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[offset : offset + 2])[0]
    entries = data[offset + 2 : offset + 2 + 12 * count]
    tile = struct.pack("<HHIIHHII", 322, 4, 1, 20_000, 323, 4, 1, 20_000)
    tiled = data[:4] + struct.pack("<I", len(data)) + data[8:]
    tiled += struct.pack("<H", count + 2) + entries + tile + bytes(4)
    xception.set_limits(max_pixels=100_000_000)
    with pytest.raises(xception.ImageError, match="is too large: 24×16 pixels, which count as 171,"):
        xception.load_image(tiled)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about metadata
@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "JPEG", "AVIF", "text"])
def test_tags_that_repeat_the_same_bytes_are_refused(kind):
    bomb = tags(2000, 60_000)
    if kind == "TIFF":
        data = bomb
    elif kind == "PNG":
        data = encoded(RED, "PNG", exif=bomb)
    elif kind == "WEBP":
        data = encoded(RED, "WEBP", exif=b"Exif\0\0" + bomb)
    elif kind == "AVIF":
        data = b"\0\0\0\x20ftypavif" + bytes(20) + bomb
    elif kind == "JPEG":
        plain = encoded(RED, "JPEG")
        data = plain[:2] + b"\xff\xe1" + struct.pack(">H", 60_008) + b"Exif\0\0" + bomb + plain[2:]
    else:
        text = b"Raw profile type exif\0\nexif\n60000\n" + bomb.hex().encode()
        data = png(1, 1, 8, 0, b"\0", struct.pack(">I", len(text)) + b"tEXt" + text
                   + struct.pack(">I", zlib.crc32(b"tEXt" + text)))  # fmt: skip
    with pytest.raises(xception.ImageError, match="its metadata declares 119,984,000 bytes"):
        xception.load_image(data)


def test_usual_metadata_is_no_obstacle():
    exif = Image.Exif()
    exif[0x010F] = "camera"
    exif[0x0112] = 6
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert xception.load_image(encoded(RED, image_format, exif=exif), None).shape == (24, 16, 3)


def test_scans_segments_chunks_and_comments_are_counted(monkeypatch):
    image = encoded(Image.new("RGB", (600, 600)), "JPEG", progressive=True)
    last = image[image.rindex(b"\xff\xda") : -2]
    monkeypatch.setattr("xception.data.image_files.MAX_SCANNED_PIXELS", 50 * 600 * 600)
    assert xception.load_image(image[:-2] + 20 * last + image[-2:]).shape == (299, 299, 3)
    with pytest.raises(xception.ImageError, match="scans of 600×600 pixels are too many"):
        xception.load_image(image[:-2] + 60 * last + image[-2:])
    monkeypatch.setattr("xception.data.metadata.MAX_SEGMENTS", 300)
    with pytest.raises(xception.ImageError, match="more than 300 segments"):
        xception.load_image(image[:2] + b"\xff\xe5\0\2" * 400 + image[2:])
    with pytest.raises(xception.ImageError, match="more than 300 segments"):
        xception.load_image(image[:2] + b"\xff" * 400 + image[2:])
    with pytest.raises(xception.ImageError, match="more than 300 chunks"):
        xception.load_image(png(1, 1, 8, 0, b"\0", b"\0\0\0\0abCd\0\0\0\0" * 400))
    monkeypatch.setattr("xception.data.metadata.MAX_COMMENTS", 300)
    with pytest.raises(xception.ImageError, match="more than 300 comments"):
        xception.load_image(b"P2 1 1 255\n" + b"#\n" * 400 + b"7")
    assert xception.load_image(b"P2 1 1 255\n#\n7", None)[0, 0, 0] == 7


def test_chunks_that_take_as_much_as_they_declare_are_refused(tmp_path):
    path = tmp_path / "sparse.png"
    data = png(1, 1, 8, 0, b"\0")
    with path.open("wb") as file:  # a file of 2 GB that takes none on the disk
        file.write(data[:-12] + struct.pack(">I", 2_000_000_000) + b"tEXt")
        file.truncate(2_000_000_100)
    with pytest.raises(xception.ImageError, match="more than 64 MiB of chunks beside its pixels"):
        xception.load_image(path)
    path.write_bytes(encoded(RED, "WEBP")[:30])
    with path.open("r+b") as file:
        file.truncate(2_000_000_100)
    with pytest.raises(xception.ImageError, match="holds more than 256 MiB beside its pixels"):
        xception.load_image(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
@pytest.mark.parametrize(("depth", "color", "samples"), [(16, 0, 1), (8, 6, 4)])
def test_a_large_image_takes_seven_bytes_for_a_pixel_at_most(tmp_path, depth, color, samples):
    path = tmp_path / "large.png"
    path.write_bytes(png(5000, 5000, depth, color, bytes(5000 * samples * depth // 8)))
    program = (
        "import sys, xception\n"
        "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) << 10\n"
        "xception.load_image(b'P5 1 1 255\\n7'); before = peak()\n"
        "xception.load_image(sys.argv[1]); print((peak() - before) / 5000**2)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) < 10  # with the 2 that blocks of 4 million pixels take here


def test_threads_read_at_once(monkeypatch):
    """The limit of Pillow that is raised for large images comes back, and no image is refused for it."""
    monkeypatch.setattr("xception.data.image_files.DEFAULT_MAX_PIXELS", 18_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9_000)
    xception.set_limits(max_pixels=100_000)
    images = [encoded(Image.new("RGB", (300, 300)), "TIFF"), encoded(RED, "PNG")] * 50
    with ThreadPoolExecutor(4) as pool:
        shapes = {x.shape for x in pool.map(xception.load_image, images)}
    assert shapes == {(299, 299, 3)}
    assert Image.MAX_IMAGE_PIXELS == 9_000


def test_what_pillow_itself_finds_too_large(monkeypatch):
    def refuse(_):
        raise Image.DecompressionBombError("a tile of 10 pixels")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    with pytest.raises(xception.ImageError, match=r"image: is too large \(a tile of 10 pixels\)"):
        xception.load_image(encoded(RED, "PNG"))
