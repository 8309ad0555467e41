"""Decoding in a child process, so that a photograph that kills its process does not end the job.

`python -m xception.jobs.decoding` is that process. It decodes many photographs, one after the other.
"""

from __future__ import annotations

import contextlib
import io
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from ..data import locations
from ..data.image_files import read_remote
from ..errors import ImageError
from .children import Child, ChildEndedError, open_pipes, picklable, read_message, write_message


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
            source: Its path, or its URL, which is read in this process.

        Raises:
            ImageError: It has killed the process that read it.
            Exception: What `load_image` raises.
        """
        content = read_remote(source) if locations.is_remote(source) else None
        child = self._child = self._child or Child(__name__)
        try:
            child.send((source, content, self._options))
            result = child.receive()
        except ChildEndedError:
            how = child.describe_end()
            self._end()
            raise ImageError(f"{source}: killed the process that read it ({how})") from None
        if isinstance(result, Exception):
            raise result
        return result


class _NamedBytes(io.BytesIO):
    """The content of a file behind a URL, whose name stands in messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def serve() -> None:
    """Read photographs until the parent closes the pipe."""
    from ..data.images import load_image

    source, target = open_pipes()
    while True:
        try:
            path, content, options = read_message(source)
        except EOFError:
            return
        try:
            result: Any = load_image(path if content is None else _NamedBytes(content, path), **options)
        except Exception as error:
            result = picklable(error)
        write_message(target, result)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the parent was killed
        serve()
