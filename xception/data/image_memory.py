"""Memory of decoded images, reused from one photograph to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..locks import OwnedLock

#: Pillow's blocks of 16 MiB that are kept for each thread: 16 million pixels of 4 bytes.
BLOCKS_PER_THREAD = 4

_lock = OwnedLock("the use of the memory of images")
_users: dict[object, int] = {}  #: of the blocks, with their numbers of threads
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

    arena, user = Image.core, object()  # type: ignore[attr-defined]

    def update() -> None:
        arena.set_blocks_max(max(_before, BLOCKS_PER_THREAD * sum(_users.values())))

    try:  # before it is counted: an interrupt may come at once
        with _lock.hold():
            if not _users:
                _before = arena.get_blocks_max()
            _users[user] = threads
            update()
        yield
    finally:
        with _lock.hold():
            _users.pop(user, None)
            update()  # which gives the others back
