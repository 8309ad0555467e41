"""Comparison with other libraries: speed, cold start, memory and installed size.

Each peer runs in a process of its own, and the peers take turns. README.md in this folder explains how.
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
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from peers import FEATURES, OURS, PEERS
from report import TABLES, Results
from steps import matrix_products
from worker import BATCHES

import xception
from xception.engine.cpus import usable_cpus
from xception.models import pretrained

HERE = Path(__file__).resolve().parent
PAUSE_SECONDS = 0.05  #: between turns, so that the threads of the last peer have stopped spinning
TOLERANCE = 1e-5  #: of the softmax, for a peer to take part


Times = dict[str, list[float]]  #: milliseconds of every turn, by peer


class PeerError(Exception):
    """The reason why a peer cannot take part."""


# --- processes ------------------------------------------------------------------------------


def command(script: str, *arguments: object, threads: int) -> dict[str, object]:
    """Return arguments of `subprocess` that run a script of this folder with so many threads."""
    pools = ("OMP", "OPENBLAS", "MKL")
    # All modules are compiled to bytecode, as pip installs them; ours also in a source checkout.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        "args": [sys.executable, str(HERE / script), *map(str, arguments)],
        # torch.compile works in the process itself, because its workers would slow down other peers.
        "env": inherited | {f"{pool}_NUM_THREADS": str(threads) for pool in pools}
        | {"CUDA_VISIBLE_DEVICES": "", "TORCHINDUCTOR_COMPILE_THREADS": "1"},
        "text": True,
    }  # fmt: skip


def output(script: str, *arguments: object, threads: int) -> str:
    """Return the output of a script. Raise PeerError with its last line on stderr if it fails."""
    process = subprocess.run(**command(script, *arguments, threads=threads), capture_output=True)
    if process.returncode:
        raise PeerError((process.stderr.strip() or f"status {process.returncode}").splitlines()[-1][:200])
    return process.stdout


class Worker:
    """The process of a peer. Its methods raise PeerError if it fails.

    Args:
        name: The peer.
        threads: Number of threads.
        folder: Holds all files of the run.
        *mode: More arguments of the script.
        script: What the process runs, in this folder.
    """

    def __init__(
        self, name: str, threads: int, folder: Path, *mode: object, script: str = "worker.py"
    ) -> None:
        with (folder / f"{name}.log").open("w") as log:
            self._process = subprocess.Popen(
                **command(script, name, threads, folder, *mode, threads=threads),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=1,
            )  # fmt: skip

    def receive(self) -> float:
        """Return the next number that it writes."""
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"its process ended with status {self._process.wait()}")
        reply = json.loads(line)
        if isinstance(reply, str):
            raise PeerError(reply)
        return reply

    def ask(self, question: object) -> float:
        """Write a line to its stdin, such as the batch size of a prediction, and return the answer."""
        try:
            self._process.stdin.write(f"{question}\n")
        except OSError:
            raise PeerError("its process ended") from None
        answer = self.receive()
        time.sleep(PAUSE_SECONDS)
        return answer

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


# --- measuring ------------------------------------------------------------------------------


class Comparison:
    """One run of the comparison.

    Args:
        peers: Names of the peers besides this library.
        folder: Holds all files of the run.

    Attributes:
        peers: Names of those that still take part, this library first.
        folder: See above.
        excluded: Why the others do not, by name.
        differences: The largest difference of a peer's outputs from ours, by name.
    """

    def __init__(self, peers: Sequence[str], folder: Path) -> None:
        self.peers, self.folder = [OURS, *peers], folder
        self.excluded: dict[str, str] = {}
        self.differences: dict[str, float] = {}

    def attempt(self, name: str, action: Callable[[], object]) -> None:
        """Call `action`. Exclude the peer if it raises PeerError, except this library."""
        try:
            action()
        except PeerError as reason:
            if name == OURS:
                raise
            self.peers = [other for other in self.peers if other != name]
            self.excluded[name] = str(reason)

    def prepare(self) -> str:
        """Write the input, the weights, and the files that peers need. Return which weights they are."""
        photos = sorted((HERE.parent / "examples").glob("*.jpg")) * max(BATCHES)
        pixels = [xception.load_image(photo, target_size=(299, 299)) for photo in photos[: max(BATCHES)]]
        np.save(self.folder / "input.npy", xception.preprocess_input(np.stack(pixels)).astype(np.float32))
        complete = pretrained.cached_classifier()
        model = xception.Xception(weights=complete, seed=0)
        if complete is None:
            base = xception.Xception(include_top=False).get_weights()
            kernel, bias = model.get_weights()[len(base) :]
            model.set_weights([*base, 10 * kernel, bias])  # 10: otherwise all classes score nearly the same
        model.save_weights(self.folder / "weights.h5")
        errors: dict[str, PeerError | None] = {}
        for name in self.peers:
            self.attempt(
                name, lambda name=name: [self._export(target, errors) for target in PEERS[name].exports]
            )
        return "ImageNet weights" if complete else "ImageNet weights with a random classifier"

    def _export(self, target: str, errors: dict[str, PeerError | None]) -> None:
        """Write a format, unless it has been tried. Raise its PeerError if that failed."""
        if target not in errors:
            errors[target] = None
            try:
                output("export.py", target, self.folder, threads=1)
            except PeerError as error:
                errors[target] = error
        if error := errors[target]:
            raise error

    def measure_speed(self, threads: int, turns: dict[int, int]) -> dict[tuple[int, int], Times]:
        """Time predictions in turns of random order.

        Args:
            threads: Number of threads.
            turns: {batch size: number of turns}.

        Returns:
            {(threads, batch size): times}.
        """
        workers = {name: Worker(name, threads, self.folder) for name in self.peers}
        times: dict[tuple[int, int], Times] = {(threads, batch): {} for batch in turns}
        order = random.Random(0)
        try:
            for name in list(self.peers):
                self.attempt(name, workers[name].receive)
            for name in list(self.peers):
                self.attempt(name, lambda name=name: self._check(name))
            for batch, count in turns.items():
                show_progress(f"{threads} thread(s), batch {batch}: {count} turns of {', '.join(self.peers)}")
                for _ in range(count):
                    for name in order.sample(self.peers, len(self.peers)):
                        add = times[threads, batch].setdefault(name, []).append
                        self.attempt(
                            name, lambda name=name, add=add, batch=batch: add(workers[name].ask(batch))
                        )
        finally:
            for worker in workers.values():
                worker.kill()
        return {key: {name: by_peer[name] for name in self.peers} for key, by_peer in times.items()}

    def _check(self, name: str) -> None:
        """Raise PeerError if a peer's outputs differ from ours."""
        if name in ("floor", "floor-depthwise", OURS):
            return
        ours, theirs = (np.load(self.folder / f"output_{peer}.npy") for peer in (OURS, name))
        difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
        if not difference <= TOLERANCE:
            raise PeerError(f"its outputs differ from ours by {difference:.1e}")
        self.differences[name] = max(difference, self.differences.get(name, 0))

    def measure_cold_starts(self, threads: int, turns: int) -> dict[str, list[tuple[float, float]]]:
        """Time fresh processes in turns of random order.

        Args:
            threads: Number of threads.
            turns: Number of turns.

        Returns:
            By peer, for each turn: seconds from the start of the process to its output, and peak MiB.
        """
        starts = {name: [] for name in (FEATURES, *self.peers) if PEERS[name].cold_format}
        order = random.Random(0)
        for _ in range(turns + 1):
            remaining = [name for name in starts if name not in self.excluded]
            for name in order.sample(remaining, len(remaining)):
                self.attempt(name, lambda name=name: starts[name].append(self._cold_start(name, threads)))
                time.sleep(PAUSE_SECONDS)
        # The first turn reads files from the disk, and does not count.
        return {name: pairs[1:] for name, pairs in starts.items() if name not in self.excluded}

    def _cold_start(self, name: str, threads: int) -> tuple[float, float]:
        start = time.perf_counter()
        worker = Worker(name, threads, self.folder, "once")
        try:
            memory = worker.receive()
            return time.perf_counter() - start, memory
        finally:
            worker.kill()


