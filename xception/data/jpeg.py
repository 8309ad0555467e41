"""JPEG files decoded to the same pixels as by `tf.io.decode_jpeg`, with libjpeg's transform IFAST.

Pillow uses this transform only for drafts, in which it also repeats each sample of chroma instead of
interpolating. So the samples are interpolated and converted to RGB here, as libjpeg does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .framing import Box, divide

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
#: libjpeg's weights of chroma, in which all sums are exact in float32, or far enough from a half.
RED_CR, GREEN_CB, GREEN_CR, BLUE_CB = (weight / 65536 for weight in (91881, -22554, -46802, 116130))


def use_fast_transform(image: Image.Image) -> Sampling | None:
    """Have an image decoded by IFAST, if it is from a JPEG file whose chroma can be interpolated here.

    Args:
        image: The image, opened. Its pixels have not been read.

    Returns:
        How chroma is sampled, if `to_rgb` must convert what is decoded. None if nothing is to be done: for
        grey files, and for those that Pillow decodes as usual, such as CMYK, RGB or 4:1:1.
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


def to_rgb(image: Image.Image, box: Box, sampling: Sampling) -> Image.Image:
    """Convert a part of an image that was decoded after `use_fast_transform`."""
    from PIL import Image

    result = Image.new("RGB", (box[2] - box[0], box[3] - box[1]))
    is_interpolated = sampling[1] == 1 or (image.width + 1) // 2 >= MIN_SAMPLES_ACROSS
    for left, top, right, bottom in divide(box, TILE_PIXELS):
        # With whole neighboring samples.
        start, above = max(left // 2 * 2 - 2, 0), max(top // 2 * 2 - 2, 0)
        stop, below = min(right + 2, image.width), min(bottom + 2, image.height)
        y, cb, cr = (np.asarray(plane) for plane in image.crop((start, above, stop, below)).split())
        if is_interpolated:
            cb, cr = _interpolate(cb, sampling), _interpolate(cr, sampling)
        inner = np.s_[top - above : bottom - above, left - start : right - start]
        result.paste(_merge(y[inner], cb[inner], cr[inner]), (left - box[0], top - box[1]))
    return result


def _interpolate(repeated: NDArray[np.uint8], sampling: Sampling) -> NDArray[np.integer]:
    """Interpolate chroma whose samples are repeated, from the first pixel of a sample on."""
    if sampling == (1, 1):
        return repeated
    height, width = repeated.shape
    x = repeated[:: sampling[0], :: sampling[1]].astype(np.int16)
    if sampling == (2, 2):
        x = _double(_double(x, 0, (0, 0)), 1, (8, 7)) >> 4
    else:
        x = _double(x, sampling.index(2), (1, 2)) >> 2
    return x[:height, :width]


def _double(x: NDArray[np.int16], axis: int, rounding: tuple[int, int]) -> NDArray[np.int16]:
    """Return two pixels for each sample: 3 times it, plus the one before or after it, plus `rounding`."""
    shape = (len(x), 2, x.shape[1]) if axis == 0 else (*x.shape, 2)
    result = np.empty(shape, np.int16)
    pairs = result if axis == 0 else result.transpose(1, 2, 0)  # (n, 2, …)
    samples = x if axis == 0 else x.T
    before, after = 3 * samples + np.int16(rounding[0]), 3 * samples + np.int16(rounding[1])
    np.add(before[1:], samples[:-1], out=pairs[1:, 0])
    np.add(before[0], samples[0], out=pairs[0, 0])
    np.add(after[:-1], samples[1:], out=pairs[:-1, 1])
    np.add(after[-1], samples[-1], out=pairs[-1, 1])
    return result.reshape(-1, x.shape[1]) if axis == 0 else result.reshape(len(x), -1)


def _merge(y: NDArray[np.uint8], cb: NDArray[np.integer], cr: NDArray[np.integer]) -> Image.Image:
    from PIL import Image

    luma = y.astype(np.float32) + 0.5  # to round
    b, r = (plane.astype(np.float32) - 128 for plane in (cb, cr))
    planes = (luma + RED_CR * r, luma + GREEN_CB * b + GREEN_CR * r, luma + BLUE_CB * b)
    return Image.merge("RGB", [Image.fromarray(plane.clip(0, 255).astype(np.uint8)) for plane in planes])
