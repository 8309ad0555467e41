"""Load on a server of this machine: `python benchmarks/serve.py [MODEL]`.

Prints the throughput of 16 clients and the latency of one, each against `predict` on the same
photographs, and how soon a full server refuses. `predict` and the server take turns: machines drift.
"""

import http.client
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import xception

EXAMPLES = sorted(Path("examples").glob("*.jpg"))
PORT = 18432
CLIENTS, PHOTOGRAPHS, ROUNDS = 16, 48, 3
FULL_SECONDS, PROBES = 20, 12


def post(photo: bytes) -> tuple[int, float]:
    """Send a photograph; return the status and the seconds."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    connection.request("POST", "/predict?top=1", photo)
    status = connection.getresponse().status
    connection.close()
    return status, time.perf_counter() - start


def run_in_threads(function: Callable[[], None], count: int) -> None:
    """Call a function in several threads, and wait for all."""
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def load(photos: list[bytes], clients: int) -> list[tuple[int, float]]:
    """Send photographs from several clients at once."""
    answers: list[tuple[int, float]] = []
    waiting = list(photos)

    def send() -> None:
        while waiting:
            try:
                photo = waiting.pop()
            except IndexError:
                return
            answers.append(post(photo))

    run_in_threads(send, clients)
    return answers


def fill(photo: bytes) -> None:
    """Keep the server full, from a process of its own: threads of one process would wait for each other."""

    def send() -> None:
        while True:
            status, _ = post(photo)
            time.sleep(0 if status == 200 else 1)

    for _ in range(CLIENTS * 10):
        threading.Thread(target=send, daemon=True).start()
    time.sleep(FULL_SECONDS + 60)


def probe(photo: bytes) -> list[tuple[int, float]]:
    """Send photographs to a full server, with a pause after each."""
    answers: list[tuple[int, float]] = []
    end = time.perf_counter() + FULL_SECONDS

    def send() -> None:
        while time.perf_counter() < end:
            answers.append(post(photo))
            time.sleep(0.1)

    run_in_threads(send, PROBES)
    return answers


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = sys.argv[1] if sys.argv[1:] else f"{folder}/model.keras"
        if not sys.argv[1:]:
            xception.Xception(weights=None, seed=0).save(path)
        classifier = xception.Classifier(path)
        photos = [EXAMPLES[i % len(EXAMPLES)].read_bytes() for i in range(PHOTOGRAPHS)]
        arguments = ["--model", path, "--port", str(PORT), "--log", "none"]
        command = [sys.executable, "-m", "xception", "serve", *arguments]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        print(server.stderr.readline().strip())
        xception.predict(photos[:2], classifier, verbose=0)
        ours: list[float] = []
        theirs: list[float] = []
        single: list[float] = []
        alone: list[float] = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            xception.predict(photos, classifier, verbose=0)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            answers = load(photos, CLIENTS)
            theirs.append(time.perf_counter() - start)
            assert {status for status, _ in answers} == {200}
            for photo in photos[:12]:
                start = time.perf_counter()
                xception.predict([photo], classifier, top=1, verbose=0)
                alone.append(time.perf_counter() - start)
                single.append(post(photo)[1])
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        speed = PHOTOGRAPHS / statistics.median(theirs)
        print(f"throughput of {CLIENTS} clients: {speed:.1f} photographs a second, {ratio:.2f} of predict's")
        latency = statistics.median(single) / statistics.median(alone)
        print(f"latency of one client: {1000 * statistics.median(single):.0f} ms, {latency:.2f} of predict's")
        clients = multiprocessing.Process(target=fill, args=(photos[0],), daemon=True)
        clients.start()
        time.sleep(3)
        answers = probe(photos[0])
        clients.terminate()
        clients.join()
        refused = sorted(seconds for status, seconds in answers if status == 503)
        print(f"ten times the clients: {len(refused)} of {len(answers)} probes refused", end="")
        half, nearly = (1000 * refused[int(part * len(refused))] for part in (0.5, 0.99))
        print(f", half within {half:.0f} ms, 99 % within {nearly:.0f} ms")
        server.terminate()
        print(f"exit status {server.wait()}")


if __name__ == "__main__":
    main()
