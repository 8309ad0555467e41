"""Tables of layers."""

import pytest
import small_models


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
