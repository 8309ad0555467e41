"""Folding of a frozen batch normalization into the convolution before it.

Frozen normalization is y = z · scale + offset for each channel of z = x · W + b. It is folded into the
kernel: y = x · W' + b', with W' = W · scale and b' = b · scale + offset. That saves a pass over the maps, and
the memory of z. The gradients of W' and b' give those of all parameters:

    dW = dW' · scale          dbeta = db'
    db = db' · scale          dgamma = (Σ dW' · W + db' · (b − mean)) / σ, with the sum over the inputs

since dgamma = Σ dy · (z − mean) / σ over the pixels, and Σ dy · z is Σ dW' · W + db' · b.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...graph import GraphParameters, Node
from ...kernels import Array
from ...layers import BatchNormalization
from .step import Worker

Sums = dict[tuple[str, str], Array]


class Folded(NamedTuple):
    """A folded kernel: y = x · matrix + offset.

    Attributes:
        matrix: (c_in, filters).
        offset: (filters,); None for 0.
        scale: (filters,) by which the layer's own kernel was multiplied; None for 1.
        deviation: (filters,) √(moving variance + epsilon); None without normalization.
    """

    matrix: Array
    offset: Array | None
    scale: Array | None
    deviation: Array | None


@dataclass(frozen=True)
class Fold:
    """A convolution, and the normalization that is folded into it.

    Attributes:
        owner: The node that owns the convolution's parameters.
        kernel: Name of the parameter that is folded.
        uses_bias: Whether the convolution has a bias.
        normalization: The node of the normalization, or None.
        trained: Owners among these two whose parameters are trained.
    """

    owner: str
    kernel: str
    uses_bias: bool
    normalization: Node | None
    trained: Collection[str]

    @property
    def is_trained(self) -> bool:
        """Whether the gradients of the folded kernel and offset are needed."""
        return bool(self.trained)

    def fold(self, parameters: GraphParameters) -> Folded:
        """Return the folded kernel."""
        arrays = parameters[self.owner]
        kernel = arrays[self.kernel]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        bias = arrays["bias"] if self.uses_bias else None
        if self.normalization is None:
            return Folded(matrix, bias, None, None)
        layer = self.normalization.layer
        assert isinstance(layer, BatchNormalization)
        moving = parameters[self.normalization.owner]
        scale, offset = layer.scale_and_offset(moving)
        deviation = np.sqrt(moving["moving_variance"] + layer.epsilon)
        offset = offset if bias is None else offset + bias * scale
        return Folded(matrix * scale, offset, scale, deviation)

    def add(self, worker: Worker, x: Array, dy: Array) -> None:
        """Add the gradients of the folded kernel and offset, from x (r, c_in) and dy (r, filters)."""
        worker.add_product(self.owner, self.kernel, x, dy)
        if self.uses_bias or self.normalization is not None:
            worker.add(self.owner, "bias", np.ones(len(dy), dy.dtype) @ dy)

    def finish(self, parameters: GraphParameters, folded: Folded, sums: Sums) -> None:
        """Convert the sums into the gradients of the convolution's and the normalization's parameters."""
        product = sums.pop((self.owner, self.kernel))  # (c_in, filters)
        offset = sums.pop((self.owner, "bias"), None)  # (filters,)
        arrays = parameters[self.owner]
        kernel = arrays[self.kernel]
        if self.normalization is not None and self.normalization.owner in self.trained:
            assert offset is not None
            assert folded.deviation is not None
            moving, layer = parameters[self.normalization.owner], self.normalization.layer
            assert isinstance(layer, BatchNormalization)
            if layer.scale:
                shift = arrays["bias"] - moving["moving_mean"] if self.uses_bias else -moving["moving_mean"]
                along_inputs = np.einsum("cf,cf->f", product, kernel.reshape(product.shape))
                sums[self.normalization.owner, "gamma"] = (along_inputs + offset * shift) / folded.deviation
            if layer.center:
                sums[self.normalization.owner, "beta"] = offset
        if self.owner in self.trained:
            if folded.scale is not None:
                product *= folded.scale
                offset = None if offset is None else offset * folded.scale
            sums[self.owner, self.kernel] = product.reshape(kernel.shape)
            if self.uses_bias:
                assert offset is not None
                sums[self.owner, "bias"] = offset