# --- installed size -------------------------------------------------------------------------


def installed_size(requirements: Iterable[str], *more: Path) -> Results:
    """Return the size of packages with all their dependencies.

    Args:
        requirements: The packages.
        *more: Other files and folders to add.

    Returns:
        `megabytes`, the number of `packages`, and the names of `missing` ones, which are not installed.
    """
    from packaging.requirements import Requirement

    installed: dict[str, metadata.Distribution] = {}
    missing, pending = set(), list(map(Requirement, requirements))
    while pending:
        requirement = pending.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in installed or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            installed[name] = metadata.distribution(name)
            pending += map(Requirement, installed[name].requires or ())
        except metadata.PackageNotFoundError:
            missing.add(name)
    files = {Path(path.locate()).resolve() for package in installed.values() for path in package.files or ()}
    files |= {path for root in more for path in (root, *root.rglob("*"))}
    size = sum(path.stat().st_size for path in files if path.is_file())
    return {"megabytes": size / 1e6, "packages": len(installed), "missing": sorted(missing)}


def is_installed(package: str) -> bool:
    return any(metadata.distributions(name=package))


# --- results ---------------------------------------------------------------------------------


def rounded(value: Any) -> Any:
    """Return the results with four digits of each number: more is noise."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def show_progress(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def describe_processor() -> str:
    """Return its name; with family and model, because "AMD EPYC" is a name of many."""
    try:
        pairs = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
        values = {key.strip(): value.strip() for key, _, value in pairs}
        return f"{values['model name']} (family {values['cpu family']}, model {values['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def describe_machine() -> Results:
    """Return what the results depend on: processor, load, versions, and BLAS kernels."""
    import threadpoolctl

    packages = [
        "numpy",
        "scipy",
        "h5py",
        *(name for peer in PEERS.values() for name in peer.packages),
        "keras",
    ]
    blas = [
        f"{pool['internal_api']} {pool['version']} with kernels for {pool.get('architecture')}"
        for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"
    ]  # fmt: skip
    return {
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "machine": {
            "system": platform.system(), "processor": describe_processor(), "cores": os.cpu_count(),
            "usable": usable_cpus(),
            "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        },
        "versions": {"Python": platform.python_version(), "xception": xception.__version__}
        | {name: metadata.version(name) for name in packages if is_installed(name)},
        "blas": ", ".join(dict.fromkeys(blas)) or "unknown",
        "openblas_variables": [
            f"{key}={value}" for key, value in sorted(os.environ.items()) if key.startswith("OPENBLAS_")
        ],
    }  # fmt: skip


def measure_sizes(peers: Iterable[str]) -> list[dict[str, object]]:
    """Return the installed sizes of this library and of the packages of peers."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    own = Path(xception.__file__).resolve().parent, pretrained.shipped_base()
    ours = installed_size(project["dependencies"], *own)
    ours |= {"name": "**this library**, with its weights", "packages": 1 + ours["packages"]}
    installed = [next(filter(is_installed, PEERS[name].packages), None) for name in peers]
    return [ours, *(installed_size([package]) | {"name": package} for package in installed if package)]


