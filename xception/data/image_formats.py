"""Image formats: which ones photographs are read in, and what decoding them costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

#: Memory that a pixel may take: 4 bytes as Pillow decodes it and 3 as the result. If decoding takes more, the
#: image counts as so many more pixels. So 178,956,970 pixels take 1.17 GiB at most.
BYTES_PER_PIXEL = 7


@dataclass(frozen=True)
class ImageFormat:
    """An image format that Pillow or a plugin of Pillow's decodes itself.

    Attributes:
        name: Pillow's name of the format.
        plugin: The module that reads it.
        signature: What its files begin with.
        suffixes: File names that count as photographs inside a folder, in lower case: those that Pillow
            registers for the format.
        bytes_per_pixel: Memory for a pixel while it is decoded. Pillow keeps 4, or fewer.
        max_header_bytes: How much may be read before the pixels; None if the whole file is read at once.
        extra: The extra of this library that installs the plugin; "" if Pillow brings it.
    """

    name: str
    plugin: str
    signature: re.Pattern[bytes]
    suffixes: tuple[str, ...] = ()
    bytes_per_pixel: int = 4
    max_header_bytes: int | None = 64 << 20
    extra: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the package that reads it is installed, as far as can be said without importing it."""
        return not self.extra or find_spec(self.plugin.partition(".")[0]) is not None

    @property
    def advice(self) -> str:
        """How to install what reads it."""
        return f'pip install "xception[{self.extra}]"'


def _format(name: str, signature: bytes, *suffixes: str, **options: Any) -> ImageFormat:
    plugin = {"JPEG2000": "Jpeg2K", "WEBP": "WebP"}.get(name, name.capitalize())
    package = "pillow_heif" if options.get("extra") else "PIL"
    pattern = re.compile(signature, re.DOTALL)
    return ImageFormat(name, f"{package}.{plugin}ImagePlugin", pattern, suffixes, **options)


#: How much of a file `find_format` looks at.
SIGNATURE_BYTES = 64

#: Every format that is read. Not among them: those that Pillow hands to a program (EPS to Ghostscript), those
#: that it only recognizes (WMF, GRIB, HDF5, …), and those that contain files in other formats (ICO, IPTC, …).
#: MPO is a JPEG file that holds several pictures, of which the first is read.
FORMATS = (
    _format("JPEG", rb"\xff\xd8\xff", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    _format("PNG", rb"\x89PNG\r\n\x1a\n", ".png", ".apng"),
    _format("WEBP", rb"RIFF.{4}WEBP", ".webp", bytes_per_pixel=16, max_header_bytes=None),
    _format("TIFF", rb"II[*+]\0|MM\0[*+]|MM[*]\0|II\0[*]", ".tif", ".tiff"),
    # A comment's time grows with the square of its length.
    _format("GIF", rb"GIF8[79]a", ".gif", max_header_bytes=4 << 20),
    _format("BMP", rb"BM", ".bmp"),
    _format("PPM", rb"P[1-6fF]", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    _format("JPEG2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
            ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", max_header_bytes=None),
    # Named as such, or as an image that may be coded in any way ("mif1"), with HEVC among the ways.
    _format("HEIF", rb".{4}ftyp(?:(?:mif1|msf1).{4}(?:.{4})*?)?he[iv][cxms]",
            ".heic", ".heif", ".hif", ".heics", ".heifs",
            bytes_per_pixel=16, max_header_bytes=None, extra="heif"),
    _format("AVIF", rb".{4}ftyp", ".avif", ".avifs", bytes_per_pixel=28, max_header_bytes=None),
    _format("QOI", rb"qoif", ".qoi"),
    _format("SGI", rb"\x01\xda", ".sgi", ".rgb", ".rgba", ".bw"),
    _format("PCX", rb"\x0a[\0\x02\x03\x05]", ".pcx"),
    _format("TGA", rb".[\0\x01][\x01-\x03\x09-\x0b]", ".tga", ".icb", ".vda", ".vst", bytes_per_pixel=8),
)  # fmt: skip

#: Pillow's names of the formats of pictures that are read.
FORMAT_NAMES = frozenset(image_format.name for image_format in FORMATS) | {"MPO"}

#: The format of file names that count as photographs inside a folder. A file that is named itself may have
#: any name, and is read by its content.
SUFFIXES = {suffix: image_format for image_format in FORMATS for suffix in image_format.suffixes}

#: Pixels of decoders that Pillow has in Python count as more, for their time: 0.3 to 2.6 µs each.
PYTHON_DECODER_BYTES = {"bmp_rle": 256, "ppm": 256, "ppm_plain": 256, "qoi": 256}
#: Photometric interpretation of TIFF files that are converted to RGBA in the buffer.
YCBCR = 6


def find_format(prefix: bytes) -> ImageFormat | None:
    """Return the format of a file that begins with SIGNATURE_BYTES; None if it is none of FORMATS."""
    return next((entry for entry in FORMATS if entry.signature.match(prefix)), None)


def decoder_bytes(image: Image.Image) -> int:
    """Return the memory that decoding an opened image takes, with its pixels, in bytes.

    Args:
        image: The image. Its pixels have not been read.
    """
    pixels = image.width * image.height
    per_pixel = max((entry.bytes_per_pixel for entry in FORMATS if entry.name == image.format), default=4)
    if image.format == "JPEG2000":  # 32-bit numbers, then those of the file
        per_pixel = 4 + 8 * len(image.getbands())
    for tile in getattr(image, "tile", ()):
        per_pixel = max(per_pixel, PYTHON_DECODER_BYTES.get(tile[0], 0))
    return pixels * per_pixel + (_tiff_buffer_bytes(image) if image.format == "TIFF" else 0)


def _tiff_buffer_bytes(image: Image.Image) -> int:
    """Return the bytes of the buffer for a strip or tile of a TIFF file, which may exceed the image."""
    tags = getattr(image, "tag_v2", {})

    def integer(tag: int, default: int) -> int:
        value = tags.get(tag, default)
        return int(value[0] if isinstance(value, tuple) else value)

    if 322 in tags:  # TileWidth, TileLength
        pixels = integer(322, 1) * integer(323, 1)
    else:
        pixels = image.width * min(integer(278, image.height), image.height)  # RowsPerStrip
    bits = integer(258, 1) * integer(277, 1)  # BitsPerSample, SamplesPerPixel
    needed = pixels * (4 if integer(262, 0) == YCBCR else -(-bits // 8))
    if image.info.get("compression") == "jpeg":
        needed += pixels * 8  # the coefficients, if it is progressive
    if integer(274, 1) != 1:  # Orientation, by which Pillow turns a copy
        needed = max(needed, 4 * image.width * image.height)
    return needed
