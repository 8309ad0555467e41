"""Preview of an augmentation: a sheet of photographs and their variants."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..console.text import count_of
from ..data.atomic import check_writable, replace_file
from ..data.augmentation import Augmentation, PhotographKey
from ..data.locations import expect_local
from ..data.overwriting import refuse_overwriting
from ..explanation.lettering import Lettering
from ..explanation.pictures import as_rgb, contact_sheet, fit_tile, picture_format

if TYPE_CHECKING:
    from PIL import Image

MAX_PHOTOGRAPHS = 6  #: rows; more do not fit on a screen
MAX_VARIANTS_SHOWN = 5  #: columns beside the photograph itself
TILE_PIXELS = 200  #: the longer side of a tile
GAP_PIXELS = 6  #: between tiles
LINE_PIXELS = 24  #: the height of a line of text
FONT_PIXELS = 14


def draw_sheet(
    augmentation: Augmentation,
    photographs: Sequence[NDArray[Any]],
    keys: Sequence[PhotographKey] | None = None,
    seed: int = 0,
) -> Image.Image:
    """Draw photographs beside the variants that training takes of them.

    Args:
        augmentation: The augmentation.
        photographs: Pixels of each, (h, w, c), 0…255, at the size that the model takes. The first six are
            shown.
        keys: What identifies each of them in training; by default its position.
        seed: The seed of the training.

    Returns:
        A sheet with a row for each photograph, and a line below that says what it shows.

    Raises:
        ValueError: There is no photograph, keys and photographs differ in number, or `Augmentation.apply`
            does not take them.
    """
    if not len(photographs):
        raise ValueError("a sheet of augmented photographs needs at least one photograph")
    keys = range(len(photographs)) if keys is None else keys
    if len(keys) != len(photographs):
        raise ValueError(f"expected a key for each photograph, got {len(keys)} for {len(photographs)}")
    count = min(augmentation.variants or MAX_VARIANTS_SHOWN, MAX_VARIANTS_SHOWN)
    if not augmentation.changes_pixels:
        count = 0
    rows = []
    for pixels, key in zip(photographs[:MAX_PHOTOGRAPHS], keys, strict=False):
        variants = [augmentation.apply(pixels, seed, epoch, key) for epoch in range(count)]
        rows.append([_draw_tile(as_rgb(shown)) for shown in (pixels, *variants)])
    kind = "epoch" if augmentation.variants is None else "variant"
    headings = ["photograph", *(f"{kind} {number + 1}" for number in range(count))]
    rows[0] = [_add_line(tile, text) for tile, text in zip(rows[0], headings, strict=True)]
    return _add_line(contact_sheet(rows), _describe(augmentation, count, seed), is_below=True)


def check_sheet_path(path: str | os.PathLike[str], photographs: Iterable[str | None] = ()) -> Path:
    """Check, before anything is computed, that a sheet can be written.

    Args:
        path: The file, whose suffix is the format.
        photographs: The paths of the photographs, none of which is overwritten.

    Returns:
        The path.

    Raises:
        ValueError: It is a URL, no name of a picture, or one of the photographs.
        OSError: It cannot be written.
    """
    path = expect_local(path)
    picture_format(path)
    check_writable(path)
    refuse_overwriting(path, photographs, "one of the photographs")
    return path


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a sheet, whole or not at all.

    Args:
        path: What `check_sheet_path` returned.
        sheet: What `draw_sheet` returned.

    Raises:
        OSError: It cannot be written.
    """
    with replace_file(path) as temporary:
        sheet.save(temporary, picture_format(path))


def _describe(augmentation: Augmentation, count: int, seed: int) -> str:
    parts = [str(augmentation).replace(",", ", "), f"seed {seed}"]
    if count and augmentation.variants is not None:
        parts.append(f"epochs take {count_of(augmentation.variants, 'variant')} in turn")
    if augmentation.mixup:
        parts.append("mixup mixes the examples of a batch, and is not shown")
    return "; ".join(parts)


def _draw_tile(pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(fit_tile(pixels, TILE_PIXELS))
    tile = Image.new("RGB", (image.width + GAP_PIXELS, image.height + GAP_PIXELS), "white")
    tile.paste(image, (GAP_PIXELS // 2, GAP_PIXELS // 2))
    return tile


def _add_line(picture: Image.Image, text: str, is_below: bool = False) -> Image.Image:
    """Return a picture with a line of text above or below it, as wide as the text at least."""
    from PIL import Image, ImageDraw

    letters = Lettering(FONT_PIXELS)
    left = GAP_PIXELS // 2
    width = max(picture.width, int(letters.width(text)) + 2 * left) if is_below else picture.width
    result = Image.new("RGB", (width, picture.height + LINE_PIXELS), "white")
    result.paste(picture, (0, 0 if is_below else LINE_PIXELS))
    letters.draw(ImageDraw.Draw(result), left, picture.height + 3 if is_below else 3, text)
    return result
