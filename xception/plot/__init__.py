"""Pictures of networks and results: diagrams without any other package, figures with matplotlib.

Figures are `matplotlib.figure.Figure` objects, made without pyplot: nothing is shown or kept by itself. A
notebook shows a figure, and `figure.savefig(path)` writes it. They need matplotlib: `pip install
"xception[plots]"`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .confusion_matrix import confusion
    from .contact_sheet import similar
    from .kernel_sheet import filters
    from .map_sheet import activations
    from .mistake_sheet import mistakes
    from .network_diagram import Diagram, diagram
    from .training_curves import history

# Where each public name is loaded from when it is first used. No module has the name of a function.
_HOMES = {
    "Diagram": "network_diagram",
    "activations": "map_sheet",
    "confusion": "confusion_matrix",
    "diagram": "network_diagram",
    "filters": "kernel_sheet",
    "history": "training_curves",
    "mistakes": "mistake_sheet",
    "similar": "contact_sheet",
}

# Written out, not computed from the above: type checkers read it.
__all__ = ["Diagram", "activations", "confusion", "diagram", "filters", "history", "mistakes", "similar"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
