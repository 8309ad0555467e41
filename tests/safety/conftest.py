import os
import sys

import pytest

CANARY = """
import os, pathlib
os.environ["XCEPTION_CANARY"] = "sang"
pathlib.Path({path!r}).write_text("sang")
class Layer:
    def __init__(self, *args, **kwargs): pathlib.Path({path!r}).write_text("made")
    from_config = classmethod(lambda cls, config: cls())
def function(x): pathlib.Path({path!r}).write_text("called")
"""


@pytest.fixture(autouse=True)
def canary(tmp_path_factory, monkeypatch):
    """An importable module `canary` that leaves a trace when it is imported or called."""
    folder = tmp_path_factory.mktemp("canary")
    trace = folder / "trace"
    (folder / "canary.py").write_text(CANARY.format(path=str(trace)))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("XCEPTION_CANARY", raising=False)
    yield trace
    assert not trace.exists()
    assert "canary" not in sys.modules
    assert "XCEPTION_CANARY" not in os.environ
