"""Quick forward pass: a graph compiled into prepared calls, run by a team of threads."""

from .plan import Plan

__all__ = ["Plan"]
