"""`xception serve`: as a process."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import xception
from xception.cli.main import main
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input

for package in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    graph = xception.Graph("small")
    x = graph.add(Input((16, 12, 3)), name="image")
    x = graph.add(GlobalAveragePooling2D(), graph.add(Conv2D(4, 3), x), name="pool")
    graph.add(Dense(2, "softmax"), x, name="scores")
    path = tmp_path_factory.mktemp("model") / "stripes.keras"
    xception.Model(graph, seed=0, class_names=["a", "b"]).save(path)
    return path


class Process:
    """A server as a process, on a free port."""

    def __init__(self, *arguments, start=("-m", "xception"), **environment):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, *start, "serve", "--port", str(self.port), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        )  # fmt: skip
        self.first_line = self.process.stderr.readline()

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr


def test_it_answers_and_ends_with_0(model, examples):
    server = Process("--model", model)
    assert server.first_line == f"xception: stripes at http://localhost:{server.port}/\n"
    photo = (examples / "chelsea.jpg").read_bytes()
    status, body = server.call("POST", "/predict?top=1", photo)
    assert status == 200
    assert json.loads(body)["model"] == "stripes"
    code, log = server.end()
    assert code == 0
    assert log.startswith("127.0.0.1 POST /predict 200 ")


def test_the_token_comes_from_the_environment(model, examples):
    server = Process("--model", model, "--log", "json", XCEPTION_SERVER_TOKEN="secret")
    assert server.call("GET", "/info")[0] == 401
    assert server.call("GET", "/info", headers={"Authorization": "Bearer secret"})[0] == 200
    code, log = server.end()
    assert code == 0
    assert [json.loads(line)["status"] for line in log.splitlines()] == [401, 200]
    assert "secret" not in log


#: Starts the command as on a system without fork.
WITHOUT_FORK = """
import os
if __name__ == "__main__":
    if hasattr(os, "fork"):
        del os.fork
    from xception.__main__ import run
    run()
"""


@pytest.fixture(params=["forked", "spawned"])
def start(request, tmp_path):
    if request.param == "forked":
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        return ("-m", "xception")
    (tmp_path / "start.py").write_text(WITHOUT_FORK)
    return (str(tmp_path / "start.py"),)


def test_workers_share_the_port_and_the_figures(model, examples, start):
    server = Process("--model", model, "--workers", "2", start=start)
    assert server.first_line.endswith(", 2 workers\n")
    photo = (examples / "coffee.jpg").read_bytes()
    assert [server.call("POST", "/predict", photo)[0] for _ in range(6)] == [200] * 6
    text = server.call("GET", "/metrics")[1].decode()
    assert 'xception_requests_total{status="200"} 6.0' in text
    assert server.end()[0] == 0


def test_a_proxy_that_goes_on_sending_after_sigterm_loses_nothing(model, examples):
    server = Process("--model", model, "--drain-delay", "5")
    photo = (examples / "chelsea.jpg").read_bytes()
    answers, has_ended = [], threading.Event()

    def forward():
        """As a proxy does: over one connection, as long as the server keeps it."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not has_ended.is_set():
            connection.request("POST", "/predict", photo)
            response = connection.getresponse()
            response.read()
            answers.append((time.monotonic(), response.status, response.will_close))
        connection.close()

    with ThreadPoolExecutor(4) as senders:
        sent = [senders.submit(forward) for _ in range(4)]
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        drains = time.monotonic()
        assert server.call("GET", "/v2/health/ready")[0] == 503
        assert server.call("GET", "/healthz")[0] == 200
        time.sleep(1.5)
        has_ended.set()
        for future in sent:
            future.result()  # no connection was reset
    server.process.communicate(timeout=60)
    assert server.process.returncode == 0
    assert {status for _, status, _ in answers} == {200}
    told = [will_close for when, _, will_close in answers if when > drains]
    assert len(told) > 10
    assert all(told)  # that the connection ends


def test_what_cannot_be_served_is_one_line(model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--model", str(model), "--port", port]) == 1
    assert f"127.0.0.1:{port}: cannot be opened" in capsys.readouterr().err
    assert main(["serve", "--model", "nothing.keras", "--port", "0"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
