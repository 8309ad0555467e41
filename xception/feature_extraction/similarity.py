"""Which photographs are like one another: the cosine between their pooled features."""

from __future__ import annotations

import numpy as np

from ..kernels import Array

CHUNK = 1024  #: rows in memory at a time


def nearest(query: Array, rows: Array, top: int = 10) -> list[tuple[int, float]]:
    """The `top` rows of (n, d) that are most like the query (d,), best first: (row, cosine −1…1).

    rows may lie on disk; a part of them is in memory at a time.
    """
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    length = np.linalg.norm(query) or 1.0
    cosines = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), CHUNK):
        part = np.asarray(rows[start : start + CHUNK], np.float32)
        lengths = np.linalg.norm(part, axis=1)
        lengths[lengths == 0] = 1
        cosines[start : start + CHUNK] = part @ query / (lengths * length)
    order = np.argsort(-cosines, kind="stable")[:top]
    return [(int(row), float(cosines[row])) for row in order]
