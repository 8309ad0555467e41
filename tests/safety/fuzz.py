"""Fuzzing of model files, their descriptions, and pictures, in bounded time and memory.

    python tests/safety/fuzz.py model --seconds 60 --seed 1
    python tests/safety/fuzz.py json --seconds 60 --seed 1
    python tests/safety/fuzz.py picture --seconds 60 --seed 1
    python tests/safety/fuzz.py model --seed 1 --only 1234

Every case ends in an answer or in the library's own error. Anything else is a finding: another exception,
the end of the process, more than 15 seconds, or more than 1.5 GiB beyond what the process takes after it
has imported the library. Findings are kept in a folder, and make the exit status 1. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

KINDS = ("model", "json", "picture")
#: For one case, by the clock: a machine that does other work needs more.
MAX_SECONDS = int(os.environ.get("FUZZ_MAX_SECONDS", "15"))
MAX_KEPT_PER_SIGNATURE = 3
#: Cases of one worker: HDF5 and Pillow keep a little memory for each damaged file.
MAX_CASES_PER_WORKER = 20_000
MAX_MESSAGE_CHARACTERS = 5000
MAX_INPUT_ELEMENTS = 3 << 20  #: of the input that a model is run on: what its description declares, if small
INSPECTED_ONE_IN = 5  #: models, since inspection takes as long as ten loads
MAX_SAVED_PARAMETERS = 1 << 20
UNKNOWN_SIZE = 16  #: stands for a size that a description leaves open

# --- a worker: one case after another -------------------------------------------------------


class Cases:
    """The cases of one kind and seed.

    Args:
        kind: One of KINDS.
        seed: Any integer.
        folder: For files.
    """

    def __init__(self, kind: str, seed: int, folder: Path) -> None:
        import fuzz_cases

        self.kind, self.seed, self.folder = kind, seed, folder
        self.seeds = fuzz_cases.picture_files() if kind == "picture" else fuzz_cases.model_files(folder)
        self.change = {"model": fuzz_cases.change_model, "json": fuzz_cases.change_description,
                       "picture": fuzz_cases.change_picture}[kind]  # fmt: skip

    def write(self, number: int) -> Path:
        """Write the file of a case."""
        suffix, content = self.change(random.Random(f"{self.kind} {self.seed} {number}"), self.seeds)
        return self.write_content(suffix, content)

    def write_content(self, suffix: str, content: bytes) -> Path:
        """Write a file in place of that of the case before."""
        import fuzz_cases

        for old in self.folder.glob("case*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        path = self.folder / f"case{suffix}"
        if suffix == fuzz_cases.FOLDER:
            path.mkdir()
            for name, part in fuzz_cases.read_archive(content).items():
                (path / name).write_bytes(part)
        else:
            path.write_bytes(content)
        return path

    def run(self, path: Path) -> str:
        """Use a file as a program would; return "answer" or "refused"."""
        if self.kind == "picture":
            return run_picture(path)
        if path.is_dir():
            import fuzz_cases

            run_model(path / "model.json", path / fuzz_cases.SHARDS)
        return run_model(path)


def run_model(path: Path, weights: Path | None = None) -> str:
    import hostile
    import numpy as np

    import xception

    own = (xception.XceptionError, OSError)
    results = []
    chosen = path / "config.json" if path.is_dir() else path
    if zlib.crc32(chosen.read_bytes()) % INSPECTED_ONE_IN == 0:
        with contextlib.suppress(*own):
            xception.inspect(path)
    model = hostile.small_model()
    before = model.get_weights()
    try:
        model.load_weights(weights or path)
        results.append("answer")
    except own as error:
        check_message(error)
        if not all(map(np.array_equal, before, model.get_weights())):
            raise AssertionError("a refused file has changed the model") from error
    try:
        model = xception.load_model(path, weights=weights)
    except own as error:
        check_message(error)
        return results[0] if results else "refused"
    shapes = [[size or UNKNOWN_SIZE for size in model.graph.nodes[name].output_shape]
              for name in model.input_names]  # fmt: skip
    if sum(map(np.prod, shapes)) <= MAX_INPUT_ELEMENTS:
        x = [np.zeros((1, *map(int, shape)), np.float32) for shape in shapes]
        with contextlib.suppress(xception.XceptionError, ValueError), np.errstate(all="ignore"):
            model.predict(x if len(x) > 1 else x[0], verbose=0)
    if model.count_params() < MAX_SAVED_PARAMETERS:
        check_saved(model, path)
    return "answer"


def check_saved(model: Any, path: Path) -> None:
    """Save a model that loads, and load it again. Keras 3 cannot express some of them."""
    import xception

    saved = path.parent / "saved.keras"
    try:
        model.save(saved)
    except (xception.XceptionError, ValueError) as error:
        check_message(error)
        return
    again = xception.load_model(saved)
    if again.output_shape != model.output_shape or again.count_params() != model.count_params():
        raise AssertionError(f"saved as {again.output_shape}, was {model.output_shape}")


def check_message(error: Exception) -> None:
    """Raise AssertionError if an error says nothing, or more than a terminal can show."""
    if not 0 < len(str(error)) < MAX_MESSAGE_CHARACTERS:
        raise AssertionError(f"a message of {len(str(error)):,} characters")


def run_picture(path: Path) -> str:
    import xception

    try:
        xception.load_image(path)
        xception.load_image(path.read_bytes(), target_size=None)
    except xception.ImageError as error:
        check_message(error)
        return "refused"
    return "answer"


def work(kind: str, seed: int, memory: int, folder: Path) -> None:
    """Run the cases whose numbers come on stdin; answer each with a line of JSON on stdout.

    The file of a case stays in the folder until the next one comes.
    """
    import xception

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the decoders in C print to stdout
    faulthandler.enable()
    warnings.simplefilter("ignore")
    cases = Cases(kind, seed, folder)
    for attribute in xception.__all__:
        getattr(xception, attribute)
    for suffix, content in cases.seeds:  # everything is imported, and a valid file is never refused
        cases.run(cases.write_content(suffix, content))
    gc.collect()
    resident = status_bytes("VmRSS")
    # Beyond `memory` the case is a finding; far beyond it the machine must not suffer.
    limit = status_bytes("VmSize") + 3 * memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(json.dumps({"ready": os.getpid(), "seeds": len(cases.seeds)}), file=answers, flush=True)
    for line in sys.stdin:
        answer: dict[str, Any] = {"case": int(line)}
        path = cases.write(int(line))
        Path("/proc/self/clear_refs").write_text("5")  # the peak of this case alone
        faulthandler.dump_traceback_later(MAX_SECONDS - 1)
        try:
            answer["outcome"] = cases.run(path)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            answer["outcome"] = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            answer["details"] = "".join(traceback.format_exception(error))[-3000:]
        faulthandler.cancel_dump_traceback_later()
        answer["peak"] = max(0, status_bytes("VmHWM") - resident)
        answer["growth"] = max(0, status_bytes("VmRSS") - resident)
        if answer["peak"] > memory:
            answer["outcome"] = f"memory: {answer['peak'] / 2**30:.1f} GiB ({answer['outcome']})"
        print(json.dumps(answer), file=answers, flush=True)
        if answer["peak"] > 64 << 20:
            gc.collect()


def status_bytes(field: str) -> int:
    """Return a figure of this process's memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) << 10


