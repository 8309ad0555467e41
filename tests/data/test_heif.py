"""HEIF photographs, as telephones write them, where pillow-heif is installed."""

import io
import struct
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.folders import search_folder

HEADER = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_without_pillow_heif_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif.HeifImagePlugin", None)
    (tmp_path / "photo.jpg").write_bytes(HEADER)
    message = r'photo\.jpg: is a HEIF file; to read it: pip install "xception\[heif\]"'
    with pytest.raises(xception.ImageError, match=message):
        xception.load_image(tmp_path / "photo.jpg")


def test_a_libheif_without_limits_is_not_used(monkeypatch):
    old = types.SimpleNamespace(libheif_version=lambda: "1.21.2")
    monkeypatch.setitem(sys.modules, "pillow_heif", old)
    with pytest.raises(xception.ImageError, match=r"libheif 1\.21\.2 may decode any number of pixels"):
        xception.load_image(HEADER)


def box(kind, content):
    return struct.pack(">L", 8 + len(content)) + kind + content


def locations(version, items):
    """An `iloc` box; `items` is {item: lengths of its extents}."""
    number = ">L" if version == 2 else ">H"
    content = bytes([version, 0, 0, 0, 0x44, 0x00]) + struct.pack(number, len(items))
    for item, lengths in items.items():
        content += struct.pack(number, item) + bytes(4 if version else 2) + struct.pack(">H", len(lengths))
        content += b"".join(struct.pack(">LL", 0, length) for length in lengths)
    return box(b"iloc", content)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(("items", "pictures"), [({1: [10**6] * 70}, 0), ({1: [10], 2: [0]}, 700)])
def test_metadata_that_repeat_the_same_bytes_are_refused(version, items, pictures):
    numbers = ">LH" if version == 2 else ">HH"
    reference = box(b"cdsc", struct.pack(numbers, 2, pictures) + bytes(4 * pictures))
    data = HEADER + locations(version, items) + box(b"iref", bytes([version == 2, 0, 0, 0]) + reference)
    data += bytes(100_000 if pictures else 0)
    with pytest.raises(xception.ImageError, match="declares the same bytes too many times"):
        xception.load_image(data)


@pytest.mark.parametrize(
    "content",
    [
        locations(0, {})[:8] + b"\0\0\0\0\0\0\xff\xff" + b"\0\1\0\0\xff\xff" * 9,  # extents of no bytes
        box(b"ispe", bytes(12)) * 110_000,
        locations(0, {}) * 20,
        box(b"iref", bytes(4)) * 20,
        box(b"iref", bytes(4)) + b"cdsc" * 110_000,
    ],
)
def test_entries_are_counted(content):
    with pytest.raises(xception.ImageError, match=r"has more than [0-9,]+ pictures, items or parts of them"):
        xception.load_image(HEADER + content)


def test_the_size_of_the_whole_picture_counts_not_only_of_the_part_that_is_shown():
    sizes = box(b"ispe", struct.pack(">LLL", 0, 64, 64)) + box(b"ispe", struct.pack(">LLL", 0, 9000, 9000))
    message = "holds 9,000×9,000 pixels, which count as 185,142,858; the maximum is 178,956,970"
    with pytest.raises(xception.ImageError, match=message):
        xception.load_image(HEADER + sizes)


# --- what pillow-heif reads -----------------------------------------------------------------


@pytest.fixture
def encoded():
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    if not pillow_heif.libheif_info()["HEIF"]:
        pytest.skip("this pillow-heif writes no HEIF files")
    pillow_heif.register_heif_opener()

    def encode(image, **options):
        stream = io.BytesIO()
        image.save(stream, "HEIF", **options)
        return stream.getvalue()

    return encode


RED = Image.new("RGB", (96, 64), (200, 30, 40))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_photographs(encoded, tmp_path, mode):
    data = encoded(RED.convert(mode))
    (tmp_path / "IMG_0001.HEIC").write_bytes(data)
    expected = np.array(RED.convert(mode).convert("RGB"))
    pixels = xception.load_image(tmp_path / "IMG_0001.HEIC", None)
    np.testing.assert_allclose(pixels, expected, atol=4)
    np.testing.assert_array_equal(xception.load_image(data, None), pixels)
    np.testing.assert_array_equal(xception.load_image(Image.open(io.BytesIO(data)), None), pixels)
    assert search_folder(str(tmp_path)).paths == [str(tmp_path / "IMG_0001.HEIC")]


def test_the_library_finds_pillow_heif_itself(encoded, tmp_path):
    (tmp_path / "photo.heic").write_bytes(encoded(RED))
    code = "import sys, xception; print(xception.load_image(sys.argv[1], None).shape)"
    arguments = [sys.executable, "-c", code, str(tmp_path / "photo.heic")]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert result.stdout == "(64, 96, 3)\n"


def test_a_brand_for_any_coding(encoded):
    data = encoded(RED)
    assert data[8:12] == b"heic"
    assert data[16:24] == b"mif1heic"
    data = data[:8] + b"mif1" + data[12:]
    assert xception.load_image(data, None).shape == (64, 96, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright_once(encoded, orientation):
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :48] = 255  # bright in one corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", exif=exif)
    expected = xception.load_image(jpeg.getvalue(), None)
    heic = xception.load_image(encoded(Image.fromarray(pixels), exif=exif.tobytes()), None)
    np.testing.assert_allclose(heic, expected.astype(int), atol=40)


def test_the_first_of_several_pictures_is_read(encoded):
    data = encoded(RED, save_all=True, append_images=[Image.new("RGB", (64, 64))])
    assert xception.load_image(data, None).shape == (64, 96, 3)


@pytest.mark.parametrize("options", [{}, {"tile_size": 256}])
def test_pixels_are_limited(encoded, options):
    data = encoded(Image.new("RGB", (640, 512)), **options)
    xception.set_limits(max_pixels=640 * 512 * 16 // 7)
    with pytest.raises(xception.ImageError, match=r"is too large: it holds 640×512 pixels"):
        xception.load_image(data)
    xception.set_limits(max_pixels=640 * 512 * 16 // 7 + 1)
    assert xception.load_image(data, None).shape == (512, 640, 3)


@pytest.mark.parametrize("options", [{}, {"tile_size": 256}])
def test_a_picture_larger_than_it_declares_is_refused(encoded, options):
    data = encoded(Image.new("RGB", (2048, 2048)), **options)
    start = data.index(b"ispe" + struct.pack(">LLL", 0, 2048, 2048))
    small = data[: start + 8] + struct.pack(">LL", 64, 64) + data[start + 16 :]
    with pytest.raises(xception.ImageError):
        xception.load_image(small, None)


def test_damage_is_an_image_error(encoded):
    data = encoded(RED)
    for end in (30, len(data) // 2, len(data) - 20):
        with pytest.raises(xception.ImageError):
            xception.load_image(data[:end])
