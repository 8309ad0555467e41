"""How results show themselves in a notebook: HTML, without any dependency."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable

import numpy as np

from ..data.imagenet import Prediction
from ..kernels import Array

THUMBNAIL = 96  #: pixels, the longer side


class PhotographPredictions(list[Prediction]):
    """The best classes of one photograph, best first: a list that shows itself with its photograph."""

    def __init__(self, predictions: Iterable[Prediction], pixels: Array | None = None) -> None:
        super().__init__(predictions)
        self._thumbnail = None if pixels is None else _thumbnail(pixels)

    def _repr_html_(self) -> str:
        return f"<table>{self._row()}</table>"

    def _row(self) -> str:
        picture = "" if self._thumbnail is None else f'<img src="{_data_uri(self._thumbnail)}">'
        bars = "".join(_bar(prediction) for prediction in self)
        return (
            f'<tr><td style="vertical-align:top">{picture}</td>'
            f'<td style="text-align:left"><table>{bars}</table></td></tr>'
        )


class Predictions(list[PhotographPredictions]):
    """One list of classes for each photograph, which show themselves below each other."""

    def _repr_html_(self) -> str:
        return f"<table>{''.join(photo._row() for photo in self)}</table>"


def preformatted(text: str) -> str:
    """Text as it is, for a notebook."""
    return f'<pre style="line-height:1.2">{html.escape(text)}</pre>'


def _bar(prediction: Prediction) -> str:
    width = 120 * min(max(prediction.score, 0.0), 1.0)
    return (
        f'<tr><td style="text-align:left">{html.escape(prediction.label)}</td>'
        f'<td style="text-align:right">{prediction.score:.3f}</td><td style="text-align:left">'
        f'<div style="background:#4c78a8;height:0.8em;width:{width:.0f}px"></div></td></tr>'
    )


def _thumbnail(pixels: Array) -> Array:
    """(h, w, 3) uint8 with the longer side at most THUMBNAIL, every so many pixels."""
    step = max(1, -(-max(pixels.shape[:2]) // THUMBNAIL))
    return np.ascontiguousarray(pixels[::step, ::step])


def _data_uri(pixels: Array) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
