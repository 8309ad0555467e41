"""This library beside those that one would use instead: speed, cold start, installed size.

Peers take turns, one measurement each, in processes of their own. See README.md beside this file.
"""

import argparse
import datetime
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from steps import products
from worker import BATCHES

import xception
from xception.engine.cpus import usable_cpus
from xception.models import pretrained

HERE = Path(__file__).resolve().parent
OURS, FEATURES = "xception", "xception-features"
PAUSE = 0.05  #: seconds between turns, until the last one's threads have stopped spinning
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Peer:
    title: str
    cold: str = ""  #: the format from which it starts cold; none: it does not take part in that
    exports: tuple[str, ...] = ()  #: what export.py has to write for it
    packages: tuple[str, ...] = ()  #: the names it goes by; the first one that is installed counts


PEERS = {
    OURS: Peer("**this library**", "Keras .h5"),
    FEATURES: Peer("**this library**, features", "shipped float16 base"),
    "floor": Peer("*the floor*: matrix products alone"),
    "floor-depthwise": Peer("*NumPy's floor*: and the depthwise halves"),
    "onnxruntime": Peer("ONNX Runtime", ".onnx", ("onnx",), ("onnxruntime",)),
    "openvino": Peer("OpenVINO", "IR, .xml and .bin", ("onnx", "openvino"), ("openvino",)),
    "torch": Peer("PyTorch eager, channels_last", "torch.save", ("torch",), ("torch",)),
    "torch-compile": Peer("PyTorch torch.compile", "", ("torch",)),
    "tensorflow": Peer("TensorFlow tf.function", "", (), ("tensorflow-cpu", "tensorflow")),
    "keras": Peer("Keras model.predict", "Keras .h5"),
}
Times = dict[str, list[float]]  #: milliseconds of every turn, by peer


class LeftOut(Exception):  # noqa: N818
    """A peer that cannot take part, and why."""


# --- processes ------------------------------------------------------------------------------


def command(script: str, *arguments: object, threads: int) -> dict[str, object]:
    """How to start a script of this folder: as many threads as are asked for, whoever starts them."""
    pools = ("OMP", "OPENBLAS", "MKL")
    # The modules of all are compiled, as pip leaves them; ours too, if this is a checkout.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        "args": [sys.executable, str(HERE / script), *map(str, arguments)],
        # Compiled in the process itself, as workers of its own would take time from the others.
        "env": inherited | {f"{pool}_NUM_THREADS": str(threads) for pool in pools}
        | {"CUDA_VISIBLE_DEVICES": "", "TORCHINDUCTOR_COMPILE_THREADS": "1"},
        "text": True,
    }  # fmt: skip


def output(script: str, *arguments: object, threads: int) -> str:
    """What a script says. Raises LeftOut with its last words."""
    done = subprocess.run(**command(script, *arguments, threads=threads), capture_output=True)
    if done.returncode:
        raise LeftOut((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1][:200])
    return done.stdout


class Worker:
    """A peer's process."""

    def __init__(self, name: str, threads: int, folder: Path, *mode: str) -> None:
        with (folder / f"{name}.log").open("w") as log:
            self._process = subprocess.Popen(
                **command("worker.py", name, threads, folder, *mode, threads=threads),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=1,
            )  # fmt: skip

    def answer(self) -> float:
        """What it says next. Raises LeftOut."""
        line = self._process.stdout.readline()
        if not line:
            raise LeftOut(f"its process ended with status {self._process.wait()}")
        found = json.loads(line)
        if isinstance(found, str):
            raise LeftOut(found)
        return found

    def turn(self, batch: int) -> float:
        """Milliseconds of one prediction. Raises LeftOut."""
        try:
            self._process.stdin.write(f"{batch}\n")
        except OSError:
            raise LeftOut("its process ended") from None
        found = self.answer()
        time.sleep(PAUSE)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


# --- measuring ------------------------------------------------------------------------------


