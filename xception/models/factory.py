"""Ways to make a model."""

from .model import Xception, load_model

__all__ = ["Xception", "load_model"]
