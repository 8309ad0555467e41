"""Limits on the size of a graph, and of shapes.

A file of a few kilobytes can describe a network that uses a network twice, which uses another one
twice, and so on. `flatten` adds a node for every use, so the graph grows exponentially with depth.
"""

from __future__ import annotations

#: Nodes of a flattened network. Bounds time and memory of networks that use each other repeatedly;
#: Xception has 134 nodes.
MAX_NODES = 20_000

#: Inputs of all nodes of a flattened network together. Bounds the same attack where the repeated
#: layer reads one tensor thousands of times: few nodes, but each is slow to add and to order.
MAX_CONNECTIONS = 200_000

#: Axes of an activation besides the batch axis. NumPy 1 has at most 32; a shape is quoted in messages.
MAX_AXES = 31

#: Parts of a graph for frames and for whole examples, each of which is planned on its own. Bounds the time
#: for thousands of layers of which every second is `TimeDistributed`; real networks have less than 100.
MAX_PARTS = 256