class Comparison:
    """One run: its folder, who is left of the peers, and why the others are not."""

    def __init__(self, peers: Sequence[str], folder: Path) -> None:
        self.peers, self.folder = [OURS, *peers], folder
        self.left_out: dict[str, str] = {}
        self.differences: dict[str, float] = {}

    def attempt(self, name: str, action: Callable[[], object]) -> None:
        """Do it, or leave the peer out from now on. We ourselves must not fail."""
        try:
            action()
        except LeftOut as reason:
            if name == OURS:
                raise
            self.peers = [other for other in self.peers if other != name]
            self.left_out[name] = str(reason)

    def prepare(self) -> str:
        """Write the input, the weights, and the files that peers need; says what they are."""
        photos = sorted((HERE.parent / "examples").glob("*.jpg")) * max(BATCHES)
        pixels = [xception.load_image(photo, target_size=(299, 299)) for photo in photos[: max(BATCHES)]]
        np.save(self.folder / "input.npy", xception.preprocess_input(np.stack(pixels)).astype(np.float32))
        complete = pretrained.cached_classifier()
        model = xception.Xception(weights=complete, seed=0)
        if complete is None:
            base = xception.Xception(include_top=False).get_weights()
            kernel, bias = model.get_weights()[len(base) :]
            model.set_weights([*base, 10 * kernel, bias])  # tenfold: else all classes come out alike
        model.save_weights(self.folder / "weights.h5")
        failed: dict[str, LeftOut | None] = {}
        for name in self.peers:
            self.attempt(name, lambda name=name: [self._export(one, failed) for one in PEERS[name].exports])
        return "ImageNet weights" if complete else "ImageNet weights with a random classifier"

    def _export(self, target: str, failed: dict[str, LeftOut | None]) -> None:
        """Write a format, once. Raises LeftOut."""
        if target not in failed:
            failed[target] = None
            try:
                output("export.py", target, self.folder, threads=1)
            except LeftOut as reason:
                failed[target] = reason
        if reason := failed[target]:
            raise reason

    def speed(self, threads: int, turns: dict[int, int]) -> dict[tuple[int, int], Times]:
        """Every turn, by (threads, batch size). Each turn has an order of its own."""
        workers = {name: Worker(name, threads, self.folder) for name in self.peers}
        times: dict[tuple[int, int], Times] = {(threads, batch): {} for batch in turns}
        order = random.Random(0)
        try:
            for name in list(self.peers):
                self.attempt(name, workers[name].answer)
            for name in list(self.peers):
                self.attempt(name, lambda name=name: self._check(name))
            for batch, count in turns.items():
                progress(f"{threads} thread(s), batch {batch}: {count} turns of {', '.join(self.peers)}")
                found = times[threads, batch]
                for _ in range(count):
                    for name in order.sample(self.peers, len(self.peers)):
                        add = found.setdefault(name, []).append
                        self.attempt(
                            name, lambda name=name, add=add, batch=batch: add(workers[name].turn(batch))
                        )
        finally:
            for worker in workers.values():
                worker.end()
        return {key: {name: found[name] for name in self.peers} for key, found in times.items()}

    def _check(self, name: str) -> None:
        """Compare a peer's answers with ours. Raises LeftOut where they differ."""
        if name in ("floor", "floor-depthwise", OURS):
            return
        ours, theirs = (np.load(self.folder / f"answer_{who}.npy") for who in (OURS, name))
        difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
        if not difference <= TOLERANCE:
            raise LeftOut(f"its answers differ from ours by {difference:.1e}")
        self.differences[name] = max(difference, self.differences.get(name, 0))

    def cold(self, threads: int, turns: int) -> dict[str, np.ndarray]:
        """(turns, 2): seconds from the process's start to its answer, and peak MiB."""
        found = {name: [] for name in (FEATURES, *self.peers) if PEERS[name].cold}
        order = random.Random(0)
        for _ in range(turns + 1):
            left = [name for name in found if name not in self.left_out]
            for name in order.sample(left, len(left)):
                self.attempt(name, lambda name=name: found[name].append(self._cold_start(name, threads)))
                time.sleep(PAUSE)
        # The first turn reads the disk, and does not count.
        return {name: np.array(pairs[1:]) for name, pairs in found.items() if name not in self.left_out}

    def _cold_start(self, name: str, threads: int) -> tuple[float, float]:
        start = time.perf_counter()
        worker = Worker(name, threads, self.folder, "once")
        try:
            memory = worker.answer()
            return time.perf_counter() - start, memory
        finally:
            worker.end()