class Worker:
    """A process that runs cases."""

    def __init__(self, kind: str, seed: int, memory: int) -> None:
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz"))
        command = [
            sys.executable, __file__, kind, f"--seed={seed}", f"--memory={memory}", f"--worker={self.folder}",
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                       "XCEPTION_NUM_THREADS": "1"}  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self.count, self.case, self.deadline = 0, -1, 0.0

    def wait_until_ready(self) -> int:
        """Wait for the worker's imports; return the number of valid files."""
        ready = self.process.stdout.readline()  # type: ignore[union-attr]
        if not ready:
            sys.exit(f"a worker does not start:\n{self.messages()}")
        return json.loads(ready)["seeds"]

    def start(self, case: int) -> None:
        """Give it a case."""
        self.case, self.count, self.deadline = case, self.count + 1, time.monotonic() + MAX_SECONDS
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"%d\n" % case)  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]

    def answer(self) -> dict[str, Any]:
        """Read the answer; if the process has ended instead, say how."""
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if line:
            return json.loads(line)
        status = self.process.wait()
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        return {"case": self.case, "outcome": f"crash: {name}", "details": self.messages()}

    def file(self) -> Path:
        """Return the file of the case."""
        return next(self.folder.glob("case*"))

    def messages(self) -> str:
        self.log.seek(0)
        return self.log.read()[-3000:]

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.stdout.close()  # type: ignore[union-attr]
        self.log.close()
        shutil.rmtree(self.folder)


