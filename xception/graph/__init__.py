"""A network as named nodes: flat and computed (`Graph`), or nested as in Keras (`Network`)."""

from .graph import Graph
from .network import Member, Network, TensorRef, flatten, of_graph
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
    "of_graph",
]
