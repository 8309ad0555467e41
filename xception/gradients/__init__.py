"""Reverse-mode differentiation of a graph with respect to its activations and parameters.

`gradients` propagates gradients backward through a graph, and `backward` through a single layer.
`parameter_gradients` computes those of a layer's parameters. The rules of the layers are in this package's
modules, one for each module of `xception.layers`.
"""

from ..errors import NoGradientError
from . import (  # noqa: F401, importing them registers their rules
    activations,
    applications,
    attention,
    convolutional,
    core,
    deeplearning4j,
    einsum,
    frames,
    merging,
    normalization,
    one_dimensional,
    operations,
    pooling,
    preprocessing,
    recurrent,
    reshaping,
)
from .propagation import gradients, nodes_between, required_nodes
from .rules import backward, parameter_gradients

__all__ = [
    "NoGradientError",
    "backward",
    "gradients",
    "nodes_between",
    "parameter_gradients",
    "required_nodes",
]
