"""Wiring, shapes and parameter counts, against the summary of Deeplearning4j's Xception."""

import re
from pathlib import Path

import pytest

from xception.architecture import xception
from xception.models import summary

REFERENCE = (Path(__file__).parent / "fixtures" / "dl4j_summary.txt").read_text()


def renumbered(rows):
    """Map each automatic name, such as conv2d_7, to its rank among the names of its kind, conv2d#2.

    Numbers depend on the session in which a network was built.
    """
    names = [row[0].split()[0] for row in rows]
    ranks = {}
    for stem in ("input", "conv2d", "batch_normalization", "add"):
        numbered = [name for name in names if re.fullmatch(rf"{stem}(_layer)?(_\d+)?", name)]
        numbered.sort(key=lambda name: int((re.search(r"_(\d+)$", name) or [0, 0])[1]))
        ranks |= {name: f"{stem}#{rank}" for rank, name in enumerate(numbered, start=1)}
    return ranks


def cells_of(table):
    """Return {name (type): the other four cells} of a summary."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    rows = [cells for cells in lines if len(cells) == 5 and not cells[0].startswith("VertexName")]
    ranks = renumbered(rows)

    def rename(text):
        return re.sub(r"\w+", lambda word: ranks.get(word[0], word[0]), text)

    return {rename(row[0]): [rename(cell) for cell in row[1:]] for row in rows}


def test_every_cell_of_the_summary_equals_the_reference():
    ours, reference = cells_of(summary.table(xception(), "dl4j")), cells_of(REFERENCE)
    assert len(reference) == 134
    assert ours == reference


def test_heading_and_totals_of_the_summary_equal_the_reference():
    def other_lines(table):
        return [
            line for line in table.splitlines() if len(re.split(r"\s{2,}", line.strip())) < 5 or "nIn" in line
        ]

    assert other_lines(summary.table(xception(), "dl4j")) == other_lines(REFERENCE)


def test_nodes_come_after_the_nodes_that_they_read():
    seen = set()
    for node in xception().topological_order():
        assert set(node.inputs) <= seen
        seen.add(node.name)


def test_parameter_counts():
    assert xception().count_params() == 22_910_480
    assert xception().count_params(trainable=True) == 22_855_952
    assert xception().count_params(trainable=False) == 54_528
    assert xception((None, None, 3), include_top=False).count_params() == 20_861_480
    assert xception(classes=6).count_params() == 20_861_480 + 6 * 2049


@pytest.mark.parametrize(
    ("size", "last"),
    [((299, 299), (10, 10)), ((71, 71), (3, 3)), ((150, 150), (5, 5)), ((96, 160), (3, 5)), (None, None)],
)
def test_size_of_the_last_feature_maps(size, last):
    graph = xception((*(size or (None, None)), 3), include_top=False)
    assert graph.nodes[graph.outputs[0]].output_shape == (*(last or (None, None)), 2048)


def test_shapes_for_299_pixels_are_those_of_the_paper():
    nodes = xception().nodes
    shapes = {
        name: nodes[name].output_shape for name in ("block1_conv1", "block1_conv2", "add", "add_1", "add_2")
    }
    assert shapes == {
        "block1_conv1": (149, 149, 32), "block1_conv2": (147, 147, 64),
        "add": (74, 74, 128), "add_1": (37, 37, 256), "add_2": (19, 19, 728),
    }  # fmt: skip


def test_summary_in_keras_style():
    table = summary.table(xception()).splitlines()
    assert table[0] == 'Model: "xception"'
    cells = {line.split()[0]: re.split(r"\s{2,}", line) for line in table[4:138]}
    assert len(cells) == 134
    assert cells["add"] == ["add (Add)", "(None, 74, 74, 128)", "0", "block2_pool, batch_normalization"]
    assert cells["predictions"] == ["predictions (Dense)", "(None, 1000)", "2,049,000"]
    assert table[-5:] == [
        "Connected to: empty where it is the row above",
        "Total params: 22,910,480 (87.40 MB)",
        "Trainable params: 22,855,952 (87.19 MB)",
        "Non-trainable params: 54,528 (0.21 MB)",
        "Statistics of normalization: frozen in training, unless Trainer has statistics='batch'",
    ]
