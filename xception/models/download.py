"""Download of a file of known size, from a server that may be slow, wrong or malicious."""

from __future__ import annotations

import hashlib
import re
import time
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

from ..console.progress import ProgressBar
from ..errors import requires

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, SILENCE_SECONDS = 10, 10  #: after which a server that says nothing is given up
#: Speed below which a download is given up after SILENCE_SECONDS: a server may send a byte now and then.
MIN_BYTES_PER_SECOND = 1000
MAX_REDIRECTS = 10
CHUNK_BYTES = 1 << 16  #: read at a time


def download(url: str, stream: IO[bytes], size: int) -> str:
    """Download a file. It is read no further than its known size.

    Args:
        url: The address, http or https; so are those that it redirects to.
        stream: The file to write to.
        size: Length in bytes.

    Returns:
        The sha256 of the content, in hexadecimal digits.

    Raises:
        MissingPackageError: requests is not installed.
        OSError: It cannot be downloaded, or stops coming.
        ValueError: The file at the address has another size, or the address is none.
    """
    with requires("a download", "requests"):  # imported here: a start without a download needs none
        import requests

    digest, received, start = hashlib.sha256(), 0, time.monotonic()
    with requests.Session() as session, _open(session, url) as response:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) != size:
            raise ValueError(f"the file at that address is another one: it has {int(announced):,} bytes")
        with ProgressBar(size, "byte", task="download") as bar:
            while block := _read(response.raw):
                received += len(block)
                if received > size:
                    raise ValueError(f"the file at that address is another one: it has over {size:,} bytes")
                digest.update(block)
                stream.write(block)
                bar.advance(len(block))
                seconds = time.monotonic() - start
                if seconds > SILENCE_SECONDS and received < MIN_BYTES_PER_SECOND * seconds:
                    raise TimeoutError(f"the server is too slow: {received:,} bytes in {seconds:.0f} s")
    if received < size:
        raise ConnectionError(f"the connection ended after {received:,} of {size:,} bytes")
    return digest.hexdigest()


def _open(session: requests.Session, url: str) -> requests.Response:
    """Return the response at the end of redirects, whose own contents are not read: they may have no end."""
    find_target = session.get_redirect_target
    untyped: Any = session
    untyped.get_redirect_target = lambda _: None  # requests would read a redirect's content, whole
    for _ in range(MAX_REDIRECTS):
        try:
            response = session.get(
                url, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                headers={"Accept-Encoding": "identity"},
            )  # fmt: skip
        except OSError as error:  # all of requests' are
            raise ConnectionError(_reason(error)) from error
        target = find_target(response)
        if target is None:
            response.raise_for_status()
            return response
        response.close()
        url = urljoin(url, target)
    raise OSError(f"more than {MAX_REDIRECTS} redirects")


def _reason(error: Exception) -> str:
    """Return what went wrong first. requests and urllib3 wrap it, each with the whole address."""
    cause: BaseException = error
    while isinstance(inner := getattr(cause, "reason", None) or next(iter(cause.args), None), Exception):
        cause = inner
    text = str(cause.args[-1] if cause.args else cause)
    return re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", text)  # the connection


def _read(raw: Any) -> bytes:
    """Return what has arrived of a response, at most CHUNK_BYTES, as it was sent; b"" at its end.

    It is never unpacked: a packed megabyte can be a gigabyte.
    """
    from urllib3.exceptions import HTTPError

    try:
        block: bytes = raw.read1(CHUNK_BYTES, decode_content=False)  # `read` waits for so many bytes
        return block
    except HTTPError as error:
        raise ConnectionError(f"the connection broke off ({error})") from error
