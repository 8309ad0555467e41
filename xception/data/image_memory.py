"""Memory of decoded images, reused from one photograph to the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..locks import OwnedLock

#: Pillow's blocks of 16 MiB that are kept for each thread: 16 million pixels of 4 bytes.
BLOCKS_PER_THREAD = 4

_lock = OwnedLock("the use of the memory of images")
#: Numbers of threads, by a lock that is held while they use the blocks. No interrupt can keep it held.
_uses: dict[threading.Lock, int] = {}
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
    global _before
    from PIL import Image

    arena, use = Image.core, threading.Lock()  # type: ignore[attr-defined]

    def update() -> None:
        used = sum(count for other, count in _uses.items() if other.locked())
        arena.set_blocks_max(max(_before, BLOCKS_PER_THREAD * used))
        for other in [other for other in _uses if not other.locked()]:  # last: an interrupt may come before
            del _uses[other]

    try:
        with use:
            with _lock.hold():
                if not _uses:
                    _before = arena.get_blocks_max()
                _uses[use] = threads
                update()
            yield
    finally:
        with _lock.hold():
            update()  # which gives the others back
