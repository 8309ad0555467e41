"""Programs of others are started only where it is asked for: `pytest -m external`."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    if "external" in config.option.markexpr:
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="takes minutes: pytest -m external"))
