"""Load on a server of this machine: `python benchmarks/serve.py [MODEL]`.

Measures, in turns, because machines drift:

- throughput of 16 clients and latency of one, with threads and with processes, against `predict` on the
  same photographs, and against the services of `twelve_lines.py` where FastAPI, and ONNX Runtime, are
  installed;
- how soon a server refuses that is full of photographs;
- memory and liveness while 40 clients send tensors as JSON, 5.7 MB each.
"""

import contextlib
import http.client
import importlib.util
import json
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

import xception
from xception.engine.cpus import usable_cpus

HERE = Path(__file__).resolve().parent
EXAMPLES = sorted((HERE.parent / "examples").glob("*.jpg"))
CLIENTS, PHOTOGRAPHS, ROUNDS = 16, 48, 3
SECONDS, PROBES = 20, 12
TENSOR_CLIENTS = 40
PAUSE = 0.2  # seconds: threads of ONNX Runtime wait actively for a while, and slow others down
FORM = {"Content-Type": "multipart/form-data; boundary=part"}


class Server:
    """A server in a process of its own, until the end of a `with` block.

    Args:
        arguments: What Python runs.
        port: Where it listens.
        variables: Its environment, beside this one's.
    """

    def __init__(self, arguments: list[str], port: int, variables: Mapping[str, str] | None = None) -> None:
        self.port, self._arguments, self._variables = port, arguments, dict(variables or {})

    def __enter__(self) -> "Server":
        environment = {**os.environ, **self._variables}
        self._process = subprocess.Popen(
            [sys.executable, *self._arguments], env=environment, cwd=HERE, stderr=subprocess.DEVNULL
        )
        for _ in range(300):
            try:
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=1).connect()
                return self
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{' '.join(self._arguments)} does not answer")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        status = self._process.wait()
        assert status in (0, -signal.SIGTERM), f"{' '.join(self._arguments)} ended with {status}"

    def resident_megabytes(self, key: str = "VmRSS") -> float:
        """Return the memory that it holds; of "VmHWM", the most that it has held."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        (value,) = (line.split()[1] for line in lines if line.startswith(key))
        return int(value) * 1024 / 1e6


def ask(
    port: int, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, float, bytes]:
    """Send a request; return the status, the seconds and the answer."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before its body was read
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, time.perf_counter() - start, content


def as_form(photo: bytes) -> bytes:
    """Return a form with a photograph."""
    head = b'--part\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head + photo + b"\r\n--part--\r\n"


def run_in_threads(function: Callable[[], None], count: int) -> None:
    """Call a function in several threads, and wait for all."""
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds_of_load(port: int, forms: list[bytes]) -> float:
    """Send photographs from several clients at once; return how long all take."""
    waiting, statuses = list(forms), set()

    def send() -> None:
        while waiting:
            try:
                form = waiting.pop()
            except IndexError:
                return
            statuses.add(ask(port, "/predict", form, FORM)[0])

    start = time.perf_counter()
    run_in_threads(send, CLIENTS)
    assert statuses == {200}, statuses
    return time.perf_counter() - start


def keep_sending(port: int, path: str, body: bytes, clients: int, end: float) -> None:
    """Keep a server full, from a process of its own: threads of one process would wait for each other.

    A client that was refused tries again after a random time, as clients should, so that they do not come
    all at once.
    """

    def send() -> None:
        while time.time() < end:
            status, _, _ = ask(port, path, body)
            time.sleep(0 if status == 200 else random.uniform(0.25, 0.75))

    run_in_threads(send, clients)


def probe(port: int, path: str, body: bytes | None) -> list[tuple[int, float]]:
    """Send requests to a server under load, with a pause after each."""
    answers: list[tuple[int, float]] = []
    end = time.perf_counter() + SECONDS

    def send() -> None:
        while time.perf_counter() < end:
            answers.append(ask(port, path, body)[:2])
            time.sleep(0.1)

    run_in_threads(send, PROBES)
    return answers


