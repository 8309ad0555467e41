"""What an explanation is, and how it is shown: as a picture, which needs Pillow only."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data import atomic as files
from ..data.class_names import ClassNames
from ..kernels import Array
from .grid import Grid

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 640  #: pixels, the longer side of a photograph that is kept
SMALLER = 320  #: the same where there are several in a picture
MOST = 16  #: photographs in a picture
CAPTION = 24  #: pixels, the height of the line below a photograph

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of what speaks for a class in each of n photographs, as `explain` gives them.

    For several classes each has an axis `t` for them, behind that of the photographs. As a sequence
    it holds the explanation of each photograph.
    """

    maps: Array  #: (n, h, w) or (n, t, h, w) float32, at the layer's resolution; 0 and above
    targets: NDArray[np.intp]  #: (n,) or (n, t): the classes' numbers
    scores: Array  #: (n,) or (n, t) float32: the classes' scores, logits if the model has them
    labels: ClassNames = field(repr=False)  #: (id, name) of each class that the model tells apart
    method: str
    layer: str  #: the node of the graph whose maps were looked at
    grid: Grid = field(repr=False)  #: where on a photograph the maps' rows and columns look
    images: tuple[Pixels, ...] = field(repr=False)  #: the photographs, reduced to 640 pixels at most

    def __repr__(self) -> str:
        count = f"{len(self)} photograph{'s' * (len(self) != 1)}"
        return f"<Explanation by {self.method} at {self.layer}: {count}, maps {self.maps.shape}>"

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> Explanation:
        """The explanation of one photograph: n is 1."""
        index = range(len(self))[index]  # or IndexError
        one = slice(index, index + 1)
        return Explanation(
            self.maps[one], self.targets[one], self.scores[one], self.labels, self.method, self.layer,
            self.grid, self.images[one],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Explanation]:
        return (self[index] for index in range(len(self)))

    @property
    def names(self) -> list[Any]:
        """The classes' names: n of them, or n lists of t."""
        each = [[self.labels[number][1] for number in row] for row in self._rows(self.targets)]
        return each if self.targets.ndim == 2 else [name for (name,) in each]

    # --- pictures ---------------------------------------------------------------------------

    def overlay(self, index: int = 0, target: int = 0, alpha: float = 0.7) -> Image.Image:
        """The map of a photograph over it: what speaks most for the class glows.

        target: which of several. alpha: how much of the photograph is hidden where the map is
        greatest; where it is 0, the photograph is seen as it is.
        """
        from PIL import Image

        photo, heat = self.images[index], self._rows(self.maps)[index, target]
        heat = self.grid.enlarged(heat[..., None], photo.shape[:2])  # (H, W, 1)
        heat = heat / (heat.max(initial=0) or 1)
        hidden = alpha * heat
        mixed = photo * (1 - hidden) + glow(heat[..., 0]) * hidden
        return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))

    def picture(self) -> Image.Image:
        """Every photograph's row of overlays, one for each class, which is named below.

        Each map is shown from 0 to its own greatest value. Of more than 16 photographs, the first 16.
        """
        from PIL import Image

        rows = [[self._tile(i, t) for t in range(self._rows(self.maps).shape[1])] for i in range(len(self))][
            :MOST
        ]
        if not rows:
            return Image.new("RGB", (1, 1), "white")
        width = max(sum(tile.width for tile in row) for row in rows)
        height = sum(row[0].height for row in rows)
        sheet = Image.new("RGB", (width, height), "white")
        top = 0
        for row in rows:
            left = 0
            for tile in row:
                sheet.paste(tile, (left, top))
                left += tile.width
            top += row[0].height
        return sheet

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `picture()`, as the name's ending says: .png, .jpg, .webp, …

        Raises ValueError for other endings, OSError where no file can be written.
        """
        path = Path(path)
        kind = picture_format(path)
        with files.replace_file(path) as unfinished:
            self.picture().save(unfinished, kind)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        stream = io.BytesIO()
        self.picture().save(stream, "PNG")
        return stream.getvalue()

    def figure(self) -> Any:
        """A matplotlib Figure: the maps over the photographs, with a scale of their values.

        Raises ImportError without matplotlib, which `pip install "xception[plots]"` brings.
        """
        from matplotlib.figure import Figure

        maps = self._rows(self.maps)  # (n, t, h, w)
        n, t = maps.shape[:2]
        figure = Figure(figsize=(4 * t, 3.5 * n), layout="constrained")
        for axes, (i, k) in zip(figure.subplots(n, t, squeeze=False).flat, np.ndindex(n, t), strict=True):
            axes.imshow(self.images[i])
            heat = self.grid.enlarged(maps[i, k, ..., None], self.images[i].shape[:2])[..., 0]
            shown = axes.imshow(heat, cmap="inferno", alpha=0.6, vmin=0, vmax=heat.max() or 1)
            axes.set(xticks=[], yticks=[], title=self._caption(i, k))
            figure.colorbar(shown, ax=axes)
        return figure

    # --- parts ------------------------------------------------------------------------------

    def _rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """With an axis for the targets, also where there is but one."""
        return values if self.targets.ndim == 2 else values[:, None]

    def _caption(self, index: int, target: int) -> str:
        number, score = (self._rows(values)[index, target] for values in (self.targets, self.scores))
        return f"{self.labels[number][1]}  {score:.2f}"

    def _tile(self, index: int, target: int) -> Image.Image:
        """An overlay with the class's name and score below."""
        from PIL import Image, ImageDraw, ImageFont

        overlay = self.overlay(index, target)
        if len(self) > 1 or self.targets.shape[1:] > (1,):
            overlay.thumbnail((SMALLER, SMALLER))
        tile = Image.new("RGB", (overlay.width, overlay.height + CAPTION), "white")
        tile.paste(overlay)
        font = ImageFont.load_default(14)
        ImageDraw.Draw(tile).text((4, overlay.height + 3), self._caption(index, target), "black", font)
        return tile


def picture_format(path: Path) -> str:
    """Pillow's name for the format that a file's ending stands for. Raises ValueError."""
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"{path.name}: expected a name that ends in .png, .jpg or another of a picture")
    return kind


def shrunk(photo: Pixels) -> Pixels:
    """A photograph as it is kept for the picture: (h, w, 3) of LARGEST pixels at most, in its own ratio."""
    from PIL import Image

    image = Image.fromarray(photo)
    image.thumbnail((LARGEST, LARGEST))
    return np.asarray(image)


# --- colours --------------------------------------------------------------------------------

#: matplotlib's "inferno", by nine of its colours: as bright as what it shows is great, in grey print too.
INFERNO = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51),
        (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ]
)  # fmt: skip


def glow(values: Array) -> Array:
    """Values 0…1 of any shape to colours (…, 3), 0…255."""
    stops = np.linspace(0, 1, len(INFERNO))
    return np.stack([np.interp(values, stops, channel) for channel in INFERNO.T], axis=-1)
