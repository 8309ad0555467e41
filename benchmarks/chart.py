"""The chart of README.md: the time of one image on one thread. `report.py` writes it."""

from html import escape
from statistics import median
from typing import Any

from peers import OURS, PEERS

WIDTH, LABELS, ROW, BAR, MARGIN = 720, 250, 34, 20, 16
#: The floors are no libraries; torch.compile is in the tables.
SHOWN = (OURS, "onnxruntime", "openvino", "torch", "tensorflow", "keras")


def times_of_one_image(results: dict[str, Any]) -> list[tuple[str, float]]:
    """Return (name, milliseconds) of one image on one thread, quickest first."""
    (times,) = (
        column["milliseconds"] for column in results["speed"]
        if (column["threads"], column["batch"]) == (1, 1)
    )  # fmt: skip
    titles = {name: "xception" if name == OURS else PEERS[name].title for name in SHOWN if name in times}
    return sorted(((title, median(times[name])) for name, title in titles.items()), key=lambda pair: pair[1])


def describe(times: list[tuple[str, float]]) -> str:
    """Return what the chart shows, for those who do not see it."""
    listed = ", ".join(f"{name} {value:.0f}" for name, value in times)
    return f"Time of one prediction on one thread, in milliseconds: {listed}"


def draw(times: list[tuple[str, float]]) -> str:
    """Return the chart as SVG, on a ground of its own, so that it suits light and dark pages."""
    height = 2 * MARGIN + ROW * len(times)
    scale = (WIDTH - LABELS - 2 * MARGIN - 70) / max(value for _, value in times)
    label = describe(times)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(label)}" font-family="system-ui, sans-serif" '
        'font-size="15">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f6f8fa"/>',
    ]
    for index, (name, value) in enumerate(times):
        is_own = name == "xception"
        top, length = MARGIN + ROW * index, value * scale
        color, weight = ("#0b5cad", "bold") if is_own else ("#9fb3c8", "normal")
        middle = top + ROW / 2 + 5
        lines += [
            f'<text x="{LABELS}" y="{middle:.0f}" text-anchor="end" fill="#1b1f24" font-weight="{weight}">'
            f"{escape(name)}</text>",
            f'<rect x="{LABELS + 12}" y="{top + (ROW - BAR) / 2:.0f}" width="{length:.1f}" height="{BAR}" '
            f'rx="3" fill="{color}"/>',
            f'<text x="{LABELS + 20 + length:.1f}" y="{middle:.0f}" fill="#1b1f24" font-weight="{weight}">'
            f"{value:.0f} ms</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])
