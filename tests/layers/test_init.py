"""The names of `xception.layers`, of which some are imported late."""

import subprocess
import sys

import pytest

from xception import layers


def test_every_name_is_there_and_can_be_completed():
    for name in layers.__all__:
        assert getattr(layers, name) is not None
    assert set(layers.__all__) <= set(dir(layers))


def test_layers_that_xception_does_not_use_are_imported_late():
    late = {f"xception.layers.{name}" for name in ("normalization", "operations", "penalties", "reshaping")}
    code = f"import sys, xception.layers; print(*{late} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Conv7D'"):
        layers.Conv7D  # noqa: B018
