"""Export to ONNX, as far as it can be tested without ONNX Runtime: see tests/conformance/test_onnx.py."""

import builtins
import importlib.util

import pytest

import xception
from xception.layers import CenterCrop, Conv2D, Input, Resizing

HAS_ONNX = importlib.util.find_spec("onnx") is not None


def model_of(*layers):
    graph = xception.Graph("model")
    x = graph.add(Input((9, 8, 3)), name="in")
    for layer in layers:
        x = graph.add(layer, x)
    return xception.Model(graph, seed=0)


def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without_onnx(name, *arguments, **settings):
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return imported(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(xception.MissingPackageError, match=r"onnx.*pip install 'xception\[onnx\]'"):
        model_of(Conv2D(2, 3)).export(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not HAS_ONNX, reason="needs onnx")
def test_what_cannot_be_expressed_is_refused_by_name_before_anything_is_written(tmp_path):
    layers = [CenterCrop(20, 20), Resizing(5, 5, pad_to_aspect_ratio=True)]
    with pytest.raises(
        ValueError, match=r"ONNX cannot express center_crop: CenterCrop .*; resizing: Resizing"
    ):
        model_of(*layers).export(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
