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
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from steps import matrix_products
from worker import BATCHES

import xception
from xception.engine.cpus import usable_cpus
from xception.models import pretrained

HERE = Path(__file__).resolve().parent
OURS, FEATURES = "xception", "xception-features"
PAUSE_SECONDS = 0.05  #: between turns, so that the threads of the last peer have stopped spinning
TOLERANCE = 1e-5  #: of the softmax, for a peer to take part


@dataclass(frozen=True)
class Peer:
    """What is compared.

    Attributes:
        title: Its name in the tables.
        cold_format: Format of the weights for a cold start; "" if its cold start is not measured.
        exports: Targets of export.py that it needs.
        packages: Alternative names of its package. The first that is installed is used.
    """

    title: str
    cold_format: str = ""
    exports: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


PEERS = {
    OURS: Peer("**this library**", "Keras .h5"),
    FEATURES: Peer("**this library**, features", "shipped float16 base"),
    "floor": Peer("*the floor*: matrix products only"),
    "floor-depthwise": Peer("*NumPy's floor*: with depthwise convolutions"),
    "onnxruntime": Peer("ONNX Runtime", ".onnx", ("onnx",), ("onnxruntime",)),
    "openvino": Peer("OpenVINO", "IR, .xml and .bin", ("onnx", "openvino"), ("openvino",)),
    "torch": Peer("PyTorch eager, channels_last", "torch.save", ("torch",), ("torch",)),
    "torch-compile": Peer("PyTorch torch.compile", "", ("torch",)),
    "tensorflow": Peer("TensorFlow tf.function", "", (), ("tensorflow-cpu", "tensorflow")),
    "keras": Peer("Keras model.predict", "Keras .h5"),
}
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

    def measure_cold_starts(self, threads: int, turns: int) -> dict[str, np.ndarray]:
        """Time fresh processes in turns of random order.

        Args:
            threads: Number of threads.
            turns: Number of turns.

        Returns:
            By peer (turns, 2): seconds from the start of the process to its output, and peak MiB.
        """
        starts = {name: [] for name in (FEATURES, *self.peers) if PEERS[name].cold_format}
        order = random.Random(0)
        for _ in range(turns + 1):
            remaining = [name for name in starts if name not in self.excluded]
            for name in order.sample(remaining, len(remaining)):
                self.attempt(name, lambda name=name: starts[name].append(self._cold_start(name, threads)))
                time.sleep(PAUSE_SECONDS)
        # The first turn reads files from the disk, and does not count.
        return {name: np.array(pairs[1:]) for name, pairs in starts.items() if name not in self.excluded}

    def _cold_start(self, name: str, threads: int) -> tuple[float, float]:
        start = time.perf_counter()
        worker = Worker(name, threads, self.folder, "once")
        try:
            memory = worker.receive()
            return time.perf_counter() - start, memory
        finally:
            worker.kill()


# --- installed size -------------------------------------------------------------------------


