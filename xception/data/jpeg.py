"""JPEG files decoded in other ways than Pillow's: as TensorFlow does, or reduced.

`use_fast_transform` and `to_rgb` give the same pixels as `tf.io.decode_jpeg`, with libjpeg's transform IFAST.
Pillow uses this transform only for drafts, in which it also repeats each sample of chroma instead of
interpolating. So the samples are interpolated and converted to RGB here, as libjpeg does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .framing import Box, Size, divide, fit_frame
from .preprocessing import Aspect, Interpolation

if TYPE_CHECKING:
    from PIL import Image

    #: Pixels for each sample of chroma, down and across.
    Sampling = tuple[int, int]

#: 4:4:4, 4:2:2, 4:4:0 and 4:2:0.
SAMPLINGS = ((1, 1), (1, 2), (2, 1), (2, 2))
#: What is converted at a time stays in the cache of a core.
TILE_PIXELS = 1 << 17
#: libjpeg repeats the samples of narrower chroma.
MIN_SAMPLES_ACROSS = 3
#: Pixels of a reduced photograph for each pixel of the result, each way. Gray levels by which pixels of four
#: photographs of 12 megapixels then differ at 299×299, on average and at most; chosen is the smallest that
#: keeps the average well below 1:
#:
#:     pixels       1            2            3 or 4
#:     bilinear     0.74, 17     0.24, 4      0.12, 1
#:     bicubic      0.85, 20     0.28, 3      0.13, 2
#:     lanczos      0.93, 18     0.30, 4      0.14, 2
#:     hamming      1.14, 37     0.32, 4      0.14, 2
#:     box          2.54, 66     1.20, 38     0.75, 24
#:     nearest      6.5, 139     4.4, 75      2.6, 28
#:
#: "nearest", "tf-bilinear" and "tf-dataset" read single pixels, which a reduced photograph does not have.
MIN_PIXELS: dict[Interpolation, int] = {"bilinear": 2, "hamming": 2, "bicubic": 2, "lanczos": 2, "box": 4}
#: How many pixels libjpeg makes one of, each way. Its others, such as 8/7, are not available in Pillow.
REDUCTIONS = (8, 4, 2)
#: libjpeg's weights of chroma, in which all sums are exact in float32, or far enough from a half.
RED_CR, GREEN_CB, GREEN_CR, BLUE_CB = (weight / 65536 for weight in (91881, -22554, -46802, 116130))


def use_fast_transform(image: Image.Image) -> Sampling | None:
    """Have an image decoded by IFAST, if it is from a JPEG file whose chroma can be interpolated here.

    Args:
        image: The image, opened. Its pixels have not been read.

    Returns:
        How chroma is sampled, if `to_rgb` must convert what is decoded. None if nothing is to be done: for
        gray files, and for those that Pillow decodes as usual, such as CMYK, RGB or 4:1:1.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return None
    sampling = None
    if image.mode == "RGB":
        components = image.layer  # type: ignore[attr-defined]  # (number, factors across and down, table)
        factors = [(down, across) for _, across, down, _ in components]
        down, across = factors[-1]
        expected = {kind: [(kind[0] * down, kind[1] * across), *[(down, across)] * 2] for kind in SAMPLINGS}
        sampling = next((kind for kind in SAMPLINGS if factors == expected[kind]), None)
        has_rgb = image.info.get("adobe_transform", 1) != 1 or bytes(c[0] for c in components) == b"RGB"
        if sampling is None or has_rgb:
            return None
    image.draft("YCbCr", None)
    image.decoderconfig = (1, 1)  # type: ignore[attr-defined]  # in full size, but as a draft
    return sampling


