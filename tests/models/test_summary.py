"""Tables of layers."""

import pytest
import small_models

from xception.architecture import xception
from xception.console.text_layout import TextLayout
from xception.models import summary


def test_summary_is_passed_to_print_fn(full_model, capsys):
    lines = []
    full_model.summary(print_fn=lines.append)
    assert "Total params: 22,910,480" in "\n".join(lines)
    assert capsys.readouterr().out == ""
    full_model.summary("dl4j")
    assert "VertexName (VertexType)" in capsys.readouterr().out
    with pytest.raises(ValueError, match='style must be "keras" or "dl4j"'):
        full_model.summary("html")


def test_layers_of_networks_within_are_listed_on_request():
    model = small_models.model(small_models.nested())
    lines = []
    model.summary(print_fn=lambda table: lines.extend(table.splitlines()))
    assert not [line for line in lines if "block1_conv1" in line]
    assert [line.split()[:2] for line in lines if "Functional" in line] == [["base", "(Functional)"]]
    expanded = []
    model.summary(print_fn=lambda table: expanded.extend(table.splitlines()), expand_nested=True)
    (row,) = [line for line in expanded if "block1_conv1 (Conv2D)" in line]
    assert row.startswith("  block1_conv1")
    assert expanded[-3:] == lines[-3:]


def test_frozen_layers_are_not_counted_as_trainable():
    lines = []
    small_models.model(small_models.nested(frozen=("block1_conv1",))).summary(print_fn=lines.append)
    (table,) = lines
    thawed = []
    small_models.model(small_models.nested()).summary(print_fn=thawed.append)
    assert _count(table, "Trainable") == _count(thawed[0], "Trainable") - 162
    assert _count(table, "Total") == _count(thawed[0], "Total")


def _count(table, label):
    (line,) = [line for line in table.splitlines() if line.startswith(f"{label} params")]
    return int(line.split()[2].replace(",", ""))


# --- widths ---------------------------------------------------------------------------------


def rows_of(text):
    """The lines between the rules of a table."""
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines) if set(line) in ({"="}, {"-"})]
    return lines[rules[1] + 1 : rules[2]]


@pytest.mark.parametrize("style", ["keras", "dl4j"])
@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_terminal_shows_a_layer_in_a_line(style, width):
    text = summary.table(xception(), style, layout=TextLayout(width=width))
    assert max(map(len, text.splitlines())) <= width
    assert len(rows_of(text)) == 134


def test_at_80_columns_nothing_is_cut_and_types_stay_where_names_do_not_tell_them():
    text = summary.table(xception(), layout=TextLayout(width=80))
    assert "…" not in text
    rows = {row.split()[0]: row.split()[1:] for row in rows_of(text)}
    assert set(rows) == set(xception().nodes)
    assert rows["block1_conv1"] == ["(None,", "149,", "149,", "32)", "864"]
    assert rows["conv2d"][-2:] == ["8,192", "block1_conv2_act"]
    assert rows["add"][-3:] == ["0", "block2_pool,", "^"]
    assert rows["predictions"][0] == "(Dense)"
    assert "Connected to: empty or ^ where it is the row above" in text


def test_at_80_columns_deeplearning4js_table_keeps_both_ends_of_what_is_cut():
    text = summary.table(xception(), "dl4j", layout=TextLayout(width=80))
    assert "batch_no…zation_1" in text
    ascii_text = summary.table(xception(), "dl4j", layout=TextLayout(width=80, unicode=False))
    assert ascii_text.isascii()


def test_the_pipe_of_deeplearning4js_table_is_whole():
    text = summary.table(xception(), "dl4j")
    assert "gamma:{1,32}, beta:{1,32}, mean:{1,32}, var:{1,32}" in text


def test_the_row_above_is_meant_within_a_network():
    """A layer behind a network whose layers are listed has the network's name, not its last layer's."""
    model = small_models.model(small_models.nested())
    lines = []
    model.summary(print_fn=lambda table: lines.extend(table.splitlines()), expand_nested=True)
    after = next(i for i, line in enumerate(lines) if line.startswith("base "))
    row = next(line for line in lines[after + 1 :] if not line.startswith(" "))
    assert row.endswith("  base")


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("conv2d_12", "Conv2D", True), ("block1_conv1", "Conv2D", True), ("conv", "Conv2D", True),
        ("batch_normalization", "BatchNormalization", True), ("dense_1", "Dense", True),
        ("block14_sepconv2_bn", "BatchNormalization", True), ("turbn", "BatchNormalization", False),
        ("avg_pool", "GlobalAveragePooling2D", True), ("input_layer", "InputLayer", True),
        ("block1_conv1", "SeparableConv2D", False), ("predictions", "Dense", False),
    ],
)  # fmt: skip
def test_names_that_tell_what_a_layer_is(name, kind, says):
    assert summary.says_kind(name, kind) is says
