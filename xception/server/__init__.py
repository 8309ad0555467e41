"""A model behind HTTP: `create_app` for those who mount it in a service of their own, and `xception serve`.

The extra is `xception[serve]`: Starlette, uvicorn, prometheus-client and python-multipart.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .application import create_app
    from .settings import ServerSettings

_HOMES = {"ServerSettings": "settings", "create_app": "application"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["ServerSettings", "create_app"]
