"""Opening of image files from strangers: by signature, within limits, without other programs."""

from __future__ import annotations

import importlib
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from ..engine.cpus import process_threads
from ..errors import ImageError, RemoteError, printable
from ..limits import DEFAULT_MAX_PIXELS, get_limits
from ..locks import OwnedLock, SharedBudget
from .heif import check_heif
from .image_formats import (
    BYTES_PER_PIXEL,
    FORMAT_NAMES,
    FORMATS,
    SIGNATURE_BYTES,
    ImageFormat,
    decoder_bytes,
    find_format,
)
from .locations import is_remote, open_file, read_bytes
from .metadata import (
    MAX_SCANNED_PIXELS,
    JpegStructure,
    check_embedded_tags,
    check_png_chunks,
    check_ppm_comments,
    check_tags,
    read_jpeg_structure,
)

if TYPE_CHECKING:
    from PIL import Image

#: Formats that are read at once, without their pixels, would otherwise fill memory.
MAX_FILE_BYTES = 256 << 20
#: What may be read before the pixels without counting as memory: usual metadata.
FREE_BYTES = 1 << 20

#: Several threads may decode photographs at once as long as these have as many pixels together; or as many as
#: the largest that is allowed. Bounds the memory of many threads that meet large photographs.
PIXELS_PER_THREAD = 1 << 24
_decoding = SharedBudget()

_pillow_limit_lock = OwnedLock("reading a large image")

#: What Pillow's `Image.open` takes for "not this format".
NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)


def source_name(source: object) -> str:
    """Return what messages call an image: its path, the name of the open file, or "image"."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    return str(getattr(source, "name", "image"))


@contextmanager
def open_image(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Iterator[Image.Image]:
    """Open an image file. Its pixels have not been read yet, and are within the limits.

    It does what `PIL.Image.open` does with a list of formats, without its limit and warning for large
    images, which are global and not safe to change with several threads. Only the format that the file's
    signature shows is tried.

    Args:
        source: A path, the bytes of a file, or an open binary file.

    Yields:
        The image.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: The file is not regular, not in a known format, or too large.
    """
    name = source_name(source)
    if isinstance(source, str | os.PathLike):
        with _open_path(source, name) as stream, _open_stream(stream, name) as image:
            yield image
    else:
        stream = io.BytesIO(source) if isinstance(source, bytes) else _seekable(source, name)
        with _open_stream(stream, name) as image:
            yield image


def read_pixels(image: Image.Image) -> None:
    """Read the pixels of an image that has been opened and checked."""
    with _raised_pillow_limit(image.width * image.height):
        image.load()


@contextmanager
def _raised_pillow_limit(pixels: int) -> Iterator[None]:
    """Let Pillow read this many pixels without a warning.

    Its limit is global, so it is raised only if it must be: some decoders compare with it themselves.
    """
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or pixels <= limit:
        yield
        return
    with _pillow_limit_lock.hold():
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def check_opened(image: Image.Image, name: str) -> None:
    """Raise ImageError unless a PIL image may be decoded: of a known format, within the limits.

    Args:
        image: The image. One without a format was made in memory, and is not decoded.
        name: What it is called in the message.
    """
    if image.format is None:
        return
    if image.format not in FORMAT_NAMES:
        raise ImageError(
            f"{name}: is in the format {image.format}, which is not read here, since a file may make its "
            'decoder start programs or take any memory; if you trust it, pass image.convert("RGB")'
        )
    needed = decoder_bytes(image)
    if image.info.get("progressive"):  # a JPEG file's coefficients
        needed += 2 * len(image.getbands()) * image.width * image.height
    _check_pixels(image, name, needed, get_limits().max_pixels)


def _open_path(path: str | os.PathLike[str], name: str) -> IO[bytes]:
    if is_remote(path):
        return io.BytesIO(read_remote(os.fspath(path)))
    with _named(name):
        return open_file(path)


def read_remote(url: str) -> bytes:
    """Read the file of a photograph whole: nearly all of it is needed, and every request takes its time.

    Args:
        url: The photograph.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: It may not be read, or is too large.
        RemoteError: It cannot be reached.
    """
    with _named(url):
        data = read_bytes(url, 0, MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(
            f"{url}: holds more than {MAX_FILE_BYTES >> 20} MiB, too much for a photograph behind a URL; "
            "download it first"
        )
    return data


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn what opening a file raises into an error that begins with the photograph's name."""
    try:
        yield
    except (FileNotFoundError, ImageError, RemoteError):
        raise
    except ValueError as error:  # a URL that is refused
        raise ImageError(printable(str(error))) from None
    except IsADirectoryError:
        raise ImageError(f"{name}: is a folder, expected a photograph") from None
    except PermissionError:
        raise ImageError(f"{name}: no permission to read it") from None
    except OSError as error:
        raise ImageError(str(error) if error.errno is None else f"{name}: {error.strerror}") from None


def _seekable(stream: IO[bytes], name: str) -> IO[bytes]:
    """Return an open file at its beginning; one that cannot be rewound is read into memory."""
    try:
        stream.seek(0)
    except (AttributeError, io.UnsupportedOperation):
        return io.BytesIO(_Reader(stream, name, MAX_FILE_BYTES).read())
    return stream


