"""Result of an explanation: maps and scores per photograph, and the pictures that show them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..console.text import count_of
from ..data.atomic import replace_file
from ..data.class_names import ClassNames
from ..data.failures import Failure
from ..data.locations import expect_local
from ..errors import requires
from ..kernels import Array
from .grid import Grid
from .methods import MethodName
from .pictures import (
    MAX_TILE_PIXELS,
    Pixels,
    add_caption,
    contact_sheet,
    overlay_heat,
    picture_format,
)
from .targets import Indices

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MAX_SHOWN_PHOTOGRAPHS = 16  #: in one picture; more could not be told apart

Values = TypeVar("Values", Array, Indices)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `xception.explain` returns: maps of what supports a class, for each of n photographs.

    For several classes, arrays have a second axis of length t. Indexing and iteration give the
    explanation of each photograph. A notebook shows the picture.

    Attributes:
        maps: (n, h, w) or (n, t, h, w) float32, at the layer's resolution; 0 and above.
        targets: (n,) or (n, t) the indices of the classes.
        scores: (n,) or (n, t) float32 the classes' scores: logits if the model has them.
        class_names: (class id, class name) of each class that the model knows.
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
    class_names: ClassNames = field(repr=False)
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

    def overlay(self, index: int = 0, target: int = 0, alpha: float = 0.7) -> Image.Image:
        """Draw a map over its photograph: what speaks most for the class glows.

        Args:
            index: Which photograph, from 0.
            target: Which of its classes, from 0.
            alpha: How much of the photograph is hidden where the map is largest, 0…1. Where the map is
                0, the photograph is unchanged.

        Returns:
            A PIL image of the photograph's size.
        """
        return overlay_heat(self.images[index], self._heat(index, target), alpha)

    def picture(self) -> Image.Image:
        """Draw a row of overlays for each photograph, one for each class, with its name and score.

        Each map is shown from 0 to its own maximum. Of more than 16 photographs, the first 16 are shown.

        Returns:
            A PIL image; a single white pixel if there are no photographs.
        """
        targets = range(self._by_target(self.targets).shape[1])
        is_single = len(self) == len(targets) == 1
        rows = []
        for index in range(min(len(self), MAX_SHOWN_PHOTOGRAPHS)):
            overlays = [self.overlay(index, target) for target in targets]
            if not is_single:
                for overlay in overlays:
                    overlay.thumbnail((MAX_TILE_PIXELS, MAX_TILE_PIXELS))
            captions = (self._caption(index, target) for target in targets)
            rows.append(list(map(add_caption, overlays, captions)))
        return contact_sheet(rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `picture()` to a file.

        Args:
            path: The file; its suffix is the format: .png, .jpg, .webp, …

        Raises:
            ValueError: Pillow cannot write this format, or the file is a URL.
            OSError: No file can be written there.
        """
        path = expect_local(path)
        image_format = picture_format(path)
        with replace_file(path) as temporary:
            self.picture().save(temporary, image_format)

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.picture().save(stream, "PNG")
        return stream.getvalue()

    def figure(self) -> Figure:
        """Draw a matplotlib figure: the maps over the photographs, each with a scale of its values.

        Returns:
            A `matplotlib.figure.Figure` with a row for each photograph and a column for each class;
            an empty one if there are no photographs.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        """
        with requires("a figure", "matplotlib", "'xception[plots]'"):
            from matplotlib.figure import Figure

        n, t = self._by_target(self.targets).shape
        if not n:
            return Figure()
        figure = Figure(figsize=(4 * t, 3.5 * n), layout="constrained")
        for axes, (i, k) in zip(figure.subplots(n, t, squeeze=False).flat, np.ndindex(n, t), strict=True):
            heat = self._heat(i, k)
            axes.imshow(self.images[i])
            shown = axes.imshow(heat, cmap="inferno", alpha=0.6, vmin=0, vmax=heat.max() or 1)
            axes.set(xticks=[], yticks=[], title=self._caption(i, k))
            figure.colorbar(shown, ax=axes)
        return figure

    # --- helpers ----------------------------------------------------------------------------

    def _by_target(self, values: Values) -> Values:
        """Return (n, t, …), also where there is no axis for classes."""
        return values if self.targets.ndim == 2 else values[:, None]

    def _heat(self, index: int, target: int) -> Array:
        """Return a map at the resolution of its photograph: (h, w)."""
        cells = self._by_target(self.maps)[index, target]
        return self.grid.upsample(cells[..., None], self.images[index].shape[:2])[..., 0]

    def _caption(self, index: int, target: int) -> str:
        name = self.class_names[self._by_target(self.targets)[index, target]][1]
        return f"{name}  {self._by_target(self.scores)[index, target]:.2f}"


def concatenate(parts: Sequence[Explanation]) -> Explanation:
    """Join explanations by the same explainer, of images of the same size; at least one."""
    return replace(
        parts[0],
        maps=np.concatenate([part.maps for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        images=tuple(image for part in parts for image in part.images),
        paths=[path for part in parts for path in part.paths],
        indices=[index for part in parts for index in part.indices],
        failures=[failure for part in parts for failure in part.failures],
    )
