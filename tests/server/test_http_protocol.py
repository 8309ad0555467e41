"""What a connection may send before it is closed."""

import socket

import pytest

pytest.importorskip("httptools")


def send(server, *parts, count=1):
    """Send bytes, the last part `count` times; return what came back before the server closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        received = b""
        try:
            for part in (*parts, *[parts[-1]] * (count - 1)):
                connection.sendall(part)
        except OSError:  # closed while this was sent
            pass
        try:
            while block := connection.recv(65536):
                received += block
        except ConnectionResetError:
            pass
        return received


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX: 1\r\nY-"])
def test_a_head_that_does_not_end_is_cut_off(server, start):
    answer = send(server, start, b"a" * 8192, count=20)
    assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_many_headers_are_cut_off(server):
    answer = send(server, b"GET /healthz HTTP/1.1\r\n", b"x: y\r\n" * 1000, count=40)
    assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_heads_are_counted_one_by_one(server):
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 30_000 + b"\r\n"
    answer = send(server, (head + b"\r\n") * 4 + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 5


def test_the_body_of_what_was_refused_is_not_read_for_ever(server):
    head = b"POST /predict HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        with pytest.raises(OSError, match=r"reset|pipe|aborted"):
            connection.sendall(b"a" * 100_000_000)