def installed_size(requirements: Iterable[str], *more: Path) -> tuple[str, int, str]:
    """Return the size of packages with all their dependencies.

    Args:
        requirements: The packages.
        *more: Other files and folders to add.

    Returns:
        MB, the number of packages, and the names of packages that are not installed.
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
    return f"{size / 1e6:.0f}", len(installed), ", ".join(sorted(missing))


def is_installed(package: str) -> bool:
    return any(metadata.distributions(name=package))


# --- report ---------------------------------------------------------------------------------


def show_progress(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def median_and_quartiles(values: Sequence[float], digits: int) -> str:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def describe_machine() -> str:
    """Return what the results depend on: processor, load, versions, and BLAS kernels."""
    import threadpoolctl

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    packages = [
        "numpy",
        "scipy",
        "h5py",
        *(name for peer in PEERS.values() for name in peer.packages),
        "keras",
    ]
    versions = [f"{name} {metadata.version(name)}" for name in packages if is_installed(name)]
    blas = [
        f"{pool['internal_api']} {pool['version']} with kernels for {pool.get('architecture')}"
        for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"
    ]  # fmt: skip
    variables = [f"{key}={value}" for key, value in sorted(os.environ.items()) if key.startswith("OPENBLAS_")]
    return (
        f"- {datetime.datetime.now():%Y-%m-%d %H:%M}; {platform.system()}; {cpu}; {os.cpu_count()} cores, "
        f"{usable_cpus()} usable; load average at the start {load}\n"
        f"- Python {platform.python_version()}, xception {xception.__version__}, {', '.join(versions)}\n"
        f"- NumPy's BLAS: {', '.join(dict.fromkeys(blas)) or 'unknown'}; "
        f"set in the environment: {', '.join(variables) or 'no OPENBLAS_ variable'}"
    )


def report_speed(times: dict[tuple[int, int], Times]) -> str:
    """Return tables of the ratios, and of the milliseconds."""
    peers = [name for name in PEERS if any(name in by_peer for by_peer in times.values())]
    header = ["", *(f"{n} thread{'s' * (n > 1)}, batch {batch}" for n, batch in times)]

    def row(name: str, cell: Callable[[Times], str]) -> list[str]:
        return [PEERS[name].title, *(cell(by_peer) if name in by_peer else "–" for by_peer in times.values())]

    def ratio(name: str, by_peer: Times) -> str:
        return median_and_quartiles(np.divide(by_peer[OURS], by_peer[name]), 2)

    ratios = [row(name, partial(ratio, name)) for name in peers if name != OURS]
    milliseconds = [
        row(name, lambda by_peer, name=name: median_and_quartiles(by_peer[name], 1)) for name in peers
    ]
    turns = ", ".join(str(len(by_peer[OURS])) for by_peer in times.values())
    return (
        "## Speed: ours / theirs\n\nBelow 1, this library is faster. The ratio is computed within each turn; "
        f"median (quartiles) of {turns} turns.\n\n{markdown_table(header, ratios)}\n"
        f"## Speed: milliseconds per batch\n\n{markdown_table(header, milliseconds)}"
    )


def report_cold_starts(starts: dict[str, np.ndarray], threads: int) -> str:
    """Return a table of seconds and peak memory."""
    ours = starts[OURS][:, 0]
    rows = [
        [
            PEERS[name].title,
            PEERS[name].cold_format,
            median_and_quartiles(pairs[:, 0], 2),
            f"{np.median(pairs[:, 1]):.0f}",
            f"{np.median(ours / pairs[:, 0]):.2f}",
        ]
        for name, pairs in starts.items()
    ]
    return (
        "## Cold start\n\nA fresh process imports, loads the weights, and predicts once, on "
        f"{threads} thread(s). Median (quartiles) of {len(ours)} turns.\n\n"
        + markdown_table(["", "weights", "seconds", "peak MiB", "seconds, ours / theirs"], rows)
    )


def report_sizes(peers: Iterable[str]) -> str:
    """Return a table of installed sizes."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    own = Path(xception.__file__).resolve().parent, pretrained.shipped_base()
    size, required, missing = installed_size(project["dependencies"], *own)
    rows = [["**this library**, with its weights", size, 1 + required, missing]]
    for name in peers:
        installed = [package for package in PEERS[name].packages if is_installed(package)]
        if installed:
            rows.append([installed[0], *installed_size(installed[:1])])
    return "## Installed size\n\nWith all dependencies.\n\n" + markdown_table(
        ["", "MB", "packages", "not counted, because not installed"], rows
    )


def report_steps(folder: Path, threads: Sequence[int], runs: int) -> str:
    """Return tables of the time of this library's steps."""
    sums = [json.loads(output("steps.py", n, folder, runs, threads=n)) for n in threads]
    text = (
        "## Where this library spends its time\n\nMilliseconds for one image: the medians of all steps over "
        f"{runs} runs, added up. With several threads, the mean over threads.\n"
    )
    for group in ("kind of work", "block"):
        columns = [by_group[group] for by_group in sums]
        rows = [[name, *(f"{column.get(name, 0):.1f}" for column in columns)] for name in columns[-1]]
        rows.append(["all", *(f"{sum(column.values()):.1f}" for column in columns)])
        text += "\n" + markdown_table([group, *(f"{n} thread{'s' * (n > 1)}" for n in threads)], rows)
    return text


def parse_arguments() -> argparse.Namespace:
    choices = [name for name in PEERS if name not in (OURS, FEATURES)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, without torch.compile")
    parser.add_argument("--peers", help=f"with commas; default: {','.join(choices)}")
    parser.add_argument("--threads", default="1,2", help="with commas; default: %(default)s")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
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
    text = [f"# Comparison of xception with other libraries\n\n{describe_machine()}"]
    with tempfile.TemporaryDirectory() as name:
        show_progress("writing weights and the peers' files")
        run = Comparison(options.peers, Path(name))
        weights = run.prepare()
        work = 2e-9 * sum(map(np.prod, matrix_products(xception.Xception(weights=None).graph)))
        text[0] += f"\n- photographs, 299×299; {weights}; {work:.2f} GFLOP per image in matrix products\n"
        times: dict[tuple[int, int], Times] = {}
        for threads in options.threads:
            show_progress(f"{threads} thread(s): {', '.join(run.peers)} load and warm up")
            times |= run.measure_speed(threads, turns)
        text.append(report_speed(times))
        show_progress("cold start")
        starts = run.measure_cold_starts(max(options.threads), cold_turns)
        text.append(report_cold_starts(starts, max(options.threads)))
        show_progress("installed size, and the time of each step")
        text += [report_sizes(options.peers), report_steps(Path(name), options.threads, runs)]
    differences = [f"- {PEERS[name].title}: {value:.1e}" for name, value in run.differences.items()]
    text.append(
        f"## Largest difference from our outputs\n\nOf the softmax; {TOLERANCE} is allowed.\n\n"
        + "\n".join(differences)
    )
    excluded = [f"- {PEERS[name].title}: {reason}" for name, reason in run.excluded.items()]
    text.append("\n## Excluded\n\n" + ("\n".join(excluded) or "None."))
    print("\n".join(text))
    if options.output:
        options.output.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
