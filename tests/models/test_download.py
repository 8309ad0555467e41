"""Downloads from servers that are slow, wrong, or send without end."""

import contextlib
import hashlib
import http.server
import io
import threading
import time

import pytest

from xception.models import download as module
from xception.models.download import download

CONTENT = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/").replace("-", "_"))()

    def start(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.close_connection = True

    def whole(self):
        self.start(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT)

    def in_pieces(self):
        self.start(Transfer_Encoding="chunked")
        for i in range(0, len(CONTENT), 100_000):
            piece = CONTENT[i : i + 100_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def endless(self, status=200, **headers):
        self.start(status, **headers)
        while not self.server.is_stopping:
            self.server.sent += self.wfile.write(CONTENT)

    def endless_redirect(self):
        self.endless(302, Location="/whole")

    def endless_error(self):
        self.endless(404)

    def announced(self):
        self.endless(Content_Length=1 << 40)

    def packed(self):
        self.start(Content_Length=len(CONTENT), Content_Encoding="gzip")
        self.wfile.write(CONTENT)

    def cut(self):
        self.start()
        self.wfile.write(CONTENT[:1000])

    def silent(self):
        self.start(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT[:1000])
        self.server.stop.wait(20)

    def mute(self):
        self.server.stop.wait(20)

    def dripping(self):
        self.start(Content_Length=len(CONTENT))
        while not self.server.stop.wait(0.02):
            self.wfile.write(b"x")

    def redirect(self):
        self.start(302, Location="/whole", Content_Length=0)

    def circle(self):
        self.start(302, Location="/circle", Content_Length=0)

    def to_a_file(self):
        self.start(302, Location="file:///etc/passwd", Content_Length=0)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.sent, server.stop, server.is_stopping = 0, threading.Event(), False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.is_stopping = True
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    stream = io.BytesIO()

    def call(path):
        server.sent = 0
        return download(f"http://127.0.0.1:{server.server_port}/{path}", stream, len(CONTENT)), stream

    call.stream = stream
    return call


@pytest.mark.parametrize("path", ["whole", "in-pieces", "redirect", "endless-redirect", "packed"])
def test_the_content_as_it_was_sent(fetch, path):
    digest, stream = fetch(path)
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert stream.getvalue() == CONTENT


def test_what_has_no_end_is_read_to_the_known_size(fetch):
    with pytest.raises(ValueError, match="another one: it has over 1,024,000 bytes"):
        fetch("endless")
    assert len(fetch.stream.getvalue()) <= len(CONTENT)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("announced", ValueError, "another one: it has 1,099,511,627,776 bytes"),
        ("endless-error", OSError, "404"),
        ("cut", OSError, "the connection ended after 1,000 of 1,024,000 bytes"),
        ("circle", OSError, "more than 10 redirects"),
        ("to-a-file", (OSError, ValueError), "file:///etc/passwd"),
    ],
)
def test_other_answers_are_refused_at_once(fetch, server, path, error, message):
    with pytest.raises(error, match=message):
        fetch(path)
    assert len(fetch.stream.getvalue()) <= 1000
    assert server.sent < 64 << 20  # the system's buffers


@pytest.mark.parametrize("path", ["mute", "silent", "dripping"])
def test_a_server_that_stops_sending_is_given_up(fetch, monkeypatch, path):
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(OSError, match=r"timed out|too slow"):
        fetch(path)
    assert time.monotonic() - start < 10


def test_the_first_cause_is_said_without_the_address(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    expected = r"^Failed to establish a new connection: \[Errno \d+\] Connection refused$"
    with pytest.raises(ConnectionError, match=expected):
        download("http://127.0.0.1:9/x", io.BytesIO(), 1)
