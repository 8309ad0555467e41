"""Decoding of photographs in a process of its own, so that one that kills it does no more harm.

`python -m xception.jobs.decoding` is that process. It serves many photographs, one after the other.
"""

from __future__ import annotations

import contextlib
import signal
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from ..errors import ImageError
from .children import Child, ChildEnded, open_pipes, picklable, read_message, write_message


class DecodingProcess:
    """Reads photographs in another process. Use it as a context manager.

    Args:
        options: Of `load_image`, the same for all photographs.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._child: Child | None = None

    def __enter__(self) -> DecodingProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def load(self, source: str) -> NDArray[Any]:
        """Read a photograph as pixels, as `load_image` does.

        Args:
            source: Its path.

        Raises:
            ImageError: It has killed the process that read it.
            Exception: What `load_image` raises.
        """
        child = self._child = self._child or Child(__name__)
        try:
            child.send((source, self._options))
            result = child.receive()
        except ChildEnded:
            how = child.describe_end()
            self._end()
            raise ImageError(f"{source}: killed the process that read it ({how})") from None
        if isinstance(result, Exception):
            raise result
        return result


def serve() -> None:
    """Read photographs until the parent closes the pipe."""
    from ..data.images import load_image

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to end
    source, target = open_pipes()
    while True:
        try:
            path, options = read_message(source)
        except EOFError:
            return
        try:
            result: Any = load_image(path, **options)
        except Exception as error:
            result = picklable(error)
        write_message(target, result)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the parent was killed
        serve()
