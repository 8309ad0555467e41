import pytest
from forward_passes import trained

import xception


@pytest.fixture(autouse=True)
def _default_threads():
    yield
    xception.set_num_threads(None)


@pytest.fixture(scope="session")
def network():
    """Xception's base with trained-looking parameters: (graph, parameters)."""
    graph = xception.Xception(include_top=False, weights=None, pooling="avg").graph
    return graph, trained(graph)
