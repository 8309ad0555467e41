"""HTML fragments for notebooks, without any dependency."""

from __future__ import annotations

import base64
import html
import io
import math

import numpy as np
from numpy.typing import NDArray

MAX_THUMBNAIL_PIXELS = 96  #: the longer side
BAR_PIXELS = 120  #: the width of a bar of length 1


def preformatted(text: str) -> str:
    """Return text in a fixed-width font, with its line breaks."""
    return f'<pre style="line-height:1.2">{html.escape(text)}</pre>'


def score_bar(name: str, score: float) -> str:
    """Return the cells of a table row: a name, a score, and a bar of its length, within 0…1."""
    width = 0.0 if math.isnan(score) else BAR_PIXELS * min(max(score, 0.0), 1.0)
    return (
        f'<td style="text-align:left">{html.escape(name)}</td>'
        f'<td style="text-align:right">{score:.3f}</td><td style="text-align:left">'
        f'<div style="background:#4c78a8;height:0.8em;width:{width:.0f}px"></div></td>'
    )


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """Return pixels (h, w, 3) as a small `<img>`, subsampled without interpolation."""
    from PIL import Image

    step = max(1, -(-max(pixels.shape[:2]) // MAX_THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).save(stream, "PNG")
    content = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="photograph" src="data:image/png;base64,{content}">'
