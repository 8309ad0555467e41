"""What the vertices of a zip are written with: the layout of images, and the versions that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...kernels import Array
from .binary import LONG_SHAPE, MIXED_DATA_TYPES
from .chains import Layout

#: Versions, of which each restores what was written for an earlier one.
VERSIONS = ("beta2", "beta4", "beta5", "beta6", "beta7", "M1.1", "M2.1")
LAYERS = "org.deeplearning4j.nn.conf.layers."
VERTICES = "org.deeplearning4j.nn.conf.graph."
ACTIVATIONS = "org.nd4j.linalg.activations.impl.Activation"


class NotExpressibleError(ValueError):
    """A layer that a form, or any, cannot express."""


@dataclass
class Written:
    """The vertices that are written so far.

    Attributes:
        layout: Order of the axes of images.
        since: The first version that answers right.
        vertices: {name: JSON}, in the order in which parameters are stored.
        sources: The inputs of each vertex.
        arrays: The parameters, each as it is stored, row-major.
        dropped: Names of layers that are left out, since they act in training alone.
    """

    layout: Layout
    since: str = VERSIONS[0]
    vertices: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    arrays: list[Array] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def is_nhwc(self) -> bool:
        """Whether channels come last."""
        return self.layout == "NHWC"

    @property
    def states_layout(self) -> bool:
        """Whether a layer states the layout. Where none does, images are taken as NCHW."""
        layers = (vertex.get("layerConf", {}).get("layer", vertex) for vertex in self.vertices.values())
        return any("NHWC" in map(str, layer.values()) for layer in layers)

    @property
    def mode(self) -> str:
        """The mode in which the parameters are stored, which the first version reads."""
        return LONG_SHAPE if self.since == VERSIONS[0] else MIXED_DATA_TYPES

    def require(self, version: str) -> None:
        """Note that a version is the first that answers right."""
        self.since = VERSIONS[max(VERSIONS.index(version), VERSIONS.index(self.since))]

    def expect_layout(self, layout: Layout, reason: str) -> None:
        """Raise NotExpressibleError unless images have this layout."""
        if self.layout != layout:
            raise NotExpressibleError(reason)

    def format_setting(self, name: str) -> dict[str, Any]:
        """Return the setting that states the layout. Versions that have none take images as NCHW."""
        return {name: self.layout} if self.is_nhwc else {}

    def add_layer(
        self, name: str, sources: list[str], kind: str, variables: tuple[str, ...] = (),
        arrays: tuple[Array, ...] = (), **settings: Any,
    ) -> None:  # fmt: skip
        """Add a vertex that holds a layer.

        Args:
            name: Its name.
            sources: Names of the vertices that it reads.
            kind: The layer's class.
            variables: Names of its parameters.
            arrays: The parameters as they are stored, in the order of the stored vector.
            **settings: The layer's settings.
        """
        layer = {"@class": LAYERS + kind, "layerName": name, **settings}
        if variables:  # training needs them
            layer |= {
                "iupdater": {"@class": "org.nd4j.linalg.learning.config.Sgd", "learningRate": 0.001},
                "weightInit": "XAVIER",
            }
        self.vertices[name] = {
            "@class": f"{VERTICES}LayerVertex",
            "layerConf": {
                "layer": layer, "variables": list(variables), "miniBatch": True, "minimize": True,
                "optimizationAlgo": "STOCHASTIC_GRADIENT_DESCENT", "maxNumLineSearchIterations": 5, "seed": 0,
            },
            "outputVertex": False,
        }  # fmt: skip
        self.sources[name] = sources
        self.arrays += arrays

    def add_vertex(self, name: str, sources: list[str], kind: str, **settings: Any) -> None:
        """Add a vertex that holds no layer."""
        self.vertices[name] = {"@class": VERTICES + kind, **settings}
        self.sources[name] = sources

    def free_names(self, name: str, count: int) -> Iterator[str]:
        """Yield names for vertices that stand for one layer, of which the last is the layer's own."""
        for number in range(1, count):
            candidate = f"{name}_part{number}"
            while candidate in self.vertices:
                candidate += "_"
            yield candidate
        yield name


def activation(name: str, **settings: Any) -> dict[str, Any]:
    """Return the JSON of an activation."""
    return {"@class": ACTIVATIONS + name, **settings}
