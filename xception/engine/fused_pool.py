"""Max pooling that is fused with the product before it."""

from __future__ import annotations

from dataclasses import dataclass

from ..kernels import Padding, Pair, same_padding
from ..layers import Layer, MaxPooling2D

#: Window of a max pooling that is fused, each way. Bounds the prepared calls: some for each tap of each
#: window at the edge of a strip. Xception's windows have 3.
MAX_FUSED_POOL_SIZE = 4


@dataclass(frozen=True)
class FusedPool:
    """Max pooling of a product.

    Attributes:
        window: (kh, kw).
        strides: Steps between windows.
        padding: "same" or "valid".
        padded_for: The steps that decide about the padding. They differ from `strides` where a second layer
            takes every second window, as PyTorch's pooling is written in layers of Keras.
    """

    window: Pair
    strides: Pair
    padding: Padding
    padded_for: Pair

    def padding_before(self, size: Pair) -> Pair:
        """Return the padding above and to the left of a product of this size, in pixels."""
        if self.padding == "valid":
            return 0, 0
        axes = zip(size, self.window, self.padded_for, strict=True)
        above, left = (same_padding(*axis)[0] for axis in axes)
        return above, left


def fused_pool(pooling: Layer, selection: Layer | None = None) -> FusedPool | None:
    """Return the pooling that one or two layers compute, if it is worth fusing.

    It is if it takes no more steps or work after a product than by itself.

    Args:
        pooling: A layer.
        selection: The layer after it, which should take some of its windows: max pooling with a window of one
            pixel. None if there is none.

    Returns:
        The pooling; None if the layers are others, or windows lie apart.
    """
    if not isinstance(pooling, MaxPooling2D):
        return None
    window, padded_for = pooling.geometry
    strides = padded_for
    if selection is not None:
        if padded_for != (1, 1) or not isinstance(selection, MaxPooling2D):
            return None
        pixel, strides = selection.geometry
        if pixel != (1, 1):
            return None
    if max(window) > MAX_FUSED_POOL_SIZE or not all(map(int.__le__, strides, window)):
        return None
    return FusedPool(window, strides, pooling.padding, padded_for)
