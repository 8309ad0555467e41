"""Without matplotlib: diagrams are drawn, and figures say what is missing."""

import sys

import pytest

import xception
from xception import architecture, plot
from xception.training import History


def test_figures_name_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    from xception.plot.figures import new_figure

    getattr(plot.figures, "_figure_class").cache_clear()  # noqa: B009  # another test may have made one
    history = History()
    history.append(0, {"loss": 1.0})
    with pytest.raises(xception.MissingPackageError, match=r"pip install 'xception\[plots\]'"):
        history.plot()
    with pytest.raises(xception.MissingPackageError, match="a figure needs matplotlib"):
        new_figure(1, 1)
    assert plot.diagram(architecture.xception()).blocks
