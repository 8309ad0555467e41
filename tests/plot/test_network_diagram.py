"""Diagrams of networks: what a reader sees in them."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
import small_models

import xception
from xception import architecture, layers, plot
from xception.formats.building import build_graph
from xception.graph import Network
from xception.layers import (
    Add,
    Concatenate,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    Multiply,
    ReLU,
    Reshape,
    UpSampling2D,
)

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def in_a_row(*layers, name="row"):
    net = xception.Graph(name)
    x = net.add(Input((32, 32, 3)))
    for layer in layers:
        x = net.add(layer, x)
    return net


def test_xception_is_the_ten_boxes_of_the_paper():
    diagram = plot.diagram(architecture.xception())
    assert [block.title for block in diagram.blocks] == [
        "input_layer", "block1", "block2", "block3", "block4", "block5 … block12", "block13", "block14",
        "avg_pool", "predictions",
    ]  # fmt: skip
    middle = diagram.blocks[5]
    assert middle.count == 8
    assert middle.lines == ("SeparableConv2D 3×3, 728",) * 3
    assert [block.shortcut for block in diagram.blocks] == [
        None, None, "1×1", "1×1", "1×1", "+", "1×1", None, None, None
    ]  # fmt: skip
    assert sum(block.parameters * block.count for block in diagram.blocks) == 22_910_480
    assert {name for block in diagram.blocks for name in block.nodes} == set(architecture.xception().nodes)


def test_a_narrow_picture_says_names_parameters_and_shapes():
    svg = plot.diagram(architecture.xception()).to_svg()
    root = ET.fromstring(svg)
    assert float(root.get("width")) <= 360
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith("xception: 22,910,480 parameters, 10 blocks: input_layer")
    words = texts(svg)
    assert {"block5 … block12 ×8", "12,946,752", "19×19×728", "MaxPooling2D 3×3, stride 2"} <= set(words)
    assert "Left out: BatchNormalization\xa0×40, relu\xa0×35." in words
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert any("block13_sepconv1_act, block13_sepconv1," in title for title in titles)


def test_in_a_page_it_has_the_colors_of_the_text_and_alone_its_own():
    diagram = plot.diagram(architecture.xception())
    assert "<style>" not in diagram._repr_html_()
    assert 'fill="currentColor"' in diagram._repr_html_()
    alone = diagram._repr_svg_()
    assert "prefers-color-scheme:dark" in alone
    # What many programs that show SVG do not know.
    assert not any(words in alone for words in ("var(", "currentColor", "height:auto"))


def test_a_single_dense_layer():
    net = xception.Graph("one")
    net.add(Dense(3), net.add(Input((4,))))
    diagram = xception.Model(net, seed=0).plot()
    assert [(block.title, block.lines, block.parameters) for block in diagram.blocks] == [
        ("input_layer", (), 0), ("dense", ("Dense 3",), 15)
    ]  # fmt: skip
    assert str(diagram).splitlines()[0].split() == ["block", "parameters", "shape", "layers"]


@pytest.mark.parametrize("name", small_models.EVERY)
def test_any_wiring_is_drawn_with_each_node_in_one_box(name):
    model = small_models.model(small_models.EVERY[name]())
    diagram = model.plot()
    nodes = [node for block in diagram.blocks for node in block.nodes]
    assert sorted(nodes) == sorted(model.graph.nodes)
    position = {node: i for i, block in enumerate(diagram.blocks) for node in block.nodes}
    for i, block in enumerate(diagram.blocks):
        assert all(position[source] < i for source in block.sources)
    assert sum(block.parameters * block.count for block in diagram.blocks) == model.count_params()
    ET.fromstring(diagram.to_svg())


def test_several_outputs_are_told():
    diagram = small_models.model(small_models.two_ends()).plot()
    assert {"output age", "output kind"} <= set(texts(diagram.to_svg()))


def test_a_long_row_is_cut_at_poolings():
    layers = [Conv2D(8, 3, padding="same"), ReLU(), Conv2D(8, 3, padding="same"), ReLU(), MaxPooling2D(2)]
    diagram = plot.diagram(in_a_row(*layers, *layers, GlobalAveragePooling2D(), Dense(2)))
    lines = ("Conv2D 3×3, 8", "Conv2D 3×3, 8", "MaxPooling2D 2×2, stride 2")
    assert [block.lines for block in diagram.blocks] == [
        (), lines, lines, ("GlobalAveragePooling2D",), ("Dense 2",)
    ]  # fmt: skip


def test_repetitions_within_a_row_are_joined():
    pairs = [layer for _ in range(5) for layer in (Conv2D(8, 1), Conv2D(3, 1), ReLU())]
    diagram = plot.diagram(in_a_row(*pairs))
    assert [(block.count, block.lines) for block in diagram.blocks[1:]] == [
        (5, ("Conv2D 1×1, 8", "Conv2D 1×1, 3"))
    ]  # fmt: skip


def test_squeeze_and_excitation_within_a_residual_block_is_one_box():
    net = xception.Graph("excited")
    entry = x = net.add(Input((8, 8, 4)))
    for _ in range(3):
        entry = x
        maps = net.add(Conv2D(4, 3, padding="same"), x)
        scale = net.add(Dense(4, "sigmoid"), net.add(GlobalAveragePooling2D(), maps))
        x = net.add(Add(), entry, net.add(Multiply(), maps, net.add(Reshape((1, 1, 4)), scale)))
    _, block = plot.diagram(net).blocks
    assert (block.count, block.shortcut) == (3, "+")
    assert "Multiply" in block.lines


def test_a_u_net_does_not_fold_and_is_drawn_with_lines_around():
    net = xception.Graph("u_net")
    x = net.add(Input((32, 32, 3)))
    skips = []
    for filters in (4, 8, 16):
        for _ in range(2):
            x = net.add(Conv2D(filters, 3, padding="same"), x)
        skips.append(x)
        x = net.add(MaxPooling2D(2), x)
    for skip in reversed(skips):
        x = net.add(Concatenate(), net.add(UpSampling2D(2), x), skip)
        for _ in range(2):
            x = net.add(Conv2D(4, 3, padding="same"), x)
    diagram = plot.diagram(net)
    assert 5 <= len(diagram.blocks) <= 14
    names = [block.output for block in diagram.blocks]
    around = [(before, b) for before, b in pairwise(diagram.blocks) if set(b.sources) - set(before.nodes)]
    assert around
    assert all(set(block.sources) <= set(names) for block in diagram.blocks)


def test_more_than_sixty_boxes_stand_in_two_columns():
    net = in_a_row(*(layer for i in range(1, 71) for layer in (Conv2D(i, 1), MaxPooling2D(1))))
    width = float(ET.fromstring(plot.diagram(net).to_svg()).get("width"))
    assert len(plot.diagram(net).blocks) > 60
    assert 640 < width < 760


def test_a_block_is_opened_by_what_it_is_called_or_by_a_node_of_it():
    graph = architecture.xception()
    opened = plot.diagram(graph, "block13")
    assert [block.lines[0] for block in opened.blocks][:3] == [
        "Activation", "SeparableConv2D 3×3, 728", "BatchNormalization"
    ]  # fmt: skip
    assert opened.blocks == plot.diagram(graph, "add_11").blocks
    assert plot.diagram(graph, "block7").blocks[0].title == "block7_sepconv1_act"
    assert "reads add_10" in texts(opened.to_svg())


def test_a_block_of_a_network_within_is_opened_without_its_path():
    model = small_models.model(small_models.nested())
    assert model.plot("block1_conv1").blocks == model.plot("base/block1_conv1").blocks


def test_a_path_is_left_out_where_a_name_would_not_fit():
    network = Network.from_graph(architecture.xception(include_top=False, input_shape=(75, 75, 3)))
    model = small_models.row("mine", ("image", Input((75, 75, 3))), ("xception", network))
    svg = plot.diagram(build_graph(model, "mine")).to_svg()
    assert {"xception/block4", "…/block5 … block12 ×8"} <= set(texts(svg))
    assert "xception/block5_sepconv1_act" in svg  # beside it


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        ("blok13", ValueError, r"xception has no block 'blok13'; did you mean block13"),
        ("nothing", ValueError, "there are input_layer, block1, block2"),
        (13, TypeError, "block must be the name of a block, got int"),
    ],
)
def test_a_block_that_is_not_there(block, error, message):
    with pytest.raises(error, match=message):
        plot.diagram(architecture.xception(), block)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="expected a Model or a Graph, got str"):
        plot.diagram("model.keras")


@pytest.mark.parametrize(
    "name", ["</title><script>alert(1)</script>", "a\x00\x1b[2J\ud800", "x" * 100_000, "日本語" * 50]
)
def test_names_of_strangers_stay_text(name):
    net = xception.Graph(name)
    net.add(Dense(3), net.add(Input((4,)), name=f"in{name}"), name=f"out{name}")
    svg = plot.diagram(net).to_svg()
    assert "<script" not in svg
    ET.fromstring(svg.encode("utf-8"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", str(plot.diagram(net)))


def test_it_is_saved_whole_or_not_at_all(tmp_path):
    diagram = plot.diagram(architecture.xception())
    diagram.save(tmp_path / "network.svg")
    assert ET.parse(tmp_path / "network.svg").getroot().tag == f"{SVG}svg"
    with pytest.raises(ValueError, match=r"a diagram is written as \.svg"):
        diagram.save(tmp_path / "network.png")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        diagram.save(tmp_path / "nowhere" / "network.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["network.svg"]


def test_a_real_model(real):
    diagram = xception.load_model(real / "kitchenware_xception.keras").plot()
    assert [block.count for block in diagram.blocks] == [1, 1, 1, 1, 1, 8, 1, 1, 1, 1]
    assert diagram.blocks[-1].lines == ("Dense 100", "Dense 6")


def test_attention_is_no_way_around():
    graph = xception.Graph("attention")
    x = graph.add(Dense(8), graph.add(Input((5, 8))), name="query")
    longer = graph.add(Dense(8), graph.add(Dense(8), x, name="first"), name="second")
    graph.add(layers.MultiHeadAttention(2, 8), longer, x, name="attention")
    diagram = plot.diagram(graph)
    assert [block.shortcut for block in diagram.blocks if "attention" in block.nodes] == [None]
    assert "MultiHeadAttention" in " ".join(line for block in diagram.blocks for line in block.lines)


@pytest.mark.parametrize("layer", [layers.Conv1D(8, 3), layers.Conv1DTranspose(8, 3)])
def test_windows_of_one_axis_are_one_number(layer):
    graph = xception.Graph("row")
    graph.add(layer, graph.add(Input((9, 4))), name="layer")
    assert f"{layer.kind} 3, 8" in str(plot.diagram(graph))