@contextmanager
def _open_stream(stream: IO[bytes], name: str) -> Iterator[Image.Image]:
    image_format = find_format(stream.read(SIGNATURE_BYTES))
    if image_format is None:
        raise _unknown_format(name)
    structure = JpegStructure()
    stream.seek(0)
    if image_format.name == "JPEG":
        structure = read_jpeg_structure(stream, name)
    elif image_format.name == "PNG":
        check_png_chunks(stream, name)
    elif image_format.name == "TIFF":
        check_tags(stream, name)
    elif image_format.name == "AVIF":
        check_embedded_tags(stream, name)
    elif image_format.name == "HEIF":
        check_heif(stream, name)
    elif image_format.name == "PPM":
        check_ppm_comments(stream, name)
    stream.seek(0)
    reader = _Reader(stream, name, image_format.max_header_bytes)
    maximum = get_limits().max_pixels
    with _open_format(reader, image_format, name, maximum) as image:
        pixels = image.width * image.height
        # What has been read may be kept twice: by Pillow and by the decoder.
        needed = (
            decoder_bytes(image)
            + pixels * structure.bytes_per_pixel
            + 2 * max(reader.bytes_read - FREE_BYTES, 0)
        )
        counted = _check_pixels(image, name, needed, maximum)
        if structure.scans * pixels > MAX_SCANNED_PIXELS:
            raise ImageError(
                f"{name}: {structure.scans} scans of {image.width:,}×{image.height:,} pixels are too many"
            )
        reader.remaining = None
        with _decoding.take(counted, max(maximum, PIXELS_PER_THREAD * process_threads())):
            yield image


def _unknown_format(name: str) -> ImageError:
    names = ", ".join(image_format.name for image_format in FORMATS)
    return ImageError(f"{name}: is not an image in a format that is read here ({names})")


def _open_format(reader: _Reader, image_format: ImageFormat, name: str, maximum: int) -> Image.Image:
    from PIL import Image

    try:
        importlib.import_module(image_format.plugin)  # which registers it, as Pillow's own plugins
        factory, accept = Image.OPEN[image_format.name]
    except (ImportError, KeyError):
        if image_format.extra:
            raise ImageError(
                f"{name}: is a {image_format.name} file; to read it: {image_format.advice}"
            ) from None
        raise ImageError(f"{name}: this version of Pillow does not read {image_format.name}") from None
    prefix = reader.read(SIGNATURE_BYTES)
    reader.seek(0)
    accepted = accept(prefix) if accept else True
    if isinstance(accepted, str):  # Pillow was compiled without this format
        raise ImageError(f"{name}: {accepted}")
    if not accepted:
        raise _unknown_format(name)
    try:
        with _raised_pillow_limit(maximum if maximum > DEFAULT_MAX_PIXELS else 0):
            return factory(reader, "")  # type: ignore[arg-type]  # a file
    except NOT_THIS_FORMAT:
        raise _unknown_format(name) from None


def _check_pixels(image: Image.Image, name: str, needed_bytes: int, maximum: int) -> int:
    """Return how many pixels an image counts as, in view of what decoding each takes.

    Raises:
        ImageError: They are too many.
    """
    from PIL import Image

    width, height = image.size
    pixels = width * height
    counted = max(pixels, -(-needed_bytes // BYTES_PER_PIXEL))
    if counted > maximum:
        size = f"{width:,}×{height:,} pixels"
        if counted > pixels:
            size += f", which count as {counted:,} since decoding this {image.format} file takes more"
        raise ImageError(
            f"{name}: is too large: {size}; the maximum is {maximum:,}. If you trust the image, raise it: "
            f"set_limits(max_pixels={counted}), --max-pixels or XCEPTION_MAX_PIXELS"
        )
    lowered = Image.MAX_IMAGE_PIXELS  # Pillow takes twice as many, too
    if lowered is not None and 2 * lowered < min(pixels, DEFAULT_MAX_PIXELS - 1):
        raise ImageError(
            f"{name}: is too large: {pixels:,} pixels; PIL.Image.MAX_IMAGE_PIXELS allows {2 * lowered:,}"
        )
    return counted


class _Reader:
    """A binary file of which a limited amount may be read.

    Args:
        stream: The file.
        name: What it is called in messages.
        remaining: How many bytes may be read yet; None for no limit.
    """

    def __init__(self, stream: IO[bytes], name: str, remaining: int | None) -> None:
        self.remaining = remaining
        self.bytes_read = 0
        self._stream = stream
        self._name = name

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, or the rest of the file, which is limited in any case."""
        whole = size is None or size < 0
        if self.remaining is None and not whole:
            return self._stream.read(size)  # type: ignore[arg-type]
        maximum = MAX_FILE_BYTES if self.remaining is None else self.remaining
        data = self._stream.read(maximum + 1 if whole else size)  # type: ignore[arg-type]  # not None
        if len(data) > maximum:
            raise ImageError(f"{self._name}: holds more than {maximum >> 20} MiB beside its pixels")
        self.bytes_read += len(data)
        if self.remaining is not None:
            self.remaining -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
