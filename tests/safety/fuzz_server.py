"""Requests from a fuzzer against the OpenAPI description of a server: `python tests/safety/fuzz_server.py`.

Needs schemathesis. Fails if an answer has a status of 500, or is none that the description names; if a
request hangs; if the server's memory grows; or if the server writes to its log or does not end with 0.
"""

import argparse
import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import xception
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
PORT = 18441
OPERATIONS_THAT_VARY = 8  # the others take nothing, and are called a few times
MAX_GROWTH = 30e6
SLOWEST = 10  # requests a second


def save_model(path: Path) -> None:
    """Save a small classifier."""
    graph = xception.Graph("small")
    x = graph.add(Input((6, 4, 3)), name="image")
    x = graph.add(GlobalAveragePooling2D(), graph.add(Conv2D(4, 3), x), name="pool")
    graph.add(Dense(3, "softmax"), x, name="scores")
    xception.Model(graph, seed=0, class_names=["cat", "dog", "red fox"]).save(path)


def resident_bytes(process: subprocess.Popen[str]) -> int:
    """Return the memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def fuzz(requests: int, seed: int, folder: str) -> None:
    """Send about as many requests; stop the program at a failure. The fuzzer keeps notes in a folder.

    Now and then the fuzzer goes on without an end, with requests that are answered. It is stopped then.
    """
    command = [
        "schemathesis", "run", f"http://127.0.0.1:{PORT}/openapi.json", "--checks", CHECKS,
        "--phases", "fuzzing", "--max-examples", str(requests // OPERATIONS_THAT_VARY), "--seed", str(seed),
        "--workers", "2", "--request-timeout", "60", "--no-color", "--suppress-health-check", "all",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, cwd=folder, timeout=60 + requests / SLOWEST)
    except subprocess.TimeoutExpired:
        print("the fuzzer did not end by itself")


def wait_for_server() -> None:
    """Return when the port is open."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT)):
            return
        time.sleep(0.2)
    raise RuntimeError("the server does not answer")


def read(path: str) -> str:
    """Return what the server answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=60) as answer:
        return answer.read().decode()


def answered() -> dict[str, int]:
    """Return how many requests the server has answered, by status."""
    found = re.findall(r'xception_requests_total\{status="(\d+)"\} (\S+)', read("/metrics"))
    return {status: int(float(count)) for status, count in found if float(count)}


def check(server: subprocess.Popen[str], requests: int, seed: int, folder: str) -> None:
    """Fuzz a server, and compare its memory before and after."""
    fuzz(requests // 5, seed, folder)
    warm = resident_bytes(server)
    fuzz(requests - requests // 5, seed + 1, folder)
    grown = resident_bytes(server) - warm
    assert read("/healthz") == '{"live": true}'
    assert "xception_in_flight 0.0" in read("/metrics")
    statuses = answered()
    print(f"{sum(statuses.values())} requests: {statuses}; memory {warm / 1e6:.0f} {grown / 1e6:+.1f} MB")
    assert grown < MAX_GROWTH
    assert not statuses.get("500")
    assert sum(statuses.values()) > requests // 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "small.keras")
        save_model(model)
        command = [sys.executable, "-m", "xception", "serve", "--model", str(model), "--port", str(PORT)]
        log = Path(folder, "log")
        with log.open("w") as stream:
            server = subprocess.Popen([*command, "--log", "none"], stderr=stream, text=True)
        try:
            wait_for_server()
            check(server, arguments.requests, arguments.seed, folder)
        finally:
            server.terminate()
            status = server.wait(timeout=60)
        assert (status, log.read_text()) == (0, f"xception: small at http://localhost:{PORT}/\n")


if __name__ == "__main__":
    main()
