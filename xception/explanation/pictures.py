"""Drawing of explanations with Pillow: heat maps over photographs, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.framing import fit_frame
from ..data.image_pixels import MODES
from ..data.preprocessing import Aspect
from ..kernels import Array
from ..prediction.preprocessing import MIN_WHOLE_PIXELS

if TYPE_CHECKING:
    from PIL import Image

#: Pillow's names of the formats that pictures are written in. The others are of other programs, or gray.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "PDF", "EPS")
MAX_PHOTOGRAPH_PIXELS = MIN_WHOLE_PIXELS  #: the longer side of a photograph that is kept; bounds memory

Pixels = NDArray[np.uint8]  #: (h, w, 3), 0…255

#: matplotlib's "inferno", by nine of its colors. Its brightness grows with the value, also in gray print.
INFERNO = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51),
        (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ]
)  # fmt: skip


def shrink(photograph: Pixels) -> Pixels:
    """Return a photograph at MAX_PHOTOGRAPH_PIXELS at most, with its aspect ratio."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(photograph))
    image.thumbnail((MAX_PHOTOGRAPH_PIXELS, MAX_PHOTOGRAPH_PIXELS))
    return np.asarray(image)


def as_rgb(pixels: NDArray[Any]) -> Pixels:
    """Return pixels 0…255, (h, w, c), in RGB; of channels that are no colors, their mean, stretched."""
    if pixels.shape[-1] not in MODES:
        pixels = pixels.mean(axis=-1, keepdims=True)
        low = pixels.min()
        pixels = (pixels - low) * (255 / ((pixels.max() - low) or 1))
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    return pixels[..., :3].round().clip(0, 255).astype(np.uint8)


def show_framed(photograph: Pixels, size: tuple[int, int], aspect: Aspect) -> Pixels:
    """Return what a model sees of a photograph, at MAX_PHOTOGRAPH_PIXELS at most.

    Args:
        photograph: (h, w, 3).
        size: (height, width) of the model's input.
        aspect: How the photograph is fitted into it. Stretched ones keep their aspect ratio here, cropped
            ones are cropped, and padded ones have their borders.
    """
    height, width = size
    frame = fit_frame((photograph.shape[1], photograph.shape[0]), (width, height), aspect)
    left, top, right, bottom = frame.box
    shown = shrink(photograph[top:bottom, left:right])
    if frame.size == (width, height):
        return shown
    from PIL import Image

    scale = min(shown.shape[1] / frame.size[0], MAX_PHOTOGRAPH_PIXELS / max(size))
    width, height, inner_width, inner_height = (
        max(round(scale * length), 1) for length in (width, height, *frame.size)
    )
    canvas = Image.new("RGB", (width, height))
    offset = (round(scale * frame.offset[0]), round(scale * frame.offset[1]))
    canvas.paste(Image.fromarray(shown).resize((inner_width, inner_height)), offset)
    return np.asarray(canvas)


def fit_tile(photograph: Pixels, pixels: int) -> Pixels:
    """Return a photograph whose longer side has so many pixels, reduced or enlarged."""
    from PIL import Image

    height, width = photograph.shape[:2]
    scale = pixels / max(height, width)
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    return np.asarray(Image.fromarray(photograph).resize(size, Image.Resampling.BICUBIC))


def overlay_heat(photograph: Pixels, heat: Array, most: float, alpha: float) -> Image.Image:
    """Draw a heat map over a photograph.

    Args:
        photograph: (h, w, 3).
        heat: (h, w), 0 and above.
        most: The heat with the brightest color, above 0.
        alpha: How much of the photograph is hidden there, 0…1. It falls to 0 with the heat.

    Raises:
        ValueError: `alpha` is out of range.
    """
    from PIL import Image

    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1, got {alpha!r}")

    heat = heat[..., None] / most  # (h, w, 1)
    hidden = alpha * heat
    mixed = photograph * (1 - hidden) + inferno(heat[..., 0]) * hidden
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def inferno(values: Array) -> Array:
    """Map values 0…1 of any shape to colors (…, 3), 0…255."""
    stops = np.linspace(0, 1, len(INFERNO))
    return np.stack([np.interp(values, stops, channel) for channel in INFERNO.T], axis=-1)


def contact_sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Put rows of tiles below one another; the tiles of a row have the same height.

    Returns:
        The sheet; a single white pixel if there are no rows.
    """
    from PIL import Image

    if not rows:
        return Image.new("RGB", (1, 1), "white")
    width = max(sum(tile.width for tile in row) for row in rows)
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows)), "white")
    top = 0
    for row in rows:
        left = 0
        for tile in row:
            sheet.paste(tile, (left, top))
            left += tile.width
        top += row[0].height
    return sheet


def picture_format(path: Path) -> str:
    """Return Pillow's name for the format that a file name's suffix stands for.

    Raises:
        ValueError: Pillow cannot write a picture with this suffix.
    """
    from PIL import Image

    name = Image.registered_extensions().get(path.suffix.lower())
    if name not in PICTURE_FORMATS or name not in Image.SAVE:
        raise ValueError(f"{path.name}: expected a picture's name, which ends in .png, .jpg or the like")
    return name