def under_load(
    port: int, path: str, body: bytes, clients: int, measure: Callable[[], list[tuple[int, float]]]
) -> list[tuple[int, float]]:
    """Return what is measured while clients keep a server full."""
    end = time.time() + SECONDS + 4
    loads = [
        multiprocessing.Process(target=keep_sending, args=(port, path, body, clients // 2, end))
        for _ in range(2)
    ]
    for load in loads:
        load.start()
    time.sleep(3)
    answers = measure()
    for load in loads:
        load.join()
    return answers


def say_times(label: str, seconds: list[float]) -> None:
    """Print the median and what 99 of 100 stay below."""
    ordered = sorted(seconds)
    half, nearly = (1000 * ordered[int(part * len(ordered))] for part in (0.5, 0.99))
    print(f"{label}: half within {half:.0f} ms, 99 % within {nearly:.0f} ms", flush=True)


def services(model: str, folder: str) -> dict[str, Server]:
    """Return the servers that are compared, by name."""
    own = ["-m", "xception", "serve", "--model", model, "--name", "m", "--log", "none", "--port"]
    found = {"xception serve": Server([*own, "18432"], 18432)}
    if usable_cpus() > 1:  # a thread each, instead of threads in one process
        workers = ["--workers", str(usable_cpus())]
        found[f"with {' '.join(workers)}"] = Server([*own, "18435", *workers], 18435)
    peer = ["-m", "uvicorn", "twelve_lines:app", "--log-level", "warning", "--port"]
    if importlib.util.find_spec("fastapi"):
        variables = {"ENGINE": "xception", "MODEL": model}
        found["FastAPI, xception"] = Server([*peer, "18433"], 18433, variables)
        if importlib.util.find_spec("onnxruntime"):
            exported = f"{folder}/model.onnx"
            xception.load_model(model).export(exported)
            variables = {"ENGINE": "onnxruntime", "MODEL": exported}
            found["FastAPI, ONNX Runtime"] = Server([*peer, "18434"], 18434, variables)
    return found


def compare(model: str, servers: Mapping[str, Server], photos: list[bytes]) -> None:
    """Print throughput and latency of each server, and of `predict`."""
    classifier = xception.Classifier(model)
    forms = [as_form(photo) for photo in photos]
    loads: dict[str, list[float]] = {name: [] for name in ("predict", *servers)}
    singles: dict[str, list[float]] = {name: [] for name in loads}
    xception.predict(photos[:8], classifier, verbose=0)
    for server in servers.values():
        seconds_of_load(server.port, forms[:CLIENTS])
    for _ in range(ROUNDS):
        start = time.perf_counter()
        xception.predict(photos, classifier, verbose=0)
        loads["predict"].append(time.perf_counter() - start)
        for name, server in servers.items():
            loads[name].append(seconds_of_load(server.port, forms))
        for photo, form in zip(photos[:12], forms, strict=False):
            time.sleep(PAUSE)
            start = time.perf_counter()
            xception.predict([photo], classifier, top=1, verbose=0)
            singles["predict"].append(time.perf_counter() - start)
            for name, server in servers.items():
                time.sleep(PAUSE)
                singles[name].append(ask(server.port, "/predict", form, FORM)[1])
    for name in loads:
        speed = PHOTOGRAPHS / statistics.median(loads[name])
        share = statistics.median(a / b for a, b in zip(loads["predict"], loads[name], strict=True))
        alone = statistics.median(singles[name])
        times = statistics.median(b / a for a, b in zip(singles["predict"], singles[name], strict=True))
        print(
            f"{name:22} {CLIENTS} clients {speed:5.1f} photographs a second ({share:.2f} of predict's), "
            f"one client {1000 * alone:4.0f} ms ({times:.2f})",
            flush=True,
        )


def fill_with_photographs(server: Server, photo: bytes) -> None:
    """Print how soon a full server refuses."""
    answers = under_load(
        server.port, "/predict", photo, CLIENTS * 10, lambda: probe(server.port, "/predict", photo)
    )
    refused = [seconds for status, seconds in answers if status == 503]
    assert {status for status, _ in answers} <= {200, 503}
    say_times(f"{len(refused)} of {len(answers)} probes of a full server refused", refused)


def fill_with_tensors(server: Server) -> None:
    """Print memory and liveness while clients send tensors as JSON."""
    x = np.random.default_rng(0).uniform(-1, 1, (1, 299, 299, 3)).astype(np.float32)
    body, path = json.dumps({"instances": x.tolist()}).encode(), "/v1/models/m:predict"
    before = ask(server.port, path, body)[2]
    idle, peak, held = server.resident_megabytes(), 0.0, 0.0

    def watch() -> list[tuple[int, float]]:
        nonlocal peak, held
        answers, end = [], time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            answers.append(ask(server.port, "/healthz")[:2])
            text = ask(server.port, "/metrics")[2].decode()
            (line,) = (line for line in text.splitlines() if line.startswith("xception_held_bytes"))
            peak, held = max(peak, server.resident_megabytes()), max(held, float(line.split()[1]) / 1e6)
            time.sleep(0.05)
        return answers

    answers = under_load(server.port, path, body, TENSOR_CLIENTS, watch)
    print(
        f"{TENSOR_CLIENTS} clients of {len(body) / 1e6:.1f} MB: idle {idle:.0f} MB, peak {peak:.0f} MB "
        f"(queue {held:.0f} MB), afterwards {server.resident_megabytes():.0f} MB"
    )
    assert {status for status, _ in answers} == {200}
    say_times("liveness meanwhile", [seconds for _, seconds in answers])
    after = ask(server.port, path, body)[2]
    first, last = (np.array(json.loads(answer)["predictions"]) for answer in (before, after))
    np.testing.assert_allclose(first, last, rtol=1e-4)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(sys.argv[1]).resolve()) if sys.argv[1:] else f"{folder}/model.keras"
        if not sys.argv[1:]:
            xception.Xception(weights=None, seed=0).save(model)
        photos = [EXAMPLES[i % len(EXAMPLES)].read_bytes() for i in range(PHOTOGRAPHS)]
        servers = services(model, folder)
        own = servers["xception serve"]
        with own:
            with contextlib.ExitStack() as peers:
                for server in servers.values():
                    if server is not own:
                        peers.enter_context(server)
                compare(model, servers, photos)
            fill_with_photographs(own, photos[0])
            fill_with_tensors(own)


if __name__ == "__main__":
    main()