def reduce_jpeg(
    image: Image.Image, size: Size, new_size: Size, aspect: Aspect, interpolation: Interpolation
) -> int:
    """Have an image reduced while it is decoded, if it is from a JPEG file that is much larger than needed.

    Args:
        image: The image, opened. Its pixels have not been read.
        size: (width, height) of the image when it has been turned upright.
        new_size: (width, height) that it will be resized to.
        aspect: How it will be fitted into `new_size`.
        interpolation: How it will be resized.

    Returns:
        How many pixels become one, each way; 1 if nothing is to be done.
    """
    if image.format not in ("JPEG", "MPO") or interpolation not in MIN_PIXELS:
        return 1
    frame = fit_frame(size, new_size, aspect)
    left, top, right, bottom = frame.box
    needed = MIN_PIXELS[interpolation]
    available = min((right - left) // (needed * frame.size[0]), (bottom - top) // (needed * frame.size[1]))
    reduction = next((reduction for reduction in REDUCTIONS if reduction <= available), 1)
    if reduction > 1:
        image.draft(None, (image.width // reduction, image.height // reduction))
    return reduction


def to_rgb(image: Image.Image, box: Box, rows: NDArray[np.intp], sampling: Sampling) -> Image.Image:
    """Convert some rows of a part of an image that was decoded after `use_fast_transform`.

    Args:
        image: The image.
        box: The part.
        rows: Rows of the image within the box, in order.
        sampling: What `use_fast_transform` returned.
    """
    from PIL import Image

    result = Image.new("RGB", (box[2] - box[0], len(rows)))
    is_repeated = sampling[1] == 2 and image.width + 1 < 2 * MIN_SAMPLES_ACROSS
    for left, top, right, bottom in divide(box, TILE_PIXELS):
        first, last = np.searchsorted(rows, (top, bottom))
        if first == last:
            continue
        # With the neighboring samples; columns begin with one.
        start, stop = max(left // 2 * 2 - 2, 0), min(right + 2, image.width)
        above, below = max(top - 1, 0), min(bottom + 1, image.height)
        y, cb, cr = (np.asarray(plane) for plane in image.crop((start, above, stop, below)).split())
        own = rows[first:last]
        near = np.clip(own + own % 2 * 2 - 1, 0, image.height - 1)
        planes: list[NDArray[Any]] = [y[own - above]]
        for plane in (cb, cr):
            if is_repeated or sampling == (1, 1):
                planes.append(plane[own - above])
            else:
                planes.append(_interpolate(plane, own, near, above, sampling))
        converted = _merge(*(plane[:, left - start : right - start] for plane in planes))
        result.paste(converted, (left - box[0], int(first)))
    return result


def _interpolate(
    plane: NDArray[np.uint8],
    own: NDArray[np.intp],
    near: NDArray[np.intp],
    above: int,
    sampling: Sampling,
) -> NDArray[np.int16]:
    """Return rows of chroma, with ¾ of a pixel's own sample and ¼ of the nearest other in each direction.

    Args:
        plane: Repeated samples (h, w).
        own: The rows.
        near: For each row the next one above or below that has another sample.
        above: The row at which `plane` begins.
        sampling: Pixels for each sample.
    """
    samples = plane[:, :: sampling[1]]
    x = samples[own - above].astype(np.int16)
    if sampling[0] == 2:
        x *= 3
        x += samples[near - above]
        if sampling[1] == 1:  # rounded as by libjpeg, half up in every second row
            x += (1 + own % 2).astype(np.int16)[:, None]
            return x >> 2
    rounding, shift = ((8, 7), 4) if sampling[0] == 2 else ((1, 2), 2)
    result = np.empty((*x.shape, 2), np.int16)
    before, after = result[..., 0], result[..., 1]
    tripled = 3 * x + np.int16(rounding[0])
    np.add(tripled[:, 1:], x[:, :-1], out=before[:, 1:])
    before[:, 0] = tripled[:, 0] + x[:, 0]
    tripled += np.int16(rounding[1] - rounding[0])
    np.add(tripled[:, :-1], x[:, 1:], out=after[:, :-1])
    after[:, -1] = tripled[:, -1] + x[:, -1]
    result >>= shift
    return result.reshape(len(x), -1)


def _merge(y: NDArray[Any], cb: NDArray[Any], cr: NDArray[Any]) -> Image.Image:
    from PIL import Image

    luma = y.astype(np.float32) + 0.5  # to round
    b, r = (plane.astype(np.float32) - 128 for plane in (cb, cr))
    red, green, blue = luma + RED_CR * r, luma + GREEN_CB * b + GREEN_CR * r, luma + BLUE_CB * b
    levels = (np.clip(plane, 0, 255, out=plane).astype(np.uint8) for plane in (red, green, blue))
    return Image.merge("RGB", [Image.fromarray(plane) for plane in levels])
