"""Training: of a softmax classifier on features of the ImageNet base, and of whole networks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gradient_of_loss import gradients

# Where each public name is loaded from when it is first used: `xception.fit` needs none of them.
_HOMES = {
    "gradients": "gradient_of_loss",
}

__all__ = ["gradients"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
