"""HTTP on a connection: uvicorn's protocol by httptools, with limits of its own.

httptools parses in C. h11, which is Python, holds the interpreter's lock meanwhile, so that refusals took a
fifth longer. h11 bounds the head of a request; httptools does not.
"""

from __future__ import annotations

from typing import Any

MAX_HEAD_BYTES = 64 << 10  #: of a request line and its headers, as h11 has it


def protocol(max_body_bytes: int) -> Any:
    """Return the class of uvicorn's protocol: by httptools, or "h11" where that is not installed.

    Args:
        max_body_bytes: How much of a body is read and dropped after its request was refused.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return "h11"

    class LimitedProtocol(HttpToolsProtocol):
        """A connection, closed when a head does not end, or the body of what was refused does not."""

        _head_bytes = 0  #: of the head that is being read
        _is_in_head = True
        _has_ended = False  #: whether a request has ended in what is being read
        _dropped_bytes = 0

        def data_received(self, data: bytes) -> None:
            self._has_ended = False
            super().data_received(data)
            if not self._is_in_head or self._has_ended:
                return
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request line and headers are too long.")

        def on_headers_complete(self) -> None:
            self._is_in_head, self._dropped_bytes = False, 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if self.cycle.response_complete:
                self._dropped_bytes += len(body)
                if self._dropped_bytes > max_body_bytes:
                    self.transport.close()
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._is_in_head, self._has_ended, self._head_bytes = True, True, 0
            super().on_message_complete()

    return LimitedProtocol
