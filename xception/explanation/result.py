"""Result of an explanation: maps and scores per photograph, and the pictures that show them."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np

from ..console.text import count_of
from ..data.atomic import replace_file
from ..data.class_names import ClassNames
from ..data.failures import Failure
from ..data.locations import expect_local
from ..data.tasks import Task
from ..kernels import Array
from .grid import Grid
from .lettering import Lettering
from .methods import MethodName
from .pictures import Pixels, fit_tile, overlay_heat, picture_format
from .sheet import FONT_PIXELS, LARGE_TILE_PIXELS, TILE_PIXELS, Tile, draw_sheet, wrap_tiles
from .targets import Indices

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from PIL import Image

FIGURE_INCHES = 3.2  #: of each part of a figure
TITLE_POINTS = 10  #: of the letters above it
MAX_SHOWN_PHOTOGRAPHS = 16  #: in one picture; more could not be told apart

#: Which maps share a scale of colors: all those of a photograph, or none.
Scale = Literal["photograph", "each"]
METHOD_TITLES: dict[MethodName, str] = {
    "grad-cam": "Grad-CAM", "score-cam": "Score-CAM", "occlusion": "Occlusion",
}  # fmt: skip

Values = TypeVar("Values", Array, Indices)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `xception.explain` returns: maps of what supports a class, for each of n photographs.

    For several classes, arrays have a second axis of length t. Indexing and iteration give the
    explanation of each photograph. A notebook shows the picture.

    Attributes:
        maps: (n, h, w) or (n, t, h, w) float32, at the layer's resolution; 0 and above.
        targets: (n,) or (n, t) the indices of the classes.
        scores: (n,) or (n, t) float32 what is explained: the classes' logits if the model has them.
        probabilities: (n,) or (n, t) float32 the same as `predict` gives them: probabilities, or the numbers
            of a regression.
        class_names: (class id, class name) of each class that the model knows.
        task: What the classes are: "classes", "labels" or "regression".
        method: "grad-cam", "score-cam" or "occlusion".
        layer: The node of the graph whose maps are explained.
        grid: Where on a photograph the rows and columns of the maps are.
        images: What the model sees of the photographs (h, w, 3) uint8, in their own aspect ratio, of at
            most 640 pixels. Maps cover them: they are cropped or padded where the model's input is.
        paths: The path of each photograph; None for those that did not come from a file.
        indices: The position of each among the photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`.
    """

    maps: Array
    targets: Indices
    scores: Array
    probabilities: Array
    class_names: ClassNames = field(repr=False)
    task: Task
    method: MethodName
    layer: str
    grid: Grid = field(repr=False)
    images: tuple[Pixels, ...] = field(repr=False)
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    failures: list[Failure] = field(default_factory=list)

    def __repr__(self) -> str:
        count = count_of(len(self), "photograph")
        return f"<Explanation by {self.method} at {self.layer}: {count}, maps {self.maps.shape}>"

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int | slice) -> Explanation:
        """Return the explanation of one photograph, n being 1, or of several."""
        if not isinstance(index, slice):
            position = range(len(self))[index]  # or IndexError
            index = slice(position, position + 1)
        return replace(
            self, maps=self.maps[index], targets=self.targets[index], scores=self.scores[index],
            probabilities=self.probabilities[index],
            images=self.images[index], paths=self.paths[index], indices=self.indices[index],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Explanation]:
        return (self[index] for index in range(len(self)))

    @property
    def names(self) -> list[Any]:
        """The names of the classes: n names, or n lists of t names."""
        rows = [[self.class_names[index][1] for index in row] for row in self._by_target(self.targets)]
        return rows if self.targets.ndim == 2 else [name for (name,) in rows]

    # --- pictures ---------------------------------------------------------------------------

    def overlay(
        self, index: int = 0, target: int = 0, alpha: float = 0.7, scale: Scale = "photograph"
    ) -> Image.Image:
        """Draw a map over its photograph: what speaks most for the class glows.

        Args:
            index: Which photograph, from 0.
            target: Which of its classes, from 0.
            alpha: How much of the photograph is hidden where the color is brightest, 0…1. Where the map is
                0, the photograph is unchanged.
            scale: "photograph": the brightest color is the greatest value of all maps of the photograph, so
                that its classes can be compared. "each": that of this map.

        Returns:
            A PIL image of the photograph's size.

        Raises:
            ValueError: `scale` is unknown, or `alpha` is out of range.
        """
        return self._overlay(self.images[index], index, target, alpha, scale)

    def picture(self, scale: Scale = "photograph") -> Image.Image:
        """Draw a row for each photograph: itself, then a map over it for each class.

        A single photograph with three or more classes takes several rows, so that a narrow page can show it.
        Below each map is the name of its class, with the probability. Of more than 16 photographs, the first
        16 are shown. Names in scripts that no font here has are replaced by the number of the class; the
        environment variable XCEPTION_FONT names a font that has them.

        Args:
            scale: As for `overlay`.

        Returns:
            A PIL image; a single white pixel if there are no photographs.

        Raises:
            ValueError: `scale` is unknown, or XCEPTION_FONT is no font.
        """
        shown, targets = range(min(len(self), MAX_SHOWN_PHOTOGRAPHS)), range(self._count_targets)
        letters = Lettering(FONT_PIXELS)
        pixels = LARGE_TILE_PIXELS if len(shown) == len(targets) == 1 else TILE_PIXELS
        rows = []
        for index in shown:
            photograph = fit_tile(self.images[index], pixels)
            row = [Tile(_as_picture(photograph), self._title(index, letters.can_draw))]
            for target in targets:
                overlay = self._overlay(photograph, index, target, 0.7, scale)
                row.append(Tile(overlay, self._caption(index, target, letters.can_draw)))
            rows.append(row)
        if len(rows) == 1:
            rows = wrap_tiles(rows[0])
        return draw_sheet(rows, self._footer(scale))

    def save(self, path: str | os.PathLike[str], scale: Scale = "photograph") -> None:
        """Write `picture()` to a file.

        Args:
            path: The file; its suffix is the format: .png, .jpg, .webp, …
            scale: As for `overlay`.

        Raises:
            ValueError: Pillow cannot write this format, or the file is a URL; and what `picture` raises.
            OSError: No file can be written there.
        """
        path = expect_local(path)
        image_format = picture_format(path)
        with replace_file(path) as temporary:
            self.picture(scale).save(temporary, image_format)

    def captions(self, index: int = 0) -> list[str]:
        """Return what stands below the maps of a photograph: each class's name and probability."""
        return [self._caption(index, target) for target in range(self._count_targets)]

    @property
    def alt_text(self) -> str:
        """What `picture()` shows, in words."""
        shown = range(min(len(self), MAX_SHOWN_PHOTOGRAPHS))
        parts = [f"{self._title(index)}: {'; '.join(self.captions(index))}" for index in shown]
        return ". ".join([*parts, self._footer("photograph")])

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the picture for a notebook, and its text for those who do not see it."""
        stream = io.BytesIO()
        self.picture().save(stream, "PNG")
        bundle = {"image/png": stream.getvalue(), "text/plain": repr(self)}
        return bundle, {"image/png": {"alt": self.alt_text}}

    def figure(self, scale: Scale = "photograph", *, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw a matplotlib figure: photographs, their maps, and scales of the maps' values.

        Args:
            scale: As for `overlay`.
            fig: The figure to draw in; by default a new one.

        Returns:
            The figure: a row for each photograph, with itself and a column for each class; an empty one if
            there are no photographs.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
            TypeError: `fig` is no figure.
            ValueError: `scale` is unknown.
        """
        from ..plot.figures import as_figure, set_title, wrapped  # a higher room

        n, t = len(self), self._count_targets
        figure = as_figure(fig, FIGURE_INCHES * (t + 1), FIGURE_INCHES * max(n, 1))
        if not n:
            return figure
        inches = 0.9 * figure.bbox.width / figure.dpi / (t + 1)
        for index, row in enumerate(figure.subplots(n, t + 1, squeeze=False)):
            titles = [self._title(index), *self.captions(index)]
            for axes, title in zip(row, titles, strict=True):
                axes.imshow(self.images[index])
                axes.set(xticks=[], yticks=[])
                set_title(axes, wrapped(title, TITLE_POINTS, inches), points=TITLE_POINTS)
            for target, axes in enumerate(row[1:]):
                heat, most = self._heat(index, target, self.images[index].shape[:2], scale)
                shown = axes.imshow(heat, cmap="inferno", alpha=0.7 * heat / most, vmin=0, vmax=most)
                if scale == "each" or target == t - 1:
                    figure.colorbar(shown, ax=axes if scale == "each" else row[1:])
        figure.supxlabel(self._footer(scale), fontsize="small", parse_math=False)
        return figure

    # --- helpers ----------------------------------------------------------------------------

    def _by_target(self, values: Values) -> Values:
        """Return (n, t, …), also where there is no axis for classes."""
        return values if self.targets.ndim == 2 else values[:, None]

    @property
    def _count_targets(self) -> int:
        return self._by_target(self.targets).shape[1]

    def _heat(self, index: int, target: int, size: tuple[int, int], scale: Scale) -> tuple[Array, float]:
        """Return a map at a size of its photograph, (h, w), and the value that is shown brightest."""
        if scale not in get_args(Scale):
            raise ValueError(f'scale must be "photograph" or "each", got {scale!r}')
        maps = self._by_target(self.maps)[index]  # (t, h, w)
        most = float((maps if scale == "photograph" else maps[target]).max(initial=0)) or 1.0
        return self.grid.upsample_smoothly(maps[target][..., None], size)[..., 0], most

    def _overlay(
        self, photograph: Pixels, index: int, target: int, alpha: float, scale: Scale
    ) -> Image.Image:
        return overlay_heat(photograph, *self._heat(index, target, photograph.shape[:2], scale), alpha)

    # --- captions ---------------------------------------------------------------------------

    def _title(self, index: int, can_draw: Callable[[str], bool] = lambda _: True) -> str:
        """Return what a photograph is called: its file's name, or its position."""
        path = self.paths[index]
        name = "" if path is None else re.split(r"[\\/]", path)[-1]
        return name if name and can_draw(name) else f"photograph {self.indices[index] + 1}"

    def _caption(self, index: int, target: int, can_draw: Callable[[str], bool] = lambda _: True) -> str:
        """Return the name of a class, its probability, and whether nothing speaks for it."""
        number = self._by_target(self.targets)[index, target]
        name = self.class_names[number][1]
        if not can_draw(name):
            name = f"class {number} (no font here has its name's letters)"
        caption = f"{name}, {self._describe(self._by_target(self.probabilities)[index, target])}"
        has_evidence = self._by_target(self.maps)[index, target].max(initial=0) > 0
        return caption if has_evidence else f"{caption} (nothing speaks for it)"

    def _describe(self, value: float) -> str:
        """Return a probability in percent, or a number as it is."""
        is_probability = self.task != "regression" and 0 <= value <= 1
        return f"{100 * value:.1f} %" if is_probability else f"{value:.4g}"

    def _footer(self, scale: Scale) -> str:
        rows, columns = self.maps.shape[-2:]
        footer = f"{METHOD_TITLES[self.method]} at {self.layer}, {rows}×{columns} cells"
        if scale == "each" and self._count_targets > 1:
            return f"{footer}; each map has a scale of its own"
        return footer


def _as_picture(pixels: Pixels) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels)


def concatenate(parts: Sequence[Explanation]) -> Explanation:
    """Join explanations by the same explainer, of images of the same size; at least one."""
    return replace(
        parts[0],
        maps=np.concatenate([part.maps for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        images=tuple(image for part in parts for image in part.images),
        paths=[path for part in parts for path in part.paths],
        indices=[index for part in parts for index in part.indices],
        failures=[failure for part in parts for failure in part.failures],
    )
