"""A model in a notebook: a tree of blocks, folded."""

from html.parser import HTMLParser

import xception
from xception.layers import Dense, Input


class Tree(HTMLParser):
    """The depth of each text, and how many elements are open at the end."""

    def __init__(self, page):
        super().__init__()
        self.depth, self.is_open, self.texts = 0, [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "details":
            self.depth += 1
            self.is_open.append("open" in dict(attributes))

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        self.texts.append((self.depth, data))


def test_blocks_are_shown_and_their_layers_folded_away():
    tree = Tree(xception.Xception(weights=None)._repr_html_())
    assert tree.depth == 0
    assert tree.is_open == [True] + [False] * 10
    title, *_ = (text for depth, text in tree.texts if depth == 1)
    assert title == "xception: 299×299×3 → 1000, 22,910,480 parameters"
    text = "".join(text for _, text in tree.texts)
    assert "block5 … block12 ×8  19×19×728     12,946,752  80 layers" in text
    assert sum(len(text.splitlines()) for depth, text in tree.texts if depth == 2) == 10 + 134


def test_names_are_text():
    graph = xception.Graph("<b>")
    graph.add(Dense(2), graph.add(Input((3,)), name="<script>"), name="a & b")
    graph.add(Dense(2), "a & b", name="c\nd\u202e\x1b")
    page = xception.Model(graph, seed=0)._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert r"c\nd\u202e\x1b" in page
    assert "a & b" in "".join(text for _, text in Tree(page).texts)
