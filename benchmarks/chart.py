"""The chart of the README, from the table of docs/performance.md: `python benchmarks/chart.py`."""

from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE, CHART = ROOT / "docs/performance.md", ROOT / "docs/images/speed.svg"
OWN = "this library"
WIDTH, LABELS, ROW, BAR, MARGIN = 720, 250, 34, 20, 16


def read_times(text: str) -> list[tuple[str, float]]:
    """Return (name, milliseconds) of one image on one thread, quickest first; floors are no libraries."""
    _, _, rest = text.partition("In milliseconds:\n\n")
    rows = [line.strip("| ").split(" | ") for line in rest.partition("\n\n")[0].splitlines()[2:]]
    times = [
        (row[0].strip("*"), float(row[1].split()[0])) for row in rows if not row[0].startswith("*the floor")
    ]
    return sorted((pair for pair in times if "floor" not in pair[0]), key=lambda pair: pair[1])


def draw(times: list[tuple[str, float]]) -> str:
    """Return the chart as SVG, on a ground of its own, so that it suits light and dark pages."""
    height = 2 * MARGIN + ROW * len(times)
    scale = (WIDTH - LABELS - 2 * MARGIN - 70) / max(value for _, value in times)
    label = "Milliseconds for one image: " + ", ".join(f"{name} {value:.0f}" for name, value in times)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(label)}" font-family="system-ui, sans-serif" '
        'font-size="15">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f6f8fa"/>',
    ]
    for index, (name, value) in enumerate(times):
        is_own = name == OWN
        top, length = MARGIN + ROW * index, value * scale
        color, weight = ("#0b5cad", "bold") if is_own else ("#9fb3c8", "normal")
        middle = top + ROW / 2 + 5
        lines += [
            f'<text x="{LABELS}" y="{middle:.0f}" text-anchor="end" fill="#1b1f24" font-weight="{weight}">'
            f"{escape('xception' if is_own else name)}</text>",
            f'<rect x="{LABELS + 12}" y="{top + (ROW - BAR) / 2:.0f}" width="{length:.1f}" height="{BAR}" '
            f'rx="3" fill="{color}"/>',
            f'<text x="{LABELS + 20 + length:.1f}" y="{middle:.0f}" fill="#1b1f24" font-weight="{weight}">'
            f"{value:.0f} ms</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    CHART.write_text(draw(read_times(PAGE.read_text("utf-8"))), "utf-8")
