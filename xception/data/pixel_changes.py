"""Changes of pixels for augmentation: cropping, turning, mirroring, colors, and erasing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .image_pixels import as_array

if TYPE_CHECKING:
    from PIL import Image

#: Aspect ratios of crops, and aspect ratios and areas of erased parts, as in torchvision's
#: `RandomResizedCrop` and `RandomErasing`; the latter are those of Zhong et al. 2017, "Random Erasing Data
#: Augmentation".
MAX_CROP_RATIO = 4 / 3
MAX_ERASED_RATIO = 3.3
ERASED_AREAS = (0.02, 0.33)

#: The weights of red, green and blue in gray, of ITU-R 601-2, as in Pillow.
GRAY = np.array([0.299, 0.587, 0.114], np.float32)

#: (left, top, right, bottom), in pixels
FloatBox = tuple[float, float, float, float]


def draw_box(
    smallest: float, size: tuple[int, int], area: float, ratio: float, x: float, y: float
) -> FloatBox:
    """Draw the part of a photograph that is enlarged.

    Args:
        smallest: The smallest share of the area, above 0, 1 at most.
        size: (width, height) of the photograph.
        area: A draw 0…1, which decides the share of the area.
        ratio: A draw 0…1, which decides the aspect ratio.
        x: Where the part lies: 0 at the left border, 1 at the right one.
        y: 0 at the top, 1 at the bottom.
    """
    share = smallest + (1 - smallest) * area
    widest = math.log(min(MAX_CROP_RATIO, 1 / share))  # wider ones would reach beyond the photograph
    factor = math.exp(widest * (2 * ratio - 1))
    width, height = size[0] * math.sqrt(share * factor), size[1] * math.sqrt(share / factor)
    left, top = x * max(size[0] - width, 0), y * max(size[1] - height, 0)
    return left, top, min(left + width, size[0]), min(top + height, size[1])


def change_geometry(pixels: NDArray[Any], mirrored: bool, box: FloatBox, angle: float) -> NDArray[Any]:
    """Turn a photograph about its middle, enlarge a part of it, and mirror the result.

    Args:
        pixels: (h, w, c), 0…255, uint8 or float32.
        mirrored: Whether left and right are exchanged.
        box: The part.
        angle: In radians. Beyond the borders of the photograph it is reflected.

    Returns:
        (h, w, c), of the same type.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if angle:
        pixels, matrix = _prepare_turn(pixels, mirrored, box, angle)
        method, resampling = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        return _by_pillow(pixels, lambda image: image.transform((width, height), method, matrix, resampling))
    if box != (0, 0, width, height):
        pixels = _by_pillow(
            pixels, lambda image: image.resize((width, height), Image.Resampling.BILINEAR, box)
        )
    return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels


def _prepare_turn(
    pixels: NDArray[Any], mirrored: bool, box: FloatBox, angle: float
) -> tuple[NDArray[Any], tuple[float, ...]]:
    """Return a photograph with as much of its reflection as the turned box reaches, and Pillow's matrix.

    Pillow rounds integers down, so that turned photographs are darker by half a gray level on average. To
    round them would take a pass of its own, for a 25th of what brightness=0.1 does.
    """
    height, width = pixels.shape[:2]
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([width, height]) / 2
    corners = np.array([(box[i], box[j]) for i in (0, 2) for j in (1, 3)])
    reached = (corners - middle) @ turn.T + middle  # (x, y) in the photograph, of the corners of the box
    beyond = np.maximum(np.ceil([-reached.min(axis=0), reached.max(axis=0) - (width, height)]), 0).astype(int)
    (left, top), (right, bottom) = beyond + (beyond > 0)
    padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), "symmetric")
    matrix = turn * ((box[2] - box[0]) / width, (box[3] - box[1]) / height)
    offset = turn @ (np.array(box[:2]) - middle) + middle + (left, top)
    if mirrored:
        offset += width * matrix[:, 0]
        matrix[:, 0] *= -1
    return padded, (*matrix[0], offset[0], *matrix[1], offset[1])


def _by_pillow(pixels: NDArray[Any], change: Callable[[Image.Image], Image.Image]) -> NDArray[Any]:
    """Apply a function of images to pixels (h, w, c). Pillow has no RGB in floats, and mixes RGBA."""
    from PIL import Image

    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        return as_array(change(Image.fromarray(np.ascontiguousarray(pixels))))
    planes = (np.ascontiguousarray(pixels[..., i]) for i in range(pixels.shape[-1]))
    return np.stack([np.asarray(change(Image.fromarray(plane))) for plane in planes], axis=-1)


# --- colors ---------------------------------------------------------------------------------


def change_colors(
    pixels: NDArray[Any], brightness: float, contrast: float, saturation: float
) -> NDArray[Any]:
    """Change brightness, contrast and saturation. All are linear, and applied as one.

    Args:
        pixels: (h, w, c), 0…255, uint8 or float32. Of four channels the last is alpha, and is kept.
        brightness: What pixels are multiplied by.
        contrast: What the distance from the mean gray is multiplied by.
        saturation: What the distance from each pixel's gray is multiplied by; 1 if there is no color.

    Returns:
        (h, w, c), of the same type, clipped at 0 and 255.
    """
    from PIL import Image

    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        mean = float(np.asarray(image.convert("L")).mean()) if contrast != 1 else 0.0
        matrix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * GRAY)
        offset = np.full((3, 1), brightness * (1 - contrast) * mean)
        return as_array(image.convert("RGB", tuple(np.hstack([matrix, offset]).ravel().tolist())))
    is_rgb = pixels.shape[-1] in (3, 4)
    colors = pixels[..., :3] if is_rgb else pixels  # never alpha
    gray = np.einsum("hwc,c->hw", colors, GRAY)[..., None] if is_rgb else colors.mean(-1, keepdims=True)
    mixed = colors * np.float32(saturation) + np.float32(1 - saturation) * gray
    mixed *= np.float32(brightness * contrast)
    mixed += np.float32(brightness * (1 - contrast)) * gray.mean()
    mixed = mixed.clip(0, 255)
    result = pixels.copy()
    result[..., : mixed.shape[-1]] = mixed.round() if pixels.dtype == np.uint8 else mixed
    return result


def erase(pixels: NDArray[Any], generator: np.random.Generator, area: float, ratio: float) -> NDArray[Any]:
    """Replace a rectangle by noise 0…255, as Keras and the paper do.

    Args:
        pixels: (h, w, c). They are not changed.
        generator: Draws the position and the noise.
        area: A draw 0…1, which decides the share of the area.
        ratio: A draw 0…1, which decides the aspect ratio.
    """
    share = ERASED_AREAS[0] + (ERASED_AREAS[1] - ERASED_AREAS[0]) * area
    factor = MAX_ERASED_RATIO ** (2 * ratio - 1)
    lengths = math.sqrt(share / factor), math.sqrt(share * factor)  # shares of the height and the width
    height, width = (
        min(max(round(length * size), 1), size)
        for length, size in zip(lengths, pixels.shape[:2], strict=True)
    )
    top = int(generator.integers(pixels.shape[0] - height, endpoint=True))
    left = int(generator.integers(pixels.shape[1] - width, endpoint=True))
    result = pixels.copy()
    noise = generator.integers(256, size=(height, width, pixels.shape[-1]), dtype=np.uint8)
    result[top : top + height, left : left + width] = noise
    return result