# --- the run --------------------------------------------------------------------------------


def answers(kind: str, seed: int, memory: int, seconds: float, jobs: int, first: int) -> Any:
    """Run cases on several workers until the time is over; yield their answers."""
    workers = [Worker(kind, seed, memory) for _ in range(jobs)]
    number = first
    valid = [worker.wait_until_ready() for worker in workers]
    end = time.monotonic() + seconds
    print(f"{kind}, seed {seed}: {valid[0]} valid files, {jobs} workers", flush=True)
    try:
        for worker in workers:
            worker.start(number)
            number += 1
        while workers:
            streams = {worker.process.stdout: worker for worker in workers}
            readable, _, _ = select.select(list(streams), [], [], 0.5)
            late = [worker for worker in workers if time.monotonic() > worker.deadline]
            for worker in {*(streams[stream] for stream in readable), *late}:
                if worker.process.stdout in readable:
                    answer = worker.answer()
                else:
                    answer = {"case": worker.case, "outcome": f"more than {MAX_SECONDS} s",
                              "details": worker.messages()}  # fmt: skip
                yield answer, worker.file()
                alive = "peak" in answer and worker.count < MAX_CASES_PER_WORKER
                if not alive or time.monotonic() > end:
                    worker.end()
                    workers.remove(worker)
                    if time.monotonic() > end:
                        continue
                    worker = Worker(kind, seed, memory)
                    worker.wait_until_ready()
                    workers.append(worker)
                worker.start(number)
                number += 1
    finally:
        for worker in workers:
            worker.end()


def fuzz(options: argparse.Namespace) -> int:
    start = time.monotonic()
    outcomes: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    peak = growth = 0
    for answer, path in answers(options.kind, options.seed, options.memory, options.seconds,
                          options.jobs, options.first):  # fmt: skip
        outcome = answer["outcome"]
        peak, growth = max(peak, answer.get("peak", 0)), max(growth, answer.get("growth", 0))
        signature = outcome.partition(": ")[0] if outcome.startswith("memory") else outcome
        outcomes[signature] += 1
        if outcome not in ("answer", "refused") and kept[signature] < MAX_KEPT_PER_SIGNATURE:
            kept[signature] += 1
            keep(options, answer, path)
    seconds = time.monotonic() - start
    count = sum(outcomes.values())
    print(
        f"{count:,} cases in {seconds:.0f} s: "
        + ", ".join(f"{n:,} {key}" for key, n in outcomes.most_common())
    )
    print(f"beyond the import at most {peak >> 20:,} MiB in a case, and {growth >> 20:,} MiB kept after one")
    return 1 if kept else 0


def keep(options: argparse.Namespace, answer: dict[str, Any], path: Path) -> None:
    """Write the file of a finding and what is known of it to the folder, and print its number."""
    options.save.mkdir(parents=True, exist_ok=True)
    name = f"{options.kind}-{options.seed}-{answer['case']}"
    kept = options.save / f"{name}{path.suffix}"
    (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
    (options.save / f"{name}.txt").write_text(f"{answer['outcome']}\n{answer.get('details', '')}")
    print(f"{kept}: {answer['outcome']} (--seed {options.seed} --only {answer['case']})", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--only", type=int, metavar="CASE", help="run one case, and print what it ends in")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (one per CPU)"
    )
    parser.add_argument("--memory", default="1.5GiB", help="allowed beyond the import (1.5GiB)")
    parser.add_argument(
        "--save", type=Path, default=Path("fuzz-cases"), help="folder of findings (fuzz-cases)"
    )
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    from xception.limits import parse_bytes

    options.memory = parse_bytes(options.memory, "--memory")
    if options.worker:
        work(options.kind, options.seed, options.memory, options.worker)
        return 0
    if options.only is not None:
        for answer, path in answers(options.kind, options.seed, options.memory, 0.0, 1, options.only):
            keep(options, answer, path)
            print(answer.get("details", ""))
            return 0 if answer["outcome"] in ("answer", "refused") else 1
    return fuzz(options)


if __name__ == "__main__":
    sys.exit(main())