# --- installed size -------------------------------------------------------------------------


def installed_size(requirements: Iterable[str], *more: Path) -> tuple[str, int, str]:
    """MB of everything that these require, directly or not; how many packages; what is not there."""
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    missing, waiting = set(), list(map(Requirement, requirements))
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            found[name] = metadata.distribution(name)
            waiting += map(Requirement, found[name].requires or ())
        except metadata.PackageNotFoundError:
            missing.add(name)
    files = {Path(path.locate()).resolve() for one in found.values() for path in one.files or ()}
    files |= {path for root in more for path in (root, *root.rglob("*"))}
    size = sum(path.stat().st_size for path in files if path.is_file())
    return f"{size / 1e6:.0f}", len(found), ", ".join(sorted(missing))


def is_installed(package: str) -> bool:
    return any(metadata.distributions(name=package))


# --- telling --------------------------------------------------------------------------------


def progress(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def spread(values: Sequence[float], digits: int) -> str:
    """Median (quartiles)."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def machine() -> str:
    """Everything that results depend on."""
    import threadpoolctl

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    packages = ["numpy", "scipy", "h5py", *(one for peer in PEERS.values() for one in peer.packages), "keras"]
    versions = [f"{one} {metadata.version(one)}" for one in packages if is_installed(one)]
    blas = [
        f"{pool['internal_api']} {pool['version']} with kernels for {pool.get('architecture')}"
        for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"
    ]  # fmt: skip
    chosen = [f"{key}={value}" for key, value in sorted(os.environ.items()) if key.startswith("OPENBLAS_")]
    return (
        f"- {datetime.datetime.now():%Y-%m-%d %H:%M}; {platform.system()}; {cpu}; {os.cpu_count()} cores, "
        f"{usable_cpus()} usable; load at the start {load}\n"
        f"- Python {platform.python_version()}, xception {xception.__version__}, {', '.join(versions)}\n"
        f"- NumPy's BLAS: {', '.join(dict.fromkeys(blas)) or 'unknown'}; "
        f"set in the environment: {', '.join(chosen) or 'no OPENBLAS_ variable'}"
    )


def tell_speed(times: dict[tuple[int, int], Times]) -> str:
    """Ratios, then milliseconds."""
    peers = [name for name in PEERS if any(name in found for found in times.values())]
    header = ["", *(f"{n} thread{'s' * (n > 1)}, batch {batch}" for n, batch in times)]

    def row(name: str, cell: Callable[[Times], str]) -> list[str]:
        return [PEERS[name].title, *(cell(found) if name in found else "–" for found in times.values())]

    ratios = [
        row(n, lambda found, n=n: spread(np.divide(found[OURS], found[n]), 2)) for n in peers if n != OURS
    ]
    milliseconds = [row(n, lambda found, n=n: spread(found[n], 1)) for n in peers]
    turns = ", ".join(str(len(found[OURS])) for found in times.values())
    return (
        "## Speed: ours / theirs\n\nBelow 1 this library is quicker. The ratio is taken within each turn; "
        f"median (quartiles) of {turns} turns.\n\n{table(header, ratios)}\n"
        f"## Speed: milliseconds a batch\n\n{table(header, milliseconds)}"
    )


def tell_cold(found: dict[str, np.ndarray], threads: int) -> str:
    ours = found[OURS][:, 0]
    rows = [
        [PEERS[name].title, PEERS[name].cold, spread(pairs[:, 0], 2), f"{np.median(pairs[:, 1]):.0f}",
         f"{np.median(ours / pairs[:, 0]):.2f}"]
        for name, pairs in found.items()
    ]  # fmt: skip
    return (
        f"## Cold start\n\nA fresh process: import, load the weights, one prediction on {threads} thread(s). "
        f"Median (quartiles) of {len(ours)} turns.\n\n"
        + table(["", "weights", "seconds", "peak MiB", "seconds, ours / theirs"], rows)
    )


def tell_sizes(peers: Iterable[str]) -> str:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    own = Path(xception.__file__).resolve().parent, pretrained.shipped_base()
    size, required, missing = installed_size(project["dependencies"], *own)
    rows = [["**this library**, with its weights", size, 1 + required, missing]]
    for name in peers:
        installed = [package for package in PEERS[name].packages if is_installed(package)]
        if installed:
            rows.append([installed[0], *installed_size(installed[:1])])
    return "## Installed size\n\nWith everything that is required.\n\n" + table(
        ["", "MB", "packages", "not installed here, so not counted"], rows
    )


def tell_steps(folder: Path, threads: Sequence[int], runs: int) -> str:
    found = [json.loads(output("steps.py", n, folder, runs, threads=n)) for n in threads]
    text = (
        "## Where this library's time goes\n\nOne image, milliseconds: the medians of all steps added up, "
        f"over {runs} runs; of several threads the mean.\n"
    )
    for what in ("kind of work", "block"):
        columns = [one[what] for one in found]
        rows = [[name, *(f"{column.get(name, 0):.1f}" for column in columns)] for name in columns[-1]]
        rows.append(["all", *(f"{sum(column.values()):.1f}" for column in columns)])
        text += "\n" + table([what, *(f"{n} thread{'s' * (n > 1)}" for n in threads)], rows)
    return text


def parsed() -> argparse.Namespace:
    choices = [name for name in PEERS if name not in (OURS, FEATURES)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, and no torch.compile")
    parser.add_argument("--peers", help=f"default: {','.join(choices)}")
    parser.add_argument("--threads", default="1,2", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="write the tables into this file too")
    options = parser.parse_args()
    default = [name for name in choices if not (options.quick and name == "torch-compile")]  # takes minutes
    options.peers = default if options.peers is None else list(filter(None, options.peers.split(",")))
    options.threads = sorted(map(int, options.threads.split(",")))
    if unknown := set(options.peers) - set(choices):
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(choices)}")
    return options


def main() -> None:
    options = parsed()
    turns, cold_turns, runs = ({1: 7, 8: 3}, 3, 10) if options.quick else ({1: 15, 8: 7}, 9, 30)
    text = [f"# xception and its neighbours\n\n{machine()}"]
    with tempfile.TemporaryDirectory() as name:
        progress("writing weights and the peers' files")
        run = Comparison(options.peers, Path(name))
        weights = run.prepare()
        work = 2e-9 * sum(map(np.prod, products(xception.Xception(weights=None).graph)))
        text[0] += f"\n- photographs, 299×299; {weights}; {work:.2f} GFLOP an image in matrix products\n"
        times: dict[tuple[int, int], Times] = {}
        for threads in options.threads:
            progress(f"{threads} thread(s): {', '.join(run.peers)} start and warm up")
            times |= run.speed(threads, turns)
        text.append(tell_speed(times))
        progress("cold start")
        text.append(tell_cold(run.cold(max(options.threads), cold_turns), max(options.threads)))
        progress("installed size, step by step")
        text += [tell_sizes(options.peers), tell_steps(Path(name), options.threads, runs)]
    agreed = [f"- {PEERS[name].title}: {value:.1e}" for name, value in run.differences.items()]
    text.append(
        f"## Greatest difference to our answers\n\nSoftmax; {TOLERANCE} is allowed.\n\n" + "\n".join(agreed)
    )
    absent = [f"- {PEERS[name].title}: {reason}" for name, reason in run.left_out.items()]
    text.append("\n## Left out\n\n" + ("\n".join(absent) or "Nobody."))
    print("\n".join(text))
    if options.output:
        options.output.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
