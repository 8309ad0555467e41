"""A bar on stderr for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0  #: seconds before a bar shows itself


@contextmanager
def progress_bar(total: int, unit: str, verbose: str | int = "auto") -> Iterator[Callable[[int], object]]:
    """Yields a function to call with how much has been done since the last call.

    verbose: 0 for no bar, 1 for a bar at once, "auto" for one that appears after two seconds.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f'verbose must be "auto", 0, 1 or 2, got {verbose!r}')
    if not verbose:
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, delay=PATIENCE if verbose == "auto" else 0) as bar:
        yield bar.update
