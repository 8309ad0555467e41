"""Tables and the chart of a comparison, from `results.json`: `python benchmarks/report.py` writes them.

The page has a place for each table, between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from chart import describe, draw, times_of_one_image
from peers import OURS, PEERS

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE, CHART = (
    ROOT / "benchmarks/results.json", ROOT / "docs/performance.md", ROOT / "docs/images/speed.svg",
)  # fmt: skip
TABLE = re.compile(r"(<!-- table: (.+?) -->\n\n).*?(\n<!-- end -->)", re.DOTALL)
Results = dict[str, Any]  #: what compare.py writes


def median_and_quartiles(values: Sequence[float], digits: int) -> str:
    low, middle, high = quantiles(values, method="inclusive") if len(values) > 1 else [*values] * 3
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def count_of(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def speed_table(results: Results, names: Iterable[str], cell: Callable[[str, dict], str]) -> str:
    """Return a table with a row for each name, and a column for each number of threads and batch size."""
    columns = results["speed"]
    header = [
        "",
        *(f"{count_of(column['threads'], 'thread')}, batch {column['batch']}" for column in columns),
    ]
    times = [column["milliseconds"] for column in columns]
    rows = [
        [PEERS[name].title, *(cell(name, by_peer) if name in by_peer else "–" for by_peer in times)]
        for name in names if any(name in by_peer for by_peer in times)
    ]  # fmt: skip
    return markdown_table(header, rows)


def ratios(results: Results) -> str:
    """Return the time of this library / that of each peer."""

    def ratio(name: str, by_peer: dict) -> str:
        pairs = zip(by_peer[OURS], by_peer[name], strict=True)
        return median_and_quartiles([ours / theirs for ours, theirs in pairs], 2)

    return speed_table(results, [name for name in PEERS if name != OURS], ratio)


def milliseconds(results: Results) -> str:
    """Return the milliseconds of a batch."""
    return speed_table(results, PEERS, lambda name, by_peer: median_and_quartiles(by_peer[name], 0))


def cold_starts(results: Results) -> str:
    """Return seconds and peak memory of fresh processes."""
    pairs_of = results["cold_starts"]["peers"]
    ours = [seconds for seconds, _ in pairs_of[OURS]]
    rows = []
    for name, pairs in pairs_of.items():
        seconds, memory = zip(*pairs, strict=True)
        ratio = median(one / other for one, other in zip(ours, seconds, strict=True))
        rows.append([
            PEERS[name].title, PEERS[name].cold_format, median_and_quartiles(seconds, 2),
            f"{median(memory):.0f}", f"{ratio:.2f}",
        ])  # fmt: skip
    return markdown_table(["", "weights", "seconds", "peak MiB", "seconds, ours / theirs"], rows)


def sizes(results: Results) -> str:
    """Return installed sizes."""
    rows = [
        [size["name"], f"{size['megabytes']:.0f}", size["packages"], ", ".join(size["missing"])]
        for size in results["sizes"]
    ]
    return markdown_table(["", "MB", "packages", "not installed here, so not counted"], rows)


def steps(results: Results, group: str) -> str:
    """Return the milliseconds of this library's steps, by "kind of work" or "block"."""
    columns = {int(threads): sums[group] for threads, sums in results["steps"].items()}
    names = list(columns[max(columns)])
    rows = [[name, *(f"{sums.get(name, 0):.1f}" for sums in columns.values())] for name in names]
    rows.append(["all", *(f"{sum(sums.values()):.1f}" for sums in columns.values())])
    return markdown_table([group, *(count_of(threads, "thread") for threads in columns)], rows)


def circumstances(results: Results) -> str:
    """Return when, where and with which versions the comparison ran."""
    machine, versions = results["machine"], results["versions"]
    turns = ", ".join(str(len(column["milliseconds"][OURS])) for column in results["speed"])
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    starts = results["cold_starts"]["peers"][OURS]
    variables = ", ".join(results["openblas_variables"]) or "no `OPENBLAS_` variable"
    return (
        f"- {results['date']}, {machine['system']}, {machine['processor']}, {machine['usable']} of "
        f"{count_of(machine['cores'], 'core')}; load average at the start {machine['load']}\n"
        f"- {listed}\n"
        f"- NumPy's BLAS: {results['blas']}; set in the environment: {variables}\n"
        f"- 299×299, float32, {results['weights']}; {results['gflop']:.2f} GFLOP of products an image\n"
        f"- medians (quartiles) of {turns} turns, and of {len(starts)} cold starts\n"
    )


def differences(results: Results) -> str:
    """Return how far the outputs of the peers are from ours, and who was left out."""
    rows = [[PEERS[name].title, f"{value:.1e}"] for name, value in results["differences"].items()]
    rows += [
        [PEERS[name].title, f"left out: {reason}"]
        for name, reason in results["excluded"].items() if "floor" not in name  # which answers nothing
    ]  # fmt: skip
    return markdown_table(["", "largest difference of the softmax from ours"], rows)


#: By the names that the page uses.
TABLES: dict[str, Callable[[Results], str]] = {
    "circumstances": circumstances,
    "ratios": ratios,
    "milliseconds": milliseconds,
    "cold starts": cold_starts,
    "sizes": sizes,
    "kinds of work": lambda results: steps(results, "kind of work"),
    "blocks": lambda results: steps(results, "block"),
    "differences": differences,
}


def read_results(path: Path = RESULTS) -> Results:
    return json.loads(path.read_text("utf-8"))


def fill(page: str, results: Results) -> str:
    """Return a page with its tables."""
    return TABLE.sub(lambda match: f"{match[1]}{TABLES[match[2]](results)}{match[3]}", page)


if __name__ == "__main__":
    run = read_results()
    PAGE.write_text(fill(PAGE.read_text("utf-8"), run), "utf-8")
    times = times_of_one_image(run)
    CHART.write_text(draw(times), "utf-8")
    print(f"For README.md: ![{describe(times)}](docs/images/speed.svg)")
