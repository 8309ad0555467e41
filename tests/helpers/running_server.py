"""A server on a free port of this machine, in a thread, and requests to it."""

import contextlib
import http.client
import json
import socket
import threading
import time

import uvicorn

from xception.server.http_protocol import protocol


class Answer:
    """An answer: its status, headers and body."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


class RunningServer:
    """A server that answers until the block ends.

    Attributes:
        port: Its port.

    Args:
        application: What answers.
        root_path: The path under which a proxy offers it; the proxy takes it off.
    """

    def __init__(self, application, root_path=""):
        self.application = application
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="on", root_path=root_path,
            http=protocol(1 << 20),
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self):
        self._thread.start()
        while not self._server.started:  # it computes once before
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def call(self, method, path, body=None, headers=None):
        """Send a request; return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())

    def get(self, path, **headers):
        return self.call("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.call("POST", path, body, headers)

    def post_json(self, path, value, headers=None):
        return self.call("POST", path, json.dumps(value).encode(), headers)

    def raw(self, content):
        """Send bytes as they are; return what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as stream:
            stream.sendall(content)
            parts = []
            while part := stream.recv(65536):
                parts.append(part)
        return b"".join(parts)


def form(files, fields=()):
    """A form with (field, file name, content) and (field, text); returns (body, headers)."""
    boundary = "----boundary7MA4"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content + b"\r\n" for field, name, content in files
    ]  # fmt: skip
    parts += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{text}\r\n'.encode()
        for field, text in fields
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
