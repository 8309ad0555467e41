"""A network as named nodes: flat and computed (`Graph`), or nested as in Keras (`Network`)."""

from .flattening import flatten
from .graph import Graph
from .network import Member, Network, TensorRef
from .node import GraphParameters, Inputs, Node

__all__ = [
    "Graph",
    "GraphParameters",
    "Inputs",
    "Member",
    "Network",
    "Node",
    "TensorRef",
    "flatten",
]
