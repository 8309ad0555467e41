"""A network as named nodes: flat and computed (`Graph`), or as Keras nests it (`Network`)."""

from .graph import Graph, GraphParameters, Inputs, Node
from .network import Member, Network, TensorRef, flatten, of_graph

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
