"""Results of predictions: sequences with a display for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

from ..console.html import score_bar, thumbnail
from ..console.text import count_of
from ..data.failures import Failure
from ..data.imagenet import Prediction
from ..data.images import load_image
from ..data.photographs import Photograph
from ..errors import requires

MAX_SHOWN_PHOTOGRAPHS = 20  #: in a notebook; each is read again for its thumbnail


class PhotographPredictions(list[Prediction]):
    """The best classes of one photograph, best first."""

    __slots__ = ("_source",)  # a dict for each of 100,000 photographs would take 10 MB

    def __init__(self, predictions: Iterable[Prediction], source: Any = None) -> None:
        super().__init__(predictions)
        self._source = source

    def _repr_html_(self) -> str:
        return f"<table>{self.to_html_rows()}</table>"

    def to_html_rows(self) -> str:
        """Return a group of table rows, one for each class; the first begins with a thumbnail."""
        bars = [score_bar(prediction.class_name, prediction.score) for prediction in self]
        height, photograph = max(len(bars), 1), _thumbnail(self._source)
        first = f'<td rowspan="{height}" style="vertical-align:top">{photograph}</td>'
        rows = [first + "".join(bars[:1]), *bars[1:]]
        return f"<tbody>{''.join(f'<tr>{cells}</tr>' for cells in rows)}</tbody>"


class Predictions(Sequence[PhotographPredictions]):
    """What `xception.predict` returns: the best classes of each photograph that could be read.

    In a notebook it shows each photograph beside its classes. Thumbnails are made only then, so that
    the predictions of a folder of 100,000 photographs stay small.

    Attributes:
        paths: The path of each photograph; None for those that did not come from a file.
        indices: The position of each among the photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`.
    """

    def __init__(
        self,
        predictions: Iterable[Sequence[Prediction]] = (),
        photographs: Iterable[Photograph] = (),
        failures: Iterable[Failure] = (),
    ) -> None:
        self._entries: list[PhotographPredictions] = []
        self.paths: list[str | None] = []
        self.indices: list[int] = []
        self.failures = list(failures)
        for entry, photograph in zip(predictions, photographs, strict=True):
            self.append(photograph, entry)

    def append(self, photograph: Photograph, predictions: Iterable[Prediction]) -> None:
        """Add the predictions of one more photograph."""
        # Paths are small. Pixels are kept only for the photographs that a notebook shows.
        is_kept = photograph.source is photograph.path or len(self) < MAX_SHOWN_PHOTOGRAPHS
        source = photograph.source if is_kept else None
        self._entries.append(PhotographPredictions(predictions, source))
        self.paths.append(photograph.path)
        self.indices.append(photograph.index)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> PhotographPredictions: ...

    @overload
    def __getitem__(self, index: slice) -> Predictions: ...

    def __getitem__(self, index: int | slice) -> PhotographPredictions | Predictions:
        if not isinstance(index, slice):
            return self._entries[index]
        part = Predictions(failures=self.failures)
        part._entries, part.paths = self._entries[index], self.paths[index]
        part.indices = self.indices[index]
        return part

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as a list is

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self._entries[:MAX_SHOWN_PHOTOGRAPHS]))
        return f"[{shown}, … {len(self):,} in all]" if len(self) > MAX_SHOWN_PHOTOGRAPHS else f"[{shown}]"

    def _repr_html_(self) -> str:
        rows = "".join(entry.to_html_rows() for entry in self._entries[:MAX_SHOWN_PHOTOGRAPHS])
        remaining = len(self) - MAX_SHOWN_PHOTOGRAPHS
        more = f"<p>… and {remaining:,} more</p>" if remaining > 0 else ""
        return f"<table>{rows}</table>{more}"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for each photograph that JSON can hold: its path and its predictions."""
        return [to_dict(path, entry) for path, entry in zip(self.paths, self._entries, strict=True)]

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each class of each photograph.

        Returns:
            Its columns are `index`, the position of the photograph among those that were given; `path`,
            missing for what did not come from a file; `rank`, from 1 for the best class; `class_id`,
            `class_name` and `score`.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        with requires("a frame", "pandas", "'xception[pandas]'"):
            import pandas
        rows = [
            (index, path, rank, *prediction)
            for index, path, entry in zip(self.indices, self.paths, self._entries, strict=True)
            for rank, prediction in enumerate(entry, start=1)
        ]
        return pandas.DataFrame(rows, columns=["index", "path", "rank", *Prediction._fields])


class WrittenPredictions:
    """What `xception.predict` returns if it writes its predictions: how many there are, and failures.

    Its length is the number of photographs whose predictions were written.

    Args:
        path: The file or folder.
        count: The number of photographs in it.
        failures: What could not be read.
        resumed: See the attribute.

    Attributes:
        path: The file or folder. If no photograph could be read, no file was written.
        failures: What could not be read, where `on_error="skip"`.
        resumed: How many of the photographs had been computed before an interruption.
    """

    def __init__(self, path: str, count: int, failures: Iterable[Failure] = (), resumed: int = 0) -> None:
        self.path, self.failures, self.resumed = path, list(failures), resumed
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        failures = f", {count_of(len(self.failures), 'failure')}" if self.failures else ""
        return f"<WrittenPredictions {self.path}: {count_of(len(self), 'photograph')}{failures}>"


def to_dict(path: str | None, predictions: Iterable[Prediction]) -> dict[str, Any]:
    """Return what JSON holds of a photograph: its path and its predictions."""
    return {"path": path, "predictions": [prediction._asdict() for prediction in predictions]}


def _thumbnail(source: Any) -> str:
    """Return a photograph as an `<img>`; nothing if it can no longer be read."""
    if source is None:
        return ""
    try:
        if hasattr(source, "seek") and hasattr(source, "read"):
            source.seek(0)
        return thumbnail(load_image(source, None))
    except (OSError, ValueError, TypeError):
        return ""
