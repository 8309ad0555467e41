"""Memory of decoded images, reused from one photograph to the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Pillow's blocks of 16 MiB that are kept for each thread: 16 million pixels of 4 bytes.
BLOCKS_PER_THREAD = 4

_lock = threading.Lock()
_threads = 0  #: that decode images
_before = 0  #: blocks that Pillow kept without them


@contextmanager
def reuse_image_memory(threads: int) -> Iterator[None]:
    """Let Pillow keep the memory of images for the next ones within a `with` block.

    By default it gives the memory of an image back to the system, which hands it out anew page by page,
    filled with zeros. That takes 30 to 45 of the 110 ms of CPU time of a photograph of 12 megapixels. See
    https://pillow.readthedocs.io/en/stable/reference/block_allocator.html.

    Args:
        threads: How many threads decode images.
    """
    global _threads, _before
    from PIL import Image

    arena = Image.core  # type: ignore[attr-defined]
    with _lock:
        if not _threads:
            _before = arena.get_blocks_max()
        _threads += threads
        arena.set_blocks_max(max(_before, BLOCKS_PER_THREAD * _threads))
    try:
        yield
    finally:
        with _lock:
            _threads -= threads
            arena.set_blocks_max(max(_before, BLOCKS_PER_THREAD * _threads))  # which gives the others back