def parse_arguments() -> argparse.Namespace:
    choices = [name for name in PEERS if name not in (OURS, FEATURES)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, without torch.compile")
    parser.add_argument("--peers", help=f"with commas; default: {','.join(choices)}")
    parser.add_argument("--threads", default="1,2", help="with commas; default: %(default)s")
    parser.add_argument("--output", type=Path, help="write the results to this file, as JSON")
    options = parser.parse_args()
    default = [name for name in choices if not (options.quick and name == "torch-compile")]  # slow to compile
    options.peers = default if options.peers is None else list(filter(None, options.peers.split(",")))
    options.threads = sorted(map(int, options.threads.split(",")))
    if unknown := set(options.peers) - set(choices):
        parser.error(f"unknown peers: {', '.join(unknown)}; expected some of {', '.join(choices)}")
    return options


def main() -> None:
    options = parse_arguments()
    turns, cold_turns, runs = ({1: 7, 8: 3}, 3, 10) if options.quick else ({1: 15, 8: 7}, 9, 30)
    results = describe_machine()
    with tempfile.TemporaryDirectory() as name:
        show_progress("writing weights and the peers' files")
        run = Comparison(options.peers, Path(name))
        results["weights"] = run.prepare()
        shapes = matrix_products(xception.Xception(weights=None).graph)
        results["gflop"] = 2e-9 * float(sum(map(np.prod, shapes)))
        times: dict[tuple[int, int], Times] = {}
        for threads in options.threads:
            show_progress(f"{threads} thread(s): {', '.join(run.peers)} load and warm up")
            times |= run.measure_speed(threads, turns)
        results["speed"] = [
            {"threads": threads, "batch": batch, "milliseconds": by_peer}
            for (threads, batch), by_peer in times.items()
        ]
        show_progress("cold start")
        threads = max(options.threads)
        results["cold_starts"] = {"threads": threads, "peers": run.measure_cold_starts(threads, cold_turns)}
        show_progress("installed size, and the time of each step")
        results["sizes"] = measure_sizes(options.peers)
        results["steps"] = {
            threads: json.loads(output("steps.py", threads, name, runs, threads=threads))
            for threads in options.threads
        }
    results |= {"differences": run.differences, "excluded": run.excluded}
    for title, table in TABLES.items():
        print(f"## {title.capitalize()}\n\n{table(results)}")
    if options.output:
        options.output.write_text(f"{json.dumps(rounded(results), ensure_ascii=False, indent=1)}\n", "utf-8")


if __name__ == "__main__":
    main()
